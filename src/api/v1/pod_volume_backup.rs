//! PodVolumeBackup (spec api 6.9).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::root::custom_resource;
use crate::api::schema::Column;
use crate::api::wire::{Other, nil, unset};
use crate::api::{ByteProgress, DataPathPhase, ObjectReference, RepositoryType, Time};

custom_resource! {
    /// The backup of the files of a pod's volume.
    PodVolumeBackup {
        version: "v1",
        plural: "podvolumebackups",
        short_names: &[],
        columns: &[
            Column::string("Status", ".status.phase").described("How far it is"),
            Column::date("Started", ".status.startTimestamp").described("When moving data began"),
            Column::bytes("Bytes Done", ".status.progress.bytesDone").described("Bytes moved so far"),
            Column::bytes("Total Bytes", ".status.progress.totalBytes").described("Bytes to be moved"),
            Column::bytes("Incremental Bytes", ".status.incrementalBytes").described("Bytes that were new to the repository").wide(),
            Column::string("Storage Location", ".spec.backupStorageLocation").described("Where the data is stored"),
            Column::AGE,
            // Upstream's path, which has no field: the column is always blank (spec api 15, row 29).
            Column::string("Node", ".status.node").described("The node that moves the data"),
            Column::string("Uploader", ".spec.uploaderType").described("How the data is moved"),
        ],
        spec: PodVolumeBackupSpec,
        status: PodVolumeBackupStatus,
    }
}

/// The volume and its destination.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["backupStorageLocation", "node", "pod", "repoIdentifier", "volume"]))]
pub struct PodVolumeBackupSpec {
    /// The node the pod runs on.
    pub node: String,
    /// The pod.
    pub pod: ObjectReference,
    /// The volume's name in the pod.
    pub volume: String,
    /// The BackupStorageLocation the repository is in.
    pub backup_storage_location: String,
    /// The repository's address in restic's form; empty for others.
    pub repo_identifier: String,
    /// How the data is moved; empty means restic. Since 1.10.
    pub uploader_type: RepositoryType,
    /// Stored with the snapshot.
    #[serde(skip_serializing_if = "unset")]
    pub tags: BTreeMap<String, String>,
    /// Settings for the upload. Since 1.13.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub uploader_settings: BTreeMap<String, String>,
    /// Whether to cancel it. Since 1.17.
    #[serde(skip_serializing_if = "unset")]
    pub cancel: bool,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

/// The progress.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PodVolumeBackupStatus {
    /// The progress.
    #[serde(skip_serializing_if = "unset")]
    pub phase: Option<DataPathPhase>,
    /// The path that is read.
    #[serde(skip_serializing_if = "unset")]
    pub path: String,
    /// The repository's name of the snapshot; unset for an empty volume.
    #[serde(rename = "snapshotID", skip_serializing_if = "unset")]
    pub snapshot_id: String,
    /// What went wrong, or that the volume was empty.
    #[serde(skip_serializing_if = "unset")]
    pub message: String,
    /// When moving data began.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub start_timestamp: Option<Time>,
    /// When it ended.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub completion_timestamp: Option<Time>,
    /// How many bytes were moved.
    pub progress: ByteProgress,
    /// Bytes that were new to the repository. Since 1.18.
    #[serde(skip_serializing_if = "unset")]
    pub incremental_bytes: i64,
    /// When a node took it. Since 1.17.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub accepted_timestamp: Option<Time>,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

impl PodVolumeBackupStatus {
    /// The phase; an absent one is New.
    pub fn phase(&self) -> &DataPathPhase {
        self.phase.as_ref().unwrap_or(&DataPathPhase::New)
    }
}
