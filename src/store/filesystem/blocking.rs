//! Blocking work on threads for it.

use std::sync::Arc;

use futures::future::FutureExt;
use tokio::sync::Semaphore;

use crate::store::error::{Class, Failure};
use crate::store::provider::{Call, ProviderResult};

/// Runs `work` on a thread that may block, once there is a permit for it.
pub(super) fn blocking<T: Send + 'static>(
    permits: Arc<Semaphore>,
    work: impl FnOnce() -> ProviderResult<T> + Send + 'static,
) -> Call<'static, T> {
    let run = async move {
        let stopped = |why: &dyn std::fmt::Display| Failure::new(Class::Other, format!("the work stopped: {why}"));
        let permit = permits.acquire_owned().await.map_err(|closed| stopped(&closed))?;
        // The thread keeps the permit: it goes on hanging after its caller has given up.
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        task.await.map_err(|error| stopped(&error))?
    };
    run.boxed()
}
