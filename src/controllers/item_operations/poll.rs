//! Asks the actions how far their operations are.

use std::time::Duration;

use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use tokio::time::{Instant, timeout};

use crate::api::artifact::ItemOperation;
use crate::controllers::context::ItemActions;

use super::kind::{Operated, OperationSpec};
use super::step::{Answer, Step, step};

/// Questions at once.
const AT_ONCE: usize = 32;

/// How long an action may take to answer. Without an answer it is asked again in the next pass.
const ANSWER: Duration = Duration::from_secs(10);

/// How long a pass may ask. The operations that are left are asked first the next time.
const PASS: Duration = Duration::from_mins(1);

/// The operations of an object as they are now, in their order; those whose time is over are cancelled.
pub(super) async fn ask<K: Operated>(
    object: &K,
    actions: &ItemActions,
    operations: &[ItemOperation<K::Spec>],
    now: Timestamp,
    limit: Duration,
) -> Vec<ItemOperation<K::Spec>> {
    let until = Instant::now() + PASS;
    let count = operations.len();
    // Actions that do not answer must not keep the others from being asked for ever.
    let first = usize::try_from(now.as_second()).unwrap_or_default() % count.max(1);
    let asked = (first..count).chain(0..first).map(|at| {
        let operation = &operations[at];
        async move { (at, one(object, actions, operation, (now, limit), until).await) }
    });
    let mut asked: Vec<_> = stream::iter(asked).buffer_unordered(AT_ONCE).collect().await;
    asked.sort_unstable_by_key(|(at, _)| *at);
    asked.into_iter().map(|(_, operation)| operation).collect()
}

async fn one<K: Operated>(
    object: &K,
    actions: &ItemActions,
    operation: &ItemOperation<K::Spec>,
    (now, limit): (Timestamp, Duration),
    until: Instant,
) -> ItemOperation<K::Spec> {
    let spec = &operation.spec;
    let answer = if operation.status.phase().is_terminal() || Instant::now() >= until {
        Answer::NotAsked
    } else {
        match timeout(ANSWER, object.progress(actions, spec)).await {
            Ok(Some(Ok(progress))) => Answer::Progress(progress),
            Ok(Some(Err(error))) => Answer::Failed(error.to_string()),
            Ok(None) => Answer::NoAction,
            Err(_) => Answer::Failed(format!("no answer in {} seconds", ANSWER.as_secs())),
        }
    };
    let Step { status, cancel } = step(&operation.status, spec.action(), answer, now, limit);
    if cancel {
        match timeout(ANSWER, object.cancel(actions, spec)).await {
            Ok(Ok(())) => {}
            // It has failed whatever becomes of the work; what the action left is its own.
            Ok(Err(error)) => {
                tracing::warn!(operation = spec.id(), action = spec.action(), %error, "an operation was not cancelled");
            }
            Err(_) => {
                tracing::warn!(
                    operation = spec.id(),
                    action = spec.action(),
                    "cancelling an operation took too long"
                );
            }
        }
    }
    ItemOperation {
        spec: spec.clone(),
        status,
    }
}
