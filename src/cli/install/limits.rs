//! Values of flags that the API server or the server would refuse after half of the installation was made, or drop without a
//! word. Pure.

use std::collections::BTreeMap;

use super::flags::Install;
use super::refused::Refused;
use crate::select::labels::{is_label_key, is_label_value};

impl Install {
    /// Refuses values out of bounds; `labels` are those of the pods.
    pub(super) fn check_limits(&self, labels: &BTreeMap<String, String>) -> Result<(), Refused> {
        let refused = |text: String| Err(Refused::Flags(text));
        for (flag, count) in [
            ("--item-block-worker-count", self.server.item_block_worker_count),
            ("--concurrent-backups", self.server.concurrent_backups),
        ] {
            if count < 0 {
                return refused(format!("{flag} cannot be negative: {count}"));
            }
        }
        if self.artifacts.node_port.is_some_and(|port| port < 1024) {
            return refused(
                "--artifact-node-port is below every cluster's range of node ports, by default 30000-32767".to_owned(),
            );
        }
        if let Some(directory) = self
            .location
            .filesystem_host_path
            .as_ref()
            .filter(|path| !path.starts_with('/'))
        {
            return refused(format!("--filesystem-host-path: {directory:?} is no absolute path"));
        }
        let named = self
            .pod
            .service_account_name
            .as_ref()
            .is_some_and(|name| !name.is_empty());
        if named && !self.pod.sa_annotations.is_empty() {
            return refused(
                "--sa-annotations and --service-account-name exclude one another: an account that exists is not changed"
                    .to_owned(),
            );
        }
        for (key, value) in labels {
            if !is_label_key(key) || !is_label_value(value) {
                return refused(format!("--pod-labels: {key}={value} is no label that Kubernetes takes"));
            }
        }
        Ok(())
    }
}
