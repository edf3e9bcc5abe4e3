//! `velero backup describe`.

use kube::Client;

use crate::api::artifact::{BackupMethod, NativeSnapshot, NativeSnapshotInfo, VolumeInfo};
use crate::api::labels;
use crate::api::v1::{Backup, DownloadTargetKind};
use crate::cli::artifact::{Artifacts, place};
use crate::cli::context::Context;
use crate::cli::describe::{DescribeArgs, Fetch, belonging};
use crate::cli::flag::Selector;
use crate::cli::objects::Objects;
use crate::cli::output::describe::backup::{BackupDetails, BackupFacts, Snapshots};
use crate::cli::output::describe::{self, Fetched};

mod csi;

/// Describe backups
#[derive(Clone, Debug, clap::Args)]
pub struct Describe {
    /// The backups to describe; all if none is named.
    names: Vec<String>,
    /// Only show items matching this label selector.
    #[arg(short = 'l', long, action = clap::ArgAction::Append)]
    selector: Vec<Selector>,
    #[command(flatten)]
    how: DescribeArgs,
}

impl Describe {
    /// Shows all that is known of the backups.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        self.how.check()?;
        let client = context.client().await?;
        let backups = Objects::<Backup>::new(&client, &context.namespace);
        let listing = backups
            .named_or_listed(&self.names, Selector::all(&self.selector).as_ref())
            .await?;
        let count = listing.items.len();
        let reader = Reader {
            artifacts: self.how.artifacts(&client, context),
            client,
            namespace: &context.namespace,
        };
        for (number, backup) in listing.items.into_iter().enumerate() {
            let facts = Box::pin(reader.facts(backup, self.how.details)).await;
            let view = context.view();
            self.how.show(
                number,
                count,
                || describe::backup::text(&facts, &view),
                || describe::backup_json(&facts, &view),
            )?;
        }
        Ok(())
    }
}

/// Gathers what is shown of a backup besides the object itself.
struct Reader<'a> {
    client: Client,
    namespace: &'a str,
    artifacts: Artifacts,
}

impl Reader<'_> {
    async fn facts(&self, backup: Backup, details: bool) -> BackupFacts {
        let name = backup.metadata.name.clone().unwrap_or_default();
        let status = &backup.status;
        let fetch = Fetch {
            artifacts: &self.artifacts,
            known: place::of_backup(&self.client, self.namespace, &backup).await,
        };
        let (warned, operated) = (
            status.warnings > 0 || status.errors > 0,
            status.backup_item_operations_attempted > 0,
        );
        BackupFacts {
            delete_requests: belonging(&self.client, self.namespace, labels::BACKUP_NAME, &name).await,
            pod_volume_backups: belonging(&self.client, self.namespace, labels::BACKUP_NAME, &name).await,
            results: if warned {
                Some(fetch.json(DownloadTargetKind::BackupResults).await)
            } else {
                None
            },
            snapshots: self.snapshots(&backup, &fetch).await,
            details: if details {
                Some(BackupDetails {
                    resource_list: fetch.json(DownloadTargetKind::BackupResourceList).await,
                    operations: if operated {
                        Some(fetch.json(DownloadTargetKind::BackupItemOperations).await)
                    } else {
                        None
                    },
                })
            } else {
                None
            },
            backup,
        }
    }

    async fn snapshots(&self, backup: &Backup, fetch: &Fetch<'_>) -> Fetched<Snapshots> {
        match fetch
            .json::<Option<Vec<VolumeInfo>>>(DownloadTargetKind::BackupVolumeInfos)
            .await
        {
            Fetched::Got(volumes) => Fetched::Got(by_method(volumes.unwrap_or_default())),
            Fetched::Missing => self.older_snapshots(backup, fetch).await,
            Fetched::NotFetched(why) => Fetched::NotFetched(why),
            Fetched::Unreadable(why) => Fetched::Unreadable(why),
        }
    }

    /// The files of releases before 1.13.
    async fn older_snapshots(&self, backup: &Backup, fetch: &Fetch<'_>) -> Fetched<Snapshots> {
        let mut snapshots = Snapshots {
            from_older_files: true,
            ..Snapshots::default()
        };
        if backup.status.volume_snapshots_attempted > 0 {
            match fetch
                .json::<Option<Vec<NativeSnapshot>>>(DownloadTargetKind::BackupVolumeSnapshots)
                .await
            {
                Fetched::Got(list) => snapshots.native = list.unwrap_or_default().iter().map(native).collect(),
                failed => return failed.map_failure(),
            }
        }
        if backup.status.csi_volume_snapshots_attempted > 0 {
            let volume_snapshots = match fetch.json(DownloadTargetKind::CsiBackupVolumeSnapshots).await {
                Fetched::Got(list) => list,
                failed => return failed.map_failure(),
            };
            match fetch.json(DownloadTargetKind::CsiBackupVolumeSnapshotContents).await {
                Fetched::Got(contents) => snapshots.csi = csi::volumes(&volume_snapshots, &contents),
                failed => return failed.map_failure(),
            }
        }
        Fetched::Got(snapshots)
    }
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
