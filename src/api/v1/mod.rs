//! `velero.io/v1`.

mod backup;
mod backup_repository;
mod backup_storage_location;
mod delete_backup_request;
mod download_request;
mod pod_volume_backup;
mod pod_volume_restore;
mod restore;
mod schedule;
mod server_status_request;
mod volume_snapshot_location;

pub use backup::{Backup, BackupMetadata, BackupPhase, BackupProgress, BackupSpec, BackupStatus, BackupUploaderConfig};
pub use backup_repository::{
    BackupRepository, BackupRepositoryPhase, BackupRepositorySpec, BackupRepositoryStatus, Maintenance,
    MaintenanceResult,
};
pub use backup_storage_location::{
    AccessMode, BackupStorageLocation, BackupStorageLocationSpec, BackupStorageLocationStatus, LocationPhase,
    ObjectStorage,
};
pub use delete_backup_request::{
    DeleteBackupRequest, DeleteBackupRequestPhase, DeleteBackupRequestSpec, DeleteBackupRequestStatus,
};
pub use download_request::{
    DownloadRequest, DownloadRequestPhase, DownloadRequestSpec, DownloadRequestStatus, DownloadTarget,
    DownloadTargetKind,
};
pub use pod_volume_backup::{PodVolumeBackup, PodVolumeBackupSpec, PodVolumeBackupStatus};
pub use pod_volume_restore::{PodVolumeRestore, PodVolumeRestoreSpec, PodVolumeRestoreStatus};
pub use restore::{
    Restore, RestorePhase, RestoreProgress, RestoreSpec, RestoreStatus, RestoreStatusSpec, RestoreUploaderConfig,
};
pub use schedule::{Schedule, SchedulePhase, ScheduleSpec, ScheduleStatus};
pub use server_status_request::{
    PluginInfo, ServerStatusRequest, ServerStatusRequestPhase, ServerStatusRequestSpec, ServerStatusRequestStatus,
};
pub use volume_snapshot_location::{VolumeSnapshotLocation, VolumeSnapshotLocationSpec, VolumeSnapshotLocationStatus};
