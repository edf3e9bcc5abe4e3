//! The progress of a run (decision 13).

use tokio::sync::watch;

/// The progress of a run at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Items in the archive.
    pub saved: u64,
    /// The estimated total. It never falls, and may be too high where listed items are skipped.
    pub expected: u64,
    /// Whether every list has begun: only then is `saved / expected` a share of the whole.
    pub complete: bool,
}

/// The sending side of a run's progress. Only the latest value is kept, so the run never waits for a receiver.
#[derive(Clone, Debug)]
pub struct Progress {
    latest: watch::Sender<Snapshot>,
}

impl Progress {
    /// The sender and the receiver.
    pub fn new() -> (Self, watch::Receiver<Snapshot>) {
        let (latest, receiver) = watch::channel(Snapshot::default());
        (Self { latest }, receiver)
    }

    /// Adds to the number of expected items.
    pub(super) fn expect(&self, more: u64) {
        if more > 0 {
            self.latest.send_modify(|now| now.expected += more);
        }
    }

    /// One more item is in the archive. Returns the new counts.
    pub(super) fn saved(&self) -> Snapshot {
        self.latest.send_modify(|now| {
            now.saved += 1;
            now.expected = now.expected.max(now.saved);
        });
        *self.latest.borrow()
    }

    /// Every list has begun.
    pub(super) fn complete(&self) {
        self.latest.send_modify(|now| now.complete = true);
    }

    pub(super) fn now(&self) -> Snapshot {
        *self.latest.borrow()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_expected_never_falls_below_what_was_saved() {
        let (progress, seen) = Progress::new();
        progress.expect(1);
        progress.saved();
        progress.saved();
        progress.complete();
        let expected = Snapshot {
            saved: 2,
            expected: 2,
            complete: true,
        };
        assert_eq!(*seen.borrow(), expected);
    }
}
