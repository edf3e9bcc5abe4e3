//! The passes of a run that its object cancels (decision 55).
//!
//! ```text
//!   annotation seen -> attempt interrupted -> it, or the next one, puts everything in order -> end recorded
//!                                \-> LIMIT is over: end recorded all the same; `leftovers` puts the rest in order
//! ```

use std::sync::Arc;
use std::time::Duration;

use kube::{Resource, ResourceExt};
use serde::Serialize;

use super::cancel::{LIMIT, Request};
use crate::controllers::context::Context;
use crate::controllers::events::{self, PhaseEvents};
use crate::runtime::operation::{Driver, Run};
use crate::runtime::{Class, Classify, Kind, Next, uid_of};

/// When to look again after a step failed.
const AGAIN: Duration = Duration::from_secs(1);

/// A pass of a run under way whose object asks to be cancelled. `can_begin`: whether an attempt can reach what it has to put in order;
/// `give_up`: the end of a run that could not put it in order in time.
///
/// # Errors
/// This process does not lead. Other errors are tried again here: the time is short.
pub async fn pass<R>(
    ctx: &Context,
    driver: &Driver<R>,
    run: &R,
    object: &Arc<R::Kind>,
    can_begin: bool,
    give_up: impl FnOnce() -> R::End,
) -> Result<Next, R::Error>
where
    R: Run<Error: Classify>,
    R::Kind: Kind + Serialize + PhaseEvents,
{
    let uid = uid_of(&**object);
    let (first, since) = match ctx.cancels.request(&uid) {
        Request::TooLate => return driver.pass(run, object).await,
        Request::Made { first, since } => (first, since),
    };
    if first {
        let kind = R::Kind::kind(&());
        tracing::info!(kind = %kind, name = object.name_any(), "a run is cancelled");
        ctx.events.publish(&**object, events::cancelling(&kind));
        driver.interrupt(&uid);
    }
    let left = LIMIT.saturating_sub(since);
    let step = if !driver.has_end(&uid) && (left.is_zero() || !can_begin) {
        run.finish(object, &give_up())
            .await
            .map(|recorded| if recorded { Next::Resync } else { Next::After(AGAIN) })
    } else {
        driver.pass(run, object).await.map(|next| match next {
            Next::After(wait) => Next::After(wait.min(left)),
            Next::At(_) | Next::Resync | Next::Settled => Next::After(left),
        })
    };
    match step {
        Err(error) if error.class() != Class::Lost => {
            tracing::warn!(name = object.name_any(), %error, "cancelling a run is tried again");
            Ok(Next::After(AGAIN))
        }
        step => step,
    }
}
