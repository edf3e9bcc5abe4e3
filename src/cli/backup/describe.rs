//! `velero backup describe`.

use crate::api::artifact::{BackupMethod, NativeSnapshot, NativeSnapshotInfo, VolumeInfo};
use crate::api::labels;
use crate::api::v1::{Backup, DownloadTargetKind};
use crate::cli::artifact::availability::RunFiles;
use crate::cli::artifact::lookup;
use crate::cli::describe::{Describable, RunFlags, Source};
use crate::cli::output::View;
use crate::cli::output::describe::backup::{BackupFacts, Snapshots};
use crate::cli::output::describe::{self, Fetched};

mod csi;

impl Describable for Backup {
    type Flags = RunFlags;
    type Facts = BackupFacts;

    async fn facts(self, source: &Source<'_>) -> BackupFacts {
        let name = self.metadata.name.clone().unwrap_or_default();
        let status = &self.status;
        let files = lookup::backup_files(&source.client, source.namespace, &self).await;
        let has_results = status.warnings > 0 || status.errors > 0;
        let has_operations = status.backup_item_operations_attempted > 0;
        BackupFacts {
            delete_requests: source.belonging(labels::BACKUP_NAME, &name).await,
            pod_volume_backups: source.belonging(labels::BACKUP_NAME, &name).await,
            results: source
                .file_if(has_results, &files, DownloadTargetKind::BackupResults)
                .await,
            snapshots: snapshots(&self, source, &files).await,
            details: source
                .details(
                    &files,
                    DownloadTargetKind::BackupResourceList,
                    DownloadTargetKind::BackupItemOperations,
                    has_operations,
                )
                .await,
            backup: self,
        }
    }

    fn page(facts: &BackupFacts, view: &View) -> String {
        describe::backup::text(facts, view)
    }

    fn json(facts: &BackupFacts, view: &View) -> serde_json::Value {
        describe::backup_json(facts, view)
    }
}

async fn snapshots(backup: &Backup, source: &Source<'_>, files: &RunFiles<'_>) -> Fetched<Snapshots> {
    match source
        .file::<Option<Vec<VolumeInfo>>>(files, DownloadTargetKind::BackupVolumeInfos)
        .await
    {
        Fetched::Got(volumes) => Fetched::Got(by_method(volumes.unwrap_or_default())),
        Fetched::Missing => older_snapshots(backup, source, files).await,
        Fetched::NotFetched(why) => Fetched::NotFetched(why),
        Fetched::Unreadable(why) => Fetched::Unreadable(why),
    }
}

/// From the files of releases before 1.13.
async fn older_snapshots(backup: &Backup, source: &Source<'_>, files: &RunFiles<'_>) -> Fetched<Snapshots> {
    let mut snapshots = Snapshots {
        from_older_files: true,
        ..Snapshots::default()
    };
    if backup.status.volume_snapshots_attempted > 0 {
        match source
            .file::<Option<Vec<NativeSnapshot>>>(files, DownloadTargetKind::BackupVolumeSnapshots)
            .await
        {
            Fetched::Got(list) => snapshots.native = list.unwrap_or_default().iter().map(native).collect(),
            failed => return failed.map_failure(),
        }
    }
    if backup.status.csi_volume_snapshots_attempted > 0 {
        let volume_snapshots = match source.file(files, DownloadTargetKind::CsiBackupVolumeSnapshots).await {
            Fetched::Got(list) => list,
            failed => return failed.map_failure(),
        };
        match source
            .file(files, DownloadTargetKind::CsiBackupVolumeSnapshotContents)
            .await
        {
            Fetched::Got(contents) => snapshots.csi = csi::volumes(&volume_snapshots, &contents),
            failed => return failed.map_failure(),
        }
    }
    Fetched::Got(snapshots)
}

fn by_method(volumes: Vec<VolumeInfo>) -> Snapshots {
    let mut snapshots = Snapshots::default();
    for volume in volumes {
        match volume.backup_method {
            Some(BackupMethod::NativeSnapshot) => snapshots.native.push(volume),
            Some(BackupMethod::CsiSnapshot) => snapshots.csi.push(volume),
            _ => {}
        }
    }
    snapshots
}

fn native(snapshot: &NativeSnapshot) -> VolumeInfo {
    VolumeInfo {
        pv_name: snapshot.spec.persistent_volume_name.clone(),
        native_snapshot_info: Some(NativeSnapshotInfo {
            snapshot_handle: snapshot.status.provider_snapshot_id.clone(),
            volume_type: snapshot.spec.volume_type.clone(),
            volume_az: snapshot.spec.volume_az.clone(),
            iops: snapshot
                .spec
                .volume_iops
                .map(|iops| iops.to_string())
                .unwrap_or_default(),
            ..NativeSnapshotInfo::default()
        }),
        ..VolumeInfo::default()
    }
}
