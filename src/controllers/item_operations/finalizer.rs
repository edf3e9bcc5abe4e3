//! backup-finalizer and restore-finalizer: finishes the files of an object whose operations have ended, then writes its final phase
//! (spec backup 14.3, restore 20).

use std::sync::Arc;
use std::time::Duration;

use tracing::Instrument;

use crate::api::v1::BackupStorageLocation;
use crate::controllers::context::Context;
use crate::controllers::location;
use crate::controllers::run::{Retry, Retryable, RunId, trace};
use crate::controllers::watches::{BUCKET_WORKERS, Watches, refs};
use crate::controllers::write::WriteError;
use crate::runtime::operation::{AttemptEnd, Driver, Handle, Interrupted, Run, RunOperations};
use crate::runtime::{Class, Classify, Controller, Manager, Next, ObjectRef, Reconciler, SharedWatch, Uid, uid_of};

use super::blocked::Blocked;
use super::error::Error as PassError;
use super::file::{self, FileError};
use super::kind::{Finalized, Finishing, Operated, Sources, Stage};
use super::waiting::{wait_for_location, write_end};

/// Objects whose files are finished at once. Each may download and upload an archive.
const AT_ONCE: usize = BUCKET_WORKERS;

/// A pass failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The status was not written.
    #[error("writing the final status failed: {0}")]
    StatusNotWritten(#[from] WriteError),
    /// The files were not finished.
    #[error("finalizing broke off and will be begun again: {0}")]
    BrokeOff(#[from] Interrupted),
    /// The location cannot be used.
    #[error("{}", .0.message)]
    LocationUnusable(Blocked),
    /// Waiting for the location failed.
    #[error(transparent)]
    RecordUnreadable(#[from] PassError),
}

impl Classify for Error {
    crate::runtime::reasons!(StatusNotWritten, BrokeOff, LocationUnusable, RecordUnreadable);

    fn class(&self) -> Class {
        match self {
            Self::StatusNotWritten(WriteError::NotLeading(_)) => Class::Lost,
            Self::RecordUnreadable(error) => error.class(),
            _ => Class::Transient,
        }
    }
}

/// The finalizations under way of a kind.
pub type Finalizations<K> = RunOperations<Finalizer<K>>;

/// What an attempt works with.
pub struct Job<K> {
    ctx: Arc<Context>,
    object: Arc<K>,
    location: Arc<BackupStorageLocation>,
}

/// The reconciler.
pub struct Finalizer<K: Operated> {
    ctx: Arc<Context>,
    sources: Sources,
    driver: Driver<Self>,
}

impl<K: Operated> Finalizer<K> {
    /// A reconciler with these.
    pub fn new(ctx: Arc<Context>, sources: Sources, finalizations: Finalizations<K>) -> Self {
        Self {
            ctx,
            sources,
            driver: Driver::new(finalizations),
        }
    }

    /// Runs it in this manager.
    pub fn register(manager: &mut Manager, ctx: &Arc<Context>, watches: &Watches, objects: &SharedWatch<K>) {
        let finalizations = Finalizations::<K>::at_most(AT_ONCE);
        let reconciler = Self::new(Arc::clone(ctx), Sources::new(ctx, watches), finalizations.clone());
        let finalizing = objects.clone();
        manager.control(
            Controller::new(reconciler, objects)
                .workers(BUCKET_WORKERS)
                .operations(&finalizations)
                // Some wait until their location can be used.
                .on(&watches.locations, move |_: &BackupStorageLocation| {
                    refs(&finalizing.list_where(|object| object.stage() == Stage::Finalizing))
                }),
        );
    }
}

impl<K: Operated> Run for Finalizer<K> {
    type Kind = K;
    type Job = Job<K>;
    type Progress = ();
    type End = Finalized<K::Status>;
    type Error = Error;
    const OPERATION: &'static str = "finalize";

    fn start(&self, object: &Arc<K>) -> Result<Job<K>, Error> {
        Ok(Job {
            ctx: Arc::clone(&self.ctx),
            object: Arc::clone(object),
            location: object.location(&self.sources).map_err(Error::LocationUnusable)?,
        })
    }

    async fn attempt(job: Job<K>, handle: Handle<()>) -> AttemptEnd<Self::End> {
        let span = trace::finalization(&*job.object);
        let finalize = finalize(job).instrument(span);
        let finalized = handle.cancelled().run_until_cancelled(finalize).await;
        finalized.unwrap_or_else(|| AttemptEnd::Retry("it was cancelled".to_owned()))
    }

    async fn show(&self, _: &Arc<K>, (): ()) -> Result<(), Error> {
        Ok(())
    }

    async fn finish(&self, object: &Arc<K>, end: &Self::End) -> Result<bool, Error> {
        Ok(write_end(&self.ctx, &**object, end).await?)
    }
}

async fn finalize<K: Operated>(job: Job<K>) -> AttemptEnd<Finalized<K::Status>> {
    let Job { ctx, object, location } = job;
    let store = match location::open(&ctx, &location).await {
        Ok(store) => store,
        Err(error) => return AttemptEnd::Unavailable(error.to_string()),
    };
    let operations = match file::read::<K>(&store, &RunId::of(&*object).name).await {
        Ok(operations) => operations,
        Err(FileError::Store(error)) => return AttemptEnd::Unavailable(error.to_string()),
        Err(error) => {
            return AttemptEnd::Final(Finalized {
                status: object.given_up(error.to_string(), ctx.clock.now()),
                archive: 0,
            });
        }
    };
    let finishing = Finishing {
        ctx: &ctx,
        store: &store,
        location: location.metadata.name.as_deref().unwrap_or_default(),
        operations,
    };
    match Arc::clone(&object).finish_files(finishing).await {
        Ok(end) => AttemptEnd::Final(end),
        Err(error) => match error.retry() {
            Retry::Later => AttemptEnd::Retry(error.to_string()),
            Retry::StoreUnavailable => AttemptEnd::Unavailable(error.to_string()),
            Retry::Never => AttemptEnd::Final(Finalized {
                status: object.given_up(error.to_string(), ctx.clock.now()),
                archive: 0,
            }),
        },
    }
}

impl<K: Operated> Reconciler for Finalizer<K> {
    type Kind = K;
    type Error = Error;
    const NAME: &'static str = K::FINALIZER;
    const RESYNC: Duration = Duration::from_mins(1);

    async fn reconcile(&self, seen: Arc<K>) -> Result<Next, Error> {
        let uid = uid_of(&*seen);
        if seen.meta().deletion_timestamp.is_some() {
            self.driver.stop(&uid);
            return Ok(Next::Resync);
        }
        if seen.stage() != Stage::Finalizing {
            self.driver.ended(&uid);
            return Ok(Next::Settled);
        }
        match seen.location(&self.sources) {
            Ok(_) => self.driver.pass(self, &seen).await,
            // An attempt under way finds out by itself.
            Err(why) => Ok(wait_for_location(&self.ctx, &*seen, &why, "finalizing").await?),
        }
    }

    fn gone(&self, _key: &ObjectRef<K>, uid: &Uid) {
        self.driver.gone(uid);
    }
}
