//! Native snapshots of volumes, taken by a volume snapshotter plugin.

use serde::{Deserialize, Serialize};

use crate::api::text_enum::text_enum;
use crate::api::wire::{Other, nil, unset};

/// A volume's snapshot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NativeSnapshot {
    /// Of which volume, and where.
    #[serde(deserialize_with = "nil")]
    pub spec: NativeSnapshotSpec,
    /// What became of it.
    #[serde(deserialize_with = "nil")]
    pub status: NativeSnapshotStatus,
}

/// Of which volume a snapshot is, and where.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NativeSnapshotSpec {
    /// Name of the backup.
    #[serde(deserialize_with = "nil")]
    pub backup_name: String,
    /// UID of the backup.
    #[serde(rename = "backupUID", deserialize_with = "nil")]
    pub backup_uid: String,
    /// Name of the VolumeSnapshotLocation.
    #[serde(deserialize_with = "nil")]
    pub location: String,
    /// Name of the persistent volume.
    #[serde(deserialize_with = "nil")]
    pub persistent_volume_name: String,
    /// The provider's name of the volume.
    #[serde(rename = "providerVolumeID", deserialize_with = "nil")]
    pub provider_volume_id: String,
    /// The provider's type of the volume.
    #[serde(deserialize_with = "nil")]
    pub volume_type: String,
    /// The zone of the volume.
    #[serde(rename = "volumeAZ", deserialize_with = "nil", skip_serializing_if = "unset")]
    pub volume_az: String,
    /// Operations a second the volume was made for.
    #[serde(rename = "volumeIOPS", skip_serializing_if = "unset")]
    pub volume_iops: Option<i64>,
    /// Fields of newer releases.
    #[serde(flatten)]
    pub other: Other,
}

/// What became of a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NativeSnapshotStatus {
    /// The provider's name of the snapshot.
    #[serde(
        rename = "providerSnapshotID",
        deserialize_with = "nil",
        skip_serializing_if = "unset"
    )]
    pub provider_snapshot_id: String,
    /// How far it is.
    #[serde(skip_serializing_if = "unset")]
    pub phase: Option<NativeSnapshotPhase>,
    /// Fields of newer releases.
    #[serde(flatten)]
    pub other: Other,
}

text_enum! {
    /// How far a native snapshot is.
    pub enum NativeSnapshotPhase {
        /// Not yet taken.
        New = "New",
        /// Taken.
        Completed = "Completed",
        /// Could not be taken.
        Failed = "Failed",
    }
}
