//! What a restore item action is: the interface of the built-in ones, and of plugins.

use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, ready};
use serde_json::Value;

use crate::api::LabelSelector;
use crate::restore::item_id::ItemId;
use crate::restore::request::RestoreContext;

/// Questions of an action that need the archive.
pub trait Lookup: Send + Sync {
    /// An object of the archive as it is there; nothing if there is none, or none that can be read.
    fn archived<'a>(&'a self, item: &'a ItemId) -> BoxFuture<'a, Option<Value>>;
}

/// What an action gets.
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

/// What an action answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Output {
    /// Leave the object out. Everything else in the answer, save its warnings, is then ignored.
    pub skip: bool,
    /// Restore these first, in this order.
    pub additional: Vec<ItemId>,
    /// Wait until [`RestoreItemAction::are_ready`] says that the additional items are, at most so long.
    pub wait: Option<Duration>,
    /// What is to be said to the user about the object.
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

/// An action could not do its work; its item is not restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ActionError(pub String);

/// Which items an action wants to see; empty lists mean all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AppliesTo {
    /// Types, as users write them.
    pub included_resources: Vec<String>,
    /// Types, as users write them.
    pub excluded_resources: Vec<String>,
    /// Target namespaces.
    pub included_namespaces: Vec<String>,
    /// Target namespaces.
    pub excluded_namespaces: Vec<String>,
    /// Labels of the object as the actions before left it.
    pub labels: LabelSelector,
}

/// Changes items while they are restored.
///
/// Called once for each matching item and try: an item that is parked and tried again is shown to its actions again, so an
/// effect outside of the item must be safe to repeat.
pub trait RestoreItemAction: Send + Sync {
    /// The registered name; actions run in the order of their names.
    fn name(&self) -> &str;

    /// Which items it wants. Asked once, and again after CRDs were restored.
    fn applies_to(&self) -> AppliesTo;

    /// Changes the item, leaves it out, or asks for others first. Cancelled by dropping.
    fn execute<'a>(&'a self, item: &'a mut Value, input: Input<'a>) -> BoxFuture<'a, Result<Output, ActionError>>;

    /// Whether the additional items that it asked for are ready; asked once a second.
    fn are_ready<'a>(
        &'a self,
        items: &'a [ItemId],
        restore: &'a RestoreContext,
    ) -> BoxFuture<'a, Result<bool, ActionError>> {
        let _ = (items, restore);
        ready(Ok(true)).boxed()
    }

    /// Whether the action only clears what a cluster assigns, so that an object in the cluster can go through it as well
    /// before the two are compared.
    fn is_pure(&self) -> bool {
        false
    }
}
