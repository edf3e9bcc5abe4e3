//! The state of a running controller.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::queue::Queue;
use crate::object::{AnyKind, ObjectRef};

/// How often the loop turns without events.
pub(super) const BEAT: Duration = Duration::from_secs(30);

/// A name in the queue, which is in several of its tables at once. At a start every object has one in each controller.
pub(super) type Key<K> = Arc<ObjectRef<K>>;

/// The state of a running controller. Locked for moments only, and never while user code runs.
#[derive(Debug)]
pub(super) struct State<K: AnyKind> {
    queue: Mutex<Queue<Key<K>>>,
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

    pub(super) fn queue(&self) -> MutexGuard<'_, Queue<Key<K>>> {
        self.queue.lock()
    }

    /// The loop turned.
    pub(super) fn turned(&self, now: Instant, failing: usize) {
        *self.beat() = Some(now);
        self.failing.store(failing, Ordering::Relaxed);
    }

    /// The loop has ended, and waits for running passes.
    pub(super) fn stopping(&self) {
        *self.beat() = None;
    }

    /// The controller does not run (any more).
    pub(super) fn reset(&self) {
        *self.queue() = Queue::new();
        *self.beat() = None;
        self.failing.store(0, Ordering::Relaxed);
    }

    pub(super) fn beat(&self) -> MutexGuard<'_, Option<Instant>> {
        self.beat.lock()
    }

    /// Objects with a failed last pass.
    pub(super) fn failing(&self) -> usize {
        self.failing.load(Ordering::Relaxed)
    }
}
