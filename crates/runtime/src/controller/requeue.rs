//! When the next pass of an object is due: pure.

use std::time::Duration;

use jiff::Timestamp;

use super::queue::Requeue;
use crate::clock;
use crate::reconciler::Next;

/// The shortest wait. Slows down a reconciler that always requests *at once*, or that fails and changes its own object by
/// that.
pub(super) const SHORTEST: Duration = Duration::from_millis(100);

/// How often a controller looks at all objects that wait for nothing in particular. A longer wait for one object is left to that: the last sweep
/// before its time finds that the time is near. So the queue holds only objects that are due soon.
pub(super) const SWEEP: Duration = Duration::from_mins(30);

/// How the resyncs of objects are spread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    /// Whether this is the object's first resync. After a start all objects had a pass at the same time, and their resyncs must spread.
    pub(super) first: bool,
    /// From 0 up to 1.
    pub(super) random: f64,
}

/// How long to wait after a pass that succeeded; `None` leaves the next pass to the sweep.
pub(super) fn after_success(next: Next, resync: Duration, now: Timestamp, spread: Spread) -> Option<Duration> {
    let wait = match next {
        Next::Resync => spread_over(resync, spread),
        Next::After(wait) => wait.min(resync),
        Next::At(time) => clock::until(now, time).min(resync),
        Next::Settled => return None,
    };
    (wait <= SWEEP).then_some(wait.max(SHORTEST))
}

/// The time between two sweeps: shorter than [`SWEEP`], so that controllers do not all sweep at once.
pub(super) fn sweep_after(random: f64) -> Duration {
    SWEEP.mul_f64(0.5 + random / 2.0)
}

/// The resync period with jitter: the first one from half of it, later ones a tenth shorter or longer.
pub(super) fn spread_over(resync: Duration, Spread { first, random }: Spread) -> Duration {
    resync.mul_f64(if first { 0.5 + random / 2.0 } else { 0.9 + random / 5.0 })
}

/// A wait after a success: a change of the object ends it.
pub(super) fn after_success_at(now: tokio::time::Instant, wait: Duration) -> Requeue {
    Requeue {
        at: now + wait,
        hold: now,
    }
}

/// A wait after a failure: a change of the object ends it, but not at once, because the failed pass may have made it.
pub(super) fn after_failure_at(now: tokio::time::Instant, wait: Duration) -> Requeue {
    let wait = wait.max(SHORTEST);
    Requeue {
        at: now + wait,
        hold: now + SHORTEST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESYNC: Duration = Duration::from_mins(10);

    #[test]
    fn success_says_when_to_look_again() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let now = at(1000);
        for (case, next, expected) in [
            ("soon", Next::After(Duration::from_secs(5)), Duration::from_secs(5)),
            ("later than the resync", Next::After(Duration::from_hours(5)), RESYNC),
            ("at once", Next::After(Duration::ZERO), SHORTEST),
            ("at a time", Next::At(at(1030)), Duration::from_secs(30)),
            ("at a time beyond the resync", Next::At(at(100_000)), RESYNC),
            ("at a time that has passed", Next::At(at(0)), SHORTEST),
        ] {
            let spread = Spread {
                first: true,
                random: 0.7,
            };
            assert_eq!(after_success(next, RESYNC, now, spread), Some(expected), "{case}");
        }
    }

    #[test]
    fn what_is_far_away_or_never_due_is_left_to_the_sweep() {
        let (day, now) = (Duration::from_hours(24), Timestamp::UNIX_EPOCH);
        let spread = Spread {
            first: false,
            random: 0.0,
        };
        let at = |wait: Duration| Next::At(now + wait);
        let moment = Duration::from_secs(1);
        for (next, resync, expected) in [
            (Next::Settled, RESYNC, None),
            (Next::Resync, day, None),
            (at(SWEEP + moment), day, None),
            (at(SWEEP), day, Some(SWEEP)),
            (at(SWEEP + moment), RESYNC, Some(RESYNC)),
        ] {
            assert_eq!(
                after_success(next, resync, now, spread),
                expected,
                "{next:?} {resync:?}"
            );
        }
        for random in [0.0, 0.5, 0.999] {
            // Else a time could pass between two sweeps.
            assert!(sweep_after(random) <= SWEEP);
        }
    }

    #[test]
    fn only_resyncs_have_jitter_and_the_first_one_most() {
        for (first, random, seconds) in [(true, 0.0, 300), (true, 1.0, 600), (false, 0.0, 540), (false, 1.0, 660)] {
            let wait = after_success(Next::Resync, RESYNC, Timestamp::UNIX_EPOCH, Spread { first, random }).unwrap();
            assert_eq!(wait.as_millis().div_ceil(100), seconds * 10, "{first} {random}");
        }
    }

    #[test]
    fn a_failure_is_not_retried_at_once_even_if_the_object_changes() {
        let now = tokio::time::Instant::now();
        let requeue = after_failure_at(now, Duration::from_secs(8));
        assert_eq!(
            requeue,
            Requeue {
                at: now + Duration::from_secs(8),
                hold: now + SHORTEST
            }
        );
        assert_eq!(after_success_at(now, Duration::from_secs(8)).hold, now);
    }
}
