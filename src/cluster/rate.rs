//! The user's limit on requests to the API server (`--client-qps`, `--client-burst`; decision 9).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, sleep_until};
use tower::{Layer, Service};

/// A limit that all connections made with it, and with its clones, share.
#[derive(Clone, Debug)]
pub struct RateLimit(Arc<Mutex<Schedule>>);

/// When requests may go (the generic cell rate algorithm): one for each interval, and `burst` of them at once after a rest.
#[derive(Debug)]
struct Schedule {
    interval: Duration,
    ahead: Duration,
    /// When the next request would go if they came evenly; absent before the first.
    even: Option<Instant>,
}

impl Schedule {
    /// Reserves a place for a request and returns when it may be sent.
    fn reserve(&mut self, now: Instant) -> Instant {
        let even = self.even.map_or(now, |even| even.max(now));
        self.even = Some(even + self.interval);
        even.checked_sub(self.ahead).map_or(now, |earliest| earliest.max(now))
    }
}

impl RateLimit {
    /// `qps` requests a second, and after a rest `burst` at once (at least one); `None` where `qps` means no limit.
    pub fn new(qps: f32, burst: u32) -> Option<Self> {
        // A rate below one in an hour is a mistake, and an interval that long could overflow a time.
        let interval = Duration::try_from_secs_f32(1.0 / qps).ok().filter(|i| !i.is_zero())?;
        let interval = interval.min(Duration::from_hours(1));
        Some(Self(Arc::new(Mutex::new(Schedule {
            interval,
            ahead: interval.saturating_mul(burst.saturating_sub(1)),
            even: None,
        }))))
    }

    fn reserve(&self) -> Instant {
        self.0.lock().reserve(Instant::now())
    }
}

impl<S> Layer<S> for RateLimit {
    type Service = Limited<S>;

    fn layer(&self, inner: S) -> Limited<S> {
        Limited {
            inner,
            limit: self.clone(),
            place: None,
        }
    }
}

/// A service that delays its requests by the limit.
#[derive(Debug)]
pub struct Limited<S> {
    inner: S,
    limit: RateLimit,
    /// The wait of the next request, from its first poll on.
    place: Option<Pin<Box<Sleep>>>,
}

impl<R, S: Service<R>> Service<R> for Limited<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        let limit = &self.limit;
        let place = self.place.get_or_insert_with(|| Box::pin(sleep_until(limit.reserve())));
        ready!(place.as_mut().poll(context));
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.place = None;
        self.inner.call(request)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tower::{ServiceExt, service_fn};

    use super::*;

    /// When each request was sent, in hundredths of a second after the start (timers have a grain of a millisecond), over two connections in turn.
    async fn went(limit: &RateLimit, requests: u32) -> Vec<u128> {
        let start = Instant::now();
        let answer = || service_fn(|()| async { Ok::<_, Infallible>(Instant::now()) });
        let mut connections = [limit.layer(answer()), limit.layer(answer())];
        let mut times = Vec::new();
        for at in 0..requests {
            let connection = &mut connections[at as usize % 2];
            let time = connection.ready().await.unwrap().call(()).await.unwrap();
            times.push((time - start).as_millis() / 10);
        }
        times
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_burst_all_connections_share_one_rate() {
        let limit = RateLimit::new(10.0, 3).unwrap();
        assert_eq!(went(&limit, 6).await, [0, 0, 0, 10, 20, 30]);
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_eq!(
            went(&limit, 5).await,
            [0, 0, 0, 10, 20],
            "a long rest allows no more than one burst"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn less_than_one_request_a_second_is_a_rate_too() {
        assert_eq!(went(&RateLimit::new(0.5, 1).unwrap(), 3).await, [0, 200, 400]);
    }

    #[test]
    fn no_rate_is_no_limit_and_a_tiny_one_does_not_overflow() {
        assert!(RateLimit::new(0.0, 1).is_none());
        assert!(RateLimit::new(-1.0, 1).is_none());
        assert!(RateLimit::new(f32::INFINITY, 1).is_none());
        if let Some(tiny) = RateLimit::new(f32::MIN_POSITIVE, u32::MAX) {
            assert!(tiny.reserve() <= tiny.reserve());
        }
    }
}
