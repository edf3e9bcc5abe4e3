//! DataUpload (spec api 6.12).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::root::custom_resource;
use crate::api::schema::Column;
use crate::api::wire::{Other, nil, unset};
use crate::api::{ByteProgress, DataPathPhase, GoDuration, NodeOs, Time};

custom_resource! {
    /// The upload of a volume snapshot's data to the object store.
    DataUpload {
        version: "v2alpha1",
        plural: "datauploads",
        short_names: &[],
        columns: &[
            Column::string("Status", ".status.phase").described("How far it is"),
            Column::date("Started", ".status.startTimestamp").described("When moving data began"),
            Column::bytes("Bytes Done", ".status.progress.bytesDone").described("Bytes moved so far"),
            Column::bytes("Total Bytes", ".status.progress.totalBytes").described("Bytes to be moved"),
            Column::bytes("Incremental Bytes", ".status.incrementalBytes").described("Bytes that were new to the repository").wide(),
            Column::string("Storage Location", ".spec.backupStorageLocation").described("Where the data is stored"),
            Column::AGE,
            Column::string("Node", ".status.node").described("The node that moves the data"),
        ],
        spec: DataUploadSpec,
        status: DataUploadStatus,
    }
}

/// The snapshot and its destination.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["backupStorageLocation", "operationTimeout", "snapshotType", "sourceNamespace", "sourcePVC"]))]
pub struct DataUploadSpec {
    /// The type of the snapshot; only CSI.
    pub snapshot_type: String,
    /// The CSI snapshot.
    #[schemars(extend("nullable" = true))]
    pub csi_snapshot: Option<CsiSnapshotSpec>,
    /// The claim of the volume.
    #[serde(rename = "sourcePVC")]
    pub source_pvc: String,
    /// The data mover; empty or velero means the built-in one.
    #[serde(rename = "datamover", skip_serializing_if = "unset")]
    pub data_mover: String,
    /// The BackupStorageLocation the repository is in.
    pub backup_storage_location: String,
    /// The namespace of the claim.
    pub source_namespace: String,
    /// Settings for the data mover.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub data_mover_config: BTreeMap<String, String>,
    /// Whether to cancel it.
    #[serde(skip_serializing_if = "unset")]
    pub cancel: bool,
    /// How long a step of the preparation may take.
    pub operation_timeout: GoDuration,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

/// A CSI snapshot.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["storageClass", "volumeSnapshot"]))]
pub struct CsiSnapshotSpec {
    /// Name of the VolumeSnapshot.
    pub volume_snapshot: String,
    /// The claim's storage class.
    pub storage_class: String,
    /// The VolumeSnapshotClass.
    pub snapshot_class: String,
    /// The CSI driver. Since 1.17.
    #[serde(skip_serializing_if = "unset")]
    pub driver: String,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

/// The progress.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DataUploadStatus {
    /// The progress.
    #[serde(skip_serializing_if = "unset")]
    pub phase: Option<DataPathPhase>,
    /// The path that is read.
    #[serde(skip_serializing_if = "unset")]
    pub path: String,
    /// The repository's name of the snapshot; unset for an empty volume.
    #[serde(rename = "snapshotID", skip_serializing_if = "unset")]
    pub snapshot_id: String,
    /// Data of an external data mover for the restore.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub data_mover_result: BTreeMap<String, String>,
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
    /// The node that moves the data.
    #[serde(skip_serializing_if = "unset")]
    pub node: String,
    /// The operating system the volume was read under. Since 1.16.
    #[serde(rename = "nodeOS", skip_serializing_if = "unset")]
    pub node_os: Option<NodeOs>,
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

impl DataUploadStatus {
    /// The phase; an absent one is New.
    pub fn phase(&self) -> &DataPathPhase {
        self.phase.as_ref().unwrap_or(&DataPathPhase::New)
    }
}

/// The facts of a DataUpload for a restore: the JSON value in the ConfigMap that the restore of a DataUpload makes (spec api
/// 12.8). Its key is the restore's UID.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DataUploadResult {
    /// The BackupStorageLocation the repository is in.
    pub backup_storage_location: String,
    /// The data mover that moved the data; empty or velero means the built-in one.
    #[serde(rename = "datamover", skip_serializing_if = "unset")]
    pub data_mover: String,
    /// The repository's name of the snapshot.
    #[serde(rename = "snapshotID", skip_serializing_if = "unset")]
    pub snapshot_id: String,
    /// The namespace the volume was backed up in.
    pub source_namespace: String,
    /// Data of an external data mover.
    #[serde(skip_serializing_if = "unset")]
    pub data_mover_result: BTreeMap<String, String>,
    /// The operating system the volume was read under. Since 1.16.
    #[serde(rename = "nodeOS", skip_serializing_if = "unset")]
    pub node_os: Option<NodeOs>,
    /// Bytes in the snapshot. Since 1.18.
    #[serde(skip_serializing_if = "unset")]
    pub snapshot_size: i64,
    /// Fields of newer releases.
    #[serde(flatten)]
    pub other: Other,
}
