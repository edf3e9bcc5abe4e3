//! `velero restore describe`.

use kube::Client;

use crate::api::v1::{Backup, DownloadTargetKind, PodVolumeRestore, Restore};
use crate::api::{labels, names};
use crate::cli::artifact::Artifacts;
use crate::cli::context::Context;
use crate::cli::describe::{self as common, DescribeArgs, Fetch};
use crate::cli::flag::Selector;
use crate::cli::objects::{Objects, RequestError};
use crate::cli::output::describe;
use crate::cli::output::describe::restore::{RestoreDetails, RestoreFacts};

/// Describe restores
#[derive(Clone, Debug, clap::Args)]
pub struct Describe {
    /// The restores to describe; all if none is named.
    names: Vec<String>,
    /// Only show items matching this label selector.
    #[arg(short = 'l', long)]
    selector: Option<Selector>,
    #[command(flatten)]
    how: DescribeArgs,
}

impl Describe {
    /// Shows all that is known of the restores.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        self.how.check()?;
        let client = context.client().await?;
        let restores = Objects::<Restore>::new(&client, &context.namespace);
        let listing = restores.named_or_listed(&self.names, self.selector.as_ref()).await?;
        let count = listing.items.len();
        let reader = Reader {
            artifacts: self.how.artifacts(&client, context),
            client,
            namespace: &context.namespace,
        };
        for (number, restore) in listing.items.into_iter().enumerate() {
            let facts = Box::pin(reader.facts(restore, self.how.details)).await?;
            let view = context.view();
            self.how.show(
                number,
                count,
                || describe::restore::text(&facts, &view),
                || describe::restore_json(&facts, &view),
            )?;
        }
        Ok(())
    }
}

/// Gathers what is shown of a restore besides the object itself.
struct Reader<'a> {
    client: Client,
    namespace: &'a str,
    artifacts: Artifacts,
}

impl Reader<'_> {
    async fn facts(&self, restore: Restore, details: bool) -> Result<RestoreFacts, RequestError> {
        let name = restore.metadata.name.clone().unwrap_or_default();
        let status = &restore.status;
        let pod_volume_restores = Objects::<PodVolumeRestore>::new(&self.client, self.namespace);
        let unreachable = self.unreachable(&restore).await?;
        let fetch = Fetch {
            artifacts: &self.artifacts,
            name: &name,
            unreachable: unreachable.as_deref(),
        };
        let (warned, operated) = (
            status.warnings > 0 || status.errors > 0,
            status.restore_item_operations_attempted > 0,
        );
        Ok(RestoreFacts {
            pod_volume_restores: pod_volume_restores
                .labelled(labels::RESTORE_NAME, &names::label_value(&name))
                .await?,
            results: if warned {
                Some(fetch.json(DownloadTargetKind::RestoreResults).await)
            } else {
                None
            },
            volumes: fetch.json(DownloadTargetKind::RestoreVolumeInfo).await,
            details: if details {
                Some(RestoreDetails {
                    resource_list: fetch.json(DownloadTargetKind::RestoreResourceList).await,
                    operations: if operated {
                        Some(fetch.json(DownloadTargetKind::RestoreItemOperations).await)
                    } else {
                        None
                    },
                })
            } else {
                None
            },
            restore,
        })
    }

    /// Why no file of the restore can be fetched, if that is certain: its backup or the backup's location is gone.
    async fn unreachable(&self, restore: &Restore) -> Result<Option<String>, RequestError> {
        let name = &restore.spec.backup_name;
        if name.is_empty() {
            return Ok(Some("the restore names no backup yet".to_owned()));
        }
        let Some(backup) = Objects::<Backup>::new(&self.client, self.namespace).find(name).await? else {
            return Ok(Some(format!("backup {name:?} does not exist")));
        };
        common::unreachable(&self.client, self.namespace, &backup.spec.storage_location).await
    }
}
