//! The passes of an object whose work is one operation: start it, show its progress, record its end, and start it again when something
//! transient interrupted it.
//!
//! ```text
//!              start                 Final                 finish
//!   no attempt ------> attempt ------------------> ended ----------> recorded
//!        ^               |  \                        ^
//!        |   RunBackoff  |   show                    | unavailable(..) says that it is enough
//!        +---------------+---------------------------+
//!              Retry, Unavailable, a panic
//! ```

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::{Handle, Operations, Outcome, RunBackoff, Seen, Start};
use crate::object::{Kind, ObjectRef, Uid, uid_of};
use crate::reconciler::Next;

/// When to look again at an object while its controller stops.
const CLOSED: Duration = Duration::from_secs(10);

/// When to record an end again after the object was changed by another writer.
const CONFLICT: Duration = Duration::from_secs(1);

/// How an attempt ended that did not panic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptEnd<E> {
    /// The run is over. It is kept until [`Run::finish`] has recorded it.
    Final(E),
    /// It was cancelled, or something transient interrupted it for this reason: there will be another attempt.
    Retry(String),
    /// The same, because something that the run needs cannot be used: [`Run::unavailable`] decides for how long that is tried.
    Unavailable(String),
}

/// An attempt did not come to an end of the run; the next one follows after a wait.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Interrupted(String);

/// Long work on each object of one kind, in as many attempts as it takes. A reconciler implements it and calls [`Driver::pass`] for objects that
/// are under way.
pub trait Run: Sized + Send + Sync + 'static {
    /// The kind.
    type Kind: Kind;
    /// What an attempt works with.
    type Job: Send + 'static;
    /// What an attempt reports on the way.
    type Progress: Clone + Send + Sync + 'static;
    /// What is recorded of a run that is over.
    type End: Send + Sync + 'static;
    /// Why a pass failed.
    type Error: From<Interrupted> + fmt::Display + Send;

    /// What an attempt is called in logs, such as `copy`.
    const OPERATION: &'static str;

    /// What the next attempt works with. Called often, so it reads only what is in memory.
    ///
    /// # Errors
    /// No attempt can begin now; the error says why.
    fn start(&self, object: &Arc<Self::Kind>) -> Result<Self::Job, Self::Error>;

    /// One attempt. It goes on from what it finds in the world: an earlier one may have died after any of its steps.
    fn attempt(
        job: Self::Job,
        handle: Handle<Self::Progress>,
    ) -> impl Future<Output = AttemptEnd<Self::End>> + Send + 'static;

    /// Writes the progress into the object.
    ///
    /// # Errors
    /// It was not written. The next progress follows in a second.
    fn show(
        &self,
        object: &Arc<Self::Kind>,
        progress: Self::Progress,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Writes the end into the object. Returns false if the object was changed since it was read; a later pass repeats it.
    ///
    /// # Errors
    /// It was not written; a later pass repeats it.
    fn finish(
        &self,
        object: &Arc<Self::Kind>,
        end: &Self::End,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// The end of a run that has made no attempt, or only interrupted ones, for as long as this, the last one for this reason. `None` goes on
    /// trying, which is the default.
    fn unavailable(&self, object: &Self::Kind, reason: &str, since: Duration) -> Option<Self::End> {
        let _ = (object, reason, since);
        None
    }
}

/// The operations of a kind of run.
pub type RunOperations<R> = Operations<<R as Run>::Kind, AttemptEnd<<R as Run>::End>, <R as Run>::Progress>;

/// Calls a [`Run`] from pass to pass.
#[derive(Debug)]
pub struct Driver<R: Run> {
    operations: RunOperations<R>,
    backoff: RunBackoff,
}

impl<R: Run> Driver<R> {
    /// Starts attempts as these operations, which the controller has too.
    pub fn new(operations: RunOperations<R>) -> Self {
        Self {
            operations,
            backoff: RunBackoff::default(),
        }
    }

    /// A pass of an object that is under way.
    ///
    /// # Errors
    /// What the run returns, and [`Interrupted`]. May be repeated.
    pub async fn pass(&self, run: &R, object: &Arc<R::Kind>) -> Result<Next, R::Error> {
        let uid = uid_of(&**object);
        match self.operations.get(&uid) {
            None => match run.start(object) {
                Ok(job) => Ok(self.start(object, &uid, job)),
                Err(error) => {
                    let since = self.backoff.blocked(&uid);
                    match run.unavailable(object, &error.to_string(), since) {
                        Some(end) => self.finish(run, object, &uid, &end).await,
                        None => Err(error),
                    }
                }
            },
            Some(Seen::Running { progress: None, .. }) => Ok(Next::Resync),
            Some(Seen::Running {
                progress: Some(progress),
                ..
            }) => {
                run.show(object, progress).await?;
                Ok(Next::Resync)
            }
            Some(Seen::Ended(outcome)) => match &*outcome {
                Outcome::Returned(AttemptEnd::Final(end)) => self.finish(run, object, &uid, end).await,
                Outcome::Returned(AttemptEnd::Unavailable(reason)) => {
                    let since = self.backoff.failed(&uid);
                    match run.unavailable(object, reason, since) {
                        Some(end) => self.finish(run, object, &uid, &end).await,
                        None => Err(self.interrupted(&uid, reason.clone())),
                    }
                }
                Outcome::Returned(AttemptEnd::Retry(reason)) => {
                    self.backoff.failed(&uid);
                    Err(self.interrupted(&uid, reason.clone()))
                }
                Outcome::Panicked(message) => {
                    self.backoff.failed(&uid);
                    Err(self.interrupted(&uid, format!("it panicked: {message}; please report this")))
                }
            },
        }
    }

    fn start(&self, object: &Arc<R::Kind>, uid: &Uid, job: R::Job) -> Next {
        if let Some(wait) = self.backoff.remaining(uid) {
            return Next::After(wait);
        }
        let key = ObjectRef::from_obj(&**object);
        let attempt = |handle| R::attempt(job, handle);
        match self.operations.start_if_absent(uid, &key, R::OPERATION, attempt) {
            Start::Started | Start::Present | Start::Full => Next::Resync,
            Start::Closed => Next::After(CLOSED),
        }
    }

    async fn finish(&self, run: &R, object: &Arc<R::Kind>, uid: &Uid, end: &R::End) -> Result<Next, R::Error> {
        if !run.finish(object, end).await? {
            return Ok(Next::After(CONFLICT));
        }
        // Only what is recorded is dropped.
        self.operations.acknowledge(uid);
        Ok(Next::Resync)
    }

    fn interrupted(&self, uid: &Uid, reason: String) -> R::Error {
        self.operations.acknowledge(uid);
        Interrupted(reason).into()
    }

    /// The run is not to go on: cancels an attempt, drops an end. Returns whether no attempt runs any more; the end of one leads to a pass.
    pub fn stop(&self, uid: &Uid) -> bool {
        if self.operations.cancel(uid) {
            return false;
        }
        self.operations.acknowledge(uid);
        true
    }

    /// The run is to take another course at once: cancels an attempt, drops the end of one that was interrupted, and the wait for the next. An
    /// end of the run stays.
    pub fn interrupt(&self, uid: &Uid) {
        self.backoff.forget(uid);
        match self.operations.get(uid) {
            Some(Seen::Running { .. }) => {
                self.operations.cancel(uid);
            }
            Some(Seen::Ended(outcome)) if !matches!(*outcome, Outcome::Returned(AttemptEnd::Final(_))) => {
                self.operations.acknowledge(uid);
            }
            Some(Seen::Ended(_)) | None => {}
        }
    }

    /// Whether the run has come to an end that is not recorded yet.
    pub fn has_end(&self, uid: &Uid) -> bool {
        match self.operations.get(uid) {
            Some(Seen::Ended(outcome)) => matches!(*outcome, Outcome::Returned(AttemptEnd::Final(_))),
            _ => false,
        }
    }

    /// The object says that the run is over. An end that came later, as from a write whose answer was lost, is dropped.
    pub fn ended(&self, uid: &Uid) {
        self.backoff.forget(uid);
        self.operations.acknowledge(uid);
    }

    /// The object is gone; for [`Reconciler::gone`](crate::Reconciler::gone).
    pub fn gone(&self, uid: &Uid) {
        self.backoff.forget(uid);
    }
}
