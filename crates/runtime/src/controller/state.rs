//! What others may see of a controller while it runs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Controller;
use super::queue::Queue;
use crate::diagnostics::{ControllerSnapshot, InspectController, PassSnapshot};
use crate::object::{AnyKind, ObjectRef, path_of};
use crate::reconciler::Reconciler;

/// How often the loop turns although nothing happens.
pub(super) const BEAT: Duration = Duration::from_secs(30);

/// For how long the loop may not turn. It waits only where it can be woken, so that more means a callback that blocks.
const STUCK_LOOP: Duration = Duration::from_mins(10);

/// By how much a pass may outlast its deadline. It ends at its next await, so that more means a pass that blocks its thread.
const STUCK_PASS: Duration = Duration::from_mins(5);

/// The moving parts of a controller. Locked for moments only, and never while code of a user runs.
#[derive(Debug)]
pub(super) struct State<K: AnyKind> {
    queue: Mutex<Queue<ObjectRef<K>>>,
    /// When the loop last turned, while it runs.
    beat: Mutex<Option<Instant>>,
    failing: AtomicUsize,
}

impl<K: AnyKind> State<K> {
    pub(super) fn new() -> Self {
        Self {
            queue: Mutex::new(Queue::new()),
            beat: Mutex::new(None),
            failing: AtomicUsize::new(0),
        }
    }

    pub(super) fn queue(&self) -> MutexGuard<'_, Queue<ObjectRef<K>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The loop turned.
    pub(super) fn turned(&self, now: Instant, failing: usize) {
        *self.beat() = Some(now);
        self.failing.store(failing, Ordering::Relaxed);
    }

    /// The loop turns no more: what runs is waited for.
    pub(super) fn stopping(&self) {
        *self.beat() = None;
    }

    /// The controller does not run (any more).
    pub(super) fn reset(&self) {
        *self.queue() = Queue::new();
        *self.beat() = None;
        self.failing.store(0, Ordering::Relaxed);
    }

    fn beat(&self) -> MutexGuard<'_, Option<Instant>> {
        self.beat.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Reconciler> InspectController for Controller<R> {
    fn snapshot(&self, now: Instant) -> ControllerSnapshot {
        let queue = self.state.queue();
        let passes = queue.working().map(|(key, since)| PassSnapshot {
            object: path_of(key),
            seconds: now.saturating_duration_since(since).as_secs(),
        });
        ControllerSnapshot {
            name: R::NAME.into(),
            running: self.state.beat().is_some(),
            workers: self.workers,
            passes: passes.collect(),
            ready: queue.depth(),
            waiting: queue.waiting(),
            next_in_seconds: queue.next_due().map(|due| due.saturating_duration_since(now).as_secs()),
            failing: self.state.failing.load(Ordering::Relaxed),
            operations: self.operations.iter().map(|operations| operations.count()).sum(),
        }
    }

    fn stuck(&self, now: Instant) -> Option<String> {
        let silent = self.state.beat().map(|beat| now.saturating_duration_since(beat))?;
        if silent > STUCK_LOOP {
            return Some(format!("its loop has not turned for {silent:?}"));
        }
        let limit = self
            .stuck_after
            .or(self.deadline.map(|deadline| deadline + STUCK_PASS))?;
        let queue = self.state.queue();
        let (key, since) = queue.working().min_by_key(|(_, since)| *since)?;
        let running = now.saturating_duration_since(since);
        (running > limit).then(|| format!("the pass for {} has run for {running:?}", path_of(key)))
    }
}
