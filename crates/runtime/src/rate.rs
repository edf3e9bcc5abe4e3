//! A limit on how many passes begin, over all objects.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// A limit on how many passes begin in a second over all objects, beside the backoff of each object: a token bucket. Clones
/// share the bucket, so that several controllers can have one limit together.
#[derive(Debug, Clone)]
pub struct RateLimit(Arc<Mutex<Bucket>>);

#[derive(Debug)]
struct Bucket {
    /// How long one token takes.
    interval: Duration,
    /// How long it takes to fill the empty bucket.
    capacity: Duration,
    /// When it is full, if nothing more is taken.
    full: Instant,
}

impl RateLimit {
    /// This many passes a second in the long run (at least one), and this many at once (at least one) after a time with fewer.
    pub fn per_second(passes: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(1) / passes.max(1);
        Self(Arc::new(Mutex::new(Bucket {
            interval,
            capacity: interval * burst.max(1),
            full: Instant::now(),
        })))
    }

    /// Takes one token.
    ///
    /// # Errors
    /// There is none; one may be there at this time.
    pub(crate) fn take(&self, now: Instant) -> Result<(), Instant> {
        self.0.lock().take(now)
    }
}

impl Bucket {
    fn take(&mut self, now: Instant) -> Result<(), Instant> {
        let full = self.full.max(now) + self.interval;
        if full > now + self.capacity {
            // `full` is later than the capacity, which is a time after the clock began.
            return Err(full - self.capacity);
        }
        self.full = full;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_admitted_at_once_and_the_rest_at_the_rate() {
        let limit = RateLimit::per_second(10, 3);
        let start = Instant::now();
        let tenths = |tenths: u32| start + Duration::from_millis(100) * tenths;
        assert_eq!([limit.take(start), limit.take(start), limit.take(start)], [Ok(()); 3]);
        assert_eq!(limit.take(start), Err(tenths(1)));
        assert_eq!(limit.clone().take(tenths(1)), Ok(()), "clones share the bucket");
        assert_eq!(limit.take(tenths(1)), Err(tenths(2)));
        // An hour without passes fills the bucket and no more.
        let later = tenths(36_000);
        assert_eq!([limit.take(later), limit.take(later), limit.take(later)], [Ok(()); 3]);
        assert!(limit.take(later).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_of_nothing_is_one() {
        let limit = RateLimit::per_second(0, 0);
        let start = Instant::now();
        assert_eq!(limit.take(start), Ok(()));
        assert_eq!(limit.take(start), Err(start + Duration::from_secs(1)));
    }
}
