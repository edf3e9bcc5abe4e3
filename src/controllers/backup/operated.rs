//! A Backup while operations of its items run, and while it is finalized.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;

use crate::api::artifact::{BackupOperationSpec, ResourceIdentifier};
use crate::api::v1::{Backup, BackupPhase, BackupStatus, BackupStorageLocation};
use crate::api::{Condition, GoDuration, OperationError, OperationProgress, time};
use crate::backup::actions::BackupItemAction;
use crate::controllers::context::{Context, ItemActions};
use crate::controllers::item_operations::blocked::{self, Blocked};
use crate::controllers::item_operations::kind::{
    Counts, Finalized, Finishing, Operated, OperationSpec, Sources, Stage,
};
use crate::controllers::run::cancel::REASON;
use crate::store::layout::BackupFile;

use super::error::BackupError;
use super::finalize;
use super::phase::{conditions, count_end, schedule_of};

impl OperationSpec for BackupOperationSpec {
    fn action(&self) -> &str {
        &self.backup_item_action
    }

    fn id(&self) -> &str {
        &self.operation_id
    }

    fn item(&self) -> &ResourceIdentifier {
        &self.resource_identifier
    }
}

fn action<'a>(actions: &'a ItemActions, name: &str) -> Option<&'a Arc<dyn BackupItemAction>> {
    actions.backup.iter().find(|action| action.name() == name)
}

impl Operated for Backup {
    type Spec = BackupOperationSpec;
    type Status = BackupStatus;
    type Error = BackupError;
    const OPERATIONS: &'static str = "backup-operations";
    const FINALIZER: &'static str = "backup-finalizer";

    fn stage(&self) -> Stage {
        match self.status.phase() {
            phase if phase.is_waiting_for_operations() => Stage::Waiting,
            phase if phase.is_finalizing() => Stage::Finalizing,
            _ => Stage::Other,
        }
    }

    fn finalizing(&mut self) {
        self.status.phase = Some(match self.status.phase() {
            BackupPhase::WaitingForPluginOperationsPartiallyFailed => BackupPhase::FinalizingPartiallyFailed,
            _ => BackupPhase::Finalizing,
        });
    }

    fn set_status(&mut self, status: BackupStatus) {
        let conditions = std::mem::take(&mut self.status.conditions);
        self.status = BackupStatus { conditions, ..status };
    }

    fn conditions(&mut self) -> &mut Vec<Condition> {
        &mut self.status.conditions
    }

    fn show_phase(&mut self, now: Timestamp) {
        conditions(self, now);
    }

    fn counts(&self) -> Counts {
        Counts {
            attempted: self.status.backup_item_operations_attempted,
            completed: self.status.backup_item_operations_completed,
            failed: self.status.backup_item_operations_failed,
        }
    }

    fn set_counts(&mut self, counts: Counts) {
        let status = &mut self.status;
        let new = counts.failed - status.backup_item_operations_failed;
        status.errors += new.max(0);
        status.backup_item_operations_attempted = counts.attempted;
        status.backup_item_operations_completed = counts.completed;
        status.backup_item_operations_failed = counts.failed;
        if counts.failed > 0 && *status.phase() == BackupPhase::WaitingForPluginOperations {
            status.phase = Some(BackupPhase::WaitingForPluginOperationsPartiallyFailed);
        }
    }

    fn time_limit(&self) -> &GoDuration {
        &self.spec.item_operation_timeout
    }

    fn operations_key(name: &str) -> String {
        BackupFile::ItemOperations.key(name)
    }

    fn location(&self, sources: &Sources) -> Result<Arc<BackupStorageLocation>, Blocked> {
        blocked::usable(&sources.locations, &sources.namespace, &self.spec.storage_location)
    }

    fn progress<'a>(
        &'a self,
        actions: &'a ItemActions,
        operation: &'a BackupOperationSpec,
    ) -> BoxFuture<'a, Option<Result<OperationProgress, OperationError>>> {
        async move {
            let action = action(actions, operation.action())?;
            Some(action.progress(operation.id(), self).await)
        }
        .boxed()
    }

    fn cancel<'a>(
        &'a self,
        actions: &'a ItemActions,
        operation: &'a BackupOperationSpec,
    ) -> BoxFuture<'a, Result<(), OperationError>> {
        async move {
            match action(actions, operation.action()) {
                Some(action) => action.cancel(operation.id(), self).await,
                None => Ok(()),
            }
        }
        .boxed()
    }

    async fn finish_files(
        self: Arc<Self>,
        finishing: Finishing<'_, BackupOperationSpec>,
    ) -> Result<Finalized<BackupStatus>, BackupError> {
        Box::pin(finalize::finish_files(&self, finishing)).await
    }

    async fn cancel_files(self: Arc<Self>, finishing: Finishing<'_, BackupOperationSpec>) -> Result<(), BackupError> {
        finalize::cancel_files(&self, finishing).await
    }

    fn why_cancelled(&self, in_order: bool) -> String {
        let what = if in_order {
            "nothing of it is kept"
        } else {
            "its files are removed when it is deleted"
        };
        format!("{REASON} while operations of its items ran; {what}")
    }

    fn failed(&self, reason: String, now: Timestamp) -> BackupStatus {
        BackupStatus {
            phase: Some(BackupPhase::Failed),
            failure_reason: reason,
            completion_timestamp: Some(time(now)),
            ..self.status.clone()
        }
    }

    fn count_cancelled(&self, ctx: &Context) {
        ctx.metrics.backup_cancelled(schedule_of(self));
    }

    fn given_up(&self, reason: String, now: Timestamp) -> BackupStatus {
        BackupStatus {
            phase: Some(BackupPhase::PartiallyFailed),
            errors: self.status.errors + 1,
            failure_reason: reason,
            completion_timestamp: Some(time(now)),
            ..self.status.clone()
        }
    }

    fn count_end(&self, ctx: &Context, archive: u64) {
        count_end(ctx, self, archive);
    }
}
