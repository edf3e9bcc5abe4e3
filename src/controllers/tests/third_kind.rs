//! A third kind of run beside backups and restores: it writes its own decisions, and has everything else from `run`. It writes two files
//! into its location for each `DeleteBackupRequest`.

use std::sync::Arc;

use crate::api::v1::{BackupStorageLocation, DeleteBackupRequest};
use crate::controllers::context::Context;
use crate::controllers::location;
use crate::controllers::run::live_log::LiveLogs;
use crate::controllers::run::record::Record;
use crate::controllers::run::uploads::Uploads;
use crate::controllers::run::{Attempt, Recorded, RunError, RunId, RunState, carry_out, put_log_and_results};
use crate::controllers::write::{WriteError, Written};
use crate::runtime::SharedWatch;
use crate::runtime::operation::{AttemptEnd, Handle, Interrupted, Run};
use crate::store::{Store, StoreError};
use crate::telemetry::run_log::RunLog;
use crate::telemetry::trace::TraceParent;

pub(super) const DIR: &str = "restores/third/";

#[derive(Debug, thiserror::Error)]
pub(super) enum PassError {
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("it will be begun again: {0}")]
    Interrupted(#[from] Interrupted),
    #[error("its location is not there")]
    NoLocation,
}

pub(super) struct Thirds {
    pub(super) ctx: Arc<Context>,
    pub(super) locations: SharedWatch<BackupStorageLocation>,
}

pub(super) struct ThirdAttempt {
    ctx: Arc<Context>,
    location: Arc<BackupStorageLocation>,
    id: RunId,
}

impl Run for Thirds {
    type Kind = DeleteBackupRequest;
    type Job = ThirdAttempt;
    type Progress = u64;
    type End = Result<(), String>;
    type Error = PassError;
    const OPERATION: &'static str = "third";

    fn start(&self, seen: &Arc<DeleteBackupRequest>) -> Result<ThirdAttempt, PassError> {
        Ok(ThirdAttempt {
            ctx: self.ctx.clone(),
            location: self.locations.list().pop().ok_or(PassError::NoLocation)?,
            id: RunId::of(&**seen),
        })
    }

    async fn attempt(job: ThirdAttempt, handle: Handle<u64>) -> AttemptEnd<Result<(), String>> {
        carry_out(&job.ctx.clone(), &LiveLogs::default(), job, handle).await
    }

    async fn show(&self, _: &Arc<DeleteBackupRequest>, _: u64) -> Result<(), PassError> {
        Ok(())
    }

    async fn finish(&self, seen: &Arc<DeleteBackupRequest>, end: &Self::End) -> Result<bool, PassError> {
        let mut wanted = (**seen).clone();
        wanted.status.phase = Some("Processed".into());
        wanted.status.errors = end.clone().err().into_iter().collect();
        Ok(self.ctx.writer.write(&**seen, &wanted).await? != Written::Conflict)
    }
}

impl Attempt for ThirdAttempt {
    type Progress = u64;
    type End = Result<(), String>;
    type Error = RunError;
    const LOG_FIELD: &'static str = "third";

    fn id(&self) -> &RunId {
        &self.id
    }

    fn trace(&self) -> Option<TraceParent> {
        None
    }

    fn log_key(&self) -> String {
        format!("{DIR}log.gz")
    }

    async fn attempt(&mut self, _: &RunLog, _: &Handle<u64>) -> Result<Self::End, RunError> {
        let record = Record::open(&self.ctx, &self.id, "default").await?;
        let store = location::open(&self.ctx, &self.location).await?;
        let mut uploads = Uploads::new(&self.ctx, record)?;
        uploads.take_over(&store, &self.id).await?;
        uploads.sweep(&store, DIR).await?;
        let mut upload = uploads.begin(&store, &format!("{DIR}large")).await?;
        upload.write(vec![7; 1000].into()).await?;
        upload.finish().await?;
        store.put(&format!("{DIR}small"), "small".into()).await?;
        Ok(Ok(()))
    }

    async fn cancelled(&mut self, _: &RunLog, _: &Handle<u64>) -> Result<Self::End, RunError> {
        Ok(Err("cancelled".to_owned()))
    }

    async fn failed(&mut self, log: &RunLog, error: RunError) -> Self::End {
        log.error(error.to_string());
        let Ok(store) = location::open(&self.ctx, &self.location).await else {
            return Err(error.to_string());
        };
        let record = Record::open(&self.ctx, &self.id, "default").await.unwrap();
        let mut uploads = Uploads::new(&self.ctx, record).unwrap();
        let (results, log_key) = (format!("{DIR}results.gz"), self.log_key());
        put_log_and_results(&store, &mut uploads, (&results, &log_key), log)
            .await
            .unwrap();
        Err(error.to_string())
    }
}

impl Recorded for Thirds {
    fn state(seen: &DeleteBackupRequest) -> RunState {
        if seen.status.phase.is_some() {
            RunState::Ended
        } else {
            RunState::Running
        }
    }

    async fn put_in_order(store: &Store, _: &RunId, uploads: &Uploads<'_>, _: RunState) -> Result<(), StoreError> {
        uploads.sweep(store, DIR).await
    }
}
