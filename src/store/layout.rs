//! Every key below a location's root (spec backup 16.1 and 16.2, restore 21).
//!
//! Release 1.6.3 wrote fewer of these files, and not every release writes all of them. A missing file counts as empty, except for
//! [`BackupFile::Metadata`].

/// Top-level "directories" that a location may contain; any other makes it invalid. Release 1.6.3 did not know `kopia`.
pub const TOP_LEVEL: [&str; 6] = ["backups", "restores", "restic", "metadata", "plugins", "kopia"];

/// Parent of the backups' directories.
pub const BACKUPS: &str = "backups/";

/// Parent of the restores' directories.
pub const RESTORES: &str = "restores/";

/// Holds the store's identity (decision 23); filesystem only.
pub const STORE_ID: &str = "metadata/store-id";

/// Longest name of a backup or a restore: a part of a key has 255 bytes at most, and the longest addition to a name is
/// `-csi-volumesnapshotcontents.json.gz`.
pub const LONGEST_NAME: usize = 220;

/// A file of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BackupFile {
    /// `velero-backup.json`, the Backup itself, not compressed. A backup exists when this file does.
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
    /// `<b>-results.gz`; not by 1.6.3
    Results,
    /// `<b>-itemoperations.json.gz`; not by 1.6.3
    ItemOperations,
    /// `<b>-volumeinfo.json.gz`; not by 1.6.3
    VolumeInfo,
    /// `<b>-csi-volumesnapshots.json.gz`, written up to 1.16
    CsiVolumeSnapshots,
    /// `<b>-csi-volumesnapshotcontents.json.gz`, written up to 1.16
    CsiVolumeSnapshotContents,
    /// `<b>-csi-volumesnapshotclasses.json.gz`, written up to 1.17
    CsiVolumeSnapshotClasses,
}

impl BackupFile {
    /// Every one.
    pub const ALL: [Self; 12] = [
        Self::Metadata,
        Self::Contents,
        Self::Log,
        Self::PodVolumeBackups,
        Self::VolumeSnapshots,
        Self::ResourceList,
        Self::Results,
        Self::ItemOperations,
        Self::VolumeInfo,
        Self::CsiVolumeSnapshots,
        Self::CsiVolumeSnapshotContents,
        Self::CsiVolumeSnapshotClasses,
    ];

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
    /// `restore-<r>-resource-list.json.gz`; not by 1.6.3
    ResourceList,
    /// `restore-<r>-itemoperations.json.gz`; not by 1.6.3
    ItemOperations,
    /// `<r>-volumeinfo.json.gz`, without `restore-`; not by 1.6.3
    VolumeInfo,
}

impl RestoreFile {
    /// Every one.
    pub const ALL: [Self; 5] = [
        Self::Log,
        Self::Results,
        Self::ResourceList,
        Self::ItemOperations,
        Self::VolumeInfo,
    ];

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

/// `backups/<backup>/velero-claim.json`: identifies the run that is writing this backup, until it ends; not by upstream.
pub fn backup_claim(backup: &str) -> String {
    format!("{BACKUPS}{backup}/velero-claim.json")
}

/// `metadata/leftovers/<backup>/<uid>.json`: what the deletion of a backup has left behind; not by upstream (decision 54).
pub fn leftovers(backup: &str, uid: &str) -> String {
    format!("metadata/leftovers/{backup}/{uid}.json")
}

/// `backups/<backup>/`: all of a backup's files.
pub fn backup_dir(backup: &str) -> String {
    format!("{BACKUPS}{backup}/")
}

/// `restores/<restore>/`: all of a restore's files.
pub fn restore_dir(restore: &str) -> String {
    format!("{RESTORES}{restore}/")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    fn recorded(dir: &str) -> BTreeSet<String> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data/go-1.18.1/bucket")
            .join(dir);
        let files = fs::read_dir(path).unwrap();
        files
            .map(|file| format!("{dir}{}", file.unwrap().file_name().to_str().unwrap()))
            .collect()
    }

    #[test]
    fn every_recorded_file_has_a_key() {
        let backup: BTreeSet<_> = BackupFile::ALL.iter().map(|file| file.key("golden1")).collect();
        let restore: BTreeSet<_> = RestoreFile::ALL.iter().map(|file| file.key("golden1-r")).collect();
        assert!(recorded(&backup_dir("golden1")).is_subset(&backup));
        assert_eq!(recorded(&restore_dir("golden1-r")), restore);
        let not_recorded: Vec<_> = backup.difference(&recorded("backups/golden1/")).cloned().collect();
        let csi = ["classes", "contents", "s"]
            .map(|kind| format!("backups/golden1/golden1-csi-volumesnapshot{kind}.json.gz"));
        assert_eq!(not_recorded, csi, "releases before 1.18 wrote these");
    }

    #[test]
    fn every_file_of_the_longest_name_has_a_key_that_can_be_used() {
        let name = "n".repeat(LONGEST_NAME);
        let backup = BackupFile::ALL.iter().map(|file| file.key(&name));
        let restore = RestoreFile::ALL.iter().map(|file| file.key(&name));
        let parts = backup.chain(restore).flat_map(|key| {
            assert_eq!(crate::store::key::check(&key), Ok(()), "{key}");
            key.split('/').map(str::len).collect::<Vec<_>>()
        });
        assert_eq!(parts.max(), Some(255), "a longer name would do as well");
    }

    #[test]
    fn a_new_file_is_in_the_list_of_all() {
        let keys: BTreeSet<_> = BackupFile::ALL.iter().map(|file| file.key("b")).collect();
        assert_eq!(keys.len(), BackupFile::ALL.len());
        assert!(
            keys.iter()
                .all(|key| key.starts_with(&backup_dir("b")) && key.starts_with(BACKUPS))
        );
    }
}
