//! The context of the steps of an item.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use crate::cluster::discovery::Resource;
use crate::restore::apply::{Apply, NewObject};
use crate::restore::messages::ItemMessages;
use crate::restore::object::metadata;
use crate::restore::parts::RunParts;
use crate::restore::restore_item::RestoreItem;
use crate::restore::types::ServedTypes;

pub(super) const VOLUMES: &str = "persistentvolumes";

pub(super) const CLAIMS: &str = "persistentvolumeclaims";

/// The parts of a run, and whether it is a run or a dry run.
#[derive(Clone, Copy)]
pub(in crate::restore) struct ItemContext<'a> {
    pub(in crate::restore) parts: &'a RunParts<'a>,
    pub(super) apply: &'a dyn Apply,
}

impl<'a> ItemContext<'a> {
    /// Restores items with these parts.
    pub(in crate::restore) fn new(parts: &'a RunParts<'a>, apply: &'a dyn Apply) -> Self {
        Self { parts, apply }
    }
}

/// The result of an item for its requester.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::restore) enum ItemOutcome {
    /// It was processed.
    Done,
    /// It waits to be tried again.
    Waiting,
    /// It is being processed and waits for the requester.
    Cycle,
}

/// One pass over an item.
pub(super) struct ItemRestore<'a> {
    pub(super) ctx: ItemContext<'a>,
    pub(super) item: RestoreItem<'a>,
    pub(super) messages: ItemMessages<'a>,
}

impl<'a> ItemRestore<'a> {
    /// The names of the item in messages.
    pub(super) fn id(&self) -> String {
        self.ctx.parts.prepared.id_of(self.item.handle)
    }

    /// A line of the log about the item that is not in the results.
    pub(super) fn log(&self, text: &str) {
        self.ctx.parts.tracker.log_item(self.item.handle, text);
    }

    /// The type of the item.
    pub(super) fn group_resource(&self) -> &'a str {
        self.item.path.group_resource
    }

    /// The name of an object of the item, which can differ from that of the item.
    pub(super) fn name_of<'v>(&self, object: &'v Value) -> &'v str
    where
        'a: 'v,
    {
        metadata::field(object, "name").unwrap_or(self.item.path.name)
    }

    /// The object to create.
    pub(super) fn new_object<'v>(&self, wanted: &'v Wanted) -> NewObject<'v>
    where
        'a: 'v,
    {
        NewObject {
            item: self.item,
            resource: &wanted.resource,
            name: self.name_of(&wanted.object),
            object: wanted.moved.as_ref().map_or(&wanted.object, |moved| &moved.object),
        }
    }
}

/// An object that is ready for the cluster.
pub(super) struct Wanted {
    pub(super) object: Value,
    /// The object to create instead, if it calls a service of a mapped namespace. An existing object is compared without this
    /// change, because it belongs to the source.
    pub(super) moved: Option<Moved>,
    /// Its owners in the backup.
    pub(super) owners: Option<Value>,
    pub(super) status: Option<Value>,
    pub(super) managed: Option<Value>,
    /// Its type.
    pub(super) resource: Resource,
    /// The served types as they were when its actions ran.
    pub(super) types: Arc<ServedTypes>,
}

/// An object that calls the service of the target namespace.
pub(super) struct Moved {
    pub(super) object: Value,
    /// The namespaces that it calls.
    pub(super) targets: BTreeSet<String>,
}
