//! DataDownload (spec api 6.13).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::root::custom_resource;
use crate::api::schema::Column;
use crate::api::wire::{Other, nil, unset};
use crate::api::{ByteProgress, DataPathPhase, GoDuration, NodeOs, Time};

custom_resource! {
    /// The restore of a volume's data from the object store.
    DataDownload {
        version: "v2alpha1",
        plural: "datadownloads",
        short_names: &[],
        columns: &[
            Column::string("Status", ".status.phase").described("How far it is"),
            Column::date("Started", ".status.startTimestamp").described("When moving data began"),
            Column::bytes("Bytes Done", ".status.progress.bytesDone").described("Bytes moved so far"),
            Column::bytes("Total Bytes", ".status.progress.totalBytes").described("Bytes to be moved"),
            Column::string("Storage Location", ".spec.backupStorageLocation").described("Where the data is stored"),
            Column::AGE,
            Column::string("Node", ".status.node").described("The node that moves the data"),
        ],
        spec: DataDownloadSpec,
        status: DataDownloadStatus,
    }
}

/// The data and the target volume.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["backupStorageLocation", "operationTimeout", "snapshotID", "sourceNamespace", "targetVolume"]))]
pub struct DataDownloadSpec {
    /// The volume to fill.
    pub target_volume: TargetVolume,
    /// The BackupStorageLocation the repository is in.
    pub backup_storage_location: String,
    /// The data mover; empty or velero means the built-in one.
    #[serde(rename = "datamover", skip_serializing_if = "unset")]
    pub data_mover: String,
    /// The repository's name of the snapshot.
    #[serde(rename = "snapshotID")]
    pub snapshot_id: String,
    /// The namespace the volume was backed up in, which is that of the repository.
    pub source_namespace: String,
    /// Settings for the data mover.
    #[serde(skip_serializing_if = "unset")]
    pub data_mover_config: BTreeMap<String, String>,
    /// Whether to cancel it.
    #[serde(skip_serializing_if = "unset")]
    pub cancel: bool,
    /// How long a step of the preparation may take.
    pub operation_timeout: GoDuration,
    /// The operating system the volume was read under. Since 1.16.
    #[serde(rename = "nodeOS", skip_serializing_if = "unset")]
    pub node_os: Option<NodeOs>,
    /// Bytes in the snapshot. Since 1.18.
    #[serde(skip_serializing_if = "unset")]
    pub snapshot_size: i64,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

/// A volume to fill.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["namespace", "pv", "pvc"]))]
pub struct TargetVolume {
    /// Name of the claim.
    pub pvc: String,
    /// Name of the volume; normally empty.
    pub pv: String,
    /// Namespace of the claim.
    pub namespace: String,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

/// The progress.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DataDownloadStatus {
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
    /// The node that moves the data.
    #[serde(skip_serializing_if = "unset")]
    pub node: String,
    /// The node that took it. Since 1.16.
    #[serde(skip_serializing_if = "unset")]
    pub accepted_by_node: String,
    /// When a node took it. Since 1.16.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub accepted_timestamp: Option<Time>,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

impl DataDownloadStatus {
    /// The phase; an absent one is New.
    pub fn phase(&self) -> &DataPathPhase {
        self.phase.as_ref().unwrap_or(&DataPathPhase::New)
    }
}
