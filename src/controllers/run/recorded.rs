//! What the controller of run records must know of a kind of run.

use std::future::Future;

use crate::runtime::operation::Run;
use crate::store::{Store, StoreError};

use super::RunId;
use super::record::Record;
use super::uploads::Uploads;

/// The state of a run, as its object tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// It goes on, here or with the next leader.
    Running,
    /// Its object is gone or over, and its operation is about to end.
    Ending,
    /// Its end is recorded.
    Ended,
    /// Its end is recorded, and only its log and results are of use.
    Failed,
    /// Its object is gone.
    Gone,
}

/// A kind of run that leaves files behind when it is interrupted for good.
pub trait Recorded: Run {
    /// The state that an object shows.
    fn state(object: &Self::Kind) -> RunState;

    /// Whether a run whose end is recorded may have left files that its record tells of.
    fn may_have_left_files(record: &Record) -> bool {
        let _ = record;
        false
    }

    /// Removes what is of no use of a run that does not go on. Its uploads are aborted already.
    ///
    /// # Errors
    /// See [`StoreError`]. May be repeated.
    fn put_in_order(
        store: &Store,
        run: &RunId,
        uploads: &Uploads<'_>,
        state: RunState,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}
