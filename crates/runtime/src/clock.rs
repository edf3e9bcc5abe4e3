//! The wall clock. Durations are measured with tokio's monotonic clock; this one is for times in objects and records.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

/// Reads the time of day.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl Clock for System {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads it")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that stands still until it is set. Clones share the time.
#[derive(Debug, Clone)]
pub struct Manual(Arc<Mutex<Timestamp>>);

impl Manual {
    /// A clock that stands at this time.
    pub fn new(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(now)))
    }

    /// Sets the clock to this time, which may be earlier.
    pub fn set(&self, now: Timestamp) {
        *self.0.lock() = now;
    }

    /// Moves the clock forward, at most to the end of time.
    pub fn advance(&self, by: Duration) {
        let mut now = self.0.lock();
        *now = later(*now, by);
    }
}

impl Clock for Manual {
    fn now(&self) -> Timestamp {
        *self.0.lock()
    }
}

/// This time so much later, or the last time there is.
pub fn later(time: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by)
        .ok()
        .and_then(|by| time.checked_add(by).ok())
        .unwrap_or(Timestamp::MAX)
}

/// The time from one moment to a later one; zero if that has passed.
pub fn until(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_it_is_set() {
        let clock = Manual::new(Timestamp::UNIX_EPOCH);
        let same = clock.clone();
        assert_eq!(clock.now(), Timestamp::UNIX_EPOCH);
        clock.advance(Duration::from_mins(1));
        assert_eq!(same.now().as_second(), 60);
        clock.set(Timestamp::UNIX_EPOCH);
        assert_eq!(same.now(), Timestamp::UNIX_EPOCH);
    }

    #[test]
    fn sums_beyond_the_end_of_time_stop_there() {
        assert_eq!(later(Timestamp::UNIX_EPOCH, Duration::MAX), Timestamp::MAX);
    }

    #[test]
    fn a_time_that_has_passed_is_no_wait() {
        let (early, late) = (
            Timestamp::UNIX_EPOCH,
            later(Timestamp::UNIX_EPOCH, Duration::from_secs(5)),
        );
        assert_eq!(until(early, late), Duration::from_secs(5));
        assert_eq!(until(late, early), Duration::ZERO);
    }
}
