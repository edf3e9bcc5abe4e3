//! Numbers and names that are the same everywhere (spec api 11 and 13). Without a release given, a value is as old as
//! 1.6.3. What only one room needs is in that room.

use std::time::Duration;

/// The namespace, where neither a flag nor `VELERO_NAMESPACE` says otherwise.
pub const NAMESPACE: &str = "velero";
/// Name of the BackupStorageLocation, where nothing says otherwise.
pub const DEFAULT_LOCATION: &str = "default";
/// What a provider's or a plugin's name without a slash begins with.
pub const PROVIDER_PREFIX: &str = "velero.io/";
/// Major version of the archive's format, the older of the two forms in a Backup's status.
pub const BACKUP_VERSION: i64 = 1;
/// Version of the archive's format.
pub const BACKUP_FORMAT_VERSION: &str = "1.1.0";

/// Feature flag: CSI actions.
pub const FEATURE_CSI: &str = "EnableCSI";
/// Feature flag: all versions of an API group are backed up, and one is chosen at a restore.
pub const FEATURE_API_GROUP_VERSIONS: &str = "EnableAPIGroupVersions";

/// Where metrics are served.
pub const METRICS_ADDRESS: &str = ":8085";
/// Where plugins' programs are.
pub const PLUGIN_DIRECTORY: &str = "/plugins";

/// How long a backup is kept, where neither it nor a flag says.
pub const BACKUP_TTL: Duration = Duration::from_hours(720);
/// How often backups of other clusters are looked for, where neither the location nor a flag says.
pub const SYNC_PERIOD: Duration = Duration::from_mins(1);
/// How often a location is checked, where neither it nor a flag says.
pub const VALIDATION_FREQUENCY: Duration = Duration::from_mins(1);
/// How often expired backups are looked for.
pub const GC_FREQUENCY: Duration = Duration::from_hours(1);
/// How long the volumes of a pod may take.
pub const POD_VOLUME_TIMEOUT: Duration = Duration::from_hours(4);
/// How long to wait for something that is being deleted to be gone.
pub const TERMINATING_RESOURCE_TIMEOUT: Duration = Duration::from_mins(10);
/// How long to wait for a resource otherwise. Since 1.11.
pub const RESOURCE_TIMEOUT: Duration = Duration::from_mins(10);
/// How long to wait for a CSI snapshot to be taken. Since 1.10.
pub const CSI_SNAPSHOT_TIMEOUT: Duration = Duration::from_mins(10);
/// How long asynchronous operations may take. Since 1.11.
pub const ITEM_OPERATION_TIMEOUT: Duration = Duration::from_hours(4);
/// How often asynchronous operations are asked for news. Since 1.11.
pub const ITEM_OPERATION_SYNC_FREQUENCY: Duration = Duration::from_secs(10);
/// How long a hook's command may take.
pub const HOOK_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a download URL works.
pub const DOWNLOAD_URL_TTL: Duration = Duration::from_mins(10);
/// How old a processed DeleteBackupRequest gets.
pub const DELETE_BACKUP_REQUEST_MAX_AGE: Duration = Duration::from_hours(24);
/// How long an answered ServerStatusRequest is kept.
pub const SERVER_STATUS_REQUEST_TTL: Duration = Duration::from_mins(1);
/// How often a repository of kopia's format is maintained, where nothing says otherwise. Since 1.10.
pub const KOPIA_MAINTENANCE_FREQUENCY: Duration = Duration::from_hours(1);
/// How often any other repository is maintained, where nothing says otherwise.
pub const MAINTENANCE_FREQUENCY: Duration = Duration::from_hours(168);
/// How long making a volume accessible to a data mover may take. Since 1.12.
pub const DATA_MOVER_PREPARE_TIMEOUT: Duration = Duration::from_mins(30);
/// How often discovery is read anew.
pub const DISCOVERY_REFRESH: Duration = Duration::from_mins(5);
/// Most items of a list's page. Since 1.7.
pub const CLIENT_PAGE_SIZE: u32 = 500;

/// The built-in data mover's name. Since 1.12.
pub const DATA_MOVER: &str = "velero";
/// Label of the CSI snapshot type of a DataUpload. Since 1.12.
pub const SNAPSHOT_TYPE_CSI: &str = "CSI";
/// The init container that holds a restored pod until its volumes are filled.
pub const RESTORE_WAIT_CONTAINER: &str = "restore-wait";
/// Older name of [`RESTORE_WAIT_CONTAINER`], still recognised.
pub const RESTIC_WAIT_CONTAINER: &str = "restic-wait";
/// Where that container sees the volumes, each under its name.
pub const RESTORE_MOUNT_DIRECTORY: &str = "/restores";
/// Inside each volume: the directory of the files, named by the Restore's UID, that say that the volume is filled.
pub const RESTORE_DONE_DIRECTORY: &str = ".velero";

/// Name of the node agents' DaemonSet, by which it is found. Since 1.10.
pub const NODE_AGENT: &str = "node-agent";
/// The same on Windows nodes. Since 1.16.
pub const NODE_AGENT_WINDOWS: &str = "node-agent-windows";

/// The Secret with the credentials of the object store.
pub const CREDENTIALS_SECRET: &str = "cloud-credentials";
/// Its key.
pub const CREDENTIALS_KEY: &str = "cloud";
/// Where it is mounted.
pub const CREDENTIALS_MOUNT: &str = "/credentials";
/// The Secret with the password of all repositories. Since 1.10.
pub const REPOSITORY_SECRET: &str = "velero-repo-credentials";
/// Older name of [`REPOSITORY_SECRET`]; nobody moves it.
pub const RESTIC_SECRET: &str = "velero-restic-credentials";
/// The key of either.
pub const REPOSITORY_PASSWORD_KEY: &str = "repository-password";
/// What the server writes there when there is none. Existing repositories are readable with it only.
pub const REPOSITORY_PASSWORD: &str = "static-passw0rd";
/// The ConfigMap with the order of versions for [`FEATURE_API_GROUP_VERSIONS`].
pub const VERSION_PRIORITY_CONFIG_MAP: &str = "enableapigroupversions";
/// Its key.
pub const VERSION_PRIORITY_KEY: &str = "restoreResourcesVersionPriority";

/// Controllers' names: in flags, logs and metrics (spec api 11).
pub mod controllers {
    /// Lets backups in one after another. Since 1.18.
    pub const BACKUP_QUEUE: &str = "backup-queue";
    /// Runs backups.
    pub const BACKUP: &str = "backup";
    /// Waits for backups' asynchronous operations. Since 1.11.
    pub const BACKUP_OPERATIONS: &str = "backup-operations";
    /// Collects again what operations have changed. Since 1.11.
    pub const BACKUP_FINALIZER: &str = "backup-finalizer";
    /// Deletes backups.
    pub const BACKUP_DELETION: &str = "backup-deletion";
    /// Brings in backups of other clusters.
    pub const BACKUP_SYNC: &str = "backup-sync";
    /// Asks for expired backups to be deleted.
    pub const GC: &str = "gc";
    /// Checks locations.
    pub const BACKUP_STORAGE_LOCATION: &str = "backup-storage-location";
    /// Keeps repositories. Since 1.10.
    pub const BACKUP_REPO: &str = "backup-repo";
    /// Older name of [`BACKUP_REPO`], accepted without effect.
    pub const RESTIC_REPO: &str = "restic-repo";
    /// Runs restores.
    pub const RESTORE: &str = "restore";
    /// Waits for restores' asynchronous operations. Since 1.11.
    pub const RESTORE_OPERATIONS: &str = "restore-operations";
    /// Patches volumes and waits for hooks. Since 1.14.
    pub const RESTORE_FINALIZER: &str = "restore-finalizer";
    /// Makes backups at set times.
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
