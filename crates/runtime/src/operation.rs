//! Long work, supervised: what takes minutes or hours runs beside the passes and is one more fact that a pass looks at.
//!
//! ```text
//!            start_if_absent              returns or panics              acknowledge
//!   absent ------------------> running ---------------------> ended ------------------> absent
//!                                 |  progress, at most once a second      |
//!                                 +----------> a pass for the object <----+
//! ```
//!
//! An outcome is kept until a pass has recorded it in the object and says so. If the process dies before, the next one finds the object in progress
//! without an operation and goes on from what is in the world. The same happens when leadership is lost: nothing here survives the controller's stop.
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

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Either, select};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::controller::Wakes;
use super::object::{Kind, ObjectRef, Uid, path_of};
use super::task::{Group, panic_text};

/// How often progress leads to a pass.
const PROGRESS: Duration = Duration::from_secs(1);

/// The long operations of one kind of object, at most one for each uid. Clones are the same.
///
/// `O` is what an operation returns, `P` what it says on the way. They run while the [`Controller`](super::Controller) they were handed to
/// does, and wake its passes.
pub struct Operations<K: Kind, O, P = ()> {
    inner: Arc<Inner<K, O, P>>,
}

struct Inner<K: Kind, O, P> {
    limit: usize,
    table: Mutex<Table<K, O, P>>,
    /// How many run; changes with the table.
    running: watch::Sender<usize>,
}

struct Table<K: Kind, O, P> {
    /// Missing while the controller does not run.
    home: Option<Home<K>>,
    entries: HashMap<Uid, Entry<O, P>>,
    /// Objects that found no room.
    waiting: HashSet<ObjectRef<K>>,
}

struct Home<K: Kind> {
    group: Group,
    wakes: Wakes<K>,
}

enum Entry<O, P> {
    Running {
        progress: watch::Receiver<Option<P>>,
        cancelled: CancellationToken,
        /// The object is gone: nobody will ask for the outcome.
        orphaned: bool,
    },
    Ended(Arc<Outcome<O>>),
}

/// What an operation sees of the framework.
#[derive(Debug, Clone)]
pub struct Handle<P> {
    cancelled: CancellationToken,
    progress: watch::Sender<Option<P>>,
}

impl<P> Handle<P> {
    /// Fires when the operation should end: it was cancelled, its object is gone, or we are stopping. It may take what the grace
    /// period leaves to put things in order; after that it is dropped at its next await.
    pub fn cancelled(&self) -> &CancellationToken {
        &self.cancelled
    }

    /// How far it is. Cheap: only the latest counts, and the object is looked at no more than once a second.
    pub fn progress(&self, progress: P) {
        self.progress.send_replace(Some(progress));
    }
}

/// Whether an operation was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// It was.
    Started,
    /// One with this uid runs, or has ended and its outcome was not acknowledged.
    Present,
    /// As many as may run do. The object is looked at again when one of them ended.
    Full,
    /// The controller is not running, or stopping.
    Closed,
}

/// An operation as a pass sees it.
#[derive(Debug)]
pub enum Seen<O, P> {
    /// It runs.
    Running {
        /// What it last said.
        progress: Option<P>,
        /// Whether it was told to end.
        cancelling: bool,
    },
    /// It ended; kept until acknowledged.
    Ended(Arc<Outcome<O>>),
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<O> {
    /// It returned this, also after it was cancelled.
    Returned(O),
    /// It panicked with this message.
    Panicked(String),
}

impl<K: Kind, O, P> Operations<K, O, P>
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
            operations: self.clone(),
            uid: uid.clone(),
            key: key.clone(),
            wakes: home.wakes.clone(),
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

    /// What is known of the operation with this uid. Nothing, if none was started in this term or its outcome was acknowledged.
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

    /// Tells it to end. Its outcome comes as usual. Returns whether there was one to tell; may be repeated.
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

    /// Operations that may start although no controller runs; for tests of reconcilers.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn open_in(self, group: &Group) -> Self {
        self.open(group, &Wakes::new());
        self
    }

    /// Returns when none runs; for tests of reconcilers.
    #[cfg(any(test, feature = "testing"))]
    pub async fn idle(&self) {
        // The sender lives as long as `self`.
        let _ = self.inner.running.subscribe().wait_for(|running| *running == 0).await;
    }

    /// How many run, those that were told to end included.
    pub fn running(&self) -> usize {
        *self.inner.running.borrow()
    }
}

impl<K: Kind, O, P> Inner<K, O, P> {
    fn table(&self) -> MutexGuard<'_, Table<K, O, P>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a controller does with operations, whatever they return.
pub(super) trait Supervised<K: Kind>: Send + Sync + 'static {
    /// The controller runs: operations may start, in this group.
    fn open(&self, group: &Group, wakes: &Wakes<K>);

    /// The object is gone: its operation is told to end, and its outcome interests nobody.
    fn gone(&self, uid: &Uid);

    /// The controller stops: nothing starts any more. Returns when all have ended, and forgets them.
    fn close(&self) -> BoxFuture<'static, ()>;
}

impl<K: Kind, O, P> Supervised<K> for Operations<K, O, P>
where
    O: Send + Sync + 'static,
    P: Clone + Send + Sync + 'static,
{
    fn open(&self, group: &Group, wakes: &Wakes<K>) {
        let mut table = self.inner.table();
        // A term that was ended by force left its outcomes behind.
        table.entries.retain(|_, entry| matches!(entry, Entry::Running { .. }));
        table.home = Some(Home {
            group: group.clone(),
            wakes: wakes.clone(),
        });
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

/// The place in the table of an operation that runs. Dropped without an outcome, as when the group is ended by force, it leaves none.
struct Running<K: Kind, O, P> {
    operations: Operations<K, O, P>,
    uid: Uid,
    key: ObjectRef<K>,
    wakes: Wakes<K>,
}

impl<K: Kind, O, P> Running<K, O, P> {
    fn ended(&self, outcome: Option<Outcome<O>>) {
        let inner = &self.operations.inner;
        let waiting = {
            let mut table = inner.table();
            let Some(entry @ Entry::Running { .. }) = table.entries.get_mut(&self.uid) else {
                return;
            };
            match (outcome, &entry) {
                (Some(outcome), Entry::Running { orphaned: false, .. }) => *entry = Entry::Ended(Arc::new(outcome)),
                _ => {
                    table.entries.remove(&self.uid);
                }
            }
            inner.running.send_modify(|running| *running -= 1);
            std::mem::take(&mut table.waiting)
        };
        self.wakes.wake(self.key.clone());
        for key in waiting {
            self.wakes.wake(key);
        }
    }
}

impl<K: Kind, O, P> Drop for Running<K, O, P> {
    fn drop(&mut self) {
        self.ended(None);
    }
}

async fn supervise<K: Kind, O, P>(
    running: Running<K, O, P>,
    mut progress: watch::Receiver<Option<P>>,
    work: impl Future<Output = O>,
) {
    let work = std::pin::pin!(AssertUnwindSafe(work).catch_unwind());
    let tell = std::pin::pin!(async {
        while progress.changed().await.is_ok() {
            running.wakes.wake(running.key.clone());
            sleep_until(Instant::now() + PROGRESS).await;
        }
    });
    tracing::info!("operation started");
    let started = Instant::now();
    let end = match select(work, tell).await {
        Either::Left((end, _)) => end,
        // It dropped its handle and says nothing more.
        Either::Right(((), work)) => work.await,
    };
    let took = started.elapsed();
    let outcome = match end {
        Ok(outcome) => {
            tracing::info!(?took, "operation ended");
            Outcome::Returned(outcome)
        }
        Err(cause) => {
            let message = panic_text(&*cause);
            tracing::error!(?took, error = message, "operation panicked");
            Outcome::Panicked(message)
        }
    };
    running.ended(Some(outcome));
}

impl<K: Kind, O, P> Clone for Operations<K, O, P> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
        }
    }
}

impl<K: Kind, O, P> Default for Operations<K, O, P>
where
    O: Send + Sync + 'static,
    P: Clone + Send + Sync + 'static,
{
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Kind, O, P> fmt::Debug for Operations<K, O, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operations")
            .field("kind", &K::kind(&()))
            .field("running", &*self.inner.running.borrow())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use k8s_openapi::api::core::v1::ConfigMap;
    use tokio::time::sleep;

    use super::*;
    use crate::fixture::{SECOND, key};

    type Copies = Operations<ConfigMap, u32, u32>;

    struct Scene {
        copies: Copies,
        group: Group,
    }

    fn open(copies: Copies) -> Scene {
        let group = Group::new();
        copies.open(&group, &Wakes::new());
        Scene { copies, group }
    }

    impl Scene {
        fn start<F>(&self, uid: &str, work: impl FnOnce(Handle<u32>) -> F + Send + 'static) -> Start
        where
            F: Future<Output = u32> + Send + 'static,
        {
            self.copies.start_if_absent(&uid.into(), &key(uid), "copy", work)
        }

        fn outcome(&self, uid: &str) -> Option<Outcome<u32>> {
            match self.copies.get(&uid.into())? {
                Seen::Running { .. } => None,
                Seen::Ended(outcome) => Some((*outcome).clone()),
            }
        }
    }

    async fn when_cancelled(handle: Handle<u32>) -> u32 {
        handle.cancelled().cancelled().await;
        7
    }

    #[tokio::test(start_paused = true)]
    async fn an_outcome_is_kept_until_it_was_recorded() {
        let scene = open(Copies::new());
        assert_eq!(scene.start("a", |_| async { 5 }), Start::Started);
        scene.group.empty().await;
        for _ in 0..2 {
            assert_eq!(scene.outcome("a"), Some(Outcome::Returned(5)));
            assert_eq!(scene.start("a", |_| async { 6 }), Start::Present);
        }
        assert!(scene.copies.acknowledge(&"a".into()));
        assert!(!scene.copies.acknowledge(&"a".into()));
        assert!(scene.copies.get(&"a".into()).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_is_an_outcome() {
        let scene = open(Copies::new());
        scene.start("a", |_| async { panic!("no space left") });
        scene.group.empty().await;
        assert_eq!(scene.outcome("a"), Some(Outcome::Panicked("no space left".into())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_operation_runs_until_it_returns() {
        let scene = open(Copies::new());
        scene.start("a", |handle| async move {
            handle.progress(3);
            let seven = when_cancelled(handle).await;
            sleep(5 * SECOND).await;
            seven
        });
        sleep(SECOND).await;
        assert!(scene.copies.cancel(&"a".into()));
        sleep(SECOND).await;
        let seen = scene.copies.get(&"a".into());
        assert!(
            matches!(
                seen,
                Some(Seen::Running {
                    progress: Some(3),
                    cancelling: true
                })
            ),
            "{seen:?}"
        );
        scene.group.empty().await;
        assert_eq!(scene.outcome("a"), Some(Outcome::Returned(7)));
        assert!(!scene.copies.cancel(&"a".into()));
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_room_is_woken_when_there_is_some() {
        let copies = Copies::at_most(1);
        let (group, wakes) = (Group::new(), Wakes::new());
        copies.open(&group, &wakes);
        let scene = Scene { copies, group };
        assert_eq!(scene.start("a", when_cancelled), Start::Started);
        assert_eq!(scene.start("b", when_cancelled), Start::Full);
        assert_eq!(scene.start("b", when_cancelled), Start::Full);
        scene.copies.cancel(&"a".into());
        scene.group.empty().await;
        let mut woken: Vec<_> = wakes.taken().iter().map(|key| key.name.clone()).collect();
        woken.sort();
        assert_eq!(woken, ["a", "b"]);
        assert_eq!(scene.start("b", when_cancelled), Start::Started);
    }

    #[tokio::test(start_paused = true)]
    async fn an_operation_of_a_gone_object_takes_up_room_until_it_ended() {
        let scene = open(Copies::at_most(1));
        scene.start("a", |handle| async move {
            sleep(5 * SECOND).await;
            when_cancelled(handle).await
        });
        scene.copies.gone(&"a".into());
        assert_eq!(scene.copies.running(), 1);
        assert_eq!(scene.start("b", when_cancelled), Start::Full);
        scene.group.empty().await;
        assert!(scene.copies.get(&"a".into()).is_none());
        assert_eq!(scene.start("b", when_cancelled), Start::Started);
    }

    #[tokio::test(start_paused = true)]
    async fn closing_cancels_all_and_waits_for_them() {
        let scene = open(Copies::new());
        scene.start("a", |handle| async move {
            let seven = when_cancelled(handle).await;
            sleep(5 * SECOND).await;
            seven
        });
        let start = Instant::now();
        scene.copies.close().await;
        assert_eq!(start.elapsed(), 5 * SECOND);
        assert!(
            scene.copies.get(&"a".into()).is_none(),
            "the next term looks at the world afresh"
        );
        assert_eq!(scene.start("b", when_cancelled), Start::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn an_operation_ended_by_force_leaves_nothing_behind() {
        let scene = open(Copies::new());
        scene.start("a", |_| pending());
        assert_eq!(scene.group.alive(), ["copy of ns/a"]);
        scene.group.abort();
        scene.group.empty().await;
        assert_eq!(scene.copies.running(), 0);
        assert!(scene.copies.get(&"a".into()).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn progress_that_nobody_waits_for_any_more_does_not_end_the_operation() {
        let scene = open(Copies::new());
        scene.start("a", |handle| async move {
            handle.progress(1);
            drop(handle);
            sleep(5 * SECOND).await;
            9
        });
        scene.group.empty().await;
        assert_eq!(scene.outcome("a"), Some(Outcome::Returned(9)));
    }
}
