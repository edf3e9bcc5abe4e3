//! Every key below a location's root (spec backup 16.1 and 16.2, restore 21). Missing optional files mean "empty".

/// Top-level "directories" that a location may hold; any other makes it invalid. `kopia` since 1.10.
pub const TOP_LEVEL: [&str; 6] = ["backups", "restores", "restic", "metadata", "plugins", "kopia"];

/// Where backups lie; its next level is their names.
pub const BACKUPS: &str = "backups/";

/// Where restores lie; its next level is their names.
pub const RESTORES: &str = "restores/";

/// Which store this is (decision 23); filesystem only.
pub const STORE_ID: &str = "metadata/store-id";

/// A file of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BackupFile {
    /// `velero-backup.json`, the Backup itself, not compressed. Its presence is the backup's existence.
    Metadata,
    /// `<b>.tar.gz`
    Contents,
    /// `<b>-logs.gz`
    Log,
    /// `<b>-podvolumebackups.json.gz`
    PodVolumeBackups,
    /// `<b>-volumesnapshots.json.gz`
    VolumeSnapshots,
    /// `<b>-resource-list.json.gz`
    ResourceList,
    /// `<b>-results.gz`, since 1.9
    Results,
    /// `<b>-itemoperations.json.gz`, since 1.11
    ItemOperations,
    /// `<b>-volumeinfo.json.gz`, since 1.13
    VolumeInfo,
    /// `<b>-csi-volumesnapshots.json.gz`, written up to 1.16
    CsiVolumeSnapshots,
    /// `<b>-csi-volumesnapshotcontents.json.gz`, written up to 1.16
    CsiVolumeSnapshotContents,
    /// `<b>-csi-volumesnapshotclasses.json.gz`, written up to 1.17
    CsiVolumeSnapshotClasses,
}

impl BackupFile {
    /// Its key.
    pub fn key(self, backup: &str) -> String {
        let suffix = match self {
            Self::Metadata => return format!("{BACKUPS}{backup}/velero-backup.json"),
            Self::Contents => ".tar.gz",
            Self::Log => "-logs.gz",
            Self::PodVolumeBackups => "-podvolumebackups.json.gz",
            Self::VolumeSnapshots => "-volumesnapshots.json.gz",
            Self::ResourceList => "-resource-list.json.gz",
            Self::Results => "-results.gz",
            Self::ItemOperations => "-itemoperations.json.gz",
            Self::VolumeInfo => "-volumeinfo.json.gz",
            Self::CsiVolumeSnapshots => "-csi-volumesnapshots.json.gz",
            Self::CsiVolumeSnapshotContents => "-csi-volumesnapshotcontents.json.gz",
            Self::CsiVolumeSnapshotClasses => "-csi-volumesnapshotclasses.json.gz",
        };
        format!("{BACKUPS}{backup}/{backup}{suffix}")
    }
}

/// A file of a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RestoreFile {
    /// `restore-<r>-logs.gz`
    Log,
    /// `restore-<r>-results.gz`
    Results,
    /// `restore-<r>-resource-list.json.gz`, since 1.11
    ResourceList,
    /// `restore-<r>-itemoperations.json.gz`, since 1.11
    ItemOperations,
    /// `<r>-volumeinfo.json.gz` (no `restore-`), since 1.14
    VolumeInfo,
}

impl RestoreFile {
    /// Its key.
    pub fn key(self, restore: &str) -> String {
        let file = match self {
            Self::Log => format!("restore-{restore}-logs.gz"),
            Self::Results => format!("restore-{restore}-results.gz"),
            Self::ResourceList => format!("restore-{restore}-resource-list.json.gz"),
            Self::ItemOperations => format!("restore-{restore}-itemoperations.json.gz"),
            Self::VolumeInfo => format!("{restore}-volumeinfo.json.gz"),
        };
        format!("{RESTORES}{restore}/{file}")
    }
}

/// `backups/<backup>/`: all of a backup's files.
pub fn backup_dir(backup: &str) -> String {
    format!("{BACKUPS}{backup}/")
}

/// `restores/<restore>/`: all of a restore's files.
pub fn restore_dir(restore: &str) -> String {
    format!("{RESTORES}{restore}/")
}
