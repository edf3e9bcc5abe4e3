//! Long work, supervised: an operation of minutes or hours runs beside the passes, and is one more fact that a pass observes.
//!
//! ```text
//!            start_if_absent              returns or panics              acknowledge
//!   absent ------------------> running ---------------------> ended ------------------> absent
//!                                 |  progress, at most once a second      |
//!                                 +----------> a pass for the object <----+
//! ```
//!
//! [`Driver`] has this sequence of passes, with waits between attempts, for a reconciler that implements [`Run`].
//!
//! An outcome is kept until a pass has recorded it in the object and acknowledges it. If the process dies before, the next one finds the object in
//! progress without an operation and resumes from the state of the cluster. The same happens when leadership is lost: nothing here survives the controller's stop.
//!
//! ```
//! use kube_manager::{ObjectRef, Operations, Uid, operation::{Outcome, Seen, Start}};
//! # use k8s_openapi::api::core::v1::ConfigMap;
//! # async fn copy(_: impl Fn(u64)) -> u64 { 7 }
//! # fn pass(copies: &Operations<ConfigMap, u64, u64>, uid: &Uid, key: &ObjectRef<ConfigMap>) {
//! match copies.get(uid) {
//!     None => {
//!         let start = copies.start_if_absent(uid, key, "copy", |handle| async move {
//!             copy(|bytes| handle.progress(bytes)).await
//!         });
//!         if start == Start::Full { /* say so in the status; a pass comes when there is room */ }
//!     }
//!     Some(Seen::Running { progress, .. }) => { /* write the progress */ }
//!     Some(Seen::Ended(outcome)) => {
//!         match &*outcome {
//!             Outcome::Returned(bytes) => { /* write the result */ }
//!             Outcome::Panicked(message) => { /* write that it failed */ }
//!         }
//!         copies.acknowledge(uid);
//!     }
//! }
//! # }
//! ```

mod driver;
#[cfg(test)]
mod driver_tests;
mod run_backoff;
mod supervise;
mod table;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

pub use self::driver::{AttemptEnd, Driver, Interrupted, Run, RunOperations};
pub use self::run_backoff::RunBackoff;
pub use self::table::Outcome;

use self::supervise::{Running, supervise};
use self::table::{Entry, Home, Inner, Table};
use super::enqueue::Enqueuer;
use super::object::{AnyKind, ObjectRef, Uid, path_of};
use super::task::Group;

/// The long operations of one kind of object, at most one for each uid. Clones are the same.
///
/// `O` is the result of an operation, `P` its progress. Operations run while their [`Controller`](super::Controller) does, and request its
/// passes.
pub struct Operations<K: AnyKind, O, P = ()> {
    inner: Arc<Inner<K, O, P>>,
}

/// An operation's access to the framework.
#[derive(Debug, Clone)]
pub struct Handle<P> {
    cancelled: CancellationToken,
    progress: watch::Sender<Option<P>>,
}

impl<P> Handle<P> {
    /// Fires when the operation should end: it was cancelled, its object is gone, or the process stops. It has the rest of the
    /// grace period to clean up; after that it is dropped at its next await.
    pub fn cancelled(&self) -> &CancellationToken {
        &self.cancelled
    }

    /// Reports progress. Cheap: only the latest counts, and leads to at most one pass a second.
    pub fn progress(&self, progress: P) {
        self.progress.send_replace(Some(progress));
    }

    /// The progress that was reported last.
    pub fn reported(&self) -> Option<P>
    where
        P: Clone,
    {
        self.progress.borrow().clone()
    }
}

/// Whether an operation was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// It was.
    Started,
    /// One with this uid runs, or has ended and its outcome was not acknowledged.
    Present,
    /// The limit is reached. A pass follows when one of the others ends.
    Full,
    /// The controller is not running, or stopping.
    Closed,
}

/// An operation as a pass sees it.
#[derive(Debug)]
pub enum Seen<O, P> {
    /// It runs.
    Running {
        /// The last reported progress.
        progress: Option<P>,
        /// Whether it was cancelled.
        cancelling: bool,
    },
    /// It ended; kept until acknowledged.
    Ended(Arc<Outcome<O>>),
}

impl<K: AnyKind, O, P> Operations<K, O, P>
where
    O: Send + Sync + 'static,
    P: Clone + Send + Sync + 'static,
{
    /// As many at once as are asked for.
    pub fn new() -> Self {
        Self::at_most(usize::MAX)
    }

    /// No more than this many at once.
    pub fn at_most(limit: usize) -> Self {
        Self {
            inner: Arc::new(Inner {
                limit,
                table: Mutex::new(Table {
                    home: None,
                    entries: HashMap::new(),
                    waiting: HashSet::new(),
                }),
                running: watch::Sender::new(0),
            }),
        }
    }

    /// Starts the operation of this object, unless it is present. The name appears in logs, such as `copy`.
    pub fn start_if_absent<F>(
        &self,
        uid: &Uid,
        key: &ObjectRef<K>,
        name: &str,
        work: impl FnOnce(Handle<P>) -> F + Send + 'static,
    ) -> Start
    where
        F: Future<Output = O> + Send + 'static,
    {
        let mut table = self.inner.table();
        let Table {
            home: Some(home),
            entries,
            waiting,
        } = &mut *table
        else {
            return Start::Closed;
        };
        if entries.contains_key(uid) {
            return Start::Present;
        }
        if *self.inner.running.borrow() >= self.inner.limit {
            waiting.insert(key.clone());
            return Start::Full;
        }
        waiting.remove(key);
        let (progress, said) = watch::channel(None);
        let cancelled = CancellationToken::new();
        let running = Running {
            inner: self.inner.clone(),
            uid: uid.clone(),
            key: key.clone(),
            enqueuer: home.enqueuer.clone(),
        };
        let handle = Handle {
            cancelled: cancelled.clone(),
            progress,
        };
        let span = tracing::info_span!(parent: None, "operation", name, object = path_of(key), %uid);
        span.follows_from(tracing::Span::current());
        let supervised = supervise(running, said.clone(), async move { work(handle).await }).instrument(span);
        entries.insert(
            uid.clone(),
            Entry::Running {
                progress: said,
                cancelled,
                orphaned: false,
            },
        );
        self.inner.running.send_modify(|running| *running += 1);
        home.group
            .spawn_detached(format!("{name} of {}", path_of(key)), supervised);
        Start::Started
    }

    /// The operation with this uid. `None` if none was started in this term, or its outcome was acknowledged.
    pub fn get(&self, uid: &Uid) -> Option<Seen<O, P>> {
        Some(match self.inner.table().entries.get(uid)? {
            Entry::Running {
                progress, cancelled, ..
            } => Seen::Running {
                progress: progress.borrow().clone(),
                cancelling: cancelled.is_cancelled(),
            },
            Entry::Ended(outcome) => Seen::Ended(outcome.clone()),
        })
    }

    /// Cancels it. Its outcome comes as usual. Returns whether one ran; may be repeated.
    pub fn cancel(&self, uid: &Uid) -> bool {
        match self.inner.table().entries.get(uid) {
            Some(Entry::Running { cancelled, .. }) => {
                cancelled.cancel();
                true
            }
            _ => false,
        }
    }

    /// The outcome was recorded and is dropped. Returns whether there was one.
    pub fn acknowledge(&self, uid: &Uid) -> bool {
        let mut table = self.inner.table();
        let ended = matches!(table.entries.get(uid), Some(Entry::Ended(_)));
        if ended {
            table.entries.remove(uid);
        }
        ended
    }

    /// Operations that may start in this group although no controller runs, as tests of a reconciler alone need it.
    #[must_use]
    pub fn open_in(self, group: &Group) -> Self {
        self.open(group, &Enqueuer::new());
        self
    }

    /// Returns when none runs.
    pub async fn idle(&self) {
        // The sender lives as long as `self`.
        let _ = self.inner.running.subscribe().wait_for(|running| *running == 0).await;
    }

    /// How many run, with those that were cancelled.
    pub fn running(&self) -> usize {
        *self.inner.running.borrow()
    }
}

/// A controller's view of operations, whatever they return.
pub(super) trait Supervised<K: AnyKind>: Send + Sync + 'static {
    /// The controller runs: operations may start, in this group.
    fn open(&self, group: &Group, enqueuer: &Enqueuer<K>);

    /// The object is gone: its operation is cancelled, and its outcome is not kept.
    fn gone(&self, uid: &Uid);

    /// Whether there is one of the object with this uid: it runs, or its outcome is not recorded yet.
    fn has(&self, uid: &Uid) -> bool;

    /// How many run.
    fn count(&self) -> usize;

    /// The controller stops: no operation starts any more. Returns when all have ended, and forgets them.
    fn close(&self) -> BoxFuture<'static, ()>;
}

impl<K: AnyKind, O, P> Supervised<K> for Operations<K, O, P>
where
    O: Send + Sync + 'static,
    P: Clone + Send + Sync + 'static,
{
    fn open(&self, group: &Group, enqueuer: &Enqueuer<K>) {
        let mut table = self.inner.table();
        // If an earlier term was aborted, its outcomes are still there.
        table.entries.retain(|_, entry| matches!(entry, Entry::Running { .. }));
        table.home = Some(Home {
            group: group.clone(),
            enqueuer: enqueuer.clone(),
        });
    }

    fn has(&self, uid: &Uid) -> bool {
        self.inner.table().entries.contains_key(uid)
    }

    fn gone(&self, uid: &Uid) {
        let mut table = self.inner.table();
        match table.entries.get_mut(uid) {
            Some(Entry::Running {
                cancelled, orphaned, ..
            }) => {
                cancelled.cancel();
                *orphaned = true;
            }
            Some(Entry::Ended(_)) => {
                table.entries.remove(uid);
            }
            None => {}
        }
    }

    fn count(&self) -> usize {
        self.running()
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        let inner = self.inner.clone();
        async move {
            {
                let mut table = inner.table();
                table.home = None;
                for entry in table.entries.values() {
                    if let Entry::Running { cancelled, .. } = entry {
                        cancelled.cancel();
                    }
                }
            }
            // The sender lives as long as `inner`.
            let _ = inner.running.subscribe().wait_for(|running| *running == 0).await;
            let mut table = inner.table();
            table.entries.clear();
            table.waiting.clear();
        }
        .boxed()
    }
}

impl<K: AnyKind, O, P> Clone for Operations<K, O, P> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
        }
    }
}

impl<K: AnyKind, O, P> Default for Operations<K, O, P>
where
    O: Send + Sync + 'static,
    P: Clone + Send + Sync + 'static,
{
    fn default() -> Self {
        Self::new()
    }
}

impl<K: AnyKind, O, P> fmt::Debug for Operations<K, O, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operations")
            .field("running", &*self.inner.running.borrow())
            .finish_non_exhaustive()
    }
}
