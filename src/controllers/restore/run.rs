//! One attempt at a restore, from InProgress to its end. It may die after any line: the next attempt goes on from the ledger, and
//! recognises what was created after the last flush (decision 16).
//!
//! ```text
//!   run record -> archive -> empty ledger written -> items, ledger written -> files -> end recorded -> final status      the record goes after it
//! ```

use std::io;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;
use tracing::{Instrument, Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::api::time;
use crate::api::v1::{BackupStorageLocation, Restore, RestorePhase, RestoreProgress, RestoreStatus};
use crate::controllers::context::Context;
use crate::controllers::item_operations::cancelled::cancel_all;
use crate::controllers::item_operations::kind::Counts;
use crate::controllers::run::live_log::LiveLogs;
use crate::controllers::run::record::{Record, RecordError};
use crate::controllers::run::uploads::Uploads;
use crate::controllers::run::{Attempt, Retry, Retryable, RunError, RunId, put_log_and_results, trace};
use crate::controllers::{events, location};
use crate::restore::actions;
use crate::restore::engine::{self, EngineDeps, Fatal};
use crate::restore::ledger::{Ledger, LedgerError, State};
use crate::restore::progress::{Progress, Standstill};
use crate::restore::report::Report;
use crate::restore::request::Request;
use crate::runtime::operation::Handle;
use crate::store::Store;
use crate::store::layout::{self, RestoreFile};
use crate::telemetry::process::TRACE_EVENT;
use crate::telemetry::run_log::RunLog;
use crate::telemetry::trace::{TraceParent, fail};

use super::error::RestoreError;
use super::ledger_record::LedgerRecord;
use super::{cancel, files, source};

/// How long a cancelled restore may read the archive again, for the names of what it has restored.
const FETCH: Duration = Duration::from_secs(10);

/// How long a cancelled restore may take to cancel its operations.
const CANCEL_OPERATIONS: Duration = Duration::from_secs(8);

/// The part of the run record with the final status, from when the restore's files are in the bucket.
const ENDED: &str = "ended";

/// Whether a record has the end of its run.
pub(super) fn is_ended(record: &Record) -> bool {
    record.part(ENDED).is_some()
}

/// The end that an earlier attempt came to and died before its status was written: that and its files count.
pub(super) fn recorded_end(record: &Record) -> Option<io::Result<RestoreStatus>> {
    let ended = record.part(ENDED)?;
    Some(serde_json::from_slice(ended).map_err(io::Error::other))
}

/// How far a run is, for the pass that shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Underway {
    /// For the status.
    pub progress: RestoreProgress,
    /// What keeps it from going on.
    pub standstill: Option<Standstill>,
}

/// What an attempt works with.
pub struct Job {
    /// What the controllers share.
    pub ctx: Arc<Context>,
    /// Makes the log readable while it is written.
    pub live_logs: LiveLogs,
    /// The restore as it was validated.
    pub restore: Arc<Restore>,
    /// The location of the backup's files, and of the restore's.
    pub location: Arc<BackupStorageLocation>,
}

/// An attempt at one restore.
pub struct RestoreAttempt {
    ctx: Arc<Context>,
    restore: Arc<Restore>,
    location: Arc<BackupStorageLocation>,
    id: RunId,
    /// What the engine works with, once it is fetched: [`Attempt::cancelled`] reports what of it was restored.
    request: Option<Arc<Request>>,
}

impl RestoreAttempt {
    /// An attempt with these; the live logs are for [`carry_out`](crate::controllers::run::carry_out).
    pub fn new(job: Job) -> Self {
        Self {
            id: RunId::of(&*job.restore),
            ctx: job.ctx,
            restore: job.restore,
            location: job.location,
            request: None,
        }
    }

    fn name(&self) -> &str {
        &self.id.name
    }

    async fn record(&self) -> Result<Record, RecordError> {
        let location = self.location.metadata.name.as_deref().unwrap_or_default();
        Record::open(&self.ctx, &self.id, location).await
    }

    /// The ledger of an earlier attempt, or a new one.
    async fn ledger(
        &self,
        log: &RunLog,
        written: &LedgerRecord<'_>,
        request: &Request,
    ) -> Result<Ledger, RestoreError> {
        let Some(earlier) = written.read().await? else {
            return Ok(Ledger::new(&request.archive));
        };
        match Ledger::resume(&earlier, &request.archive) {
            Ok(ledger) => {
                log.info("Restore was resumed: it goes on from what an earlier attempt had recorded");
                self.ctx.events.publish(&*self.restore, events::restore_resumed());
                let items = request.archive.items();
                let items = items.filter(|item| ledger.state(*item) != State::default()).count();
                tracing::info!(target: TRACE_EVENT, items, "resumed: it goes on from the ledger");
                Ok(ledger)
            }
            Err(error @ LedgerError::UnknownVersion(_)) => Err(RestoreError::Ledger(error)),
            Err(error) => {
                log.warn(format!(
                    "cannot resume from the record of an earlier attempt, starting over: {error}"
                ));
                Ok(Ledger::new(&request.archive))
            }
        }
    }

    async fn restore(
        &self,
        log: &RunLog,
        handle: &Handle<Underway>,
        request: &Request,
        ledger: Ledger,
        written: &LedgerRecord<'_>,
    ) -> Result<Report, RestoreError> {
        let on_progress = |now: Progress| {
            handle.progress(Underway {
                progress: RestoreProgress {
                    total_items: signed(now.total),
                    items_restored: signed(now.restored),
                },
                standstill: now.standstill,
            });
        };
        let deps = EngineDeps {
            cluster: self.ctx.engine.clone(),
            actions: actions::built_in()
                .into_iter()
                .chain(self.ctx.actions.restore.iter().cloned())
                .collect(),
            log: log.clone(),
            sink: written,
        };
        Ok(engine::run(request, &deps, ledger, &on_progress, handle.cancelled()).await?)
    }

    fn status(&self, report: &Report) -> RestoreStatus {
        let mut status = self.restore.status.clone();
        status.warnings = signed(report.messages.warnings);
        status.errors = signed(report.messages.errors);
        let waits = !report.operations.is_empty();
        status.phase = Some(match (waits, report.messages.errors > 0) {
            (false, false) => RestorePhase::Completed,
            (false, true) => RestorePhase::PartiallyFailed,
            (true, false) => RestorePhase::WaitingForPluginOperations,
            (true, true) => RestorePhase::WaitingForPluginOperationsPartiallyFailed,
        });
        status.restore_item_operations_attempted = Counts::of(&report.operations).attempted;
        let restored = signed(report.progress.restored);
        status.progress = Some(RestoreProgress {
            total_items: restored,
            items_restored: restored,
        });
        status.completion_timestamp = (!waits).then(|| time(self.ctx.clock.now()));
        status.hook_status.get_or_insert_default();
        status
    }

    /// The status of a restore that did nothing, or that cannot go on.
    fn failed_status(&self, error: &RestoreError) -> RestoreStatus {
        let mut status = self.restore.status.clone();
        status.phase = Some(RestorePhase::Failed);
        status.failure_reason = error.to_string();
        status.completion_timestamp = Some(time(self.ctx.clock.now()));
        status
    }

    async fn put_failure(&self, log: &RunLog) -> Result<(), RunError> {
        let store = location::open(&self.ctx, &self.location).await?;
        let mut uploads = Uploads::new(&self.ctx, self.record().await?)?;
        uploads.take_over(&store, &self.id).await?;
        self.put_messages(&store, &mut uploads, log).await
    }

    async fn put_messages(&self, store: &Store, uploads: &mut Uploads<'_>, log: &RunLog) -> Result<(), RunError> {
        let keys = (
            &*RestoreFile::Results.key(self.name()),
            &*RestoreFile::Log.key(self.name()),
        );
        put_log_and_results(store, uploads, keys, log).await
    }

    /// The report of what this attempt and earlier ones have restored; `None` if that is nothing, or the archive with the names is not
    /// read in time.
    async fn report_so_far(&self, store: &Store, written: &LedgerRecord<'_>) -> Option<Report> {
        let ledger = written.read().await.ok()??;
        let request = if let Some(fetched) = &self.request {
            Arc::clone(fetched)
        } else {
            let spool = self.ctx.settings.restore_spool_limit;
            let fetched = timeout(FETCH, source::request(&self.ctx, store, &self.restore, spool)).await;
            Arc::new(fetched.ok()?.ok()?)
        };
        let ledger = Ledger::resume(&ledger, &request.archive).ok()?;
        Some(Report::new(&ledger, &request.archive, &request.context()))
    }

    /// How far it has come: by the report if there is one, of as many items as were shown.
    fn progress_so_far(&self, handle: &Handle<Underway>, report: Option<&Report>) -> RestoreProgress {
        let shown = handle.reported().map(|underway| underway.progress);
        let shown = shown
            .or_else(|| self.restore.status.progress.clone())
            .unwrap_or_default();
        let restored = report.map_or(shown.items_restored, |report| signed(report.progress.restored));
        RestoreProgress {
            total_items: shown.total_items.max(restored),
            items_restored: restored,
        }
    }
}

impl Attempt for RestoreAttempt {
    type Progress = Underway;
    type End = RestoreStatus;
    type Error = RestoreError;
    const LOG_FIELD: &'static str = "restore";

    fn id(&self) -> &RunId {
        &self.id
    }

    fn trace(&self) -> Option<TraceParent> {
        trace::of_object(&*self.restore)
    }

    fn log_key(&self) -> String {
        RestoreFile::Log.key(self.name())
    }

    /// Cancelling it leaves the object InProgress.
    async fn attempt(&mut self, log: &RunLog, handle: &Handle<Underway>) -> Result<RestoreStatus, RestoreError> {
        let record = self.record().await?;
        if let Some(ended) = recorded_end(&record) {
            Uploads::new(&self.ctx, record.clone())?.follows_earlier(&self.id);
            tracing::info!(target: TRACE_EVENT, "resumed: an earlier attempt has ended it");
            return Ok(ended?);
        }
        if self.ctx.cancels.is_requested(&self.id.uid) {
            return Err(Fatal::Cancelled.into());
        }
        let store = location::open(&self.ctx, &self.location).await?;
        log.info("starting restore");
        let mut uploads = Uploads::new(&self.ctx, record)?;
        uploads.take_over(&store, &self.id).await?;
        uploads.sweep(&store, &layout::restore_dir(self.name())).await?;
        // An archive can take longer than the grace period.
        let spool = self.ctx.settings.restore_spool_limit;
        let request = source::request(&self.ctx, &store, &self.restore, spool);
        let request = handle.cancelled().run_until_cancelled(request).await;
        let request = Arc::new(request.ok_or(Fatal::Cancelled)??);
        self.request = Some(Arc::clone(&request));
        let written = LedgerRecord::new(&self.ctx, &store, self.name(), uploads.into_record());
        let ledger = self.ledger(log, &written, &request).await?;
        let mut report = self.restore(log, handle, &request, ledger, &written).await?;
        // Their time counts from when they can be asked first.
        let created = time(self.ctx.clock.now());
        for operation in &mut report.operations {
            operation.status.created = Some(created.clone());
        }
        let mut status = self.status(&report);
        let mut uploads = Uploads::new(&self.ctx, written.into_record())?;
        let stored = files::put(&store, &mut uploads, self.name(), log, report, "restore completed");
        match stored.instrument(info_span!("store files")).await {
            Ok(()) => {}
            Err(error) if error.retry() != Retry::Never => return Err(RestoreError::Run(error)),
            Err(error) => unstored(&mut status, &error, self.location.is_read_only(), self.ctx.clock.now()),
        }
        let ended = serde_json::to_vec(&status).map_err(io::Error::other)?;
        uploads.record().save(&self.ctx, ENDED, ended).await?;
        Ok(status)
    }

    fn describe(status: &RestoreStatus, span: &Span) {
        let items = status.progress.as_ref().map_or(0, |progress| progress.items_restored);
        span.set_attribute("velero.restore.phase", status.phase().to_string());
        span.set_attribute("velero.items", items);
        span.set_attribute("velero.warnings", status.warnings);
        span.set_attribute("velero.errors", status.errors);
        if *status.phase() == RestorePhase::Failed {
            fail(span, "failed", status.failure_reason.clone());
        }
    }

    async fn cancelled(&mut self, log: &RunLog, handle: &Handle<Underway>) -> Result<RestoreStatus, RestoreError> {
        let record = self.record().await?;
        if let Some(ended) = recorded_end(&record) {
            return Ok(ended?);
        }
        let store = location::open(&self.ctx, &self.location).await?;
        let mut uploads = Uploads::new(&self.ctx, record)?;
        uploads.take_over(&store, &self.id).await?;
        uploads.sweep(&store, &layout::restore_dir(self.name())).await?;
        let written = LedgerRecord::new(&self.ctx, &store, self.name(), uploads.into_record());
        let report = self.report_so_far(&store, &written).await;
        if let Some(report) = &report {
            let cancelling = cancel_all(&*self.restore, &self.ctx.actions, &report.operations);
            if timeout(CANCEL_OPERATIONS, cancelling).await.is_err() {
                tracing::warn!(restore = self.name(), "cancelling item operations took too long");
            }
        }
        let mut uploads = Uploads::new(&self.ctx, written.into_record())?;
        let progress = self.progress_so_far(handle, report.as_ref());
        let how_far = format!("cancelled: {}", cancel::how_far(&progress));
        let mut status = report
            .as_ref()
            .map_or_else(|| self.restore.status.clone(), |report| self.status(report));
        status.warnings += 1;
        let status = cancel::ended(status, progress, self.ctx.clock.now());
        let stored = if let Some(mut report) = report {
            report.results.warnings.add(None, how_far.clone());
            files::put(&store, &mut uploads, self.name(), log, report, &how_far).await
        } else {
            log.warn(&how_far);
            self.put_messages(&store, &mut uploads, log).await
        };
        match stored {
            Err(error) if error.retry() != Retry::Never => return Err(RestoreError::Run(error)),
            Err(error) => {
                tracing::warn!(restore = self.name(), %error, "the files of a cancelled restore are not stored");
            }
            Ok(()) => {}
        }
        let ended = serde_json::to_vec(&status).map_err(io::Error::other)?;
        uploads.record().save(&self.ctx, ENDED, ended).await?;
        Ok(status)
    }

    /// The log of a failed restore goes to the bucket if that can be written (spec restore 26 #4).
    async fn failed(&mut self, log: &RunLog, error: RestoreError) -> RestoreStatus {
        let status = if let RestoreError::Engine(Fatal::Refused(reasons)) = error {
            // The backup, once it was read, shows that the spec cannot be meant: as if validation had known.
            for reason in &reasons {
                log.error(reason);
            }
            let mut status = self.restore.status.clone();
            status.phase = Some(RestorePhase::FailedValidation);
            status.validation_errors = reasons;
            status
        } else {
            log.error(format!("restore failed: {error}"));
            self.failed_status(&error)
        };
        if let Err(lost) = self.put_failure(log).await {
            tracing::warn!(restore = self.name(), error = %lost, "the log of the failed restore could not be stored");
        }
        status
    }
}

/// The objects are restored; their log and results could not be stored. The status says so, and the restore has not failed: a bucket that
/// cannot be written is what a recovery often begins from. In a location that is read-only it is no more than a warning.
fn unstored(status: &mut RestoreStatus, error: &RunError, read_only: bool, now: Timestamp) {
    // Nothing but their file tells of operations.
    let unfollowed = status.phase().is_waiting_for_operations();
    status.failure_reason = format!("the objects were restored, but not the log and the results stored: {error}");
    if unfollowed {
        let count = status.restore_item_operations_attempted;
        status.failure_reason = format!("{}; {count} item operation(s) are not followed", status.failure_reason);
        status.completion_timestamp = Some(time(now));
    }
    if read_only && !unfollowed {
        status.warnings += 1;
    } else {
        status.errors += 1;
        status.phase = Some(RestorePhase::PartiallyFailed);
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
