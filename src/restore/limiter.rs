//! The number of concurrent requests: as many as the API server takes (design 6, decision 9).
//!
//! Additive increase, multiplicative decrease, as in TCP: the number grows while answers come quickly, is halved after a 429,
//! and shrinks when answers become slow. `Retry-After` delays every request, not only the refused one.

use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

/// The number does not grow while answers take longer than this on average.
const UNHURRIED: Duration = Duration::from_millis(300);

/// Answers that take longer than this on average mean that the server is overloaded.
const OVERLOADED: Duration = Duration::from_millis(1500);

/// After one 429 halved the number, others within this time do not count.
const ONE_MOMENT: Duration = Duration::from_millis(500);

/// The pause after a 429 without a `Retry-After`.
const DEFAULT_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause that a server may ask for.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// The arithmetic, without clocks and waits.
#[derive(Clone, Debug)]
pub struct Aimd {
    limit: f64,
    max: f64,
    /// Until the first push-back every answer raises the limit by one, which doubles it each round.
    starting: bool,
    /// After how many answers the latency is checked: as many as were in flight at the last check.
    window: u32,
    /// Answers and their summed latency since the last check.
    answers: u32,
    latency: Duration,
    hurried: bool,
    last_decrease: Option<Instant>,
    paused_until: Option<Instant>,
    turned_away_since: Option<Instant>,
}

impl Aimd {
    /// Starts with `start` requests at once and never goes above `max`.
    pub fn new(start: u32, max: u32) -> Self {
        let start = start.clamp(1, max.max(1));
        Self {
            limit: f64::from(start),
            max: f64::from(max.max(1)),
            starting: true,
            window: start,
            answers: 0,
            latency: Duration::ZERO,
            hurried: false,
            last_decrease: None,
            paused_until: None,
            turned_away_since: None,
        }
    }

    /// How many requests may be under way now.
    pub fn limit(&self) -> u32 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 1 and a u32 by construction"
        )]
        let limit = self.limit as u32;
        limit
    }

    /// Until when nothing new is sent.
    pub fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.paused_until.filter(|until| *until > now)
    }

    /// Since when every request gets a 429.
    pub fn turned_away_since(&self) -> Option<Instant> {
        self.turned_away_since
    }

    /// An answer came after `latency`.
    pub fn answered(&mut self, latency: Duration) {
        self.turned_away_since = None;
        self.answers += 1;
        self.latency = self.latency.saturating_add(latency);
        if !self.hurried {
            self.limit = (self.limit + if self.starting { 1.0 } else { 1.0 / self.limit }).min(self.max);
        }
        if self.answers >= self.window {
            let mean = self.latency / self.answers;
            self.hurried = mean > UNHURRIED;
            if mean > OVERLOADED {
                self.starting = false;
                self.limit = (self.limit * 0.8).max(1.0);
            }
            (self.window, self.answers, self.latency) = (self.limit(), 0, Duration::ZERO);
        }
    }

    /// The server asked for fewer requests.
    pub fn pushed_back(&mut self, now: Instant, retry_after: Option<Duration>) {
        self.turned_away_since.get_or_insert(now);
        let until = now + retry_after.unwrap_or(DEFAULT_PAUSE).min(LONGEST_PAUSE);
        self.paused_until = self.paused_until.max(Some(until));
        if self.last_decrease.is_none_or(|last| now - last > ONE_MOMENT) {
            self.last_decrease = Some(now);
            self.starting = false;
            self.limit = (self.limit / 2.0).max(1.0);
        }
    }
}

/// Issues permits, as many at once as [`Aimd`] allows.
#[derive(Debug)]
pub struct Limiter {
    state: Mutex<State>,
    free: Semaphore,
}

#[derive(Debug)]
struct State {
    aimd: Aimd,
    /// All permits: free ones and those in use.
    issued: u32,
}

impl Limiter {
    /// A limiter that starts at `start` and never goes above `max`.
    pub fn new(start: u32, max: u32) -> Self {
        let aimd = Aimd::new(start, max);
        let issued = aimd.limit();
        Self {
            state: Mutex::new(State { aimd, issued }),
            free: Semaphore::new(issued as usize),
        }
    }

    /// Waits for a free permit and for the end of a pause that the server asked for. A permit is held for one request, never while
    /// waiting for another item. Cancel-safe.
    pub async fn permit(&self) -> Permit<'_> {
        // the semaphore is never closed, so this cannot fail
        let permit = self.free.acquire().await.ok();
        loop {
            let pause = self.state().aimd.paused_until(Instant::now());
            match pause {
                Some(until) => sleep_until(until).await,
                None => {
                    return Permit {
                        limiter: self,
                        place: permit,
                        since: Instant::now(),
                    };
                }
            }
        }
    }

    /// How many requests may be under way now.
    pub fn limit(&self) -> u32 {
        self.state().aimd.limit()
    }

    /// Since when every request gets a 429.
    pub fn turned_away_since(&self) -> Option<Instant> {
        self.state().aimd.turned_away_since()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// A permit for one request. If it is only dropped, the request does not count.
#[derive(Debug)]
pub struct Permit<'a> {
    limiter: &'a Limiter,
    place: Option<SemaphorePermit<'a>>,
    since: Instant,
}

impl Permit<'_> {
    /// The request was answered, with any result but a 429.
    pub fn answered(self) {
        let latency = self.since.elapsed();
        self.limiter.state().aimd.answered(latency);
    }

    /// The request got a 429.
    pub fn pushed_back(self, retry_after: Option<Duration>) {
        self.limiter.state().aimd.pushed_back(Instant::now(), retry_after);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut state = self.limiter.state();
        let limit = state.aimd.limit();
        if limit < state.issued {
            state.issued -= 1;
            if let Some(place) = self.place.take() {
                place.forget();
            }
        } else if limit > state.issued {
            self.limiter.free.add_permits((limit - state.issued) as usize);
            state.issued = limit;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_millis(10);

    fn answers(aimd: &mut Aimd, count: u32, latency: Duration) {
        for _ in 0..count {
            aimd.answered(latency);
        }
    }

    #[test]
    fn it_doubles_each_round_until_the_first_429() {
        let mut aimd = Aimd::new(4, 64);
        answers(&mut aimd, 4, QUICK);
        assert_eq!(aimd.limit(), 8);
        answers(&mut aimd, 8, QUICK);
        assert_eq!(aimd.limit(), 16);
        answers(&mut aimd, 1000, QUICK);
        assert_eq!(aimd.limit(), 64);
    }

    #[tokio::test(start_paused = true)]
    async fn a_429_halves_it_once_and_then_it_grows_by_one_a_round() {
        let mut aimd = Aimd::new(32, 64);
        let now = Instant::now();
        for _ in 0..10 {
            aimd.pushed_back(now, None);
        }
        assert_eq!(aimd.limit(), 16);
        answers(&mut aimd, 17, QUICK);
        assert_eq!(aimd.limit(), 17);
        aimd.pushed_back(now + Duration::from_secs(2), None);
        assert_eq!(aimd.limit(), 8);
        for second in 2..20 {
            aimd.pushed_back(now + Duration::from_secs(2 * second), None);
        }
        assert_eq!(aimd.limit(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_pause_counts() {
        let mut aimd = Aimd::new(32, 64);
        let now = Instant::now();
        assert_eq!(aimd.paused_until(now), None);
        aimd.pushed_back(now, Some(Duration::from_secs(5)));
        aimd.pushed_back(now, None);
        assert_eq!(aimd.paused_until(now), Some(now + Duration::from_secs(5)));
        assert_eq!(aimd.paused_until(now + Duration::from_secs(5)), None);
        aimd.pushed_back(now, Some(Duration::from_hours(24)));
        assert_eq!(aimd.paused_until(now), Some(now + LONGEST_PAUSE));
    }

    #[tokio::test(start_paused = true)]
    async fn one_answer_ends_the_time_of_429s() {
        let mut aimd = Aimd::new(8, 8);
        let now = Instant::now();
        aimd.pushed_back(now, None);
        aimd.pushed_back(now + Duration::from_secs(3), None);
        assert_eq!(aimd.turned_away_since(), Some(now));
        aimd.answered(QUICK);
        assert_eq!(aimd.turned_away_since(), None);
    }

    #[test]
    fn slow_answers_stop_the_growth_and_very_slow_ones_shrink_it() {
        let mut aimd = Aimd::new(8, 64);
        answers(&mut aimd, 16, Duration::from_millis(400));
        let held = aimd.limit();
        answers(&mut aimd, 200, Duration::from_millis(400));
        assert_eq!(aimd.limit(), held);
        answers(&mut aimd, 200, Duration::from_secs(3));
        assert!(aimd.limit() < held, "{} < {held}", aimd.limit());
        answers(&mut aimd, 2000, QUICK);
        assert!(aimd.limit() > held, "{} > {held}", aimd.limit());
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_permits_are_out_than_the_limit_says() {
        let limiter = Limiter::new(2, 4);
        let (first, second) = (limiter.permit().await, limiter.permit().await);
        assert!(tokio::time::timeout(QUICK, limiter.permit()).await.is_err());
        first.answered();
        second.answered();
        assert_eq!(limiter.limit(), 4);
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(limiter.permit().await);
        }
        assert!(tokio::time::timeout(QUICK, limiter.permit()).await.is_err());
        held.pop().unwrap().pushed_back(Some(Duration::ZERO));
        held.pop().unwrap().answered();
        assert_eq!(limiter.limit(), 2);
        assert!(
            tokio::time::timeout(QUICK, limiter.permit()).await.is_err(),
            "two are still out"
        );
        held.clear();
        assert_eq!(limiter.free.available_permits(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_delays_every_request() {
        let limiter = Limiter::new(8, 8);
        let start = Instant::now();
        limiter.permit().await.pushed_back(Some(Duration::from_secs(7)));
        drop(limiter.permit().await);
        assert_eq!(start.elapsed(), Duration::from_secs(7));
    }
}
