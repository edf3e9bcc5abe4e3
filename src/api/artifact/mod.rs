//! The records in the bucket's small files (spec backup 16.3 and 16.4, restore 21). Names are exact, capitals included:
//! upstream wrote some fields without a JSON name. Fields are in Go's order, so that the output of [`super::go_json`]
//! equals that of the Go release.
//!
//! The files themselves: `resource-list` is a [`ResourceList`], `results` is [`Results`], `itemoperations` a list of
//! [`BackupItemOperation`] or [`RestoreItemOperation`], `volumeinfo` a list of [`VolumeInfo`] or [`RestoreVolumeInfo`],
//! `volumesnapshots` a list of [`NativeSnapshot`], `podvolumebackups` a list of [`super::v1::PodVolumeBackup`]. An absent
//! list is `null` or `[]`: read it with [`list_from_slice`].

mod operation;
mod resource_list;
mod results;
mod snapshot;
mod volume_info;

use serde::de::DeserializeOwned;

pub use operation::{
    BackupItemOperation, BackupOperationSpec, ItemOperation, OperationPhase, OperationStatus, ResourceIdentifier,
    RestoreItemOperation, RestoreOperationSpec,
};
pub use resource_list::{ResourceList, RestoredAction};
pub use results::{MessageSet, Results};
pub use snapshot::{NativeSnapshot, NativeSnapshotPhase, NativeSnapshotSpec, NativeSnapshotStatus};
pub use volume_info::{
    BackupMethod, CsiSnapshotInfo, DataMovementInfo, NativeSnapshotInfo, PersistentVolumeInfo, PodVolumeInfo,
    RestoreMethod, RestoreVolumeInfo, VolumeInfo, VolumeResult,
};

/// Reads a file that is a list of records; `null` is the empty one. Errors if it is neither.
pub fn list_from_slice<T: DeserializeOwned>(json: &[u8]) -> serde_json::Result<Vec<T>> {
    Ok(serde_json::from_slice::<Option<Vec<T>>>(json)?.unwrap_or_default())
}
