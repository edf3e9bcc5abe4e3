//! One restore from InProgress to its end, as a supervised operation. It may die after any line: the successor goes on
//! from the ledger, and what was created after its last flush is recognised as ours (decision 16).
//!
//! ```text
//!   run record -> archive -> empty ledger kept -> items, ledger kept -> files -> end recorded -> final status      the record goes after it
//! ```

use std::io;
use std::sync::Arc;

use crate::api::time;
use crate::api::v1::{Backup, BackupStorageLocation, Restore, RestorePhase, RestoreProgress, RestoreStatus};
use crate::restore::actions;
use crate::restore::engine::{self, EngineDeps, Fatal};
use crate::restore::ledger::{Ledger, Severity};
use crate::restore::progress::{Progress, Standstill};
use crate::restore::report::{Report, recap};
use crate::restore::request::Request;
use crate::runtime::operation::Handle;
use crate::store::layout::{self, RestoreFile};
use crate::store::{Store, StoreError};
use crate::telemetry::run_log::RunLog;

use super::super::artifact::file::Artifact;
use super::super::artifact::json_gz;
use super::super::artifact::running::Running;
use super::super::location::{self, LocationError};
use super::super::ports::Ports;
use super::super::record::{Record, RecordError};
use super::super::story;
use super::super::uploads::{UploadError, Uploads};
use super::download::DownloadError;
use super::record::Keeper;
use super::source::{self, FetchError};
use super::volumes::VolumesError;

/// Where the final status stands in the run record, from when the restore's files are in the bucket.
const ENDED: &str = "ended";

/// How a run ended, for the pass that records it.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    /// It has this final status.
    Final(Box<RestoreStatus>),
    /// It was told to stop, or something that may pass kept it from its end: the object stays InProgress and is begun again.
    Again(String),
}

/// How far a run is, for the pass that shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Underway {
    /// For the status.
    pub progress: RestoreProgress,
    /// What keeps it from going on.
    pub standstill: Option<Standstill>,
}

/// Why a run did not reach its end.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Location(#[from] LocationError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    Upload(#[from] UploadError),
    #[error(transparent)]
    Engine(#[from] Fatal),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("a file of the restore could not be made: {0}; check the space in the scratch directory")]
    Scratch(#[from] io::Error),
}

impl Broken {
    /// Whether the run is to be begun again rather than to fail.
    fn passes(&self) -> bool {
        match self {
            Self::Location(error) => error.is_transient(),
            Self::Store(error)
            | Self::Upload(UploadError::Store(error))
            | Self::Fetch(
                FetchError::Download(DownloadError::Store(error)) | FetchError::Volumes(VolumesError::Store(error)),
            ) => error.is_transient(),
            Self::Record(_) | Self::Upload(UploadError::Record(_)) => true,
            Self::Engine(fatal) => matches!(fatal, Fatal::Discovery(_) | Fatal::Unkept(_) | Fatal::Cancelled),
            Self::Upload(UploadError::Scratch(_)) | Self::Fetch(_) | Self::Scratch(_) => false,
        }
    }
}

/// What a run works with.
pub struct Job {
    /// The ports.
    pub ports: Arc<Ports>,
    /// Makes the log readable while it is written.
    pub running: Running,
    /// The restore as it was validated.
    pub restore: Arc<Restore>,
    /// Its backup.
    pub backup: Arc<Backup>,
    /// Where the backup lies, and the restore's files go.
    pub location: Arc<BackupStorageLocation>,
}

impl Job {
    fn name(&self) -> &str {
        self.restore.metadata.name.as_deref().unwrap_or_default()
    }

    /// Carries the restore out. Cancelling it leaves the object InProgress.
    pub async fn run(self, handle: Handle<Underway>) -> Ended {
        let log = match self.log() {
            Ok(log) => log,
            Err(error) => return Ended::Again(format!("opening the restore's log failed: {error}")),
        };
        let _readable = self.running.add(
            &Artifact::Restore(RestoreFile::Log, self.name().to_owned()),
            log.clone(),
        );
        match self.attempt(&log, &handle).await {
            Ok(ended) => ended,
            Err(error) if handle.cancelled().is_cancelled() || error.passes() => Ended::Again(error.to_string()),
            Err(Broken::Engine(Fatal::Refused(reasons))) => self.refused(&log, reasons).await,
            Err(error) => self.failed(&log, &error).await,
        }
    }

    fn log(&self) -> io::Result<RunLog> {
        let clock = Arc::clone(&self.ports.clock);
        let namespace = self.restore.metadata.namespace.as_deref().unwrap_or_default();
        Ok(RunLog::create(
            tempfile::tempfile_in(&self.ports.scratch)?,
            self.ports.settings.log_format,
            self.ports.settings.log_level,
            vec![("restore", format!("{namespace}/{}", self.name()))],
            Arc::new(move || clock.now()),
        ))
    }

    async fn attempt(&self, log: &RunLog, handle: &Handle<Underway>) -> Result<Ended, Broken> {
        let record = self.record().await?;
        if let Some(ended) = record.part(ENDED) {
            // A predecessor came to the end and died before it could say so: its files and its word stand.
            return Ok(Ended::Final(serde_json::from_slice(ended).map_err(io::Error::other)?));
        }
        let store = location::open(&self.ports, &self.location).await?;
        log.info("starting restore");
        let mut uploads = Uploads::new(&self.ports, record);
        uploads.take_over(&store).await?;
        uploads.sweep(&store, &layout::restore_dir(self.name())).await?;
        // An archive can take longer than the grace period.
        let spool = self.ports.settings.restore_spool_limit;
        let request = source::request(&self.ports, &store, &self.restore, spool);
        let request = handle.cancelled().run_until_cancelled(request).await;
        let request = request.ok_or(Broken::Engine(Fatal::Cancelled))??;
        let keeper = Keeper::new(&self.ports, &store, self.name(), uploads.into_record());
        let ledger = match keeper.kept().await? {
            Some(kept) => match Ledger::resume(&kept, &request.archive) {
                Ok(ledger) => {
                    log.info("Restore was resumed: it goes on from what an earlier attempt had recorded");
                    self.ports.reporter.publish(&*self.restore, story::restore_resumed());
                    ledger
                }
                Err(error) => {
                    log.warn(format!(
                        "the record of an earlier attempt is of no use, beginning anew: {error}"
                    ));
                    Ledger::new(&request.archive)
                }
            },
            None => Ledger::new(&request.archive),
        };
        let report = self.make(log, handle, &request, ledger, &keeper).await?;
        let mut status = self.status(&report);
        let mut uploads = Uploads::new(&self.ports, keeper.into_record());
        match self.put_files(&store, &mut uploads, log, report).await {
            Ok(()) => {}
            Err(error) if error.passes() => return Err(error),
            Err(error) => unstored(&mut status, &error, self.location.is_read_only()),
        }
        let ended = serde_json::to_vec(&status).map_err(io::Error::other)?;
        uploads.record().save(&self.ports, ENDED, ended).await?;
        Ok(Ended::Final(Box::new(status)))
    }

    async fn record(&self) -> Result<Record, RecordError> {
        let location = self.location.metadata.name.as_deref().unwrap_or_default();
        Record::open(&self.ports, &*self.restore, location).await
    }

    async fn make(
        &self,
        log: &RunLog,
        handle: &Handle<Underway>,
        request: &Request,
        ledger: Ledger,
        keeper: &Keeper<'_>,
    ) -> Result<Report, Broken> {
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
            cluster: self.ports.engine.clone(),
            actions: actions::built_in(),
            log: log.clone(),
            sink: keeper,
        };
        Ok(engine::run(request, &deps, ledger, &on_progress, handle.cancelled()).await?)
    }

    fn status(&self, report: &Report) -> RestoreStatus {
        let mut status = self.restore.status.clone();
        status.warnings = signed(report.messages.warnings);
        status.errors = signed(report.messages.errors);
        status.phase = Some(if report.messages.errors > 0 {
            RestorePhase::PartiallyFailed
        } else {
            RestorePhase::Completed
        });
        let restored = signed(report.progress.restored);
        status.progress = Some(RestoreProgress {
            total_items: restored,
            items_restored: restored,
        });
        status.completion_timestamp = Some(time(self.ports.clock.now()));
        status.hook_status.get_or_insert_default();
        status
    }

    /// Everything the bucket holds of a restore; repeating it writes the same again.
    async fn put_files(
        &self,
        store: &Store,
        uploads: &mut Uploads<'_>,
        log: &RunLog,
        report: Report,
    ) -> Result<(), Broken> {
        let name = self.name();
        let empty: [(); 0] = [];
        for (file, content) in [
            (RestoreFile::Results, json_gz::write(&report.results)?),
            (RestoreFile::ResourceList, json_gz::write(&report.resources)?),
            (RestoreFile::ItemOperations, json_gz::write(&empty)?),
            (RestoreFile::VolumeInfo, json_gz::write(&empty)?),
        ] {
            store.put(&file.key(name), content).await?;
        }
        for (severity, line) in recap(&report.results) {
            match severity {
                Severity::Error => log.error(line),
                Severity::Warning => log.warn(line),
            }
        }
        log.info("restore completed");
        Ok(uploads
            .put_file(store, &RestoreFile::Log.key(name), log.finish()?)
            .await?)
    }

    /// A run that is over before it did anything, or that cannot be gone on with. Its log goes to the bucket if that can be
    /// written (spec restore 26 #4).
    async fn failed(&self, log: &RunLog, error: &Broken) -> Ended {
        log.error(format!("restore failed: {error}"));
        let mut status = self.restore.status.clone();
        status.phase = Some(RestorePhase::Failed);
        status.failure_reason = error.to_string();
        status.completion_timestamp = Some(time(self.ports.clock.now()));
        if let Err(lost) = self.put_failure(log).await {
            tracing::warn!(restore = self.name(), error = %lost, "the log of the failed restore could not be stored");
        }
        Ended::Final(Box::new(status))
    }

    /// The backup, once it was read, shows that the spec cannot be meant: as if validation had known.
    async fn refused(&self, log: &RunLog, reasons: Vec<String>) -> Ended {
        for reason in &reasons {
            log.error(reason);
        }
        let mut status = self.restore.status.clone();
        status.phase = Some(RestorePhase::FailedValidation);
        status.validation_errors = reasons;
        if let Err(lost) = self.put_failure(log).await {
            tracing::warn!(restore = self.name(), error = %lost, "the log of the refused restore could not be stored");
        }
        Ended::Final(Box::new(status))
    }

    async fn put_failure(&self, log: &RunLog) -> Result<(), Broken> {
        let store = location::open(&self.ports, &self.location).await?;
        let mut uploads = Uploads::new(&self.ports, self.record().await?);
        uploads.take_over(&store).await?;
        let results = super::super::results::of_log(log);
        store
            .put(&RestoreFile::Results.key(self.name()), json_gz::write(&results)?)
            .await?;
        uploads
            .put_file(&store, &RestoreFile::Log.key(self.name()), log.finish()?)
            .await?;
        Ok(())
    }
}

/// The objects are restored; their log and results could not be stored. That is said, and makes no failure of it: a bucket
/// that only hands out is what a recovery often begins from. In a location that says so it is no more than a warning.
fn unstored(status: &mut RestoreStatus, error: &Broken, read_only: bool) {
    status.failure_reason = format!("the objects were restored, but not the log and the results stored: {error}");
    if read_only {
        status.warnings += 1;
    } else {
        status.errors += 1;
        status.phase = Some(RestorePhase::PartiallyFailed);
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
