//! Waits that grow with each failure. The only place that knows the `backoff` crate.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

use backoff::backoff::Backoff as _;
use backoff::{ExponentialBackoff, ExponentialBackoffBuilder};

/// How the waits grow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// The wait after the first failure.
    pub initial: Duration,
    /// The longest wait.
    pub max: Duration,
    /// By how much each wait is longer than the one before.
    pub factor: f64,
    /// The share by which a wait may be shorter or longer than computed, from 0 to 1.
    pub jitter: f64,
}

impl Policy {
    /// For an object that could not be reconciled: one second, doubling up to five minutes.
    pub const OBJECT: Self = Self::doubling(Duration::from_secs(1), Duration::from_mins(5));

    /// For a watch that broke: 0.8 seconds, doubling up to half a minute.
    pub const WATCH: Self = Self::doubling(Duration::from_millis(800), Duration::from_secs(30));

    /// Doubling waits with a fifth of jitter.
    pub const fn doubling(initial: Duration, max: Duration) -> Self {
        Self {
            initial,
            max,
            factor: 2.0,
            jitter: 0.2,
        }
    }

    /// The same without jitter.
    #[must_use]
    pub const fn exact(self) -> Self {
        Self { jitter: 0.0, ..self }
    }
}

/// The waits of one thing that fails repeatedly. Without an end: a caller that gives up counts itself.
#[derive(Debug)]
pub struct Backoff {
    state: ExponentialBackoff,
    max: Duration,
}

impl Backoff {
    /// A backoff that has seen no failure yet.
    pub fn new(policy: Policy) -> Self {
        let state = ExponentialBackoffBuilder::new()
            .with_initial_interval(policy.initial)
            .with_max_interval(policy.max)
            .with_multiplier(policy.factor)
            .with_randomization_factor(policy.jitter)
            // By default the crate ends the waits after a quarter of an hour.
            .with_max_elapsed_time(None)
            .build();
        Self { state, max: policy.max }
    }

    /// It failed once more: how long to wait.
    pub fn failed(&mut self) -> Duration {
        self.state.next_backoff().unwrap_or(self.max)
    }

    /// It succeeded: the next failure is a first one.
    pub fn succeeded(&mut self) {
        self.state.reset();
    }
}

/// The waits of something that runs without end and fails now and then: a long time without a failure counts as a success.
#[derive(Debug)]
pub struct Calming {
    backoff: Backoff,
    calm: Duration,
    last: Option<Instant>,
}

impl Calming {
    /// `calm` is the time without failures after which the waits start over.
    pub fn new(policy: Policy, calm: Duration) -> Self {
        Self {
            backoff: Backoff::new(policy),
            calm,
            last: None,
        }
    }

    /// It failed once more: how long to wait.
    pub fn failed(&mut self) -> Duration {
        let now = Instant::now();
        if self.last.is_some_and(|last| now.duration_since(last) >= self.calm) {
            self.backoff.succeeded();
        }
        self.last = Some(now);
        self.backoff.failed()
    }
}

/// The waits of many things, each with its own failures.
#[derive(Debug)]
pub struct Failures<Key> {
    policy: Policy,
    table: HashMap<Key, Backoff>,
}

impl<Key: Eq + Hash> Failures<Key> {
    /// Nothing has failed yet.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            table: HashMap::new(),
        }
    }

    /// This one failed once more: how long to wait.
    pub fn failed(&mut self, key: Key) -> Duration {
        let policy = self.policy;
        self.table.entry(key).or_insert_with(|| Backoff::new(policy)).failed()
    }

    /// This one succeeded, or is gone.
    pub fn forget(&mut self, key: &Key) {
        self.table.remove(key);
    }

    /// How many failed and have not succeeded since.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether nothing is failing.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy::doubling(Duration::from_secs(1), Duration::from_secs(10)).exact();

    #[test]
    fn waits_double_up_to_the_longest() {
        let mut backoff = Backoff::new(POLICY);
        let waits: Vec<_> = (0..6).map(|_| backoff.failed().as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 10, 10]);
    }

    #[test]
    fn a_success_starts_over() {
        let mut backoff = Backoff::new(POLICY);
        backoff.failed();
        backoff.failed();
        backoff.succeeded();
        assert_eq!(backoff.failed(), Duration::from_secs(1));
    }

    #[test]
    fn jitter_stays_within_its_share() {
        for _ in 0..200 {
            let wait = Backoff::new(Policy { jitter: 0.2, ..POLICY }).failed();
            assert!(
                (Duration::from_millis(800)..=Duration::from_millis(1200)).contains(&wait),
                "{wait:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_calm_while_starts_over() {
        let mut backoff = Calming::new(POLICY, Duration::from_mins(2));
        backoff.failed();
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_eq!(backoff.failed(), Duration::from_secs(2));
        tokio::time::advance(Duration::from_mins(2)).await;
        assert_eq!(backoff.failed(), Duration::from_secs(1));
    }

    #[test]
    fn each_key_has_its_own_waits() {
        let mut failures = Failures::new(POLICY);
        failures.failed("a");
        assert_eq!(failures.failed("a"), Duration::from_secs(2));
        assert_eq!(failures.failed("b"), Duration::from_secs(1));
        failures.forget(&"a");
        assert_eq!(failures.len(), 1);
        assert_eq!(failures.failed("a"), Duration::from_secs(1));
    }
}
