//! One operation from its start to its outcome.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{Either, select};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::table::{Entry, Inner, Outcome};
use crate::enqueue::Enqueuer;
use crate::object::{AnyKind, ObjectRef, Uid};
use crate::task::panic_text;

/// How often progress leads to a pass.
const PROGRESS: Duration = Duration::from_secs(1);

/// The entry of a running operation. If it is dropped without an outcome, as when the group is aborted, the entry is removed.
pub(super) struct Running<K: AnyKind, O, P> {
    pub(super) inner: Arc<Inner<K, O, P>>,
    pub(super) uid: Uid,
    pub(super) key: ObjectRef<K>,
    pub(super) enqueuer: Enqueuer<K>,
}

impl<K: AnyKind, O, P> Running<K, O, P> {
    fn ended(&self, outcome: Option<Outcome<O>>) {
        let inner = &self.inner;
        let waiting = {
            let mut table = inner.table();
            let Some(entry @ Entry::Running { .. }) = table.entries.get_mut(&self.uid) else {
                return;
            };
            match (outcome, &entry) {
                (Some(outcome), Entry::Running { orphaned: false, .. }) => *entry = Entry::Ended(Arc::new(outcome)),
                _ => {
                    table.entries.remove(&self.uid);
                }
            }
            inner.running.send_modify(|running| *running -= 1);
            std::mem::take(&mut table.waiting)
        };
        self.enqueuer.enqueue(self.key.clone());
        for key in waiting {
            self.enqueuer.enqueue(key);
        }
    }
}

impl<K: AnyKind, O, P> Drop for Running<K, O, P> {
    fn drop(&mut self) {
        self.ended(None);
    }
}

pub(super) async fn supervise<K: AnyKind, O, P>(
    running: Running<K, O, P>,
    mut progress: watch::Receiver<Option<P>>,
    work: impl Future<Output = O>,
) {
    let work = std::pin::pin!(AssertUnwindSafe(work).catch_unwind());
    let report = std::pin::pin!(async {
        while progress.changed().await.is_ok() {
            running.enqueuer.enqueue(running.key.clone());
            sleep_until(Instant::now() + PROGRESS).await;
        }
    });
    tracing::info!("operation started");
    let started = Instant::now();
    let end = match select(work, report).await {
        Either::Left((end, _)) => end,
        // It dropped its handle and reports no further progress.
        Either::Right(((), work)) => work.await,
    };
    let took = started.elapsed();
    let outcome = match end {
        Ok(outcome) => {
            tracing::info!(?took, "operation ended");
            Outcome::Returned(outcome)
        }
        Err(cause) => {
            let message = panic_text(&*cause);
            tracing::error!(?took, error = message, "operation panicked");
            Outcome::Panicked(message)
        }
    };
    running.ended(Some(outcome));
}
