//! One backup from InProgress to its end, as a supervised operation. It may die after any line: the successor aborts what
//! was half sent, looks whether the backup was sealed, and otherwise collects afresh (decision 14).
//!
//! ```text
//!   thaw -> run record -> claim -> archive -> other files -> seal -> claim released -> final status      the record goes after it
//! ```

use std::io;
use std::sync::Arc;

use crate::api::v1::{Backup, BackupPhase, BackupProgress, BackupStatus, BackupStorageLocation};
use crate::api::{go_json, time};
use crate::backup::{self as engine, Deps, Fatal, Progress, Report, Request};
use crate::cluster::discovery::{Discovery, DiscoveryError};
use crate::hook::Runner;
use crate::runtime::operation::Handle;
use crate::runtime::task;
use crate::select::resource_policies::ResourcePolicies;
use crate::store::layout::{BackupFile, backup_dir};
use crate::store::{ObjectInfo, PutOutcome, Store, StoreError, Upload};
use crate::telemetry::run_log::RunLog;

use super::super::artifact::file::Artifact;
use super::super::artifact::json_gz;
use super::super::artifact::running::Running;
use super::super::freeze::FreezeRecord;
use super::super::location::{self, LocationError};
use super::super::ports::Ports;
use super::super::record::{Record, RecordError};
use super::super::results;
use super::super::story;
use super::super::uploads::{UploadError, Uploads};
use super::claim::{self, Claim, ClaimError};
use super::policies::{self, PoliciesError};

/// A sealed metadata file is at most this large.
const MAX_METADATA: u64 = 16 << 20;

/// How a run ended, for the pass that records it.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    /// It has this final status, and an archive of so many bytes.
    Final(Box<BackupStatus>, u64),
    /// It was told to stop, or something that may pass kept it from its end: the object stays InProgress and is begun again
    /// (decision 15), here or by the next who leads.
    Again(String),
    /// The same, because its store cannot be used now.
    StoreAway(String),
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
    Discovery(#[from] DiscoveryError),
    #[error(transparent)]
    Engine(#[from] Fatal),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Policies(#[from] PoliciesError),
    #[error("a file of the backup could not be made: {0}; check the space in the scratch directory")]
    Scratch(#[from] io::Error),
    #[error(
        "backup already exists in object storage: `{key}` is there already; use another name, or delete the backup that holds it"
    )]
    NameTaken { key: String },
    #[error("{0}")]
    NameHeld(ClaimError),
    #[error("what an earlier backup of this name left in object storage is still being put in order (run `{uid}`)")]
    LeftoversInTheWay { uid: String },
    #[error(
        "the archive in object storage is not as it was written ({written} bytes then, {found} now); check who else writes to the bucket"
    )]
    NotAsWritten { written: u64, found: u64 },
}

impl From<ClaimError> for Broken {
    fn from(error: ClaimError) -> Self {
        match error {
            ClaimError::Store(error) => Self::Store(error),
            held @ ClaimError::Held { .. } => Self::NameHeld(held),
        }
    }
}

impl Broken {
    /// Whether the run is to be begun again rather than to fail.
    fn passes(&self) -> bool {
        match self {
            Self::Location(error) => error.is_transient(),
            Self::Policies(error) => error.passes(),
            Self::Store(error) | Self::Upload(UploadError::Store(error)) => error.is_transient(),
            Self::Record(_)
            | Self::Upload(UploadError::Record(_))
            | Self::Discovery(_)
            | Self::LeftoversInTheWay { .. } => true,
            Self::Engine(fatal) => match fatal {
                Fatal::Cancelled | Fatal::NoNamespaces => true,
                Fatal::Namespaces(error) => error.can_pass(),
                // What the upload says about its store.
                Fatal::Sink(error) => error.downcast_ref().is_some_and(StoreError::is_transient),
                Fatal::Selector(_) | Fatal::Hooks(_) | Fatal::Scratch(_) | Fatal::Archive(_) => false,
            },
            Self::Upload(UploadError::Scratch(_))
            | Self::Scratch(_)
            | Self::NameTaken { .. }
            | Self::NameHeld(_)
            | Self::NotAsWritten { .. } => false,
        }
    }

    fn is_about_the_store(&self) -> bool {
        matches!(
            self,
            Self::Location(LocationError::Store(_))
                | Self::Store(_)
                | Self::Upload(UploadError::Store(_))
                | Self::Engine(Fatal::Sink(_))
        )
    }
}

/// What a run works with.
pub struct Job {
    /// The ports.
    pub ports: Arc<Ports>,
    /// Makes the log readable while it is written.
    pub running: Running,
    /// The backup as it was prepared.
    pub backup: Arc<Backup>,
    /// Where it goes.
    pub location: Arc<BackupStorageLocation>,
}

impl Job {
    fn name(&self) -> &str {
        self.backup.metadata.name.as_deref().unwrap_or_default()
    }

    fn uid(&self) -> &str {
        self.backup.metadata.uid.as_deref().unwrap_or_default()
    }

    fn location_name(&self) -> &str {
        self.location.metadata.name.as_deref().unwrap_or_default()
    }

    /// Carries the backup out. Cancelling it thaws what is frozen, closes the upload and leaves the object InProgress.
    pub async fn run(self, handle: Handle<BackupProgress>) -> Ended {
        let log = match self.log() {
            Ok(log) => log,
            Err(error) => return Ended::Again(format!("opening the backup's log failed: {error}")),
        };
        let _readable = self
            .running
            .add(&Artifact::Backup(BackupFile::Log, self.name().to_owned()), log.clone());
        let _freezes = self.ports.freezes.claim(self.uid()).await;
        let hooks = match self.hooks(&log).await {
            Ok(hooks) => hooks,
            Err(error) => return Ended::Again(error.to_string()),
        };
        // Before anything else: the applications stand still since the run broke off.
        for left in hooks.settle().await {
            log.warn(format!("{left}; the backup goes on meanwhile"));
        }
        match self.attempt(&log, &handle, &hooks).await {
            Ok(ended) => ended,
            Err(error) if handle.cancelled().is_cancelled() => Ended::Again(error.to_string()),
            Err(error) if error.passes() && error.is_about_the_store() => Ended::StoreAway(error.to_string()),
            Err(error) if error.passes() => Ended::Again(error.to_string()),
            Err(error) => self.failed(&log, &error, &hooks).await,
        }
    }

    async fn hooks(&self, log: &RunLog) -> Result<Runner, RecordError> {
        let (record, left) = FreezeRecord::open(&self.ports, self.uid()).await?;
        if !left.is_empty() {
            log.info(format!(
                "An earlier run of this backup left {} pod(s) frozen",
                left.len()
            ));
        }
        Ok(Runner::new(
            self.ports.exec.clone(),
            Box::new(record),
            log.clone(),
            left,
        ))
    }

    fn log(&self) -> io::Result<RunLog> {
        let clock = Arc::clone(&self.ports.clock);
        let namespace = self.backup.metadata.namespace.as_deref().unwrap_or_default();
        Ok(RunLog::create(
            tempfile::tempfile_in(&self.ports.scratch)?,
            self.ports.settings.log_format,
            self.ports.settings.log_level,
            vec![("backup", format!("{namespace}/{}", self.name()))],
            Arc::new(move || clock.now()),
        ))
    }

    async fn attempt(&self, log: &RunLog, handle: &Handle<BackupProgress>, hooks: &Runner) -> Result<Ended, Broken> {
        let record = Record::open(&self.ports, &*self.backup, self.location_name()).await?;
        let store = location::open(&self.ports, &self.location).await?;
        let mut uploads = Uploads::new(&self.ports, record);
        if uploads.attempts() > 0 {
            log.info(format!(
                "Backup was resumed: begun {} time(s) before, it did not end",
                uploads.attempts()
            ));
            self.ports.reporter.publish(&*self.backup, story::backup_resumed());
        }
        uploads.take_over(&store).await?;
        let sealed = self.claim(&store).await?;
        // The name is ours now, so everything below it is.
        uploads.sweep(&store, &backup_dir(self.name())).await?;
        if let Some(sealed) = sealed {
            return self.finished(&store, sealed.status).await;
        }
        let policies = policies::of_run(&self.ports, &self.backup, uploads.record()).await?;

        let mut upload = uploads.begin(&store, &BackupFile::Contents.key(self.name())).await?;
        let report = match self.make(log, handle, hooks, policies, &mut upload).await {
            Ok(report) => report,
            Err(error) => {
                if let Err(left) = upload.abort().await {
                    tracing::warn!(backup = self.name(), error = %left, "closing the upload failed; it is recorded");
                }
                return Err(error);
            }
        };
        let archive = upload.finish().await?;
        let status = self.status(log, &report, hooks);
        if handle.cancelled().is_cancelled() {
            return Err(Fatal::Cancelled.into());
        }
        self.put_files(&store, &mut uploads, log, report).await?;

        let found = archive_of(&store, self.name()).await?;
        let is_as_written = found
            .as_ref()
            .is_some_and(|found| found.size == archive.size && found.etag == archive.etag);
        if !is_as_written {
            return Err(Broken::NotAsWritten {
                written: archive.size,
                found: found.map_or(0, |found| found.size),
            });
        }
        // A Backup that was deleted is not to come back from the bucket, however far its run had got.
        if handle.cancelled().is_cancelled() {
            return Err(Fatal::Cancelled.into());
        }
        let status = self.seal(&store, status).await?;
        self.finished(&store, status).await
    }

    /// Makes the name ours, unless it is already sealed; gives what was sealed if that was by us.
    async fn claim(&self, store: &Store) -> Result<Option<Backup>, Broken> {
        if let Some(sealed) = self.sealed(store).await? {
            return Ok(Some(sealed));
        }
        let claim = Claim {
            uid: self.uid().to_owned(),
            began: self.ports.clock.now().to_string(),
        };
        match claim::take(store, self.name(), &claim).await {
            Ok(()) => {}
            // A deleted backup of this cluster's, whose leftovers are on their way out.
            Err(ClaimError::Held { claim, .. }) if Record::fresh_exists(&self.ports, &claim.uid).await? => {
                return Err(Broken::LeftoversInTheWay { uid: claim.uid });
            }
            Err(error) => return Err(error.into()),
        }
        // Whoever had the name may have sealed it between our looking and our claiming.
        let sealed = self.sealed(store).await;
        if matches!(sealed, Err(Broken::NameTaken { .. })) {
            claim::release(store, self.name()).await?;
        }
        sealed
    }

    /// Nothing may make a sealed backup fail any more.
    async fn finished(&self, store: &Store, status: BackupStatus) -> Result<Ended, Broken> {
        match claim::release(store, self.name()).await {
            Err(error) if error.is_transient() => return Err(error.into()),
            // The seal says more than the claim.
            Err(error) => {
                tracing::warn!(backup = self.name(), %error, "the claim of the finished backup was not removed");
            }
            Ok(()) => {}
        }
        // For the metrics only.
        let archive = archive_of(store, self.name()).await.ok().flatten();
        Ok(Ended::Final(
            Box::new(status),
            archive.map_or(0, |archive| archive.size),
        ))
    }

    /// Runs the engine into the upload, passing its progress on.
    async fn make(
        &self,
        log: &RunLog,
        handle: &Handle<BackupProgress>,
        hooks: &Runner,
        policies: ResourcePolicies,
        upload: &mut Upload,
    ) -> Result<Report, Broken> {
        let discovery = Discovery::read(&self.ports.engine).await?;
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
            namespace: self.backup.metadata.namespace.clone().unwrap_or_default(),
            name: self.name().to_owned(),
            uid: self.uid().to_owned(),
            labels: self.backup.metadata.labels.clone().unwrap_or_default(),
            spec: self.backup.spec.clone(),
            policies,
            every_version: self.ports.settings.every_version,
            workers: self.ports.settings.item_block_workers,
        };
        let deps = Deps {
            cluster: &self.ports.engine,
            discovery: &discovery,
            scratch: &self.ports.scratch,
            log,
            hooks,
            now: self.ports.clock.now(),
            actions: Vec::new(),
        };
        let report = engine::run(&request, deps, upload, &progress, handle.cancelled()).await;
        // Without its sender the watcher reads the last value and ends.
        drop(progress);
        let _ = watcher.await;
        // However it ended: nothing stays frozen.
        for left in hooks.settle().await {
            log.error(left.to_string());
        }
        Ok(report?)
    }

    /// The metadata of this very backup, if it was sealed.
    async fn sealed(&self, store: &Store) -> Result<Option<Backup>, Broken> {
        let key = BackupFile::Metadata.key(self.name());
        let text = match store.get(&key, MAX_METADATA).await {
            Ok(text) => text,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        match serde_json::from_slice::<Backup>(&text) {
            Ok(sealed) if sealed.metadata.uid.as_deref() == Some(self.uid()) => Ok(Some(sealed)),
            _ => Err(Broken::NameTaken { key }),
        }
    }

    fn status(&self, log: &RunLog, report: &Report, hooks: &Runner) -> BackupStatus {
        let (warnings, errors) = log.counts();
        let mut status = self.backup.status.clone();
        status.phase = Some(if errors > 0 {
            BackupPhase::PartiallyFailed
        } else {
            BackupPhase::Completed
        });
        status.warnings = signed(warnings);
        status.errors = signed(errors);
        status.progress = Some(shown(report.saved, report.saved));
        status.completion_timestamp = Some(time(self.ports.clock.now()));
        status.hook_status = Some(hooks.tally().into());
        status
    }

    /// Everything but the seal; repeating it writes the same again.
    async fn put_files(
        &self,
        store: &Store,
        uploads: &mut Uploads<'_>,
        log: &RunLog,
        report: Report,
    ) -> Result<(), Broken> {
        let name = self.name();
        let none: Option<()> = None;
        let empty: [(); 0] = [];
        for (file, content) in [
            (BackupFile::PodVolumeBackups, json_gz::write(&none)?),
            (BackupFile::VolumeSnapshots, json_gz::write(&none)?),
            (BackupFile::ItemOperations, json_gz::write(&empty)?),
            (BackupFile::VolumeInfo, json_gz::write(&report.volumes)?),
            (BackupFile::Results, json_gz::write(&results::of_log(log))?),
        ] {
            store.put(&file.key(name), content).await?;
        }
        uploads
            .put_file(store, &BackupFile::ResourceList.key(name), report.resource_list)
            .await?;
        let finished = log.finish()?;
        Ok(uploads.put_file(store, &BackupFile::Log.key(name), finished).await?)
    }

    /// Publishes the backup: from here on it exists for every cluster that reads the bucket. Gives the status it has there.
    async fn seal(&self, store: &Store, status: BackupStatus) -> Result<BackupStatus, Broken> {
        let mut sealed = (*self.backup).clone();
        sealed.status = status.clone();
        // They follow from the phase, and are made anew where the backup is read.
        sealed.status.conditions.clear();
        let text = go_json::to_pretty(&sealed).map_err(io::Error::other)?;
        match store
            .put_if_absent(&BackupFile::Metadata.key(self.name()), text.into())
            .await?
        {
            PutOutcome::Created => Ok(status),
            // Ours, by a request whose answer was lost; or somebody else's.
            PutOutcome::Exists => Ok(self.sealed(store).await?.map_or(status, |sealed| sealed.status)),
        }
    }

    /// A run that is over without a backup. Its log and results go to the bucket if that can be written; the seal does not.
    async fn failed(&self, log: &RunLog, error: &Broken, hooks: &Runner) -> Ended {
        log.error(format!("backup failed: {error}"));
        let (warnings, errors) = log.counts();
        let mut status = self.backup.status.clone();
        status.phase = Some(BackupPhase::Failed);
        status.warnings = signed(warnings);
        status.errors = signed(errors);
        status.failure_reason = error.to_string();
        status.hook_status = Some(hooks.tally().into());
        status.completion_timestamp = Some(time(self.ports.clock.now()));
        if let Err(lost) = self.put_failure(log).await {
            tracing::warn!(backup = self.name(), error = %lost, "the log of the failed backup could not be stored");
        }
        Ended::Final(Box::new(status), 0)
    }

    /// Only what was claimed is touched, and never what is sealed: anything else under this name is another's.
    async fn put_failure(&self, log: &RunLog) -> Result<(), Broken> {
        let (name, store) = (self.name(), location::open(&self.ports, &self.location).await?);
        let ours = claim::holder(&store, name)
            .await?
            .is_some_and(|claim| claim.uid == self.uid());
        if !ours || self.sealed(&store).await?.is_some() {
            return Ok(());
        }
        let record = Record::open(&self.ports, &*self.backup, self.location_name()).await?;
        let mut uploads = Uploads::new(&self.ports, record);
        uploads.take_over(&store).await?;
        uploads.sweep(&store, &backup_dir(name)).await?;
        // What was finished but could not be followed by the rest is of no use to anybody. The claim stays until the end.
        for file in BackupFile::ALL {
            if file != BackupFile::Metadata {
                store.delete(&file.key(name)).await?;
            }
        }
        store
            .put(&BackupFile::Results.key(name), json_gz::write(&results::of_log(log))?)
            .await?;
        uploads
            .put_file(&store, &BackupFile::Log.key(name), log.finish()?)
            .await?;
        Ok(claim::release(&store, name).await?)
    }
}

async fn archive_of(store: &Store, name: &str) -> Result<Option<ObjectInfo>, StoreError> {
    store.head(&BackupFile::Contents.key(name)).await
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
