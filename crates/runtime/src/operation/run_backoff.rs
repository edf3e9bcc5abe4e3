//! Waits between the attempts at a run. In memory only: a new process tries at once, which is what its restart is for.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::backoff::{Backoff, Policy};
use crate::object::Uid;

/// An attempt that lasted this long did not fail for the reason of the one before it.
const CALM: Duration = Duration::from_mins(15);

/// The waits of each run that was interrupted and has not ended since.
#[derive(Debug)]
pub struct RunBackoff {
    policy: Policy,
    runs: Mutex<HashMap<Uid, Interruptions>>,
}

#[derive(Debug)]
struct Interruptions {
    waits: Backoff,
    first: Instant,
    /// When the next attempt may begin.
    until: Instant,
}

impl RunBackoff {
    /// Waits that grow like this.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            runs: Mutex::default(),
        }
    }

    /// An attempt was interrupted. Returns the time since the first of these interruptions.
    pub fn failed(&self, uid: &Uid) -> Duration {
        self.note(uid, |run, now| now + run.waits.failed())
    }

    /// No attempt can begin until something else changes, and then one may at once. Returns the time since the first interruption. To be called
    /// at least every quarter of an hour, else it is a new one.
    pub fn blocked(&self, uid: &Uid) -> Duration {
        self.note(uid, |_, now| now)
    }

    fn note(&self, uid: &Uid, until: impl FnOnce(&mut Interruptions, Instant) -> Instant) -> Duration {
        let now = Instant::now();
        let mut runs = self.runs.lock();
        let fresh = || Interruptions {
            waits: Backoff::new(self.policy),
            first: now,
            until: now,
        };
        let run = runs.entry(uid.clone()).or_insert_with(fresh);
        if now.duration_since(run.until) >= CALM {
            *run = fresh();
        }
        run.until = until(run, now);
        now.duration_since(run.first)
    }

    /// The rest of the wait before the next attempt; `None` if it may begin.
    pub fn remaining(&self, uid: &Uid) -> Option<Duration> {
        let until = self.runs.lock().get(uid)?.until;
        let wait = until.saturating_duration_since(Instant::now());
        (!wait.is_zero()).then_some(wait)
    }

    /// The run has ended, or its object is gone.
    pub fn forget(&self, uid: &Uid) {
        self.runs.lock().remove(uid);
    }
}

impl Default for RunBackoff {
    fn default() -> Self {
        Self::new(Policy::OBJECT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn attempts_come_less_and_less_often_until_one_lasts_or_the_run_ends() {
        let (runs, uid) = (RunBackoff::default(), Uid::from("a"));
        assert_eq!(runs.remaining(&uid), None);
        let mut before = Duration::ZERO;
        for _ in 0..6 {
            runs.failed(&uid);
            let wait = runs.remaining(&uid).unwrap();
            assert!(wait > before, "{wait:?} after {before:?}");
            tokio::time::advance(wait).await;
            assert_eq!(runs.remaining(&uid), None);
            before = wait;
        }
        assert!(runs.failed(&uid) > Duration::from_secs(40));
        assert_eq!(runs.remaining(&Uid::from("b")), None, "others do not wait for it");

        tokio::time::advance(Duration::from_hours(1)).await;
        assert_eq!(runs.failed(&uid), Duration::ZERO, "it had been at work");
        runs.forget(&uid);
        assert_eq!(runs.remaining(&uid), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_blocked_run_may_begin_at_once_and_its_time_goes_on() {
        let (runs, uid) = (RunBackoff::default(), Uid::from("a"));
        runs.failed(&uid);
        assert!(runs.remaining(&uid).is_some());
        for minutes in 0..10 {
            assert_eq!(runs.blocked(&uid), Duration::from_mins(minutes));
            assert_eq!(runs.remaining(&uid), None, "nothing is left to wait for");
            tokio::time::advance(Duration::from_mins(1)).await;
        }
        assert_eq!(runs.failed(&uid), Duration::from_mins(10));
    }
}
