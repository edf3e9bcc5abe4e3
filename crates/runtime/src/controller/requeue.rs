//! When the next pass of an object is due: pure.

use std::time::Duration;

use jiff::Timestamp;

use super::queue::Requeue;
use crate::clock;
use crate::reconciler::Next;

/// The shortest wait. Slows down a reconciler that always requests *at once*, or that fails and changes its own object by
/// that.
pub(super) const SHORTEST: Duration = Duration::from_millis(100);

/// How the resyncs of objects are spread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    /// Whether this is the object's first resync. After a start all objects had a pass at the same time, and their resyncs must spread.
    pub(super) first: bool,
    /// From 0 up to 1.
    pub(super) random: f64,
}

/// How long to wait after a pass that succeeded.
pub(super) fn after_success(next: Next, resync: Duration, now: Timestamp, spread: Spread) -> Duration {
    let resync = match next {
        Next::Resync => spread_over(resync, spread),
        Next::After(wait) => wait.min(resync),
        Next::At(time) => clock::until(now, time).min(resync),
    };
    resync.max(SHORTEST)
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
            assert_eq!(after_success(next, RESYNC, now, spread), expected, "{case}");
        }
    }

    #[test]
    fn only_resyncs_have_jitter_and_the_first_one_most() {
        for (first, random, seconds) in [(true, 0.0, 300), (true, 1.0, 600), (false, 0.0, 540), (false, 1.0, 660)] {
            let wait = after_success(Next::Resync, RESYNC, Timestamp::UNIX_EPOCH, Spread { first, random });
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
