//! A Restore while operations of its items run, and while it is finalized.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;

use crate::api::artifact::{ResourceIdentifier, RestoreItemOperation, RestoreOperationSpec};
use crate::api::v1::{BackupStorageLocation, Restore, RestorePhase, RestoreStatus};
use crate::api::{Condition, GoDuration, OperationError, OperationProgress, time};
use crate::controllers::context::{Context, ItemActions};
use crate::controllers::item_operations::blocked::{self, Blocked};
use crate::controllers::item_operations::kind::{
    Counts, Finalized, Finishing, Operated, OperationSpec, Sources, Stage,
};
use crate::controllers::item_operations::{failures, log_tail, results};
use crate::controllers::run::cancel::REASON;
use crate::controllers::run::record::Record;
use crate::controllers::run::uploads::Uploads;
use crate::controllers::run::{RunId, open_log, results as messages};
use crate::restore::actions::RestoreItemAction;
use crate::runtime::ObjectRef;
use crate::store::Store;
use crate::store::layout::{RestoreFile, restore_dir};
use crate::telemetry::run_log::RunLog;

use super::cancel::how_far;
use super::error::RestoreError;
use super::phase::{conditions, count_end};

impl OperationSpec for RestoreOperationSpec {
    fn action(&self) -> &str {
        &self.restore_item_action
    }

    fn id(&self) -> &str {
        &self.operation_id
    }

    fn item(&self) -> &ResourceIdentifier {
        &self.resource_identifier
    }
}

fn action<'a>(actions: &'a ItemActions, name: &str) -> Option<&'a Arc<dyn RestoreItemAction>> {
    actions.restore.iter().find(|action| action.name() == name)
}

impl Operated for Restore {
    type Spec = RestoreOperationSpec;
    type Status = RestoreStatus;
    type Error = RestoreError;
    const OPERATIONS: &'static str = "restore-operations";
    const FINALIZER: &'static str = "restore-finalizer";

    fn stage(&self) -> Stage {
        match self.status.phase() {
            phase if phase.is_waiting_for_operations() => Stage::Waiting,
            phase if phase.is_finalizing() => Stage::Finalizing,
            _ => Stage::Other,
        }
    }

    fn finalizing(&mut self) {
        self.status.phase = Some(match self.status.phase() {
            RestorePhase::WaitingForPluginOperationsPartiallyFailed => RestorePhase::FinalizingPartiallyFailed,
            _ => RestorePhase::Finalizing,
        });
    }

    fn set_status(&mut self, status: RestoreStatus) {
        let conditions = std::mem::take(&mut self.status.conditions);
        self.status = RestoreStatus { conditions, ..status };
    }

    fn conditions(&mut self) -> &mut Vec<Condition> {
        &mut self.status.conditions
    }

    fn show_phase(&mut self, now: Timestamp) {
        conditions(self, now);
    }

    fn counts(&self) -> Counts {
        Counts {
            attempted: self.status.restore_item_operations_attempted,
            completed: self.status.restore_item_operations_completed,
            failed: self.status.restore_item_operations_failed,
        }
    }

    fn set_counts(&mut self, counts: Counts) {
        let status = &mut self.status;
        let new = counts.failed - status.restore_item_operations_failed;
        status.errors += new.max(0);
        status.restore_item_operations_attempted = counts.attempted;
        status.restore_item_operations_completed = counts.completed;
        status.restore_item_operations_failed = counts.failed;
        if counts.failed > 0 && *status.phase() == RestorePhase::WaitingForPluginOperations {
            status.phase = Some(RestorePhase::WaitingForPluginOperationsPartiallyFailed);
        }
    }

    fn time_limit(&self) -> &GoDuration {
        &self.spec.item_operation_timeout
    }

    fn operations_key(name: &str) -> String {
        RestoreFile::ItemOperations.key(name)
    }

    fn location(&self, sources: &Sources) -> Result<Arc<BackupStorageLocation>, Blocked> {
        let name = &self.spec.backup_name;
        let backup = sources.backups.get(&ObjectRef::new(name).within(&sources.namespace));
        let Some(backup) = backup else {
            return Err(Blocked {
                reason: "SourceGone",
                message: format!("backup `{name}` of the restore is not there any more, so its files cannot be found"),
                is_final: true,
            });
        };
        blocked::usable(&sources.locations, &sources.namespace, &backup.spec.storage_location)
    }

    fn progress<'a>(
        &'a self,
        actions: &'a ItemActions,
        operation: &'a RestoreOperationSpec,
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
        operation: &'a RestoreOperationSpec,
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
        finishing: Finishing<'_, RestoreOperationSpec>,
    ) -> Result<Finalized<RestoreStatus>, RestoreError> {
        report(&self, &finishing).await?;
        Ok(Finalized {
            status: final_status(&self, &finishing.operations, finishing.ctx.clock.now()),
            archive: 0,
        })
    }

    async fn cancel_files(self: Arc<Self>, finishing: Finishing<'_, RestoreOperationSpec>) -> Result<(), RestoreError> {
        let Finishing {
            ctx, store, location, ..
        } = finishing;
        let id = RunId::of(&*self);
        let log = open_log(ctx, ("restore", format!("{}/{}", id.namespace, id.name)))?;
        log.warn(self.why_cancelled(true));
        complete(ctx, store, location, &id, &log).await
    }

    fn why_cancelled(&self, _: bool) -> String {
        let progress = self.status.progress.clone().unwrap_or_default();
        format!("{REASON} while operations of its items ran: {}", how_far(&progress))
    }

    fn failed(&self, reason: String, now: Timestamp) -> RestoreStatus {
        RestoreStatus {
            phase: Some(RestorePhase::Failed),
            failure_reason: reason,
            completion_timestamp: Some(time(now)),
            ..self.status.clone()
        }
    }

    fn count_cancelled(&self, ctx: &Context) {
        ctx.metrics.restore_cancelled(&self.spec.schedule_name);
    }

    fn given_up(&self, reason: String, now: Timestamp) -> RestoreStatus {
        RestoreStatus {
            phase: Some(RestorePhase::PartiallyFailed),
            errors: self.status.errors + 1,
            failure_reason: reason,
            completion_timestamp: Some(time(now)),
            ..self.status.clone()
        }
    }

    fn count_end(&self, ctx: &Context, _: u64) {
        count_end(ctx, self);
    }
}

/// Adds the failed operations to results and log. May be repeated.
async fn report(restore: &Restore, finishing: &Finishing<'_, RestoreOperationSpec>) -> Result<(), RestoreError> {
    let Finishing {
        ctx,
        store,
        location,
        operations,
    } = finishing;
    let id = RunId::of(restore);
    let log = open_log(ctx, ("restore", format!("{}/{}", id.namespace, id.name)))?;
    if failures::report(operations, &log) == 0 {
        return Ok(());
    }
    complete(ctx, store, location, &id, &log).await
}

/// Adds the lines of a log to results and log. May be repeated.
async fn complete(ctx: &Context, store: &Store, location: &str, id: &RunId, log: &RunLog) -> Result<(), RestoreError> {
    let mut uploads = Uploads::new(ctx, Record::open(ctx, id, location).await?)?;
    uploads.take_over(store, id).await?;
    uploads.sweep(store, &restore_dir(&id.name)).await?;
    results::add(store, &RestoreFile::Results.key(&id.name), &messages::of_log(log)).await?;
    log_tail::put(ctx, store, &mut uploads, &RestoreFile::Log.key(&id.name), log).await?;
    Ok(())
}

/// The errors of operations were counted when they failed.
fn final_status(restore: &Restore, operations: &[RestoreItemOperation], now: Timestamp) -> RestoreStatus {
    let mut status = restore.status.clone();
    let is_partial = status.errors > 0
        || Counts::of(operations).failed > 0
        || *status.phase() == RestorePhase::FinalizingPartiallyFailed;
    status.phase = Some(if is_partial {
        RestorePhase::PartiallyFailed
    } else {
        RestorePhase::Completed
    });
    status.completion_timestamp = Some(time(now));
    status
}
