//! `velero restore describe`.

use kube::Client;

use crate::api::labels;
use crate::api::v1::{DownloadTargetKind, Restore, RestorePhase};
use crate::cli::artifact::{Artifacts, place};
use crate::cli::context::Context;
use crate::cli::describe::{DescribeArgs, Fetch, belonging};
use crate::cli::flag::Selector;
use crate::cli::objects::Objects;
use crate::cli::output::describe::restore::{RestoreDetails, RestoreFacts};
use crate::cli::output::describe::{self, Fetched};

/// Describe restores
#[derive(Clone, Debug, clap::Args)]
pub struct Describe {
    /// The restores to describe; all if none is named.
    names: Vec<String>,
    /// Only show items matching this label selector.
    #[arg(short = 'l', long, action = clap::ArgAction::Append)]
    selector: Vec<Selector>,
    #[command(flatten)]
    how: DescribeArgs,
}

impl Describe {
    /// Shows all that is known of the restores.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        self.how.check()?;
        let client = context.client().await?;
        let restores = Objects::<Restore>::new(&client, &context.namespace);
        let listing = restores
            .named_or_listed(&self.names, Selector::all(&self.selector).as_ref())
            .await?;
        let count = listing.items.len();
        let reader = Reader {
            artifacts: self.how.artifacts(&client, context),
            client,
            namespace: &context.namespace,
        };
        for (number, restore) in listing.items.into_iter().enumerate() {
            let facts = Box::pin(reader.facts(restore, self.how.details)).await;
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
    async fn facts(&self, restore: Restore, details: bool) -> RestoreFacts {
        let name = restore.metadata.name.clone().unwrap_or_default();
        let status = &restore.status;
        let fetch = Fetch {
            artifacts: &self.artifacts,
            known: place::of_restore(&self.client, self.namespace, &restore).await,
        };
        let (warned, operated) = (
            status.warnings > 0 || status.errors > 0,
            status.restore_item_operations_attempted > 0,
        );
        RestoreFacts {
            pod_volume_restores: belonging(&self.client, self.namespace, labels::RESTORE_NAME, &name).await,
            results: if warned {
                Some(fetch.json(DownloadTargetKind::RestoreResults).await)
            } else {
                None
            },
            volumes: match restore.status.phase() {
                // It has had no volumes yet, which is no error.
                RestorePhase::New | RestorePhase::InProgress => Fetched::Missing,
                _ => fetch.json(DownloadTargetKind::RestoreVolumeInfo).await,
            },
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
        }
    }
}
