//! Which file a download kind names (spec server-cli 5).

use crate::store::layout::{BackupFile, RestoreFile};

/// A file of a run in the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Artifact {
    /// A backup's.
    Backup(BackupFile, String),
    /// A restore's.
    Restore(RestoreFile, String),
}

impl Artifact {
    /// The file that `spec.target` of a DownloadRequest names; `None` for a kind this release does not know.
    pub fn of(kind: &str, name: &str) -> Option<Self> {
        let backup = |file| Some(Self::Backup(file, name.to_owned()));
        let restore = |file| Some(Self::Restore(file, name.to_owned()));
        match kind {
            "BackupContents" => backup(BackupFile::Contents),
            "BackupLog" => backup(BackupFile::Log),
            "BackupVolumeSnapshots" => backup(BackupFile::VolumeSnapshots),
            "BackupItemOperations" => backup(BackupFile::ItemOperations),
            "BackupResourceList" => backup(BackupFile::ResourceList),
            "BackupResults" => backup(BackupFile::Results),
            "BackupVolumeInfos" => backup(BackupFile::VolumeInfo),
            "CSIBackupVolumeSnapshots" => backup(BackupFile::CsiVolumeSnapshots),
            "CSIBackupVolumeSnapshotContents" => backup(BackupFile::CsiVolumeSnapshotContents),
            "RestoreLog" => restore(RestoreFile::Log),
            "RestoreResults" => restore(RestoreFile::Results),
            "RestoreResourceList" => restore(RestoreFile::ResourceList),
            "RestoreItemOperations" => restore(RestoreFile::ItemOperations),
            "RestoreVolumeInfo" => restore(RestoreFile::VolumeInfo),
            _ => None,
        }
    }

    /// Its key in the bucket.
    pub fn key(&self) -> String {
        match self {
            Self::Backup(file, name) => file.key(name),
            Self::Restore(file, name) => file.key(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_download_kind_names_its_file() {
        for (kind, key) in [
            ("BackupContents", "backups/n/n.tar.gz"),
            ("BackupLog", "backups/n/n-logs.gz"),
            ("BackupVolumeSnapshots", "backups/n/n-volumesnapshots.json.gz"),
            ("BackupItemOperations", "backups/n/n-itemoperations.json.gz"),
            ("BackupResourceList", "backups/n/n-resource-list.json.gz"),
            ("BackupResults", "backups/n/n-results.gz"),
            ("BackupVolumeInfos", "backups/n/n-volumeinfo.json.gz"),
            ("CSIBackupVolumeSnapshots", "backups/n/n-csi-volumesnapshots.json.gz"),
            (
                "CSIBackupVolumeSnapshotContents",
                "backups/n/n-csi-volumesnapshotcontents.json.gz",
            ),
            ("RestoreLog", "restores/n/restore-n-logs.gz"),
            ("RestoreResults", "restores/n/restore-n-results.gz"),
            ("RestoreResourceList", "restores/n/restore-n-resource-list.json.gz"),
            ("RestoreItemOperations", "restores/n/restore-n-itemoperations.json.gz"),
            ("RestoreVolumeInfo", "restores/n/n-volumeinfo.json.gz"),
        ] {
            assert_eq!(Artifact::of(kind, "n").unwrap().key(), key);
        }
        assert_eq!(Artifact::of("Nothing", "n"), None);
    }
}
