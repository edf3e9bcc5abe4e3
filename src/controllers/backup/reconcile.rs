//! backup: from ReadyToStart to a final phase. A pass prepares; then a [`Driver`] starts attempts, shows their progress and records the end.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::ListParams;
use tracing::Instrument;

use crate::api::v1::{Backup, BackupPhase, BackupProgress, BackupStatus, BackupStorageLocation};
use crate::api::{labels, time};
use crate::cluster::ApiError;
use crate::controllers::context::Context;
use crate::controllers::events;
use crate::controllers::run::cancel::{self, is_cancelled};
use crate::controllers::run::cancelling::{self, Cancellable, RecordedEnd};
use crate::controllers::run::live_log::LiveLogs;
use crate::controllers::run::record::RecordError;
use crate::controllers::run::trace::Beginning;
use crate::controllers::run::{RunId, carry_out};
use crate::controllers::watches::{BUCKET_WORKERS, Watches};
use crate::controllers::write::{WriteError, Written};
use crate::runtime::operation::{AttemptEnd, Driver, Handle, Interrupted, Run, RunOperations};
use crate::runtime::{Class, Classify, Controller, Manager, Next, ObjectRef, Reconciler, SharedWatch, Uid, uid_of};
use crate::telemetry::velero::RunResult;

use super::cancel::{end_unbegun, given_up};
use super::end::BackupEnd;
use super::first_validation::waits_until;
use super::phase::{conditions, count_end, schedule_of};
use super::policies::{self, PoliciesError};
use super::prepare::{Facts, prepare};
use super::run::{BackupAttempt, Job};
use super::sealing;

/// How long a backup waits for a store that cannot be used. It holds a place in the queue that others may want for other stores.
const GIVE_UP_AFTER: Duration = Duration::from_hours(1);

/// The code of an answer to an object that is larger than the API server or etcd takes.
const TOO_LARGE: u16 = 413;

/// The operations of backups.
pub type BackupOperations = RunOperations<Backups>;

/// A pass failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The status was not written.
    #[error("writing the backup's status failed: {0}")]
    StatusNotWritten(#[from] WriteError),
    /// The resource policies could not be read.
    #[error("preparing the backup failed: {0}; it is tried again")]
    PoliciesNotRead(#[source] PoliciesError),
    /// The run was interrupted.
    #[error("the backup broke off and will be begun again: {0}")]
    BrokeOff(#[from] Interrupted),
    /// Its location is gone.
    #[error("the storage location `{0}` of a backup under way is not there; create it again, or delete the backup")]
    LocationGone(String),
    /// Its location takes no backups any more.
    #[error(
        "the storage location `{0}` of a backup under way has become read-only; make it ReadWrite again, or delete the backup"
    )]
    LocationReadOnly(String),
    /// Whether it was sealed before it was cancelled cannot be seen.
    #[error(
        "the storage location `{0}` of a cancelled backup is unavailable, and may have it complete; check `velero backup-location get`, or delete the backup"
    )]
    LocationUnavailable(String),
    /// Whether it was being sealed is not known.
    #[error("cancelling the backup failed: {0}")]
    RecordUnreadable(#[source] RecordError),
}

impl Classify for Error {
    crate::runtime::reasons!(
        StatusNotWritten,
        PoliciesNotRead,
        BrokeOff,
        LocationGone,
        LocationReadOnly,
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
pub struct Backups {
    ctx: Arc<Context>,
    locations: SharedWatch<BackupStorageLocation>,
    live_logs: LiveLogs,
    driver: Driver<Self>,
}

impl Backups {
    /// A reconciler of backups.
    pub fn new(
        ctx: Arc<Context>,
        locations: SharedWatch<BackupStorageLocation>,
        operations: BackupOperations,
        live_logs: LiveLogs,
    ) -> Self {
        Self {
            ctx,
            locations,
            live_logs,
            driver: Driver::new(operations),
        }
    }

    /// Runs it in this manager.
    pub fn register(
        manager: &mut Manager,
        ctx: &Arc<Context>,
        watches: &Watches,
        operations: &BackupOperations,
        live_logs: &LiveLogs,
    ) {
        let (locations, backups) = (&watches.locations, watches.backups.clone());
        let reconciler = Self::new(
            Arc::clone(ctx),
            locations.clone(),
            operations.clone(),
            live_logs.clone(),
        );
        manager.control(
            Controller::new(reconciler, &watches.backups)
                .workers(ctx.settings.concurrent_backups.max(BUCKET_WORKERS))
                .operations(operations)
                // Some wait until their location is validated, or can be used.
                .on(locations, move |location: &BackupStorageLocation| {
                    Self::under_way_in(location, &backups)
                }),
        );
    }

    /// The operations of backups. The queue decides how many run. A deleted backup frees its place at once, while its attempt may take
    /// minutes to end at a store that does not answer: there is room for as many of those.
    pub fn operations(concurrent: usize) -> BackupOperations {
        BackupOperations::at_most(concurrent.saturating_mul(2))
    }

    /// The backups to look at when this location changes.
    pub(in crate::controllers) fn under_way_in(
        location: &BackupStorageLocation,
        backups: &SharedWatch<Backup>,
    ) -> Vec<ObjectRef<Backup>> {
        let is_there = |backup: &Backup| {
            let phase = backup.status.phase();
            // Which one is the default is not looked at here: one pass too many does no harm.
            let begins = *phase == BackupPhase::ReadyToStart && backup.spec.storage_location.is_empty();
            let is_its = matches!(phase, BackupPhase::ReadyToStart | BackupPhase::InProgress)
                && location.metadata.name.as_deref() == Some(backup.spec.storage_location.as_str());
            begins || is_its
        };
        let backups = backups.list_where(is_there);
        backups.iter().map(|backup| ObjectRef::from_obj(&**backup)).collect()
    }

    async fn write(&self, seen: &Backup, wanted: &Backup) -> Result<bool, Error> {
        Ok(self.ctx.writer.write(seen, wanted).await? != Written::Conflict)
    }

    async fn prepare(&self, seen: &Backup) -> Result<Next, Error> {
        let now = self.ctx.clock.now();
        if let Some(until) = waits_until(seen, &self.ctx.settings, &self.locations.list()).filter(|until| now < *until)
        {
            self.ctx.events.publish(seen, events::location_not_validated());
            return Ok(Next::At(until));
        }
        let beginning = Beginning::of(seen, now);
        beginning.waited(seen, now);
        let span = beginning.preparation();
        self.prepare_in(&beginning, seen).instrument(span).await
    }

    async fn prepare_in(&self, beginning: &Beginning, seen: &Backup) -> Result<Next, Error> {
        let excluded = self.namespaces_excluded_by_label().await;
        let policies = match policies::fresh(&self.ctx, seen).await {
            Err(error) if error.is_transient() => return Err(Error::PoliciesNotRead(error)),
            read => read,
        };
        let locations = self.locations.list();
        let facts = Facts {
            now: self.ctx.clock.now(),
            settings: &self.ctx.settings,
            locations: &locations,
            excluded_by_label: excluded.as_deref().map_err(String::as_str),
            policies: policies.as_ref(),
        };
        let mut wanted = prepare(seen, &facts);
        beginning.annotate(&mut wanted.metadata);
        conditions(&mut wanted, facts.now);
        let written = match self.write(seen, &wanted).await {
            // Nothing that time mends: without a final phase it would keep its place in the queue from all others.
            Err(Error::StatusNotWritten(WriteError::Refused(error)))
                if error.is_invalid() || error.code == TOO_LARGE =>
            {
                wanted = unwritable(seen, &error);
                conditions(&mut wanted, facts.now);
                self.write(seen, &wanted).await?
            }
            written => written?,
        };
        let invalid = *wanted.status.phase() == BackupPhase::FailedValidation;
        if written {
            let schedule = schedule_of(seen);
            if invalid {
                self.ctx
                    .metrics
                    .backup_ended(schedule, RunResult::FailedValidation, 0, None);
            } else {
                self.ctx.metrics.backup_started(schedule);
            }
        }
        // What was written arrives through the watch.
        Ok(Next::Resync)
    }

    async fn namespaces_excluded_by_label(&self) -> Result<Vec<String>, String> {
        let api: Api<Namespace> = Api::all(self.ctx.cluster.client().clone());
        let selector = format!("{}=true", labels::EXCLUDE_FROM_BACKUP);
        let found = api
            .list_metadata(&ListParams::default().labels(&selector))
            .await
            .map_err(|e| e.to_string())?;
        Ok(found.items.into_iter().filter_map(|n| n.metadata.name).collect())
    }

    /// The location of a backup that is to begin. One that has begun is not kept from its end by what becomes of the location.
    #[expect(
        clippy::result_large_err,
        reason = "the error of the whole pass; it is made once a pass"
    )]
    fn location(&self, seen: &Backup) -> Result<Arc<BackupStorageLocation>, Error> {
        let name = &seen.spec.storage_location;
        match self.locations.get(&ObjectRef::new(name).within(&self.ctx.namespace)) {
            None => Err(Error::LocationGone(name.clone())),
            Some(location) if location.is_read_only() && !is_cancelled(&seen.metadata) => {
                Err(Error::LocationReadOnly(name.clone()))
            }
            Some(location) => Ok(location),
        }
    }

    /// Writes the status at the end of the run. The counters move on the transition, so a write that changes nothing counts nothing.
    async fn record(&self, seen: &Backup, ended: &BackupStatus, archive: u64) -> Result<bool, Error> {
        let mut wanted = seen.clone();
        wanted.status = BackupStatus {
            conditions: seen.status.conditions.clone(),
            ..ended.clone()
        };
        let now = self.ctx.clock.now();
        let kept = &mut wanted.status.conditions;
        let is_cancelled = cancel::conclude(&seen.metadata, &ended.conditions, kept, now);
        conditions(&mut wanted, now);
        let written = self.ctx.writer.write(seen, &wanted).await?;
        if written == Written::Done && is_cancelled {
            self.ctx.metrics.backup_cancelled(schedule_of(seen));
        } else if written == Written::Done && wanted.status.phase().is_terminal() {
            // One that waits for operations is counted at its end.
            count_end(&self.ctx, &wanted, archive);
        }
        Ok(written != Written::Conflict)
    }
}

impl Run for Backups {
    type Kind = Backup;
    type Job = Job;
    type Progress = BackupProgress;
    type End = BackupEnd;
    type Error = Error;
    const OPERATION: &'static str = "backup";

    fn start(&self, seen: &Arc<Backup>) -> Result<Job, Error> {
        let location = self.location(seen)?;
        // Where a location is not available, another store may stand in its place, which has no seal.
        if is_cancelled(&seen.metadata) && !location.is_available() {
            return Err(Error::LocationUnavailable(seen.spec.storage_location.clone()));
        }
        Ok(Job {
            ctx: Arc::clone(&self.ctx),
            live_logs: self.live_logs.clone(),
            backup: Arc::clone(seen),
            location,
        })
    }

    async fn attempt(job: Job, handle: Handle<BackupProgress>) -> AttemptEnd<BackupEnd> {
        let (ctx, live_logs) = (Arc::clone(&job.ctx), job.live_logs.clone());
        carry_out(&ctx, &live_logs, BackupAttempt::new(job), handle).await
    }

    async fn show(&self, seen: &Arc<Backup>, progress: BackupProgress) -> Result<(), Error> {
        let mut wanted = (**seen).clone();
        wanted.status.progress = Some(forward(seen.status.progress.as_ref(), &progress));
        self.write(seen, &wanted).await?;
        Ok(())
    }

    async fn finish(&self, seen: &Arc<Backup>, end: &BackupEnd) -> Result<bool, Error> {
        self.record(seen, &end.status, end.archive).await
    }

    fn unavailable(&self, seen: &Backup, reason: &str, since: Duration) -> Option<BackupEnd> {
        (since > GIVE_UP_AFTER).then(|| BackupEnd {
            status: BackupStatus {
                phase: Some(BackupPhase::Failed),
                failure_reason: format!("gave up after one hour: {reason}"),
                completion_timestamp: Some(time(self.ctx.clock.now())),
                ..seen.status.clone()
            },
            archive: 0,
        })
    }
}

impl Cancellable for Backups {
    fn can_begin(&self, seen: &Arc<Backup>) -> bool {
        self.start(seen).is_ok()
    }

    async fn recorded(&self, seen: &Arc<Backup>) -> Result<RecordedEnd<BackupEnd>, Error> {
        match sealing::may_be_sealed(&self.ctx, &RunId::of(&**seen)).await {
            Ok(true) => Ok(RecordedEnd::InBucket),
            Ok(false) => Ok(RecordedEnd::Nothing),
            Err(error) => Err(Error::RecordUnreadable(error)),
        }
    }

    async fn show_unknown(&self, seen: &Arc<Backup>) -> Result<(), Error> {
        let mut wanted = (**seen).clone();
        cancel::seal_unknown(&mut wanted.status.conditions, self.ctx.clock.now());
        self.write(seen, &wanted).await?;
        Ok(())
    }

    fn give_up(&self, seen: &Arc<Backup>) -> BackupEnd {
        given_up(seen, self.ctx.clock.now())
    }
}

impl Reconciler for Backups {
    type Kind = Backup;
    type Error = Error;
    const NAME: &'static str = "backup";
    const RESYNC: Duration = Duration::from_mins(1);

    async fn reconcile(&self, seen: Arc<Backup>) -> Result<Next, Error> {
        if seen.metadata.deletion_timestamp.is_some() {
            // A finalizer keeps it; what it left is put in order when it is gone.
            self.driver.stop(&uid_of(&*seen));
            return Ok(Next::Resync);
        }
        let is_cancelled = is_cancelled(&seen.metadata);
        match seen.status.phase() {
            BackupPhase::ReadyToStart if is_cancelled => {
                end_unbegun(&self.ctx, &seen).await?;
                Ok(Next::Resync)
            }
            BackupPhase::InProgress if is_cancelled => cancelling::pass(&self.ctx, &self.driver, self, &seen).await,
            BackupPhase::ReadyToStart => self.prepare(&seen).await,
            BackupPhase::InProgress => self.driver.pass(self, &seen).await,
            _ => {
                let uid = uid_of(&*seen);
                self.driver.ended(&uid);
                self.ctx.cancels.forget(&uid);
                Ok(Next::Settled)
            }
        }
    }

    fn gone(&self, _key: &ObjectRef<Backup>, uid: &Uid) {
        self.driver.gone(uid);
        self.ctx.cancels.forget(uid);
    }
}

/// Progress as the status shows it: it never goes back, even over a restart.
fn forward(shown: Option<&BackupProgress>, now: &BackupProgress) -> BackupProgress {
    let shown = shown.cloned().unwrap_or_default();
    BackupProgress {
        total_items: now.total_items.max(shown.total_items),
        items_backed_up: now.items_backed_up.max(shown.items_backed_up),
    }
}

/// The refusal of a backup that the API server does not take as it would be prepared.
fn unwritable(seen: &Backup, error: &ApiError) -> Backup {
    let mut refused = seen.clone();
    refused.status.phase = Some(BackupPhase::FailedValidation);
    refused.status.queue_position = 0;
    refused.status.validation_errors = vec![format!("the API server refuses the prepared backup: {}", error.message)];
    refused
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::controllers::testing::available;
    use crate::controllers::testing::world::{Process, World};
    use crate::runtime::testing::death::Dies;
    use crate::testing::fake_api::{Fault, Seen as Request};

    #[test]
    fn progress_never_goes_back_though_a_resumed_run_begins_at_nothing() {
        let progress = |total_items, items_backed_up| BackupProgress {
            total_items,
            items_backed_up,
        };
        assert_eq!(forward(None, &progress(5, 1)), progress(5, 1));
        assert_eq!(forward(Some(&progress(9, 7)), &progress(5, 1)), progress(9, 7));
        assert_eq!(forward(Some(&progress(9, 7)), &progress(12, 8)), progress(12, 8));
    }

    #[tokio::test]
    async fn a_backup_that_the_api_server_does_not_take_as_prepared_gives_up_its_place() {
        for (code, reason) in [(422, "Invalid"), (413, "RequestEntityTooLarge")] {
            let world = World::new();
            world.api.insert(json!({
                "apiVersion": "velero.io/v1", "kind": "Backup", "metadata": {"name": "b", "namespace": "velero"},
                "spec": {"includedNamespaces": ["shop"]}, "status": {"phase": "ReadyToStart"},
            }));
            let writes = |request: &Request| request.method == "PATCH" && request.path.contains("/backups/b");
            world
                .api
                .fault(Fault::new(1, code, reason, writes).message("it is not taken"));
            let process = Process::start(&world, Dies::Never).await;
            let backups = Backups::new(
                Arc::clone(&process.ctx),
                SharedWatch::fixed([(*available("default")).clone()]),
                BackupOperations::new(),
                LiveLogs::default(),
            );
            let seen: Backup = serde_json::from_value(world.object("Backup", "b")).unwrap();
            backups.reconcile(Arc::new(seen)).await.unwrap();
            assert_eq!(world.phase("Backup", "b"), "FailedValidation", "{code}");
            let errors = world.object("Backup", "b")["status"]["validationErrors"].to_string();
            assert!(errors.contains("it is not taken"), "{errors}");
            process.kill().await;
        }
    }
}
