//! Numbers and names that are the same everywhere (spec api 11 and 13). Without a release given, a value is as old as
//! 1.6.3. A value that only one room needs is in that room.

use std::time::Duration;

/// Default namespace, without a flag and `VELERO_NAMESPACE`.
pub const NAMESPACE: &str = "velero";
/// Name of the default BackupStorageLocation.
pub const DEFAULT_LOCATION: &str = "default";
/// Prefix of names of providers and plugins that have no slash.
pub const PROVIDER_PREFIX: &str = "velero.io/";
/// Major version of the archive's format, the older of the two forms in a Backup's status.
pub const BACKUP_VERSION: i64 = 1;
/// Version of the archive's format.
pub const BACKUP_FORMAT_VERSION: &str = "1.1.0";

/// Feature flag: CSI actions.
pub const FEATURE_CSI: &str = "EnableCSI";
/// Feature flag: backups hold all versions of an API group, and a restore chooses one.
pub const FEATURE_API_GROUP_VERSIONS: &str = "EnableAPIGroupVersions";

/// Default address of the metrics.
pub const METRICS_ADDRESS: &str = ":8085";
/// Directory of the plugins' programs.
pub const PLUGIN_DIRECTORY: &str = "/plugins";

/// Default TTL of backups that set none.
pub const BACKUP_TTL: Duration = Duration::from_hours(720);
/// Default interval between two syncs of a location's backups.
pub const SYNC_PERIOD: Duration = Duration::from_mins(1);
/// Default interval between two validations of a location.
pub const VALIDATION_FREQUENCY: Duration = Duration::from_mins(1);
/// Interval between two searches for expired backups.
pub const GC_FREQUENCY: Duration = Duration::from_hours(1);
/// Timeout of the volumes of a pod.
pub const POD_VOLUME_TIMEOUT: Duration = Duration::from_hours(4);
/// How long to wait for an object that is being deleted.
pub const TERMINATING_RESOURCE_TIMEOUT: Duration = Duration::from_mins(10);
/// How long to wait for a resource in other cases. Since 1.11.
pub const RESOURCE_TIMEOUT: Duration = Duration::from_mins(10);
/// How long to wait for a CSI snapshot to be taken. Since 1.10.
pub const CSI_SNAPSHOT_TIMEOUT: Duration = Duration::from_mins(10);
/// Timeout of asynchronous operations. Since 1.11.
pub const ITEM_OPERATION_TIMEOUT: Duration = Duration::from_hours(4);
/// Interval between two checks of asynchronous operations. Since 1.11.
pub const ITEM_OPERATION_SYNC_FREQUENCY: Duration = Duration::from_secs(10);
/// Timeout of a hook's command.
pub const HOOK_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a download URL is valid.
pub const DOWNLOAD_URL_TTL: Duration = Duration::from_mins(10);
/// How long a processed DeleteBackupRequest is kept.
pub const DELETE_BACKUP_REQUEST_MAX_AGE: Duration = Duration::from_hours(24);
/// How long an answered ServerStatusRequest is kept.
pub const SERVER_STATUS_REQUEST_TTL: Duration = Duration::from_mins(1);
/// Default interval of the maintenance of a kopia repository. Since 1.10.
pub const KOPIA_MAINTENANCE_FREQUENCY: Duration = Duration::from_hours(1);
/// Default interval of the maintenance of other repositories.
pub const MAINTENANCE_FREQUENCY: Duration = Duration::from_hours(168);
/// Timeout for making a volume accessible to a data mover. Since 1.12.
pub const DATA_MOVER_PREPARE_TIMEOUT: Duration = Duration::from_mins(30);
/// Interval between two reads of discovery.
pub const DISCOVERY_REFRESH: Duration = Duration::from_mins(5);
/// Maximum items of a list's page. Since 1.7.
pub const CLIENT_PAGE_SIZE: u32 = 500;

/// The built-in data mover's name. Since 1.12.
pub const DATA_MOVER: &str = "velero";
/// Label of the CSI snapshot type of a DataUpload. Since 1.12.
pub const SNAPSHOT_TYPE_CSI: &str = "CSI";
/// The init container that holds a restored pod until its volumes are filled.
pub const RESTORE_WAIT_CONTAINER: &str = "restore-wait";
/// Older name of [`RESTORE_WAIT_CONTAINER`], still recognised.
pub const RESTIC_WAIT_CONTAINER: &str = "restic-wait";
/// Parent of the volumes' mount paths in that container; each volume has its name.
pub const RESTORE_MOUNT_DIRECTORY: &str = "/restores";
/// In each volume: the directory of marker files, named by the Restore's UID, that show that the volume is filled.
pub const RESTORE_DONE_DIRECTORY: &str = ".velero";

/// Name of the node agents' DaemonSet. Since 1.10.
pub const NODE_AGENT: &str = "node-agent";
/// The same on Windows nodes. Since 1.16.
pub const NODE_AGENT_WINDOWS: &str = "node-agent-windows";

/// The Secret with the credentials of the object store.
pub const CREDENTIALS_SECRET: &str = "cloud-credentials";
/// Its key.
pub const CREDENTIALS_KEY: &str = "cloud";
/// Its mount path.
pub const CREDENTIALS_MOUNT: &str = "/credentials";
/// The Secret with the password of all repositories. Since 1.10.
pub const REPOSITORY_SECRET: &str = "velero-repo-credentials";
/// Older name of [`REPOSITORY_SECRET`]; not migrated.
pub const RESTIC_SECRET: &str = "velero-restic-credentials";
/// The key in both.
pub const REPOSITORY_PASSWORD_KEY: &str = "repository-password";
/// The password that the server writes if there is none. Existing repositories can be read with it only.
pub const REPOSITORY_PASSWORD: &str = "static-passw0rd";
/// The ConfigMap with the order of versions for [`FEATURE_API_GROUP_VERSIONS`].
pub const VERSION_PRIORITY_CONFIG_MAP: &str = "enableapigroupversions";
/// Its key.
pub const VERSION_PRIORITY_KEY: &str = "restoreResourcesVersionPriority";

/// Controllers' names: in flags, logs and metrics (spec api 11).
pub mod controllers {
    /// Admits queued backups one after another. Since 1.18.
    pub const BACKUP_QUEUE: &str = "backup-queue";
    /// Runs backups.
    pub const BACKUP: &str = "backup";
    /// Waits for backups' asynchronous operations. Since 1.11.
    pub const BACKUP_OPERATIONS: &str = "backup-operations";
    /// Collects items that operations have changed. Since 1.11.
    pub const BACKUP_FINALIZER: &str = "backup-finalizer";
    /// Deletes backups.
    pub const BACKUP_DELETION: &str = "backup-deletion";
    /// Syncs backups of other clusters from the store.
    pub const BACKUP_SYNC: &str = "backup-sync";
    /// Requests the deletion of expired backups.
    pub const GC: &str = "gc";
    /// Validates locations.
    pub const BACKUP_STORAGE_LOCATION: &str = "backup-storage-location";
    /// Maintains repositories. Since 1.10.
    pub const BACKUP_REPO: &str = "backup-repo";
    /// Older name of [`BACKUP_REPO`], accepted without effect.
    pub const RESTIC_REPO: &str = "restic-repo";
    /// Runs restores.
    pub const RESTORE: &str = "restore";
    /// Waits for restores' asynchronous operations. Since 1.11.
    pub const RESTORE_OPERATIONS: &str = "restore-operations";
    /// Patches volumes and waits for hooks. Since 1.14.
    pub const RESTORE_FINALIZER: &str = "restore-finalizer";
    /// Makes backups at scheduled times.
    pub const SCHEDULE: &str = "schedule";
    /// Answers requests for files.
    pub const DOWNLOAD_REQUEST: &str = "download-request";
    /// Answers requests for the server's version.
    pub const SERVER_STATUS_REQUEST: &str = "server-status-request";
    /// Uploads snapshots' data, on nodes. Since 1.12.
    pub const DATA_UPLOAD: &str = "data-upload";
    /// Downloads it, on nodes. Since 1.12.
    pub const DATA_DOWNLOAD: &str = "data-download";
    /// Saves pods' volumes, on nodes.
    pub const POD_VOLUME_BACKUP: &str = "pod-volume-backup";
    /// Fills them, on nodes.
    pub const POD_VOLUME_RESTORE: &str = "pod-volume-restore";

    /// Those that `--disable-controllers` accepts.
    pub const DISABLEABLE: [&str; 14] = [
        BACKUP_QUEUE,
        BACKUP,
        BACKUP_OPERATIONS,
        BACKUP_DELETION,
        BACKUP_FINALIZER,
        BACKUP_SYNC,
        DOWNLOAD_REQUEST,
        GC,
        BACKUP_REPO,
        RESTORE,
        RESTORE_OPERATIONS,
        SCHEDULE,
        SERVER_STATUS_REQUEST,
        RESTORE_FINALIZER,
    ];
}
