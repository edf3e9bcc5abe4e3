//! The method and result of each volume's backup or restore. Since 1.13; of restores since 1.14.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::api::Time;
use crate::api::text_enum::text_enum;
use crate::api::wire::{Other, nil, unset};

text_enum! {
    /// How a volume's data was saved. Absent where the volume was skipped.
    pub enum BackupMethod {
        /// By a volume snapshotter.
        NativeSnapshot = "NativeSnapshot",
        /// File by file, through the node.
        PodVolumeBackup = "PodVolumeBackup",
        /// By a CSI driver, with or without moving the data.
        CsiSnapshot = "CSISnapshot",
    }
}

text_enum! {
    /// How a volume's data was restored.
    pub enum RestoreMethod {
        /// By a volume snapshotter.
        NativeSnapshot = "NativeSnapshot",
        /// File by file, through the node.
        PodVolumeRestore = "PodVolumeRestore",
        /// By a CSI driver, with or without moving the data.
        CsiSnapshot = "CSISnapshot",
    }
}

text_enum! {
    /// Whether a volume's data was saved.
    pub enum VolumeResult {
        /// It was.
        Succeeded = "succeeded",
        /// It was not.
        Failed = "failed",
    }
}

/// A volume in a backup.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeInfo {
    /// Name of the claim.
    #[serde(skip_serializing_if = "unset")]
    pub pvc_name: String,
    /// Namespace of the claim.
    #[serde(skip_serializing_if = "unset")]
    pub pvc_namespace: String,
    /// Name of the volume.
    #[serde(skip_serializing_if = "unset")]
    pub pv_name: String,
    /// How its data was saved.
    #[serde(skip_serializing_if = "unset")]
    pub backup_method: Option<BackupMethod>,
    /// Whether the snapshot's data was moved to the object store.
    pub snapshot_data_moved: bool,
    /// Whether the snapshot stays in the storage system: true for a CSI snapshot if its data was not moved.
    pub preserve_local_snapshot: bool,
    /// Whether its data was not saved on purpose.
    pub skipped: bool,
    /// Why its data was not saved.
    #[serde(skip_serializing_if = "unset")]
    pub skipped_reason: String,
    /// When saving began.
    #[serde(skip_serializing_if = "unset")]
    pub start_timestamp: Option<Time>,
    /// When saving ended.
    #[serde(skip_serializing_if = "unset")]
    pub completion_timestamp: Option<Time>,
    /// Whether its data was saved.
    #[serde(skip_serializing_if = "unset")]
    pub result: Option<VolumeResult>,
    /// Of a CSI snapshot.
    #[serde(skip_serializing_if = "unset")]
    pub csi_snapshot_info: Option<CsiSnapshotInfo>,
    /// Of moved data.
    #[serde(skip_serializing_if = "unset")]
    pub snapshot_data_movement_info: Option<DataMovementInfo>,
    /// Of a native snapshot.
    #[serde(skip_serializing_if = "unset")]
    pub native_snapshot_info: Option<NativeSnapshotInfo>,
    /// Of a PodVolumeBackup.
    #[serde(skip_serializing_if = "unset")]
    pub pvb_info: Option<PodVolumeInfo>,
    /// Of the volume object.
    #[serde(skip_serializing_if = "unset")]
    pub pv_info: Option<PersistentVolumeInfo>,
    /// Fields of newer releases.
    #[serde(flatten)]
    pub other: Other,
}

/// A volume in a restore; names are those in the target cluster.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RestoreVolumeInfo {
    /// Name of the claim.
    #[serde(skip_serializing_if = "unset")]
    pub pvc_name: String,
    /// Namespace of the claim.
    #[serde(skip_serializing_if = "unset")]
    pub pvc_namespace: String,
    /// Name of the volume, if the claim was bound when this was written.
    #[serde(skip_serializing_if = "unset")]
    pub pv_name: String,
    /// How its data was restored.
    #[serde(skip_serializing_if = "unset")]
    pub restore_method: Option<RestoreMethod>,
    /// Whether the data came from the object store.
    pub snapshot_data_moved: bool,
    /// Of a CSI snapshot.
    #[serde(skip_serializing_if = "unset")]
    pub csi_snapshot_info: Option<CsiSnapshotInfo>,
    /// Of moved data.
    #[serde(skip_serializing_if = "unset")]
    pub snapshot_data_movement_info: Option<DataMovementInfo>,
    /// Of a native snapshot.
    #[serde(skip_serializing_if = "unset")]
    pub native_snapshot_info: Option<NativeSnapshotInfo>,
    /// Of a PodVolumeRestore.
    #[serde(skip_serializing_if = "unset")]
    pub pvr_info: Option<PodVolumeInfo>,
    /// Fields of newer releases.
    #[serde(flatten)]
    pub other: Other,
}

/// A CSI snapshot.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CsiSnapshotInfo {
    /// The driver's name of the snapshot.
    pub snapshot_handle: String,
    /// Size in bytes of a volume made from it.
    pub size: i64,
    /// The CSI driver.
    pub driver: String,
    /// Name of the VolumeSnapshotContent.
    pub vsc_name: String,
    /// The operation that waited for it.
    #[serde(rename = "operationID", skip_serializing_if = "unset")]
    pub operation_id: String,
    // Capitalised on the wire, and `null` while unknown.
    /// Whether it can be used.
    #[serde(rename = "ReadyToUse", alias = "readyToUse")]
    pub ready_to_use: Option<bool>,
    /// The driver's name of the group it was taken in. Since 1.18.
    #[serde(skip_serializing_if = "unset")]
    pub volume_group_snapshot_handle: String,
}

/// A snapshot with moved data.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DataMovementInfo {
    /// The data mover; `velero` for the built-in one.
    pub data_mover: String,
    /// How it was moved.
    pub uploader_type: String,
    /// The snapshot left in the storage system.
    #[serde(skip_serializing_if = "unset")]
    pub retained_snapshot: String,
    /// The repository's name of the snapshot.
    pub snapshot_handle: String,
    /// The operation that moved it.
    #[serde(rename = "operationID")]
    pub operation_id: String,
    /// Bytes in the volume.
    pub size: i64,
    /// Bytes that were new to the repository.
    #[serde(skip_serializing_if = "unset")]
    pub incremental_size: i64,
    // Capitalised on the wire.
    /// Phase of the DataUpload or DataDownload.
    #[serde(rename = "Phase", alias = "phase")]
    pub phase: String,
}

/// A native snapshot.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NativeSnapshotInfo {
    /// The provider's name of the snapshot.
    pub snapshot_handle: String,
    /// The provider's type of the volume.
    pub volume_type: String,
    /// The zone of the volume.
    #[serde(rename = "volumeAZ")]
    pub volume_az: String,
    /// Operations a second the volume was made for, in digits; `0` when unknown.
    pub iops: String,
    // Capitalised on the wire.
    /// Phase of the snapshot.
    #[serde(rename = "Phase", alias = "phase")]
    pub phase: String,
}

/// A PodVolumeBackup or a PodVolumeRestore.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodVolumeInfo {
    /// The repository's name of the snapshot.
    #[serde(skip_serializing_if = "unset")]
    pub snapshot_handle: String,
    /// Bytes in the volume.
    #[serde(skip_serializing_if = "unset")]
    pub size: i64,
    /// Bytes that were new to the repository.
    #[serde(skip_serializing_if = "unset")]
    pub incremental_size: i64,
    /// How it was moved.
    pub uploader_type: String,
    /// The volume's name in the pod.
    pub volume_name: String,
    /// Name of the pod.
    pub pod_name: String,
    /// Namespace of the pod.
    pub pod_namespace: String,
    /// The node it was moved on.
    #[serde(skip_serializing_if = "unset")]
    pub node_name: String,
    // Capitalised on the wire.
    /// Phase of the object; empty in restores.
    #[serde(rename = "Phase", alias = "phase")]
    pub phase: String,
}

/// Settings of the volume object that a restore gives to the new one.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PersistentVolumeInfo {
    /// The volume's reclaim policy.
    pub reclaim_policy: String,
    /// Labels of the volume; Go writes `null` where it has none.
    pub labels: Option<BTreeMap<String, String>>,
}
