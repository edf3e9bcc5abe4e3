//! Reads events without end: connects, backs off, and waits for kinds that are not served yet.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use kube_runtime::watcher::{self, Error, Event};
use tokio::time::{sleep, timeout};

use super::feed::Feed;
use super::guard::Guarded;
use super::rediscovery::Rediscovery;
use crate::backoff::{Calming, Policy};
use crate::object::AnyKind;

/// How long a watch must work without failure for its backoff to start over.
const CALM: Duration = Duration::from_mins(2);

/// How often an optional kind that is not served is retried without a change of discovery.
const SLOWLY: Duration = Duration::from_mins(5);

/// How long the next object or page of a list may take. No layer below ends a request to a server that has stopped answering.
const LISTING: Duration = Duration::from_mins(1);

/// The events of one connection, which continues after most failures.
pub(super) type Events<K> = BoxStream<'static, watcher::Result<Event<Guarded<K>>>>;

/// Why a connection's events are not read any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The stream ended.
    Closed,
    /// The list was answered with 404: the kind is not served.
    NotServed,
    /// The watch does not recover from this without a new connection.
    Stuck,
}

/// How a failure ends its connection; `None` if the connection continues after a wait.
fn end_of(error: &Error) -> Option<End> {
    match error {
        Error::InitialListFailed(kube::Error::Api(status)) if status.code == 404 => Some(End::NotServed),
        // kube's watcher would request the same resource version for ever. Only a list shows whether the kind is gone.
        Error::WatchStartFailed(kube::Error::Api(status)) if matches!(status.code, 404 | 410) => Some(End::Stuck),
        _ => None,
    }
}

/// Feeds the store from one connection, as long as that lasts.
pub(super) async fn follow<K: AnyKind>(feed: &mut Feed<K>, events: Events<K>) -> End {
    follow_with(feed, events, &mut Calming::new(Policy::WATCH, CALM)).await
}

async fn follow_with<K: AnyKind>(feed: &mut Feed<K>, mut events: Events<K>, backoff: &mut Calming) -> End {
    let mut listing = false;
    loop {
        let next = events.next();
        let next = if listing {
            let Ok(next) = timeout(LISTING, next).await else {
                tracing::warn!(kind = %K::kind(feed.kind()), "the list does not go on; beginning anew");
                feed.failed("the API server has stopped answering");
                return End::Stuck;
            };
            next
        } else {
            next.await
        };
        let Some(event) = next else { return End::Closed };
        match event {
            Ok(event) => {
                listing = matches!(event, Event::Init | Event::InitApply(_));
                feed.apply(event);
            }
            Err(error) => match end_of(&error) {
                Some(End::NotServed) => return End::NotServed,
                end => {
                    let wait = backoff.failed();
                    let text = error.to_string();
                    tracing::warn!(kind = %K::kind(feed.kind()), error = text, retry_in = ?wait, "watch failed");
                    feed.failed(&text);
                    sleep(wait).await;
                    if let Some(end) = end {
                        return end;
                    }
                }
            },
        }
    }
}

/// Feeds the store from one connection after the other, without end.
pub(super) async fn reconnecting<K: AnyKind>(
    mut feed: Feed<K>,
    mut connect: impl FnMut() -> Events<K> + Send,
    optional: Option<Rediscovery>,
) {
    let kind = K::kind(feed.kind()).into_owned();
    let mut backoff = Calming::new(Policy::WATCH, CALM);
    let mut hints = optional.map(|optional| optional.follow());
    let mut missing = false;
    loop {
        // The list below sees everything that was announced until now.
        if let Some(hints) = &mut hints {
            hints.mark_unchanged();
        }
        let end = follow_with(&mut feed, connect(), &mut backoff).await;
        match (end, &mut hints) {
            (End::Stuck, _) => {}
            (End::Closed, _) => sleep(backoff.failed()).await,
            (End::NotServed, Some(hints)) => {
                if !missing {
                    tracing::info!(%kind, "kind is not served; going on without it");
                }
                feed.clear();
                tokio::select! {
                    // An error means that there will be no further announcement.
                    Ok(()) = hints.changed() => {}
                    () = sleep(SLOWLY) => {}
                }
            }
            (End::NotServed, None) => {
                let wait = backoff.failed();
                tracing::warn!(%kind, retry_in = ?wait, "kind is not served");
                feed.failed("the kind is not served");
                sleep(wait).await;
            }
        }
        missing = end == End::NotServed;
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn api(code: u16) -> kube::Error {
        kube::Error::Api(Box::new(Status::failure("no", "No").with_code(code)))
    }

    #[test]
    fn what_a_failure_means_for_the_connection() {
        for (error, end) in [
            (Error::InitialListFailed(api(404)), Some(End::NotServed)),
            (Error::InitialListFailed(api(403)), None),
            (Error::InitialListFailed(api(503)), None),
            (Error::WatchStartFailed(api(404)), Some(End::Stuck)),
            (Error::WatchStartFailed(api(410)), Some(End::Stuck)),
            (Error::WatchStartFailed(api(403)), None),
            (Error::WatchFailed(api(404)), None),
            (Error::NoResourceVersion, None),
        ] {
            assert_eq!(end_of(&error), end, "{error}");
        }
    }
}
