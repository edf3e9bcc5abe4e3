//! One object and its changes without the permission to `list`: the object is read, then watched by its name. kube-runtime's
//! watcher would list.

use std::time::Duration;

use futures::stream::BoxStream;
use futures::{Stream, StreamExt, stream};
use kube::Api;
use kube::api::{WatchEvent, WatchParams};
use tokio::time::sleep;

use super::error::RequestError;
use super::kind::{Kind, check_name, failed};
use crate::runtime::backoff::{Backoff, Policy};

/// How often an object is read that does not exist or may not be watched.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long the API server keeps a watch open, in seconds.
const WATCH_TIMEOUT: u32 = 240;

/// The object now and at each change.
pub(super) fn follow<K: Kind>(
    api: Api<K>,
    name: String,
) -> impl Stream<Item = Result<Option<K>, RequestError>> + Send + use<K> {
    let following = Following {
        api,
        name,
        next: Step::Read,
        can_watch: true,
        backoff: Backoff::new(Policy::WATCH),
    };
    stream::unfold(Some(following), |following| async move {
        let mut following = following?;
        Some(match following.step().await {
            Ok(object) => (Ok(object), Some(following)),
            Err(error) => (Err(error), None),
        })
    })
    .boxed()
}

struct Following<K> {
    api: Api<K>,
    name: String,
    next: Step<K>,
    /// Whether the user may watch it, as far as is known.
    can_watch: bool,
    backoff: Backoff,
}

/// The next step.
enum Step<K> {
    Read,
    ReadLater,
    OpenWatch(String),
    NextEvent(BoxStream<'static, kube::Result<WatchEvent<K>>>, String),
}

async fn read<K: Kind>(api: &Api<K>, name: &str) -> Result<K, RequestError> {
    check_name::<K>(name)?;
    api.get(name).await.map_err(failed::<K>)
}

impl<K: Kind> Following<K> {
    /// The next state of the object.
    async fn step(&mut self) -> Result<Option<K>, RequestError> {
        loop {
            match std::mem::replace(&mut self.next, Step::Read) {
                Step::Read => match read(&self.api, &self.name).await {
                    Ok(object) => {
                        self.next = match version(&object) {
                            Some(version) if self.can_watch => Step::OpenWatch(version),
                            _ => Step::ReadLater,
                        };
                        return Ok(Some(object));
                    }
                    Err(error) if error.is_not_found() => {
                        self.next = Step::ReadLater;
                        return Ok(None);
                    }
                    Err(error) => self.wait_or_fail(error).await?,
                },
                Step::ReadLater => sleep(INTERVAL).await,
                Step::OpenWatch(since) => self.open(since).await?,
                Step::NextEvent(mut events, since) => match events.next().await {
                    Some(Ok(WatchEvent::Added(object) | WatchEvent::Modified(object))) => {
                        self.backoff.succeeded();
                        self.next = Step::NextEvent(events, version(&object).unwrap_or(since));
                        return Ok(Some(object));
                    }
                    Some(Ok(WatchEvent::Deleted(_))) => {
                        self.next = Step::ReadLater;
                        return Ok(None);
                    }
                    Some(Ok(WatchEvent::Bookmark(bookmark))) => {
                        self.next = Step::NextEvent(events, bookmark.metadata.resource_version);
                    }
                    // The version is too old, or the connection broke.
                    Some(Ok(WatchEvent::Error(_)) | Err(_)) => sleep(self.backoff.failed()).await,
                    None => {
                        sleep(self.backoff.failed()).await;
                        self.next = Step::OpenWatch(since);
                    }
                },
            }
        }
    }

    async fn open(&mut self, since: String) -> Result<(), RequestError> {
        let by_name = WatchParams::default()
            .fields(&format!("metadata.name={}", self.name))
            .timeout(WATCH_TIMEOUT);
        match self.api.watch(&by_name, &since).await {
            Ok(events) => self.next = Step::NextEvent(events.boxed(), since),
            Err(error) => {
                let error = failed::<K>(error);
                if error.is_forbidden() {
                    (self.can_watch, self.next) = (false, Step::ReadLater);
                } else {
                    self.wait_or_fail(error).await?;
                }
            }
        }
        Ok(())
    }

    /// Waits before a retry. Fails if no retry can help: not allowed, or an unknown kind.
    async fn wait_or_fail(&mut self, error: RequestError) -> Result<(), RequestError> {
        match error {
            RequestError::Refused { code: 401 | 403, .. } | RequestError::Unserved(_) => Err(error),
            _ => {
                sleep(self.backoff.failed()).await;
                Ok(())
            }
        }
    }
}

fn version<K: Kind>(object: &K) -> Option<String> {
    object.meta().resource_version.clone()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::v1::Backup;
    use crate::cli::objects::Objects;
    use crate::testing::fake_api::{FakeApi, FakeKind, Fault, Seen};

    fn backup(phase: &str) -> serde_json::Value {
        json!({"apiVersion": "velero.io/v1", "kind": "Backup", "metadata": {"name": "b", "namespace": "velero"},
            "spec": {}, "status": {"phase": phase}})
    }

    fn api() -> FakeApi {
        let api = FakeApi::serving(vec![
            FakeKind::new("velero.io/v1", "backups", "Backup", true).without_status(),
        ]);
        api.insert(backup("New"));
        api
    }

    fn watches(seen: &Seen) -> bool {
        seen.param("watch").is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn without_the_permission_to_watch_an_object_is_polled() {
        let api = api();
        api.fault(Fault::new(9, 403, "Forbidden", watches));
        let reads = std::sync::atomic::AtomicUsize::new(0);
        api.before(
            move |seen| !watches(seen) && reads.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 2,
            |api| {
                api.remove("velero.io/v1", "Backup", Some("velero"), "b");
                api.insert(backup("Completed"));
            },
        );
        let backups = Objects::<Backup>::new(&api.client(), "velero");
        let done = |backup: &Backup| backup.status.phase().is_terminal();
        let found = backups.wait_until("b", Duration::from_secs(20), done).await.unwrap();
        assert!(found.is_some());
        let seen = api.seen();
        assert_eq!(seen.iter().filter(|seen| watches(seen)).count(), 1, "{seen:#?}");
        assert!(
            seen.iter()
                .all(|seen| watches(seen) || seen.path.ends_with("/backups/b")),
            "nothing is listed: {seen:#?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn without_the_permission_to_read_an_object_the_wait_fails() {
        let api = api();
        api.fault(Fault::new(9, 403, "Forbidden", |_| true));
        let backups = Objects::<Backup>::new(&api.client(), "velero");
        let error = backups
            .wait_until("b", Duration::from_secs(20), |_| true)
            .await
            .unwrap_err();
        assert!(error.is_forbidden(), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_broken_watch_starts_again_with_a_read() {
        let api = api();
        api.fault(Fault::new(1, 410, "Expired", watches));
        api.fault(Fault::new(1, 500, "InternalError", watches));
        api.fault(Fault::new(1, 403, "Forbidden", watches));
        let backups = Objects::<Backup>::new(&api.client(), "velero");
        let seen: Vec<_> = backups.watch("b").take(3).collect().await;
        assert!(seen.iter().all(|state| matches!(state, Ok(Some(_)))), "{seen:?}");
    }
}
