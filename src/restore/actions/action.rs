//! The interface of restore item actions, built-in ones and plugins.

use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, ready};
use serde_json::Value;

use crate::api::v1::Restore;
use crate::api::{OperationError, OperationProgress};
use crate::restore::item_id::ItemId;
use crate::restore::request::RestoreContext;
pub use crate::select::applies_to::AppliesTo;

/// Access to the archive for actions.
pub trait Lookup: Send + Sync {
    /// An object of the archive, unchanged; nothing if it does not exist or cannot be read.
    fn archived<'a>(&'a self, item: &'a ItemId) -> BoxFuture<'a, Option<Value>>;
}

/// The input of an action.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// The object as it is in the archive, metadata and status included.
    pub original: &'a Value,
    /// Its namespace in the backup; `None` for cluster scope.
    pub namespace: Option<&'a str>,
    /// The restore it is for.
    pub restore: &'a RestoreContext,
    /// The archive.
    pub lookup: &'a dyn Lookup,
}

/// The result of an action.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Output {
    /// Leave the object out. The other fields, except the warnings, are then ignored.
    pub skip: bool,
    /// Restore these first, in this order.
    pub additional: Vec<ItemId>,
    /// The longest wait until [`RestoreItemAction::are_ready`] returns true for the additional items.
    pub wait: Option<Duration>,
    /// The id of an operation that it has started and that goes on after the item was restored; also a label value.
    pub operation: Option<String>,
    /// Warnings about the object.
    pub warnings: Vec<String>,
}

impl Output {
    /// Leaves the object out.
    pub fn skip() -> Self {
        Self {
            skip: true,
            ..Self::default()
        }
    }

    /// Asks for other items first.
    pub fn after(additional: Vec<ItemId>) -> Self {
        Self {
            additional,
            ..Self::default()
        }
    }
}

/// An action failed; its item is not restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ActionError(pub String);

/// Changes items while they are restored.
///
/// Called once for each matching item and try. A retried item goes through its actions again, so an effect outside of the item
/// must be safe to repeat. So must the start of an operation be: derive its id from the uids of the restore and the item, and find the work
/// that is there already.
pub trait RestoreItemAction: Send + Sync {
    /// The registered name; actions run in the order of their names.
    fn name(&self) -> &str;

    /// Which items it is for. Called once, and again after CRDs were restored.
    fn applies_to(&self) -> AppliesTo;

    /// Changes the item, leaves it out, or asks for other items first. Cancelled by dropping.
    fn execute<'a>(&'a self, item: &'a mut Value, input: Input<'a>) -> BoxFuture<'a, Result<Output, ActionError>>;

    /// Whether its additional items are ready; called once a second.
    fn are_ready<'a>(
        &'a self,
        items: &'a [ItemId],
        restore: &'a RestoreContext,
    ) -> BoxFuture<'a, Result<bool, ActionError>> {
        let _ = (items, restore);
        ready(Ok(true)).boxed()
    }

    /// How far an operation is that [`execute`](Self::execute) has started, in this process or in an earlier one. An error means that it is
    /// not known now: it is asked again until the operation's time is over.
    fn progress<'a>(
        &'a self,
        operation: &'a str,
        restore: &'a Restore,
    ) -> BoxFuture<'a, Result<OperationProgress, OperationError>> {
        let _ = (operation, restore);
        ready(Err(OperationError::unknown(self.name()))).boxed()
    }

    /// Ends an operation whose time is over. Called once or more often; an operation that has ended is success.
    fn cancel<'a>(&'a self, operation: &'a str, restore: &'a Restore) -> BoxFuture<'a, Result<(), OperationError>> {
        let _ = (operation, restore);
        ready(Ok(())).boxed()
    }

    /// Whether the action only clears fields that a cluster assigns. Then it is also applied to the object in the cluster before
    /// the two are compared.
    fn is_pure(&self) -> bool {
        false
    }
}
