//! Native snapshots of volumes, taken by a volume snapshotter plugin.

use serde::{Deserialize, Serialize};

use crate::api::text_enum::text_enum;
use crate::api::wire::{Other, nil, unset};

/// A volume's snapshot.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NativeSnapshot {
    /// The volume and its location.
    pub spec: NativeSnapshotSpec,
    /// The result.
    pub status: NativeSnapshotStatus,
}

/// The volume of a snapshot, and its location.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NativeSnapshotSpec {
    /// Name of the backup.
    pub backup_name: String,
    /// UID of the backup.
    #[serde(rename = "backupUID")]
    pub backup_uid: String,
    /// Name of the VolumeSnapshotLocation.
    pub location: String,
    /// Name of the persistent volume.
    pub persistent_volume_name: String,
    /// The provider's name of the volume.
    #[serde(rename = "providerVolumeID")]
    pub provider_volume_id: String,
    /// The provider's type of the volume.
    pub volume_type: String,
    /// The zone of the volume.
    #[serde(rename = "volumeAZ", skip_serializing_if = "unset")]
    pub volume_az: String,
    /// Operations a second the volume was made for.
    #[serde(rename = "volumeIOPS", skip_serializing_if = "unset")]
    pub volume_iops: Option<i64>,
    /// Fields of newer releases.
    #[serde(flatten)]
    pub other: Other,
}

/// The result of a snapshot.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NativeSnapshotStatus {
    /// The provider's name of the snapshot.
    #[serde(rename = "providerSnapshotID", skip_serializing_if = "unset")]
    pub provider_snapshot_id: String,
    /// The progress.
    #[serde(skip_serializing_if = "unset")]
    pub phase: Option<NativeSnapshotPhase>,
    /// Fields of newer releases.
    #[serde(flatten)]
    pub other: Other,
}

text_enum! {
    /// The phase of a native snapshot.
    pub enum NativeSnapshotPhase {
        /// Not yet taken.
        New = "New",
        /// Taken.
        Completed = "Completed",
        /// Could not be taken.
        Failed = "Failed",
    }
}
