//! Runs a reconciler: the order and time of passes, the workers, and the reaction to a failed pass.
//!
//! [`Controller`] configures one; the loop is in `run`, the order of passes in `queue`, the pure decision about the next pass in
//! `requeue`, and the events that request a pass in `trigger`.
//!
//! kube-runtime's `applier` is not used: it has no call for an object that is gone, panics with the reconciler, and
//! resets the backoff at each event.

mod inspect;
mod queue;
mod requeue;
mod run;
mod state;
#[cfg(test)]
mod tests;
mod trigger;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::{Mutex, MutexGuard};

use self::state::{Key, State};
use self::trigger::Trigger;
use super::backoff::Policy;
use super::clock::{Clock, System};
use super::enqueue::Enqueuer;
use super::object::{AnyKind, ObjectRef, Uid};
use super::operation::{Operations, Supervised};
use super::predicate::{Changes, Predicate};
use super::rate::RateLimit;
use super::reconciler::Reconciler;
use super::watch::SharedWatch;

/// A reconciler with its triggers. Pass it to [`Manager::control`](super::Manager::control), or [`run`](Self::run) it yourself.
pub struct Controller<R: Reconciler> {
    reconciler: Arc<R>,
    watch: SharedWatch<R::Kind>,
    options: PassOptions,
    predicate: Option<Predicate<R::Kind>>,
    triggers: Vec<Trigger<R::Kind>>,
    stores: Vec<Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>>,
    operations: Vec<Arc<dyn Supervised<R::Kind>>>,
    enqueuer: Enqueuer<R::Kind>,
    state: State<R::Kind>,
    known: Mutex<HashMap<Key<R::Kind>, Known>>,
}

/// How many passes run at once, when, and for how long.
#[derive(Clone)]
struct PassOptions {
    workers: usize,
    backoff: Policy,
    deadline: Option<Duration>,
    stuck_after: Option<Duration>,
    rate_limit: Option<RateLimit>,
    clock: Arc<dyn Clock>,
}

/// The object that passes of a name were for. Outlives a term, so that the next term announces objects that vanished meanwhile.
#[derive(Debug, Clone)]
struct Known {
    uid: Uid,
    /// Whether it has waited for a resync before.
    spread: bool,
}

impl<R: Reconciler> Controller<R> {
    /// One worker; a pass for every object of the kind at start, after each of its changes, and when the last pass requested it.
    pub fn new(reconciler: impl Into<Arc<R>>, watch: &SharedWatch<R::Kind>) -> Self {
        Self {
            reconciler: reconciler.into(),
            watch: watch.clone(),
            options: PassOptions {
                workers: 1,
                backoff: Policy::OBJECT,
                deadline: None,
                stuck_after: None,
                rate_limit: None,
                clock: Arc::new(System),
            },
            predicate: None,
            triggers: Vec::new(),
            stores: vec![when_ready(watch)],
            operations: Vec::new(),
            enqueuer: Enqueuer::new(),
            state: State::new(),
            known: Mutex::default(),
        }
    }

    /// How many passes may run at once (at least one), never two for the same object.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.options.workers = workers.max(1);
        self
    }

    /// How retries of a failing object are spaced, instead of [`Policy::OBJECT`].
    #[must_use]
    pub fn backoff(mut self, policy: Policy) -> Self {
        self.options.backoff = policy;
        self
    }

    /// How long a pass may take. A longer one is dropped at its next await and counts as failed. Without it there is no limit.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.options.deadline = Some(deadline);
        self
    }

    /// A pass that runs longer fails the check of this controller in [`Liveness`](crate::liveness::Liveness), and so `/healthz`: only a restart
    /// ends it. Without it only a pass that outlasts its [`deadline`](Self::deadline) by minutes does, because it blocks its thread.
    #[must_use]
    pub fn stuck_after(mut self, limit: Duration) -> Self {
        self.options.stuck_after = Some(limit);
        self
    }

    /// A bound on how many passes begin in a second, over all objects and beside the backoff of each. Without it there is none.
    #[must_use]
    pub fn rate_limit(mut self, limit: &RateLimit) -> Self {
        self.options.rate_limit = Some(limit.clone());
        self
    }

    /// Only these changes of the objects themselves lead to a pass. A deletion always does.
    #[must_use]
    pub fn when(self, predicate: Predicate<R::Kind>) -> Self {
        Self {
            predicate: Some(predicate),
            ..self
        }
    }

    /// The clock that [`Next::At`](super::Next::At) is read by, instead of the machine's.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.options.clock = Arc::new(clock);
        self
    }

    /// A change of that other kind leads to passes for these objects. `map` is called with the other object before and after the
    /// change; it must be quick and pure. The controller also waits for that store to be ready. With
    /// [`SharedWatch::when`] only some changes are reasons.
    #[must_use]
    pub fn on<S, Refs>(mut self, other: impl Into<Changes<S>>, map: impl Fn(&S) -> Refs + Send + Sync + 'static) -> Self
    where
        S: AnyKind,
        Refs: IntoIterator<Item = ObjectRef<R::Kind>>,
    {
        let changes = other.into();
        self.stores.push(when_ready(&changes.watch));
        self.triggers.push(trigger::mapped(changes, map));
        self
    }

    /// A change of an object of that other kind leads to a pass for the object that owns it: the one that its owner references
    /// name as its controller. See [`owner_reference`](crate::object::owner_reference) for how to make one.
    #[must_use]
    pub fn owns<S: AnyKind>(self, other: impl Into<Changes<S>>) -> Self {
        let owners = self.watch.clone();
        self.on(other, move |object: &S| trigger::owner_of(object, &owners))
    }

    /// Progress and outcome of these operations lead to a pass for their object; an object that is gone cancels its operation; all are cancelled when this controller stops. Operations belong to one controller.
    #[must_use]
    pub fn operations<O, P>(mut self, operations: &Operations<R::Kind, O, P>) -> Self
    where
        O: Send + Sync + 'static,
        P: Clone + Send + Sync + 'static,
    {
        self.operations.push(Arc::new(operations.clone()));
        self
    }

    /// Requests passes from outside.
    pub fn enqueuer(&self) -> Enqueuer<R::Kind> {
        self.enqueuer.clone()
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Key<R::Kind>, Known>> {
        self.known.lock()
    }
}

fn when_ready<K: AnyKind>(watch: &SharedWatch<K>) -> Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync> {
    let watch = watch.clone();
    Box::new(move || {
        let watch = watch.clone();
        async move { watch.ready().await }.boxed()
    })
}

impl<R: Reconciler> fmt::Debug for Controller<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Controller")
            .field("name", &R::NAME)
            .field("watch", &self.watch)
            .field("workers", &self.options.workers)
            .finish_non_exhaustive()
    }
}
