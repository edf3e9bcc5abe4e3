//! One attempt at a backup, from InProgress to its end. It may die after any line: the next attempt aborts what was half sent, looks whether
//! the backup was sealed, and otherwise collects afresh (decision 14).
//!
//! ```text
//!   thaw -> run record -> name lock -> archive -> other files -> seal -> lock released -> final status      the record goes after it
//! ```
//!
//! With operations of items it ends in WaitingForPluginOperations, sealed with that phase, and the record stays until it is finalized.

use std::sync::Arc;

use tracing::{Instrument, Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::api::time;
use crate::api::v1::{Backup, BackupPhase, BackupProgress, BackupStatus, BackupStorageLocation};
use crate::backup::{self as engine, EngineDeps, Fatal, Progress, Report, Request};
use crate::cluster::discovery::Discovery;
use crate::controllers::backup_storage_location::STORE_ID;
use crate::controllers::context::Context;
use crate::controllers::freeze::{FreezeLock, FreezeRecord};
use crate::controllers::item_operations::kind::Counts;
use crate::controllers::run::live_log::LiveLogs;
use crate::controllers::run::record::{Record, RecordError};
use crate::controllers::run::uploads::Uploads;
use crate::controllers::run::{Attempt, RunId, trace};
use crate::controllers::{events, location};
use crate::hook::Runner;
use crate::runtime::operation::Handle;
use crate::runtime::task;
use crate::select::resource_policies::ResourcePolicies;
use crate::store::layout::{BackupFile, backup_dir};
use crate::store::{Store, Upload};
use crate::telemetry::process::TRACE_EVENT;
use crate::telemetry::run_log::RunLog;
use crate::telemetry::trace::{TraceParent, fail};

use super::end::BackupEnd;
use super::error::BackupError;
use super::name_lock::{self, NameLock, NameLockError};
use super::{cancel, files, policies, seal, sealing};

/// What an attempt works with.
pub struct Job {
    /// What the controllers share.
    pub ctx: Arc<Context>,
    /// Makes the log readable while it is written.
    pub live_logs: LiveLogs,
    /// The backup as it was prepared.
    pub backup: Arc<Backup>,
    /// Where it goes.
    pub location: Arc<BackupStorageLocation>,
}

/// An attempt at one backup.
pub struct BackupAttempt {
    ctx: Arc<Context>,
    backup: Arc<Backup>,
    location: Arc<BackupStorageLocation>,
    id: RunId,
    /// Kept for [`Attempt::failed`]: the number of hooks, and the lock until the end.
    hooks: Option<Hooks>,
}

struct Hooks {
    runner: Runner,
    _lock: FreezeLock,
}

impl BackupAttempt {
    /// An attempt with these; the live logs are for [`carry_out`](crate::controllers::run::carry_out).
    pub fn new(job: Job) -> Self {
        Self {
            id: RunId::of(&*job.backup),
            ctx: job.ctx,
            backup: job.backup,
            location: job.location,
            hooks: None,
        }
    }

    fn name(&self) -> &str {
        &self.id.name
    }

    /// Takes over the freezes of earlier attempts and thaws them, before anything else: the applications have been frozen since the attempt
    /// was interrupted.
    async fn thaw(&self, log: &RunLog) -> Result<Hooks, RecordError> {
        let lock = self.ctx.freezes.lock(self.id.uid.as_str()).await;
        let (record, left) = FreezeRecord::open(&self.ctx, self.id.uid.as_str()).await?;
        let left_frozen = left.len();
        if left_frozen > 0 {
            log.info(format!(
                "An earlier run of this backup left {left_frozen} pod(s) frozen"
            ));
        }
        let runner = Runner::new(self.ctx.exec.clone(), Box::new(record), log.clone(), left);
        let span = if left_frozen == 0 {
            Span::none()
        } else {
            info_span!("thaw", velero.pods = left_frozen)
        };
        for left in runner.settle().instrument(span).await {
            log.warn(format!("{left}; the backup goes on meanwhile"));
        }
        Ok(Hooks { runner, _lock: lock })
    }

    async fn record(&self) -> Result<Record, RecordError> {
        let location = self.location.metadata.name.as_deref().unwrap_or_default();
        Record::open(&self.ctx, &self.id, location).await
    }

    async fn carry_out(
        &self,
        log: &RunLog,
        handle: &Handle<BackupProgress>,
        hooks: &Runner,
    ) -> Result<BackupEnd, BackupError> {
        if self.ctx.cancels.is_requested(&self.id.uid) {
            return Err(Fatal::Cancelled.into());
        }
        let record = self.record().await?;
        let store = location::open(&self.ctx, &self.location).await?;
        let mut uploads = Uploads::new(&self.ctx, record)?;
        if uploads.attempts() > 0 {
            log.info(format!(
                "Backup was resumed: begun {} time(s) before, it did not end",
                uploads.attempts()
            ));
            self.ctx.events.publish(&*self.backup, events::backup_resumed());
            tracing::info!(target: TRACE_EVENT, attempts = uploads.attempts(), "resumed: it collects afresh");
        }
        uploads.take_over(&store, &self.id).await?;
        let lock = async {
            let sealed = self.lock_name(&store).await?;
            // The name is locked, so no other run writes below it.
            uploads.sweep(&store, &backup_dir(self.name())).await?;
            Ok::<_, BackupError>(sealed)
        };
        if let Some(sealed) = lock.instrument(info_span!("lock name")).await? {
            tracing::info!(target: TRACE_EVENT, "resumed: an earlier attempt has sealed it");
            return self.finished(&store, sealed.status).await;
        }
        sealing::withdraw(uploads.record());
        let policies = policies::of_run(&self.ctx, &self.backup, uploads.record()).await?;

        let mut upload = uploads.begin(&store, &BackupFile::Contents.key(self.name())).await?;
        let mut report = match self.collect(log, handle, hooks, policies, &mut upload).await {
            Ok(report) => report,
            Err(error) => {
                if let Err(left) = upload.abort().await {
                    tracing::warn!(backup = self.name(), error = %left, "closing the upload failed; it is recorded");
                }
                return Err(error);
            }
        };
        let archive = upload.finish().instrument(info_span!("finish archive")).await?;
        // Their time counts from when they can be asked first.
        let created = time(self.ctx.clock.now());
        for operation in &mut report.operations {
            operation.status.created = Some(created.clone());
        }
        let status = self.status(log, &report, hooks);
        if handle.cancelled().is_cancelled() {
            return Err(Fatal::Cancelled.into());
        }
        files::put(&store, &mut uploads, self.name(), log, report)
            .instrument(info_span!("store files"))
            .await?;

        let found = seal::archive(&store, self.name()).await?;
        let is_as_written = found
            .as_ref()
            .is_some_and(|found| found.size == archive.size && found.etag == archive.etag);
        if !is_as_written {
            return Err(BackupError::NotAsWritten {
                written: archive.size,
                found: found.map_or(0, |found| found.size),
            });
        }
        // A Backup that was deleted or cancelled is not to come back from the bucket, however far its run had got.
        let sealing = self.ctx.cancels.begin_seal(&self.id.uid);
        if handle.cancelled().is_cancelled() || sealing.is_none() {
            return Err(Fatal::Cancelled.into());
        }
        sealing::note(&self.ctx, uploads.record()).await?;
        let status = seal::seal(&store, &self.backup, status)
            .instrument(info_span!("seal"))
            .await?;
        self.finished(&store, status).await
    }

    /// Locks the name, unless it is sealed already; returns what was sealed if that was by this run.
    async fn lock_name(&self, store: &Store) -> Result<Option<Backup>, BackupError> {
        if let Some(sealed) = seal::sealed(store, &self.id).await? {
            return Ok(Some(sealed));
        }
        let lock = NameLock::new(&self.id.uid, self.ctx.clock.now());
        match name_lock::acquire(store, self.name(), &lock).await {
            Ok(()) => {}
            // A deleted backup of this cluster, whose leftovers are being removed.
            Err(NameLockError::Held { lock, .. }) if Record::fresh_exists(&self.ctx, &lock.uid).await? => {
                return Err(BackupError::LeftoversInTheWay { uid: lock.uid });
            }
            Err(error) => return Err(error.into()),
        }
        // Another run may have sealed the name and released its lock since it was looked for.
        let sealed = seal::sealed(store, &self.id).await;
        if matches!(sealed, Err(BackupError::NameTaken { .. })) {
            name_lock::release(store, self.name()).await?;
        }
        sealed
    }

    /// From here on the backup exists: only an error that another attempt mends is returned.
    async fn finished(&self, store: &Store, status: BackupStatus) -> Result<BackupEnd, BackupError> {
        match name_lock::release(store, self.name()).await {
            Err(error) if error.is_transient() => return Err(error.into()),
            // The seal counts, whether the lock is there or not.
            Err(error) => {
                tracing::warn!(backup = self.name(), %error, "the claim of the finished backup was not removed");
            }
            Ok(()) => {}
        }
        // For the metrics only.
        let archive = seal::archive(store, self.name()).await.ok().flatten();
        let archive = archive.map_or(0, |archive| archive.size);
        Ok(BackupEnd { status, archive })
    }

    /// Runs the engine into the upload, and reports its progress.
    async fn collect(
        &self,
        log: &RunLog,
        handle: &Handle<BackupProgress>,
        hooks: &Runner,
        policies: ResourcePolicies,
        upload: &mut Upload,
    ) -> Result<Report, BackupError> {
        let discovery = Discovery::read(&self.ctx.engine)
            .instrument(info_span!("discover"))
            .await?;
        let (progress, mut seen) = Progress::new();
        let watcher = {
            let handle = handle.clone();
            task::spawn("backup progress", async move {
                while seen.changed().await.is_ok() {
                    let now = *seen.borrow_and_update();
                    handle.progress(shown(now.saved, now.expected));
                }
            })
        };
        let request = Request {
            namespace: self.id.namespace.clone(),
            name: self.id.name.clone(),
            uid: self.id.uid.to_string(),
            labels: self.backup.metadata.labels.clone().unwrap_or_default(),
            spec: self.backup.spec.clone(),
            policies,
            every_version: self.ctx.settings.every_version,
            workers: self.ctx.settings.item_block_workers,
        };
        let deps = EngineDeps {
            cluster: &self.ctx.engine,
            discovery: &discovery,
            scratch: &self.ctx.scratch,
            log,
            hooks,
            now: self.ctx.clock.now(),
            actions: self.ctx.actions.backup.clone(),
        };
        let report = engine::run(&request, deps, upload, &progress, handle.cancelled()).await;
        // Without its sender the watcher reads the last value and ends.
        drop(progress);
        let _ = watcher.await;
        // However it ended, nothing stays frozen.
        for left in hooks.settle().await {
            log.error(left.to_string());
        }
        Ok(report?)
    }

    fn status(&self, log: &RunLog, report: &Report, hooks: &Runner) -> BackupStatus {
        let (warnings, errors) = log.counts();
        let mut status = self.backup.status.clone();
        let waits = !report.operations.is_empty();
        status.phase = Some(match (waits, errors > 0) {
            (false, false) => BackupPhase::Completed,
            (false, true) => BackupPhase::PartiallyFailed,
            (true, false) => BackupPhase::WaitingForPluginOperations,
            (true, true) => BackupPhase::WaitingForPluginOperationsPartiallyFailed,
        });
        status.backup_item_operations_attempted = Counts::of(&report.operations).attempted;
        status.warnings = signed(warnings);
        status.errors = signed(errors);
        status.progress = Some(shown(report.saved, report.saved));
        status.completion_timestamp = (!waits).then(|| time(self.ctx.clock.now()));
        status.hook_status = Some(hooks.tally().into());
        status
    }

    /// Stores the log and the results of a run that has no backup. Only a name that this run holds is touched, and never a sealed backup.
    async fn put_failure(&self, log: &RunLog) -> Result<(), BackupError> {
        let store = location::open(&self.ctx, &self.location).await?;
        let lock = name_lock::holder(&store, self.name()).await?;
        let is_own = lock.is_some_and(|lock| lock.uid == self.id.uid.as_str());
        if !is_own || seal::sealed(&store, &self.id).await?.is_some() {
            return Ok(());
        }
        let mut uploads = Uploads::new(&self.ctx, self.record().await?)?;
        uploads.take_over(&store, &self.id).await?;
        uploads.sweep(&store, &backup_dir(self.name())).await?;
        files::put_failure(&store, &mut uploads, self.name(), log).await?;
        Ok(name_lock::release(&store, self.name()).await?)
    }
}

impl Attempt for BackupAttempt {
    type Progress = BackupProgress;
    type End = BackupEnd;
    type Error = BackupError;
    const LOG_FIELD: &'static str = "backup";

    fn id(&self) -> &RunId {
        &self.id
    }

    fn trace(&self) -> Option<TraceParent> {
        trace::of_object(&*self.backup)
    }

    fn log_key(&self) -> String {
        BackupFile::Log.key(self.name())
    }

    /// Cancelling it thaws what is frozen, closes the upload and leaves the object InProgress.
    async fn attempt(&mut self, log: &RunLog, handle: &Handle<BackupProgress>) -> Result<BackupEnd, BackupError> {
        let hooks = self.thaw(log).await?;
        let ended = self.carry_out(log, handle, &hooks.runner).await;
        self.hooks = Some(hooks);
        ended
    }

    fn describe(end: &BackupEnd, span: &Span) {
        let BackupEnd { status, archive } = end;
        let items = status.progress.as_ref().map_or(0, |progress| progress.items_backed_up);
        span.set_attribute("velero.backup.phase", status.phase().to_string());
        span.set_attribute("velero.items", items);
        span.set_attribute("velero.warnings", status.warnings);
        span.set_attribute("velero.errors", status.errors);
        span.set_attribute("velero.archive.bytes", i64::try_from(*archive).unwrap_or(i64::MAX));
        if *status.phase() == BackupPhase::Failed {
            fail(span, "failed", status.failure_reason.clone());
        }
    }

    async fn cancelled(&mut self, log: &RunLog, handle: &Handle<BackupProgress>) -> Result<BackupEnd, BackupError> {
        let progress = handle.reported().or_else(|| self.backup.status.progress.clone());
        let mut end = cancel::ended(&self.backup, progress.as_ref(), self.ctx.clock.now());
        log.warn(&end.status.failure_reason);
        let store = location::open(&self.ctx, &self.location).await?;
        if sealing::is_noted(&self.record().await?) {
            // In an empty mount point in the place of the store there is no seal either.
            let annotations = self.location.metadata.annotations.as_ref();
            let known = annotations.and_then(|all| all.get(STORE_ID));
            store.validate(known.map(String::as_str), false).await?;
        }
        match seal::sealed(&store, &self.id).await {
            // It was sealed before: then it is a backup.
            Ok(Some(sealed)) => return self.finished(&store, sealed.status).await,
            Ok(None) | Err(BackupError::NameTaken { .. }) => {}
            Err(error) => return Err(error),
        }
        let (warnings, errors) = log.counts();
        (end.status.warnings, end.status.errors) = (signed(warnings), signed(errors));
        end.status.hook_status = self.hooks.as_ref().map(|hooks| hooks.runner.tally().into());
        self.put_failure(log).await?;
        Ok(end)
    }

    async fn failed(&mut self, log: &RunLog, error: BackupError) -> BackupEnd {
        log.error(format!("backup failed: {error}"));
        let (warnings, errors) = log.counts();
        let mut status = self.backup.status.clone();
        status.phase = Some(BackupPhase::Failed);
        status.warnings = signed(warnings);
        status.errors = signed(errors);
        status.failure_reason = error.to_string();
        status.hook_status = self.hooks.as_ref().map(|hooks| hooks.runner.tally().into());
        status.completion_timestamp = Some(time(self.ctx.clock.now()));
        if let Err(lost) = self.put_failure(log).await {
            tracing::warn!(backup = self.name(), error = %lost, "the log of the failed backup could not be stored");
        }
        BackupEnd { status, archive: 0 }
    }
}

fn shown(saved: u64, expected: u64) -> BackupProgress {
    BackupProgress {
        total_items: signed(expected),
        items_backed_up: signed(saved),
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
