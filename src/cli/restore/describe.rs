//! `velero restore describe`.

use crate::api::labels;
use crate::api::v1::{DownloadTargetKind, Restore, RestorePhase};
use crate::cli::artifact::lookup;
use crate::cli::describe::{Describable, RunFlags, Source};
use crate::cli::output::View;
use crate::cli::output::describe::restore::RestoreFacts;
use crate::cli::output::describe::{self, Fetched};

impl Describable for Restore {
    type Flags = RunFlags;
    type Facts = RestoreFacts;

    async fn facts(self, source: &Source<'_>) -> RestoreFacts {
        let name = self.metadata.name.clone().unwrap_or_default();
        let status = &self.status;
        let files = lookup::restore_files(&source.client, source.namespace, &self).await;
        let has_results = status.warnings > 0 || status.errors > 0;
        let has_operations = status.restore_item_operations_attempted > 0;
        RestoreFacts {
            pod_volume_restores: source.belonging(labels::RESTORE_NAME, &name).await,
            results: source
                .file_if(has_results, &files, DownloadTargetKind::RestoreResults)
                .await,
            volumes: match self.status.phase() {
                // A restore in progress has no such file yet, which is not an error.
                RestorePhase::New | RestorePhase::InProgress => Fetched::Missing,
                _ => source.file(&files, DownloadTargetKind::RestoreVolumeInfo).await,
            },
            details: source
                .details(
                    &files,
                    DownloadTargetKind::RestoreResourceList,
                    DownloadTargetKind::RestoreItemOperations,
                    has_operations,
                )
                .await,
            restore: self,
        }
    }

    fn page(facts: &RestoreFacts, view: &View) -> String {
        describe::restore::text(facts, view)
    }

    fn json(facts: &RestoreFacts, view: &View) -> serde_json::Value {
        describe::restore_json(facts, view)
    }
}
