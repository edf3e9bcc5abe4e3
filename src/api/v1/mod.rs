//! `velero.io/v1`.

mod backup;
mod backup_storage_location;
mod restore;

pub use backup::{Backup, BackupMetadata, BackupPhase, BackupProgress, BackupSpec, BackupStatus, BackupUploaderConfig};
pub use backup_storage_location::{
    AccessMode, BackupStorageLocation, BackupStorageLocationSpec, BackupStorageLocationStatus, LocationPhase,
    ObjectStorage,
};
pub use restore::{
    Restore, RestorePhase, RestoreProgress, RestoreSpec, RestoreStatus, RestoreStatusSpec, RestoreUploaderConfig,
};
