//! The passes of a run that its object cancels (decision 55).
//!
//! ```text
//!   annotation seen -> attempt interrupted -> it, or the next one, puts everything in order -> end recorded
//!                                \-> LIMIT is over: end recorded all the same; `leftovers` puts the rest in order
//!                                          \-> unless the bucket may have the end already: that is looked at first, however long it takes
//! ```

use std::future::Future;
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

/// What is recorded of the end of a run that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordedEnd<E> {
    /// Nothing: it has none.
    Nothing,
    /// An earlier attempt came to this end, and its status was not written.
    Known(E),
    /// Only the bucket says whether it came to its end.
    InBucket,
}

/// A kind of run that its object can cancel.
pub trait Cancellable: Run {
    /// Whether an attempt can reach what it has to put in order.
    fn can_begin(&self, object: &Arc<Self::Kind>) -> bool;

    /// What is recorded of its end.
    ///
    /// # Errors
    /// It could not be read. May be repeated.
    fn recorded(
        &self,
        object: &Arc<Self::Kind>,
    ) -> impl Future<Output = Result<RecordedEnd<Self::End>, Self::Error>> + Send;

    /// Shows that the bucket has to be seen before it is known whether the run can be cancelled.
    ///
    /// # Errors
    /// It was not written. May be repeated.
    fn show_unknown(&self, object: &Arc<Self::Kind>) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let _ = object;
        async { Ok(()) }
    }

    /// The end of a run that could not put in order in time what it had begun.
    fn give_up(&self, object: &Arc<Self::Kind>) -> Self::End;
}

/// What a pass does.
#[derive(Debug, PartialEq, Eq)]
enum Step<E> {
    /// The attempt goes on, its end is recorded, or another attempt begins.
    GoOn,
    /// The same, without a limit of time.
    SeeBucket,
    /// This end is recorded.
    Record(E),
    /// The run has failed all the same.
    GiveUp,
}

/// `has_end`: an attempt of this process came to its end; `can_wait`: an attempt can begin, and there is time for it.
fn decide<E>(has_end: bool, can_wait: bool, recorded: RecordedEnd<E>) -> Step<E> {
    match recorded {
        _ if has_end || can_wait => Step::GoOn,
        RecordedEnd::Nothing => Step::GiveUp,
        RecordedEnd::Known(end) => Step::Record(end),
        RecordedEnd::InBucket => Step::SeeBucket,
    }
}

/// A pass of a run under way whose object asks to be cancelled.
///
/// # Errors
/// This process does not lead, or the bucket has to be seen and cannot be. Other errors are tried again here: the time is short.
pub async fn pass<R>(ctx: &Context, driver: &Driver<R>, run: &R, object: &Arc<R::Kind>) -> Result<Next, R::Error>
where
    R: Cancellable<Error: Classify>,
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
    let has_end = driver.has_end(&uid);
    let can_wait = !left.is_zero() && run.can_begin(object);
    let recorded = if has_end {
        Ok(RecordedEnd::Nothing)
    } else {
        run.recorded(object).await
    };
    let finish = async |end: &R::End| {
        let recorded = run.finish(object, end).await?;
        Ok(if recorded { Next::Resync } else { Next::After(AGAIN) })
    };
    let passed = match recorded.map(|recorded| decide(has_end, can_wait, recorded)) {
        Ok(Step::GoOn) => driver.pass(run, object).await.map(|next| match next {
            Next::After(wait) => Next::After(wait.min(left)),
            Next::At(_) | Next::Resync | Next::Settled => Next::After(left),
        }),
        Ok(Step::SeeBucket) => {
            run.show_unknown(object).await?;
            return driver.pass(run, object).await;
        }
        Ok(Step::Record(end)) => finish(&end).await,
        Ok(Step::GiveUp) => finish(&run.give_up(object)).await,
        Err(error) => Err(error),
    };
    match passed {
        Err(error) if error.class() != Class::Lost => {
            tracing::warn!(name = object.name_any(), %error, "cancelling a run is tried again");
            Ok(Next::After(AGAIN))
        }
        passed => passed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancelled_run_is_given_up_only_where_nothing_may_say_that_it_has_ended() {
        use RecordedEnd::{InBucket, Known, Nothing};
        for (has_end, can_wait, recorded, expected) in [
            (true, true, Nothing, Step::GoOn),
            (true, false, Nothing, Step::GoOn),
            (true, false, InBucket, Step::GoOn),
            (false, true, Nothing, Step::GoOn),
            (false, true, Known(1), Step::GoOn),
            (false, true, InBucket, Step::GoOn),
            (false, false, Nothing, Step::GiveUp),
            (false, false, Known(1), Step::Record(1)),
            (false, false, InBucket, Step::SeeBucket),
        ] {
            let case = format!("{has_end} {can_wait} {recorded:?}");
            assert_eq!(decide(has_end, can_wait, recorded), expected, "{case}");
        }
    }
}
