//! Runs that broke off for a reason that can pass: each is begun again after a wait that grows. Kept in memory only: a new
//! process tries at once, which is what somebody who restarts it wants.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::runtime::Uid;
use crate::runtime::backoff::{Backoff, Policy};

/// The waits between attempts.
const WAITS: Policy = Policy::OBJECT;

/// An attempt that lasted as long did not fail for the reason of the one before it.
const CALM: Duration = Duration::from_mins(15);

/// Runs that broke off and have not ended since.
#[derive(Debug, Default)]
pub struct BrokenOff {
    runs: Mutex<HashMap<Uid, Run>>,
}

#[derive(Debug)]
struct Run {
    waits: Backoff,
    first: Instant,
    until: Instant,
}

impl BrokenOff {
    /// A run broke off once more; gives for how long it has been doing nothing else.
    pub fn once_more(&self, uid: &Uid) -> Duration {
        self.note(uid, |run, now| now + run.waits.failed())
    }

    /// A run cannot begin until somebody does something, and then may at once; gives for how long nothing came of it. To be
    /// told more often than [`CALM`].
    pub fn idle(&self, uid: &Uid) -> Duration {
        self.note(uid, |_, now| now)
    }

    fn note(&self, uid: &Uid, until: impl FnOnce(&mut Run, Instant) -> Instant) -> Duration {
        let now = Instant::now();
        let mut runs = self.lock();
        let fresh = || Run {
            waits: Backoff::new(WAITS),
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

    /// How long the next attempt is to be waited with; `None` if it may begin.
    pub fn wait(&self, uid: &Uid) -> Option<Duration> {
        let until = self.lock().get(uid)?.until;
        let wait = until.saturating_duration_since(Instant::now());
        (!wait.is_zero()).then_some(wait)
    }

    /// It has ended, or is gone.
    pub fn forget(&self, uid: &Uid) {
        self.lock().remove(uid);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uid, Run>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn attempts_come_less_and_less_often_until_one_lasts_or_the_run_ends() {
        let (runs, uid) = (BrokenOff::default(), Uid::from("a"));
        assert_eq!(runs.wait(&uid), None);
        let mut before = Duration::ZERO;
        for _ in 0..6 {
            runs.once_more(&uid);
            let wait = runs.wait(&uid).unwrap();
            assert!(wait > before, "{wait:?} after {before:?}");
            tokio::time::advance(wait).await;
            assert_eq!(runs.wait(&uid), None);
            before = wait;
        }
        assert!(runs.once_more(&uid) > Duration::from_secs(40));
        assert_eq!(runs.wait(&Uid::from("b")), None, "others do not wait for it");

        tokio::time::advance(Duration::from_hours(1)).await;
        assert_eq!(runs.once_more(&uid), Duration::ZERO, "it had been at work");
        runs.forget(&uid);
        assert_eq!(runs.wait(&uid), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_waits_for_somebody_may_begin_at_once_and_is_patient_no_longer_for_it() {
        let (runs, uid) = (BrokenOff::default(), Uid::from("a"));
        runs.once_more(&uid);
        assert!(runs.wait(&uid).is_some());
        for minutes in 0..10 {
            assert_eq!(runs.idle(&uid), Duration::from_mins(minutes));
            assert_eq!(runs.wait(&uid), None, "nothing is left to wait for");
            tokio::time::advance(Duration::from_mins(1)).await;
        }
        assert_eq!(runs.once_more(&uid), Duration::from_mins(10));
    }
}
