//! The result of one pass over an item.

use std::convert::Infallible;
use std::ops::ControlFlow;

use crate::cluster::ApiError;
use crate::restore::ledger::State;
use crate::restore::wait_reason::WaitReason;

/// The result of one pass over an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Processed {
    /// It is processed and ended in this state.
    Done(State),
    /// It cannot be processed now and is tried again.
    Waiting(WaitReason),
}

/// A step of a pass over an item: it continues with a value, or the pass is over.
pub(super) type Step<T> = ControlFlow<Processed, T>;

/// A last step: the pass is over after it.
pub(super) type End = Step<Infallible>;

impl From<End> for Processed {
    fn from(end: End) -> Self {
        let ControlFlow::Break(processed) = end;
        processed
    }
}

/// Ends the pass: the item is processed.
pub(super) fn done<T>(state: State) -> Step<T> {
    ControlFlow::Break(Processed::Done(state))
}

/// Ends the pass: the item is tried again.
pub(super) fn wait<T>(reason: WaitReason) -> Step<T> {
    ControlFlow::Break(Processed::Waiting(reason))
}

/// Continues with the answer of the API server, unless it is a transient error: that ends the pass.
pub(super) fn unless_transient<T>(answer: Result<T, ApiError>) -> Step<Result<T, ApiError>> {
    match answer.as_ref().err().and_then(WaitReason::of) {
        Some(reason) => wait(reason),
        None => ControlFlow::Continue(answer),
    }
}
