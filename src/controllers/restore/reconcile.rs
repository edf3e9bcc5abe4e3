//! restore: from New to a final phase, and the clean-up of a Restore that is deleted. A pass validates; then a [`Driver`] starts attempts,
//! shows their progress and records the end.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use tracing::Instrument;

use crate::api::condition::{self, Condition, ConditionStatus};
use crate::api::finalizers::RESTORE_EXTERNAL_RESOURCES;
use crate::api::time;
use crate::api::v1::{Backup, BackupStorageLocation, Restore, RestorePhase, RestoreProgress, RestoreStatus};
use crate::controllers::context::Context;
use crate::controllers::events;
use crate::controllers::location::{self, LocationError};
use crate::controllers::run::cancel::{self, is_cancelled};
use crate::controllers::run::cancelling::{self, Cancellable, RecordedEnd};
use crate::controllers::run::live_log::LiveLogs;
use crate::controllers::run::record::{Record, RecordError};
use crate::controllers::run::trace::Beginning;
use crate::controllers::run::{RunId, carry_out};
use crate::controllers::watches::{BUCKET_WORKERS, Watches, refs};
use crate::controllers::write::{WriteError, Written};
use crate::restore::progress::Standstill;
use crate::runtime::operation::{AttemptEnd, Driver, Handle, Interrupted, Run, RunOperations};
use crate::runtime::{Class, Classify, Controller, Manager, Next, ObjectRef, Reconciler, SharedWatch, Uid, uid_of};
use crate::store::{StoreError, layout};
use crate::telemetry::velero::RunResult;

use super::cancel::{given_up, unbegun};
use super::phase::{BLOCKED, blocked, conditions, count_end};
use super::run::{Job, RestoreAttempt, Underway, recorded_end};
use super::source;

/// The operations of restores.
pub type RestoreOperations = RunOperations<Restores>;

/// A pass failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The status was not written.
    #[error("writing the restore's status failed: {0}")]
    StatusNotWritten(#[from] WriteError),
    /// The run was interrupted.
    #[error("the restore broke off and will be begun again: {0}")]
    BrokeOff(#[from] Interrupted),
    /// Its backup or the location of it could not be read.
    #[error("reading the restore's backup failed: {0}; check that the API server is reachable")]
    SourceNotRead(#[from] kube::Error),
    /// Its backup or the location of it is gone.
    #[error("{0}; create it again, or delete the restore")]
    SourceGone(String),
    /// The files of a deleted restore cannot be removed.
    #[error("removing the restore's files from the storage location failed: {0}")]
    FilesNotRemoved(#[from] StoreError),
    /// The location with the files of a deleted restore cannot be used.
    #[error("removing the restore's files failed: {0}")]
    LocationUnusable(#[from] LocationError),
    /// The location with the files of a deleted restore is not available.
    #[error(
        "the restore's files cannot be removed while storage location `{0}` is unavailable, and it stays until they are; check `velero backup-location get`, or delete the location if it is gone for good: then the restore goes, and its files stay in the bucket"
    )]
    LocationUnavailable(String),
    /// Whether it had ended before it was cancelled is not known.
    #[error("cancelling the restore failed: {0}")]
    RecordUnreadable(#[source] RecordError),
}

impl Classify for Error {
    crate::runtime::reasons!(
        StatusNotWritten,
        BrokeOff,
        SourceNotRead,
        SourceGone,
        FilesNotRemoved,
        LocationUnusable,
        LocationUnavailable,
        RecordUnreadable
    );

    fn class(&self) -> Class {
        match self {
            Self::StatusNotWritten(WriteError::NotLeading(_)) => Class::Lost,
            _ => Class::Transient,
        }
    }
}

/// The reconciler.
pub struct Restores {
    ctx: Arc<Context>,
    backups: SharedWatch<Backup>,
    locations: SharedWatch<BackupStorageLocation>,
    live_logs: LiveLogs,
    driver: Driver<Self>,
    /// The reasons of the `Blocked` events that each restore has: one event a reason.
    blocked_reasons: Mutex<HashMap<Uid, BTreeSet<&'static str>>>,
}

impl Restores {
    /// A reconciler of restores.
    pub fn new(
        ctx: Arc<Context>,
        backups: SharedWatch<Backup>,
        locations: SharedWatch<BackupStorageLocation>,
        operations: RestoreOperations,
        live_logs: LiveLogs,
    ) -> Self {
        Self {
            ctx,
            backups,
            locations,
            live_logs,
            driver: Driver::new(operations),
            blocked_reasons: Mutex::default(),
        }
    }

    /// Runs it in this manager.
    pub fn register(
        manager: &mut Manager,
        ctx: &Arc<Context>,
        watches: &Watches,
        operations: &RestoreOperations,
        live_logs: &LiveLogs,
    ) {
        let (locations, restores) = (&watches.locations, watches.restores.clone());
        let reconciler = Self::new(
            Arc::clone(ctx),
            watches.backups.clone(),
            locations.clone(),
            operations.clone(),
            live_logs.clone(),
        );
        manager.control(
            Controller::new(reconciler, &watches.restores)
                .workers(BUCKET_WORKERS)
                .operations(operations)
                // Some wait until their location can be used, to remove their files.
                .on(locations, move |_: &BackupStorageLocation| {
                    refs(&restores.list_where(|restore| restore.metadata.deletion_timestamp.is_some()))
                }),
        );
    }

    async fn write(&self, seen: &Restore, wanted: &Restore) -> Result<bool, Error> {
        Ok(self.ctx.writer.write(seen, wanted).await? != Written::Conflict)
    }

    /// The backup of a restore and where it lies.
    fn source(&self, restore: &Restore) -> Result<(Arc<Backup>, Arc<BackupStorageLocation>), String> {
        let namespace = &self.ctx.namespace;
        let name = &restore.spec.backup_name;
        let backup = self
            .backups
            .get(&ObjectRef::new(name).within(namespace))
            .ok_or_else(|| format!("backup `{name}` is not there"))?;
        let name = &backup.spec.storage_location;
        let location = self
            .locations
            .get(&ObjectRef::new(name).within(namespace))
            .ok_or_else(|| format!("storage location `{name}` is not there"))?;
        Ok((backup, location))
    }

    async fn validate(&self, seen: &Restore) -> Result<Next, Error> {
        let now = self.ctx.clock.now();
        let beginning = Beginning::of(seen, now);
        let span = beginning.preparation();
        self.validate_in(&beginning, seen, now).instrument(span).await
    }

    async fn validate_in(&self, beginning: &Beginning, seen: &Restore, now: Timestamp) -> Result<Next, Error> {
        let mut wanted = source::judge(&self.ctx, &self.backups, &self.locations, seen).await?;
        guard(&mut wanted);
        beginning.annotate(&mut wanted.metadata);
        conditions(&mut wanted, now);
        if self.write(seen, &wanted).await? {
            let schedule = &wanted.spec.schedule_name;
            self.ctx.metrics.restore_started(schedule);
            if *wanted.status.phase() == RestorePhase::FailedValidation {
                self.ctx
                    .metrics
                    .restore_ended(schedule, RunResult::FailedValidation, None);
            }
        }
        Ok(Next::Resync)
    }

    /// Publishes an event about a standstill, once a reason.
    fn publish_blocked(&self, seen: &Restore, standstill: &Standstill) {
        let mut reasons = self.blocked_reasons.lock();
        if reasons.entry(uid_of(seen)).or_default().insert(standstill.reason) {
            self.ctx.events.publish(seen, events::restore_blocked(standstill));
        }
    }

    async fn record(&self, seen: &Restore, ended: &RestoreStatus) -> Result<bool, Error> {
        let mut wanted = seen.clone();
        wanted.status = RestoreStatus {
            conditions: seen.status.conditions.clone(),
            ..ended.clone()
        };
        let now = self.ctx.clock.now();
        let kept = &mut wanted.status.conditions;
        let is_cancelled = cancel::conclude(&seen.metadata, &ended.conditions, kept, now);
        conditions(&mut wanted, now);
        let written = self.ctx.writer.write(seen, &wanted).await?;
        if written == Written::Done && is_cancelled {
            self.ctx.metrics.restore_cancelled(&wanted.spec.schedule_name);
        } else if written == Written::Done && wanted.status.phase().is_terminal() {
            // One that waits for operations is counted at its end.
            count_end(&self.ctx, &wanted);
        }
        Ok(written != Written::Conflict)
    }

    /// A pass of a restore that is cancelled before it has begun.
    async fn cancel_unbegun(&self, seen: &Restore) -> Result<Next, Error> {
        let mut wanted = unbegun(seen, self.ctx.clock.now());
        guard(&mut wanted);
        if self.ctx.writer.write(seen, &wanted).await? == Written::Done {
            self.ctx.metrics.restore_cancelled(&seen.spec.schedule_name);
        }
        Ok(Next::Resync)
    }

    /// A Restore that is being deleted: its operation ends, then its files go, then its finalizer (spec restore 3.6).
    async fn clean_up(&self, seen: &Restore) -> Result<Next, Error> {
        if !self.driver.stop(&uid_of(seen)) {
            return Ok(Next::Resync);
        }
        if !guarded(seen) {
            return Ok(Next::Resync);
        }
        // Without the backup and its location the files cannot be found.
        if let Ok((_, location)) = self.source(seen) {
            let name = location.metadata.name.clone().unwrap_or_default();
            if !location.is_available() {
                return Err(Error::LocationUnavailable(name));
            }
            let store = location::open(&self.ctx, &location).await?;
            store
                .delete_prefix(&layout::restore_dir(seen.metadata.name.as_deref().unwrap_or_default()))
                .await?;
        }
        let mut wanted = seen.clone();
        if let Some(finalizers) = &mut wanted.metadata.finalizers {
            finalizers.retain(|f| f != RESTORE_EXTERNAL_RESOURCES);
        }
        self.write(seen, &wanted).await?;
        Ok(Next::Resync)
    }
}

impl Restores {
    /// Shows in a Restore why its deletion does not go on. The text of an error may differ from pass to pass, and each write leads to a pass:
    /// while the reason is the same, the first text stays. The event is that of the failed pass.
    async fn show_kept(&self, seen: &Restore, error: &Error) {
        let is_shown = |c: &Condition| c.status == ConditionStatus::True && c.reason == error.reason();
        if error.class() == Class::Lost || condition::find(&seen.status.conditions, BLOCKED).is_some_and(is_shown) {
            return;
        }
        let mut wanted = seen.clone();
        let (conditions, now) = (&mut wanted.status.conditions, time(self.ctx.clock.now()));
        let (reason, message) = (error.reason(), error.to_string());
        condition::set(conditions, BLOCKED, ConditionStatus::True, reason, message, &now);
        if let Err(unwritten) = self.write(seen, &wanted).await {
            tracing::warn!(error = %unwritten, "what keeps a restore was not shown in it");
        }
    }
}

impl Run for Restores {
    type Kind = Restore;
    type Job = Job;
    type Progress = Underway;
    type End = RestoreStatus;
    type Error = Error;
    const OPERATION: &'static str = "restore";

    fn start(&self, seen: &Arc<Restore>) -> Result<Job, Error> {
        let (_, location) = self.source(seen).map_err(Error::SourceGone)?;
        Ok(Job {
            ctx: Arc::clone(&self.ctx),
            live_logs: self.live_logs.clone(),
            restore: Arc::clone(seen),
            location,
        })
    }

    async fn attempt(job: Job, handle: Handle<Underway>) -> AttemptEnd<RestoreStatus> {
        let (ctx, live_logs) = (Arc::clone(&job.ctx), job.live_logs.clone());
        carry_out(&ctx, &live_logs, RestoreAttempt::new(job), handle).await
    }

    async fn show(&self, seen: &Arc<Restore>, underway: Underway) -> Result<(), Error> {
        let mut wanted = (**seen).clone();
        wanted.status.progress = Some(forward(seen.status.progress.as_ref(), &underway.progress));
        let standstill = underway.standstill.as_ref();
        blocked(&mut wanted.status, standstill, self.ctx.clock.now());
        self.write(seen, &wanted).await?;
        if let Some(standstill) = standstill {
            self.publish_blocked(seen, standstill);
        }
        Ok(())
    }

    async fn finish(&self, seen: &Arc<Restore>, end: &RestoreStatus) -> Result<bool, Error> {
        self.record(seen, end).await
    }
}

impl Cancellable for Restores {
    fn can_begin(&self, seen: &Arc<Restore>) -> bool {
        self.source(seen).is_ok()
    }

    async fn recorded(&self, seen: &Arc<Restore>) -> Result<RecordedEnd<RestoreStatus>, Error> {
        let record = match Record::open(&self.ctx, &RunId::of(&**seen), "").await {
            Ok(record) => record,
            Err(RecordError::UnknownVersion { .. }) => return Ok(RecordedEnd::Nothing),
            Err(error) => return Err(Error::RecordUnreadable(error)),
        };
        Ok(match recorded_end(&record) {
            Some(Ok(end)) => RecordedEnd::Known(end),
            Some(Err(_)) | None => RecordedEnd::Nothing,
        })
    }

    fn give_up(&self, seen: &Arc<Restore>) -> RestoreStatus {
        given_up(seen, self.ctx.clock.now())
    }
}

impl Reconciler for Restores {
    type Kind = Restore;
    type Error = Error;
    const NAME: &'static str = "restore";
    const RESYNC: Duration = Duration::from_mins(1);

    async fn reconcile(&self, seen: Arc<Restore>) -> Result<Next, Error> {
        if seen.metadata.deletion_timestamp.is_some() {
            let cleaned = self.clean_up(&seen).await;
            if let Err(error) = &cleaned {
                self.show_kept(&seen, error).await;
            }
            return cleaned;
        }
        let is_cancelled = is_cancelled(&seen.metadata);
        match seen.status.phase() {
            RestorePhase::New if is_cancelled => self.cancel_unbegun(&seen).await,
            RestorePhase::InProgress if is_cancelled => cancelling::pass(&self.ctx, &self.driver, self, &seen).await,
            RestorePhase::New => self.validate(&seen).await,
            RestorePhase::InProgress => self.driver.pass(self, &seen).await,
            _ => {
                let uid = uid_of(&*seen);
                self.driver.ended(&uid);
                self.ctx.cancels.forget(&uid);
                self.blocked_reasons.lock().remove(&uid);
                if !guarded(&seen) {
                    let mut wanted = (*seen).clone();
                    guard(&mut wanted);
                    self.write(&seen, &wanted).await?;
                }
                Ok(Next::Settled)
            }
        }
    }

    fn gone(&self, _key: &ObjectRef<Restore>, uid: &Uid) {
        self.driver.gone(uid);
        self.ctx.cancels.forget(uid);
        self.blocked_reasons.lock().remove(uid);
    }
}

fn guarded(restore: &Restore) -> bool {
    restore
        .metadata
        .finalizers
        .iter()
        .flatten()
        .any(|f| f == RESTORE_EXTERNAL_RESOURCES)
}

fn guard(restore: &mut Restore) {
    if !guarded(restore) {
        restore
            .metadata
            .finalizers
            .get_or_insert_default()
            .push(RESTORE_EXTERNAL_RESOURCES.to_owned());
    }
}

/// Progress as the status shows it: it never goes back, even over a restart.
fn forward(shown: Option<&RestoreProgress>, now: &RestoreProgress) -> RestoreProgress {
    let shown = shown.cloned().unwrap_or_default();
    RestoreProgress {
        total_items: now.total_items.max(shown.total_items),
        items_restored: now.items_restored.max(shown.items_restored),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::controllers::testing::world::{Process, World};
    use crate::runtime::testing::death::Dies;

    #[tokio::test]
    async fn a_backup_that_the_store_has_not_seen_yet_is_no_reason_to_refuse_its_restore() {
        let world = World::new();
        world.api.insert(json!({
            "apiVersion": "velero.io/v1", "kind": "Backup", "metadata": {"name": "nightly", "namespace": "velero"},
            "spec": {"storageLocation": "default"}, "status": {"phase": "Completed"},
        }));
        let process = Process::start(&world, Dies::Never).await;
        let restores = Restores::new(
            Arc::clone(&process.ctx),
            SharedWatch::fixed([]),
            SharedWatch::fixed([]),
            RestoreOperations::new(),
            LiveLogs::default(),
        );
        for (backup, phase) in [("nightly", "InProgress"), ("weekly", "FailedValidation")] {
            world.ask("Restore", backup, json!({"backupName": backup}));
            let seen: Restore = serde_json::from_value(world.object("Restore", backup)).unwrap();
            restores.reconcile(Arc::new(seen)).await.unwrap();
            assert_eq!(world.phase("Restore", backup), phase);
        }
        process.kill().await;
    }
}
