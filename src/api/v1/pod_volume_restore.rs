//! PodVolumeRestore (spec api 6.10).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::root::custom_resource;
use crate::api::schema::Column;
use crate::api::wire::{Other, nil, unset};
use crate::api::{ByteProgress, DataPathPhase, ObjectReference, RepositoryType, Time};

custom_resource! {
    /// The restore of the files of a pod's volume.
    PodVolumeRestore {
        version: "v1",
        plural: "podvolumerestores",
        short_names: &[],
        columns: &[
            Column::string("Status", ".status.phase").described("How far it is"),
            Column::date("Started", ".status.startTimestamp").described("When moving data began"),
            Column::bytes("Bytes Done", ".status.progress.bytesDone").described("Bytes moved so far"),
            Column::bytes("Total Bytes", ".status.progress.totalBytes").described("Bytes to be moved"),
            Column::string("Storage Location", ".spec.backupStorageLocation").described("Where the data is stored"),
            Column::AGE,
            Column::string("Node", ".status.node").described("The node that moves the data"),
            Column::string("Uploader Type", ".spec.uploaderType").described("How the data is moved"),
        ],
        spec: PodVolumeRestoreSpec,
        status: PodVolumeRestoreStatus,
    }
}

/// The volume and its source.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["backupStorageLocation", "pod", "repoIdentifier", "snapshotID", "sourceNamespace", "volume"]))]
pub struct PodVolumeRestoreSpec {
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
    /// The repository's name of the snapshot.
    #[serde(rename = "snapshotID")]
    pub snapshot_id: String,
    /// The namespace the volume was backed up in, which is that of the repository. Since 1.10.
    pub source_namespace: String,
    /// Settings for the writing of files. Since 1.13.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub uploader_settings: BTreeMap<String, String>,
    /// Whether to cancel it. Since 1.17.
    #[serde(skip_serializing_if = "unset")]
    pub cancel: bool,
    /// Bytes in the snapshot. Since 1.18.
    #[serde(skip_serializing_if = "unset")]
    pub snapshot_size: i64,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

/// The progress.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PodVolumeRestoreStatus {
    /// The progress.
    #[serde(skip_serializing_if = "unset")]
    pub phase: Option<DataPathPhase>,
    /// What went wrong.
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
    /// When a node took it. Since 1.17.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub accepted_timestamp: Option<Time>,
    /// The node that moves the data. Since 1.17.
    #[serde(skip_serializing_if = "unset")]
    pub node: String,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

impl PodVolumeRestoreStatus {
    /// The phase; an absent one is New.
    pub fn phase(&self) -> &DataPathPhase {
        self.phase.as_ref().unwrap_or(&DataPathPhase::New)
    }
}
