//! Runs a reconciler.

use std::{sync::Arc, time::Duration};

use super::{
    backoff,
    clock::Clock,
    object::{Kind, ObjectRef},
    operation::Operations,
    reconciler::Reconciler,
    watch::SharedWatch,
};

/// A reconciler with what triggers it. Hand it to [`Manager::control`](super::Manager::control).
#[derive(Debug)]
pub struct Controller<R: Reconciler> {
    _todo: std::marker::PhantomData<R>,
}

impl<R: Reconciler> Controller<R> {
    /// One worker; a pass for every object of the kind at start, after each of its changes, and when it said so.
    pub fn new(reconciler: impl Into<Arc<R>>, watch: &SharedWatch<R::Kind>) -> Self {
        let _ = (reconciler, watch);
        todo!()
    }

    /// How many passes may run at once (at least one), never two for the same object.
    #[must_use]
    pub fn workers(self, workers: usize) -> Self {
        let _ = workers;
        self
    }

    /// How retries of a failing object are spaced, instead of [`Policy::OBJECT`](backoff::Policy::OBJECT).
    #[must_use]
    pub fn backoff(self, policy: backoff::Policy) -> Self {
        let _ = policy;
        self
    }

    /// How long a pass may take. A longer one is dropped at its next await and counts as failed. Without it there is no limit.
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        let _ = deadline;
        self
    }

    /// The clock that [`Next::At`](super::Next::At) is read by, instead of the machine's.
    #[must_use]
    pub fn clock(self, clock: impl Clock) -> Self {
        let _ = clock;
        self
    }

    /// A change of that other kind is a reason to look at these objects of ours. `map` is called with the other object as it was and as
    /// it is; it must be quick and pure.
    #[must_use]
    pub fn on<S, Refs>(self, other: &SharedWatch<S>, map: impl Fn(&S) -> Refs + Send + Sync + 'static) -> Self
    where
        S: Kind,
        Refs: IntoIterator<Item = ObjectRef<R::Kind>>,
    {
        let _ = (other, map);
        self
    }

    /// Progress and outcome of these operations are reasons to look at their object; an object that is gone cancels
    /// its operation; they are cancelled when this controller stops.
    #[must_use]
    pub fn operations<O, P>(self, operations: &Operations<R::Kind, O, P>) -> Self
    where
        O: Send + Sync + 'static,
        P: Clone + Send + Sync + 'static,
    {
        let _ = operations;
        self
    }

    /// Lets others ask for a pass.
    pub fn wakes(&self) -> Wakes<R::Kind> {
        todo!()
    }
}

/// Asks for passes. Never blocks and never loses a request: what is asked for twice before it was looked at is one request.
#[derive(Debug, Clone)]
pub struct Wakes<K: Kind> {
    _todo: std::marker::PhantomData<K>,
}

impl<K: Kind> Wakes<K> {
    /// Look at this object.
    pub fn wake(&self, key: ObjectRef<K>) {
        let _ = key;
        todo!()
    }

    /// Look at every object.
    pub fn wake_all(&self) {
        todo!()
    }
}
