//! The progress of a restore.

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

/// The progress of a restore.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Objects processed so far, with any result. Never falls; in the end it is the total.
    pub restored: u64,
    /// The estimate of that number: additional items raise it, finished pods and the like lower it.
    pub total: u64,
    /// Items that wait to be tried again.
    pub waiting: usize,
    /// The first few of them.
    pub blocked: Vec<Blocked>,
    /// Why it cannot continue, while only waiting items are left.
    pub standstill: Option<Standstill>,
}

/// Only waiting items are left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standstill {
    /// The reason as one word, for programs.
    pub reason: &'static str,
    /// The first waiting item and its reason, how many others wait, and the timeout. For users.
    pub message: String,
}

/// An item that waits to be tried again, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// `deployments.apps/shop/web`: its names in the backup.
    pub item: String,
    /// What it waits for, for users.
    pub why: String,
}

/// Called with the progress after each item: it must return at once.
pub type OnProgress<'a> = dyn Fn(Progress) + Send + Sync + 'a;

/// The state of the progress besides the ledger.
pub(super) struct ProgressTracker<'a> {
    counts: Mutex<Counts>,
    on_progress: &'a OnProgress<'a>,
}

#[derive(Debug, Default)]
struct Counts {
    /// Planned items that are not done.
    left: u64,
    waiting: usize,
    blocked: Vec<Blocked>,
    /// Since when only waiting items are left.
    draining: Option<Instant>,
    standstill: Option<Standstill>,
}

impl<'a> ProgressTracker<'a> {
    /// The progress of a restore with so many planned items to do.
    pub(super) fn new(left: u64, on_progress: &'a OnProgress<'a>) -> Self {
        Self {
            counts: Mutex::new(Counts {
                left,
                ..Counts::default()
            }),
            on_progress,
        }
    }

    /// A planned item is done.
    pub(super) fn planned_item_done(&self) {
        let mut counts = self.counts();
        counts.left = counts.left.saturating_sub(1);
    }

    /// How many items wait, and which are the first of them.
    pub(super) fn set_waiting(&self, waiting: usize, blocked: Vec<Blocked>) {
        let mut counts = self.counts();
        (counts.waiting, counts.blocked) = (waiting, blocked);
    }

    /// Only waiting items are left from now on.
    pub(super) fn begin_draining(&self, now: Instant) {
        self.counts().draining = Some(now);
    }

    /// Since when only waiting items are left.
    pub(super) fn draining_since(&self) -> Option<Instant> {
        self.counts().draining
    }

    /// Sets or clears the standstill. Returns whether it has changed.
    pub(super) fn set_standstill(&self, standstill: Option<Standstill>) -> bool {
        let mut counts = self.counts();
        let is_news = counts.standstill != standstill;
        counts.standstill = standstill;
        is_news
    }

    /// Reports the progress with this many restored objects.
    pub(super) fn report(&self, restored: u64) -> Progress {
        let progress = {
            let counts = self.counts();
            Progress {
                restored,
                total: restored + counts.left,
                waiting: counts.waiting,
                blocked: counts.blocked.clone(),
                standstill: counts.standstill.clone(),
            }
        };
        self.publish(progress.clone());
        progress
    }

    /// Calls the observer.
    pub(super) fn publish(&self, progress: Progress) {
        (self.on_progress)(progress);
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_total_is_the_restored_and_the_remaining_items() {
        let reported = Mutex::new(Vec::new());
        let on_progress = |progress: Progress| reported.lock().push((progress.restored, progress.total));
        let tracker = ProgressTracker::new(2, &on_progress);
        tracker.report(0);
        tracker.planned_item_done();
        tracker.report(1);
        // an additional item
        tracker.report(2);
        tracker.planned_item_done();
        // more items than were planned do not make it fall
        tracker.planned_item_done();
        tracker.report(2);
        assert_eq!(*reported.lock(), [(0, 2), (1, 2), (2, 3), (2, 2)]);
    }

    #[test]
    fn only_another_standstill_is_news() {
        let tracker = ProgressTracker::new(0, &|_| {});
        let standstill = |message: &str| {
            Some(Standstill {
                reason: "Conflict",
                message: message.to_owned(),
            })
        };
        assert!(!tracker.set_standstill(None));
        assert!(tracker.set_standstill(standstill("a")) && !tracker.set_standstill(standstill("a")));
        assert!(tracker.set_standstill(standstill("b")) && tracker.set_standstill(None));
        assert_eq!(tracker.report(0).standstill, None);
    }
}
