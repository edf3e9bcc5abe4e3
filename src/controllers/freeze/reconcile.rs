//! open-freezes: thaws what a run froze that does not go on: its Backup was deleted while no server ran, it waits for something, or its pod
//! could not be reached when the run ended.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;

use super::record::{FreezeRecord, LABEL};
use crate::controllers::context::Context;
use crate::controllers::run::open_log;
use crate::controllers::run::record::RecordError;
use crate::controllers::watches::Watches;
use crate::hook::Runner;
use crate::runtime::{Class, Classify, Controller, Manager, Next, Reconciler};

/// Runs at once whose freezes are thawed.
const WORKERS: usize = 4;

/// When to look again at the freezes of a run under way.
const LATER: Duration = Duration::from_secs(10);

/// A pass failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What is frozen could not be read.
    #[error(transparent)]
    RecordUnreadable(#[from] RecordError),
    /// The log could not be begun.
    #[error("begin a log in the scratch directory: {0}; check the space in it")]
    Scratch(#[from] io::Error),
    /// Pods could not be reached.
    #[error("{0}")]
    StillFrozen(String),
}

impl Classify for Error {
    crate::runtime::reasons!(RecordUnreadable, Scratch, StillFrozen);

    fn class(&self) -> Class {
        match self {
            Self::RecordUnreadable(RecordError::NotLeading(_)) => Class::Lost,
            _ => Class::Transient,
        }
    }
}

/// The reconciler.
pub struct OpenFreezes {
    ctx: Arc<Context>,
}

impl OpenFreezes {
    /// A reconciler of open freezes.
    pub fn new(ctx: Arc<Context>) -> Self {
        Self { ctx }
    }
}

impl OpenFreezes {
    /// Runs it in this manager.
    pub fn register(manager: &mut Manager, ctx: &Arc<Context>, watches: &Watches) {
        manager.control(Controller::new(Self::new(Arc::clone(ctx)), &watches.freezes).workers(WORKERS));
    }
}

impl Reconciler for OpenFreezes {
    type Kind = ConfigMap;
    type Error = Error;
    const NAME: &'static str = "open-freezes";
    const RESYNC: Duration = Duration::from_mins(1);

    // A pass takes as long as the post hooks do; nothing else waits for it but the run of the same backup.
    async fn reconcile(&self, seen: Arc<ConfigMap>) -> Result<Next, Error> {
        let labels = seen.metadata.labels.as_ref();
        let Some(uid) = labels.and_then(|labels| labels.get(LABEL)) else {
            return Ok(Next::Resync);
        };
        let Some(_lock) = self.ctx.freezes.try_lock(uid) else {
            return Ok(Next::After(LATER));
        };
        // What was seen may be old: the run may have thawed the pods since.
        let (record, left) = FreezeRecord::open(&self.ctx, uid).await?;
        if left.is_empty() {
            return Ok(Next::Resync);
        }
        tracing::warn!(backup = %uid, pods = left.len(), "a backup left pods frozen; their post hooks are run now");
        let runner = Runner::new(
            self.ctx.exec.clone(),
            Box::new(record),
            open_log(&self.ctx, ("backupUID", uid.clone()))?,
            left,
        );
        let unthawed = runner.settle().await;
        if unthawed.is_empty() {
            return Ok(Next::Resync);
        }
        let texts: Vec<String> = unthawed.iter().map(ToString::to_string).collect();
        Err(Error::StillFrozen(texts.join("; ")))
    }
}
