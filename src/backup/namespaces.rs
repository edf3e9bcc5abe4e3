//! The namespaces that exist when a run begins (spec backup 7.2).

use std::collections::BTreeSet;
use std::pin::pin;

use futures::StreamExt;

use super::reader::Reader;
use crate::api::v1::BackupSpec;
use crate::cluster::discovery::Resource;
use crate::cluster::list::{ListError, ListEvent, ListRequest};
use crate::select::namespaces::NamespaceFilter;
use crate::telemetry::logrus::Level;
use crate::telemetry::run_log::RunLog;

const EXCLUDE_LABEL: &str = "velero.io/exclude-from-backup";

/// The label of namespaces that Argo CD manages. Argo CD may undo a restore into them.
const ARGO_LABEL: &str = "argocd.argoproj.io/managed-by";

/// The namespaces that exist when a run begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Alive {
    /// Sorted.
    pub(super) names: Vec<String>,
    /// Those with the label that excludes them from backups.
    pub(super) excluded: BTreeSet<String>,
    /// Those that Argo CD manages.
    pub(super) managed: BTreeSet<String>,
}

impl Alive {
    pub(super) async fn read(reader: &Reader, resource: &Resource) -> Result<Self, ListError> {
        let mut alive = Self::default();
        let mut events = pin!(reader.list(ListRequest::all(resource.clone())));
        while let Some(event) = events.next().await {
            let ListEvent::Item(object) = event? else { continue };
            let head = object.head;
            if head.labels.get(EXCLUDE_LABEL).is_some_and(|value| value == "true") {
                alive.excluded.insert(head.name.clone());
            }
            if head.labels.get(ARGO_LABEL).is_some_and(|value| !value.is_empty()) {
                alive.managed.insert(head.name.clone());
            }
            alive.names.push(head.name);
        }
        alive.names.sort_unstable();
        alive.names.dedup();
        Ok(alive)
    }

    /// The user's namespace filter, without the excludes that were added for a namespace's label. These exclude its objects, but
    /// do not turn a backup of everything into a partial one (decision 4).
    pub(super) fn users_filter(&self, spec: &BackupSpec) -> NamespaceFilter {
        let excludes: Vec<String> = spec
            .excluded_namespaces
            .iter()
            .filter(|name| !self.excluded.contains(*name))
            .cloned()
            .collect();
        NamespaceFilter::new(&spec.included_namespaces, &excludes)
    }

    /// Logs errors and warnings about the chosen namespaces.
    pub(super) fn report(&self, filter: &NamespaceFilter, log: &RunLog) {
        for name in filter.literal_includes() {
            if self.names.binary_search_by(|alive| alive.as_str().cmp(name)).is_err() {
                log.line(Level::Error)
                    .field("resource", "namespaces")
                    .field("namespace", "")
                    .field("name", name)
                    .msg("Namespace that spec.includedNamespaces names does not exist");
            }
        }
        for pattern in filter.idle_patterns(&self.names) {
            log.warn(format!(
                "spec.includedNamespaces has the pattern {pattern:?}, and no namespace matches it: nothing is backed up for it"
            ));
        }
        let named = filter.literal_includes();
        for name in self.excluded.iter().filter(|name| named.contains(&name.as_str())) {
            log.line(Level::Warning).field("namespace", name).msg(format!(
                "Namespace is named in spec.includedNamespaces, but its label {EXCLUDE_LABEL}=true excludes it from the backup"
            ));
        }
        for name in self.managed.iter().filter(|name| filter.includes(name)) {
            log.line(Level::Warning).field("namespace", name).msg(format!(
                "Namespace is managed by Argo CD (label {ARGO_LABEL}): it may undo what is restored into it"
            ));
        }
    }
}
