//! Work that blocks, where it may.

use std::sync::Arc;

use futures::future::FutureExt;
use tokio::sync::Semaphore;

use crate::store::error::{Class, Failure};
use crate::store::provider::{Call, Outcome};

/// Runs `work` on a thread that may block, once there is a permit for it.
pub(super) fn blocking<T: Send + 'static>(
    permits: Arc<Semaphore>,
    work: impl FnOnce() -> Outcome<T> + Send + 'static,
) -> Call<'static, T> {
    let run = async move {
        let stopped = |why: &dyn std::fmt::Display| Failure::new(Class::Other, format!("the work stopped: {why}"));
        let permit = permits.acquire_owned().await.map_err(|closed| stopped(&closed))?;
        // The thread keeps the permit: a caller that gave up does not make a hanging thread any less of one.
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        task.await.map_err(|error| stopped(&error))?
    };
    run.boxed()
}
