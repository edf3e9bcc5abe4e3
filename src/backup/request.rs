//! What a run is asked for, what it needs, and what it gives back.

use std::collections::BTreeMap;
use std::fs::File;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::actions::BackupItemAction;
use crate::api::artifact::VolumeInfo;
use crate::api::v1::BackupSpec;
use crate::cluster::Cluster;
use crate::cluster::discovery::Discovery;
use crate::cluster::list::ListError;
use crate::hook::Runner;
use crate::select::labels::SelectorError;
use crate::select::resource_policies::ResourcePolicies;
use crate::telemetry::run_log::RunLog;

/// The backup to make.
#[derive(Clone, Debug)]
pub struct Request {
    /// Namespace of the Backup object.
    pub namespace: String,
    /// Name of the Backup object.
    pub name: String,
    /// Uid of the Backup object.
    pub uid: String,
    /// Labels of the Backup object.
    pub labels: BTreeMap<String, String>,
    /// The spec as it was prepared: defaulted, validated, automatic excludes written into it (spec backup 4).
    pub spec: BackupSpec,
    /// What the ConfigMap of `spec.resourcePolicy` says; nothing where the spec names none.
    pub policies: ResourcePolicies,
    /// Whether objects are saved in every version they are served in (feature `EnableAPIGroupVersions`), not only in the
    /// preferred one.
    pub every_version: bool,
    /// How many item blocks are worked on at a time (`--item-block-worker-count`); at least one.
    pub workers: usize,
}

/// What a run works with.
pub struct Deps<'a> {
    /// The cluster to back up. Its client has no retry layer: who asks retries.
    pub cluster: &'a Cluster,
    /// What the cluster serves.
    pub discovery: &'a Discovery,
    /// A directory for temporary files. They have no names: nothing stays behind, however the run ends.
    pub scratch: &'a Path,
    /// The backup's log; its warnings and errors are the run's.
    pub log: &'a RunLog,
    /// Runs the hooks of pods. When the run has ended, in whatever way, some may be frozen yet: whoever began it settles
    /// that.
    pub hooks: &'a Runner,
    /// The time that the archive's entries carry.
    pub now: Timestamp,
    /// Actions besides the built-in ones, in the order they are to run (plugins).
    pub actions: Vec<Arc<dyn BackupItemAction>>,
}

/// Takes the bytes of the archive, in order.
pub trait ArchiveSink: Send {
    /// Why bytes could not be taken; ends the run.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Takes the next bytes, waiting while too many are still on their way: nothing behind it buffers without bound.
    fn write(&mut self, bytes: Bytes) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

impl ArchiveSink for crate::store::Upload {
    type Error = crate::store::StoreError;

    async fn write(&mut self, bytes: Bytes) -> Result<(), Self::Error> {
        Self::write(self, bytes).await
    }
}

/// A run that came to its end. Items may have failed: the log counts them.
#[derive(Debug)]
pub struct Report {
    /// Items in the archive; `progress.itemsBackedUp` and `progress.totalItems`.
    pub saved: u64,
    /// Items passed over on purpose, though a list brought them; the log says why.
    pub skipped: u64,
    /// Items that could not be saved; each has an error line.
    pub failed: u64,
    /// Bytes of the archive as they went to the sink.
    pub archive_bytes: u64,
    /// `<backup>-resource-list.json.gz` (spec backup 16.3), gzipped, rewound.
    pub resource_list: File,
    /// The records of `<backup>-volumeinfo.json.gz`, ordered by volume.
    pub volumes: Vec<VolumeInfo>,
}

/// What a spec asks for and this release cannot do yet, each with the field that asks (decision 22). For validation.
pub fn unsupported(spec: &BackupSpec) -> Vec<String> {
    let data = "the data of volumes is not backed up yet";
    let asked = [
        (
            spec.default_volumes_to_fs_backup == Some(true) || spec.default_volumes_to_restic == Some(true),
            format!("{data}: `spec.defaultVolumesToFsBackup` must not be true"),
        ),
        (
            spec.snapshot_move_data == Some(true),
            format!("{data}: `spec.snapshotMoveData` must not be true"),
        ),
    ];
    asked
        .into_iter()
        .filter_map(|(asked, message)| asked.then_some(message))
        .collect()
}

/// Why a run ended early. What went to the sink is no archive.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// It was told to stop.
    #[error("the backup was cancelled")]
    Cancelled,
    /// The namespaces could not be listed, so nothing can be decided.
    #[error("list namespaces: {0}")]
    Namespaces(Box<ListError>),
    /// The server serves no namespaces: discovery failed for the core group.
    #[error("the API server serves no namespaces: check that its core group can be discovered")]
    NoNamespaces,
    /// A label selector of the spec cannot be read.
    #[error("read the label selector of the spec: {0}")]
    Selector(#[from] SelectorError),
    /// The hooks of the spec make no sense.
    #[error("read the hooks of the spec: {}", .0.join("; "))]
    Hooks(Vec<String>),
    /// A temporary file failed.
    #[error("write temporary files to scratch: {0}; check that its disk is not full")]
    Scratch(#[source] std::io::Error),
    /// The archive could not be made.
    #[error("make the backup archive: {0}")]
    Archive(String),
    /// The sink refused.
    #[error("store the backup archive: {0}")]
    Sink(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<ListError> for Fatal {
    fn from(error: ListError) -> Self {
        Self::Namespaces(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_yet_is_named_by_its_field() {
        let spec = |text: &str| serde_json::from_str::<BackupSpec>(text).unwrap();
        let table = [
            (
                r#"{"hooks": {}, "snapshotMoveData": false, "defaultVolumesToFsBackup": false}"#,
                vec![],
            ),
            (r#"{"hooks": {"resources": [{"name": "h"}]}}"#, vec![]),
            (
                r#"{"resourcePolicy": {"kind": "ConfigMap", "name": "p"}, "snapshotMoveData": true}"#,
                vec!["spec.snapshotMoveData"],
            ),
            (
                r#"{"defaultVolumesToRestic": true}"#,
                vec!["spec.defaultVolumesToFsBackup"],
            ),
        ];
        for (text, fields) in table {
            let found = unsupported(&spec(text));
            assert_eq!(found.len(), fields.len(), "{found:?}");
            assert!(
                found.iter().zip(&fields).all(|(found, field)| found.contains(field)),
                "{found:?}"
            );
        }
    }
}
