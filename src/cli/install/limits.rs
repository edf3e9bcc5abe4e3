//! Limits of single values. The API server would refuse such a value after a part of the objects was created, or the server
//! would ignore it. Pure.

use std::collections::BTreeMap;

use super::error::{InstallError, invalid};
use super::flags::Install;
use super::options::Resources;
use crate::api::{GoDuration, Quantity};
use crate::select::labels::{is_label_key, is_label_value};

impl Install {
    /// Refuses values out of bounds. `labels` are those of the pods.
    pub(super) fn check_limits(&self, labels: &BTreeMap<String, String>) -> Result<(), InstallError> {
        for (flag, count) in [
            ("--item-block-worker-count", self.server.item_block_worker_count),
            ("--concurrent-backups", self.server.concurrent_backups),
        ] {
            if count < 0 {
                return invalid(format!("{flag} cannot be negative: {count}"));
            }
        }
        if self.artifacts.node_port.is_some_and(|port| port < 1024) {
            return invalid(
                "--artifact-node-port is below the range of node ports of every cluster, by default 30000-32767",
            );
        }
        if let Some(directory) = self
            .location
            .filesystem_host_path
            .as_ref()
            .filter(|path| !path.starts_with('/'))
        {
            return invalid(format!("--filesystem-host-path: {directory:?} is not an absolute path"));
        }
        let named = self
            .pod
            .service_account_name
            .as_ref()
            .is_some_and(|name| !name.is_empty());
        if named && !self.pod.sa_annotations.is_empty() {
            return invalid(
                "--sa-annotations and --service-account-name are mutually exclusive: an existing account is not changed",
            );
        }
        for (key, value) in labels {
            if !is_label_key(key) || !is_label_value(value) {
                return invalid(format!("--pod-labels: {key}={value} is not a valid label"));
            }
        }
        Ok(())
    }

    /// Refuses negative durations.
    pub(super) fn check_durations(&self) -> Result<(), InstallError> {
        let server = &self.server;
        let durations = [
            (
                "default-repo-maintain-frequency",
                &server.default_repo_maintain_frequency,
            ),
            ("garbage-collection-frequency", &server.garbage_collection_frequency),
            ("pod-volume-operation-timeout", &server.pod_volume_operation_timeout),
        ];
        let negative = |duration: &GoDuration| duration.value().is_ok_and(|value| value.is_negative());
        match durations.iter().find(|(_, duration)| negative(duration)) {
            Some((flag, _)) => invalid(format!("--{flag} must be non-negative")),
            None => Ok(()),
        }
    }
}

/// Requests and limits of a container. Refuses a request above its limit.
pub(super) fn resources(
    [cpu, cpu_limit]: [Quantity; 2],
    [memory, memory_limit]: [Quantity; 2],
) -> Result<Resources, InstallError> {
    for (what, request, limit) in [("CPU", cpu, cpu_limit), ("Memory", memory, memory_limit)] {
        if !limit.is_zero() && request.exceeds(limit) {
            return Err(InstallError::Resources { what, request, limit });
        }
    }
    let set = |quantity: Quantity| Some(quantity).filter(|quantity| !quantity.is_zero());
    Ok(Resources {
        cpu_request: set(cpu),
        memory_request: set(memory),
        cpu_limit: set(cpu_limit),
        memory_limit: set(memory_limit),
    })
}
