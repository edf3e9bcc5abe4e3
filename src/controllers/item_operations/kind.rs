//! What a Backup and a Restore have in common while operations of their items run, and while they are finalized.

use std::future::Future;
use std::sync::Arc;

use futures::future::BoxFuture;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::artifact::{ItemOperation, OperationPhase, ResourceIdentifier};
use crate::api::v1::{Backup, BackupStorageLocation};
use crate::api::{Condition, GoDuration, OperationError, OperationProgress};
use crate::controllers::context::{Context, ItemActions};
use crate::controllers::events::PhaseEvents;
use crate::runtime::{Kind, SharedWatch};
use crate::store::Store;

use super::blocked::Blocked;

/// How far an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Operations run.
    Waiting,
    /// They have ended, and its files are finished.
    Finalizing,
    /// Anything else: not of interest here.
    Other,
}

/// The watches in which the location of an object is found.
#[derive(Clone)]
pub struct Sources {
    /// Backups.
    pub backups: SharedWatch<Backup>,
    /// Locations.
    pub locations: SharedWatch<BackupStorageLocation>,
    /// The namespace Velero lives in.
    pub namespace: String,
}

/// The numbers of operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All.
    pub attempted: i64,
    /// Those that succeeded.
    pub completed: i64,
    /// Those that failed.
    pub failed: i64,
}

impl Counts {
    /// Counts these.
    pub fn of<S>(operations: &[ItemOperation<S>]) -> Self {
        let number = |phase: &OperationPhase| {
            let count = operations.iter().filter(|one| one.status.phase() == phase).count();
            i64::try_from(count).unwrap_or(i64::MAX)
        };
        Self {
            attempted: i64::try_from(operations.len()).unwrap_or(i64::MAX),
            completed: number(&OperationPhase::Completed),
            failed: number(&OperationPhase::Failed),
        }
    }

    /// Whether all have ended.
    pub fn all_ended(self) -> bool {
        self.completed + self.failed >= self.attempted
    }
}

/// The names of an operation.
pub trait OperationSpec: Clone + Default + PartialEq + Send + Sync + Serialize + DeserializeOwned + 'static {
    /// The action that has started it.
    fn action(&self) -> &str;
    /// The action's id of it.
    fn id(&self) -> &str;
    /// The item it works on.
    fn item(&self) -> &ResourceIdentifier;
}

/// The end of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Finalized<S> {
    /// Its final status.
    pub status: S,
    /// Bytes of the archive, for the metrics.
    pub archive: u64,
}

/// What finishing the files works with.
pub struct Finishing<'a, S> {
    /// What the controllers share.
    pub ctx: &'a Context,
    /// The store of its files.
    pub store: &'a Store,
    /// The name of the location.
    pub location: &'a str,
    /// Its operations; all have ended.
    pub operations: Vec<ItemOperation<S>>,
}

/// A kind with operations of items.
pub trait Operated: Kind + Clone + Serialize + PhaseEvents {
    /// The names of an operation.
    type Spec: OperationSpec;
    /// The status.
    type Status: Clone + PartialEq + Send + Sync + 'static;
    /// Why its files could not be finished.
    type Error: crate::controllers::run::Retryable + Sync + 'static;

    /// The controller of operations.
    const OPERATIONS: &'static str;
    /// The controller of the end.
    const FINALIZER: &'static str;

    /// How far it is.
    fn stage(&self) -> Stage;
    /// The operations have ended.
    fn finalizing(&mut self);
    /// Sets the status, all but the conditions.
    fn set_status(&mut self, status: Self::Status);
    /// Its conditions.
    fn conditions(&mut self) -> &mut Vec<Condition>;
    /// Writes the phase into the conditions.
    fn show_phase(&mut self, now: Timestamp);
    /// The numbers of operations in the status.
    fn counts(&self) -> Counts;
    /// Puts the numbers of operations into the status. Those that failed since are errors of the object.
    fn set_counts(&mut self, counts: Counts);
    /// How long operations may take.
    fn time_limit(&self) -> &GoDuration;
    /// The key of the file with its operations.
    fn operations_key(name: &str) -> String;

    /// Where its files are.
    ///
    /// # Errors
    /// They cannot be used now.
    fn location(&self, sources: &Sources) -> Result<Arc<BackupStorageLocation>, Blocked>;

    /// How far an operation is; `None` without its action.
    fn progress<'a>(
        &'a self,
        actions: &'a ItemActions,
        operation: &'a Self::Spec,
    ) -> BoxFuture<'a, Option<Result<OperationProgress, OperationError>>>;

    /// Cancels an operation, if its action is there.
    fn cancel<'a>(
        &'a self,
        actions: &'a ItemActions,
        operation: &'a Self::Spec,
    ) -> BoxFuture<'a, Result<(), OperationError>>;

    /// Finishes its files. May be repeated, after any of its steps.
    fn finish_files(
        self: Arc<Self>,
        finishing: Finishing<'_, Self::Spec>,
    ) -> impl Future<Output = Result<Finalized<Self::Status>, Self::Error>> + Send;

    /// Puts its files in order because it is cancelled; its operations are cancelled already. May be repeated, after any of its steps.
    fn cancel_files(
        self: Arc<Self>,
        finishing: Finishing<'_, Self::Spec>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Why it has failed when it was cancelled, with its files in order or not.
    fn why_cancelled(&self, in_order: bool) -> String;

    /// The status of an object that has failed.
    fn failed(&self, reason: String, now: Timestamp) -> Self::Status;

    /// Its end as one that was cancelled was written: counts it.
    fn count_cancelled(&self, ctx: &Context);

    /// The status of an object that is given up.
    fn given_up(&self, reason: String, now: Timestamp) -> Self::Status;

    /// Its final phase was written: counts it.
    fn count_end(&self, ctx: &Context, archive: u64);
}
