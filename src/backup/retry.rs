//! Retries of reads. A run retries only here and in lists, which have retries of their own.

use std::future::Future;
use std::time::Duration;

use crate::cluster::error::{ApiError, Class};
use crate::runtime::backoff::{Backoff, Policy};

/// How often a read is tried in all.
const TRIES: u32 = 6;

/// The waits between tries, unless the server names one.
const WAITS: Policy = Policy::doubling(Duration::from_millis(250), Duration::from_secs(8));

/// The longest wait a server may ask for.
const LONGEST_ASKED: Duration = Duration::from_mins(1);

/// Whether the same read may succeed later: a broken connection, too many requests, or an error of the server.
fn is_transient(error: &ApiError) -> bool {
    match error.class() {
        Class::Transport | Class::Timeout => true,
        Class::Answered => error.is_too_many_requests() || (500..600).contains(&error.code),
        Class::Unsent | Class::Unreadable => false,
    }
}

/// Reads until success, a final error, or the last try.
pub(super) async fn with_retries<T, F>(mut read: impl FnMut() -> F) -> Result<T, ApiError>
where
    F: Future<Output = Result<T, ApiError>>,
{
    let mut waits = Backoff::new(WAITS);
    for _ in 1..TRIES {
        match read().await {
            Err(error) if is_transient(&error) => {
                let wait = waits.failed();
                tokio::time::sleep(error.retry_after.map_or(wait, |asked| asked.min(LONGEST_ASKED))).await;
            }
            outcome => return outcome,
        }
    }
    read().await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn answered(code: u16) -> ApiError {
        ApiError {
            attempt: "get".to_owned(),
            class: Class::Answered,
            code,
            reason: String::new(),
            message: String::new(),
            causes: Vec::new(),
            object: None,
            retry_after: None,
            continue_token: None,
        }
    }

    #[test]
    fn only_transient_errors_are_retried() {
        for (code, again) in [
            (400, false),
            (401, false),
            (403, false),
            (404, false),
            (410, false),
            (429, true),
            (500, true),
            (503, true),
        ] {
            assert_eq!(is_transient(&answered(code)), again, "{code}");
        }
        for (class, again) in [
            (Class::Transport, true),
            (Class::Timeout, true),
            (Class::Unsent, false),
            (Class::Unreadable, false),
        ] {
            assert_eq!(is_transient(&ApiError { class, ..answered(0) }), again, "{class:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_server_is_given_the_time_it_asks_for() {
        let tries = Cell::new(0);
        let begun = tokio::time::Instant::now();
        let outcome = with_retries(|| {
            tries.set(tries.get() + 1);
            let asked = ApiError {
                retry_after: Some(Duration::from_secs(5)),
                ..answered(429)
            };
            let outcome = if tries.get() < 3 { Err(asked) } else { Ok(tries.get()) };
            async move { outcome }
        })
        .await;
        assert_eq!(outcome, Ok(3));
        assert_eq!(begun.elapsed().as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_keeps_failing_is_an_error_in_the_end() {
        let tries = Cell::new(0);
        let outcome: Result<(), _> = with_retries(|| {
            tries.set(tries.get() + 1);
            async { Err(answered(503)) }
        })
        .await;
        assert_eq!(outcome, Err(answered(503)));
        assert_eq!(tries.get(), TRIES);
    }
}
