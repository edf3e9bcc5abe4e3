//! An object that is cancelled while operations of its items run (decision 55): they are cancelled, its files are put in order, and it has
//! failed.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use tokio::time::timeout;
use tracing::{Instrument, info_span};

use crate::api::artifact::ItemOperation;
use crate::api::v1::BackupStorageLocation;
use crate::controllers::context::{Context, ItemActions};
use crate::controllers::events;
use crate::controllers::location;
use crate::controllers::run::RunId;
use crate::controllers::run::cancel::{self, LIMIT, Request};
use crate::controllers::write::Written;
use crate::runtime::{Next, uid_of};

use super::blocked;
use super::error::Error;
use super::file;
use super::kind::{Finishing, Operated, OperationSpec};

/// Operations that are cancelled at once.
const AT_ONCE: usize = 32;

/// How long an action may take to cancel an operation. What the action left is its own.
const ANSWER: Duration = Duration::from_secs(5);

/// When to look again after a step failed, or another writer changed the object.
const AGAIN: Duration = Duration::from_secs(1);

/// One pass. Without a location, or when the time is over, the object has failed all the same; its files go with it when it is deleted.
///
/// # Errors
/// The status was not written. What else fails is tried again here: the time is short.
pub(super) async fn pass<K: Operated>(
    ctx: &Context,
    seen: &Arc<K>,
    location: Option<&BackupStorageLocation>,
) -> Result<Next, Error> {
    let since = match ctx.cancels.request(&uid_of(&**seen)) {
        Request::TooLate => Duration::ZERO,
        Request::Made { first, since } => {
            if first {
                ctx.events.publish(&**seen, events::cancelling(&K::kind(&())));
            }
            since
        }
    };
    let left = LIMIT.saturating_sub(since);
    let mut in_order = false;
    if let Some(location) = location.filter(|_| !left.is_zero()) {
        let put = put_in_order(ctx, seen, location).instrument(info_span!("cancel"));
        match timeout(left, put).await {
            Ok(Ok(())) => in_order = true,
            Ok(Err(why)) => {
                tracing::warn!(
                    name = RunId::of(&**seen).name,
                    error = why,
                    "cancelling a run is tried again"
                );
                return Ok(Next::After(AGAIN));
            }
            Err(_) => {}
        }
    }
    let now = ctx.clock.now();
    let why = seen.why_cancelled(in_order);
    let mut wanted = (**seen).clone();
    wanted.set_status(seen.failed(why.clone(), now));
    blocked::release(wanted.conditions(), now);
    cancel::mark(wanted.conditions(), &why, now);
    wanted.show_phase(now);
    match ctx.writer.write(&**seen, &wanted).await? {
        Written::Conflict => return Ok(Next::After(AGAIN)),
        Written::Done => wanted.count_cancelled(ctx),
        Written::Unchanged => {}
    }
    ctx.cancels.forget(&uid_of(&**seen));
    Ok(Next::Resync)
}

/// Cancels the operations that have not ended. May be repeated.
pub async fn cancel_all<K: Operated>(object: &K, actions: &ItemActions, operations: &[ItemOperation<K::Spec>]) {
    let open = operations.iter().filter(|one| !one.status.phase().is_terminal());
    stream::iter(open)
        .for_each_concurrent(AT_ONCE, |operation| async move {
            let (action, id) = (operation.spec.action(), operation.spec.id());
            match timeout(ANSWER, object.cancel(actions, &operation.spec)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(operation = id, action, %error, "an operation was not cancelled"),
                Err(_) => tracing::warn!(operation = id, action, "cancelling an operation took too long"),
            }
        })
        .await;
}

/// Cancels the operations and puts the files in order. May be repeated, after any of its steps.
async fn put_in_order<K: Operated>(
    ctx: &Context,
    seen: &Arc<K>,
    location: &BackupStorageLocation,
) -> Result<(), String> {
    let store = location::open(ctx, location).await.map_err(|error| error.to_string())?;
    let name = RunId::of(&**seen).name;
    let operations = file::read::<K>(&store, &name)
        .await
        .map_err(|error| error.to_string())?;
    cancel_all(&**seen, &ctx.actions, &operations).await;
    let finishing = Finishing {
        ctx,
        store: &store,
        location: location.metadata.name.as_deref().unwrap_or_default(),
        operations,
    };
    let put = Arc::clone(seen).cancel_files(finishing).await;
    put.map_err(|error| error.to_string())
}
