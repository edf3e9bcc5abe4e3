//! Which items are restored, and in which order: pure, inspectable, the same for the same archive, spec and served types.
//!
//! A restore is a list of waves, one after the other; the items of a wave are restored concurrently, across all namespaces. A
//! wave is one type (the services are two), so an item that must come before another is in an earlier wave (spec restore 25.2,
//! invariants 1 to 11 and 19). That is stricter than needed where the order matters only within a namespace, and costs the
//! latency of one request a type.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use crate::archive::layout::ItemPath;
use crate::archive::spool::{ItemHandle, Spool};
use crate::cluster::discovery::GroupResource;
use crate::restore::request::RestoreContext;

/// The type with items that are not created but ensured.
pub const NAMESPACES: &str = "namespaces";

/// A restore, planned. Costs 4 bytes an item and one bit an item of the archive beside its index: 1.3 MB for 300,000 items.
#[derive(Debug, Default)]
pub struct Plan {
    pub(super) items: Vec<ItemHandle>,
    pub(super) waves: Vec<Wave>,
    /// One bit an item of the archive: whether it is planned.
    pub(super) planned: Vec<u64>,
    /// Items that are displaced by another one, because their namespaces are restored into one.
    pub(super) twins: HashMap<ItemHandle, ItemHandle>,
    /// Selected items among them, each with the one that is restored in its place.
    pub(super) displaced: Vec<(ItemHandle, ItemHandle)>,
    /// Target namespaces that several are restored into, with their sources, sorted.
    pub(super) merged: BTreeMap<String, Vec<String>>,
    pub(super) unreadable: Vec<(ItemHandle, String)>,
}

/// Items that are restored concurrently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wave {
    /// The type.
    pub resource: GroupResource,
    /// The part of the type, if the type is split.
    pub part: Part,
    range: Range<usize>,
}

/// A part of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// Services with fixed node ports: before others, which could be assigned the same ports.
    FixedNodePorts,
    /// The other services.
    OtherServices,
}

/// An item of the plan with its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedItem<'a> {
    /// Its handle; `item.index()` is its number in the ledger.
    pub item: ItemHandle,
    /// The number of its wave.
    pub wave: usize,
    /// Its type and source names.
    pub source: ItemPath<'a>,
    /// The namespace it is restored into.
    pub target: Option<&'a str>,
}

impl Plan {
    /// Adds a wave, unless it is empty.
    pub(super) fn add_wave(&mut self, resource: GroupResource, part: Part, range: Range<usize>) {
        if !range.is_empty() {
            self.waves.push(Wave { resource, part, range });
        }
    }

    /// The waves in order. None is empty.
    pub fn waves(&self) -> &[Wave] {
        &self.waves
    }

    /// The items of a wave: by target namespace, then by name.
    pub fn items_of(&self, wave: &Wave) -> &[ItemHandle] {
        &self.items[wave.range.clone()]
    }

    /// All planned items in order.
    pub fn in_order(&self) -> &[ItemHandle] {
        &self.items
    }

    /// Whether an item is planned, and not only requested by an action.
    pub fn contains(&self, item: ItemHandle) -> bool {
        self.planned
            .get(item.index() / 64)
            .is_some_and(|bits| bits & 1 << (item.index() % 64) != 0)
    }

    /// How many items are planned; actions may ask for more.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is nothing to restore.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// All items in order, with their names: a dry run shows them.
    pub fn items<'a>(
        &'a self,
        archive: &'a Spool,
        restore: &'a RestoreContext,
    ) -> impl Iterator<Item = PlannedItem<'a>> {
        self.waves.iter().enumerate().flat_map(move |(wave, of)| {
            self.items_of(of).iter().map(move |item| {
                let (source, _) = archive.path(*item);
                PlannedItem {
                    item: *item,
                    wave,
                    source,
                    target: source.namespace.map(|namespace| restore.target(namespace)),
                }
            })
        })
    }

    /// Items that could not be read although their labels had to be known, each with the reason.
    pub fn unreadable(&self) -> &[(ItemHandle, String)] {
        &self.unreadable
    }

    /// The item that is restored in the place of this one: itself, or its twin from another namespace.
    pub fn winner(&self, item: ItemHandle) -> ItemHandle {
        self.twins.get(&item).copied().unwrap_or(item)
    }

    /// The selected items that are displaced by another one, each with that one.
    pub fn displaced(&self) -> &[(ItemHandle, ItemHandle)] {
        &self.displaced
    }

    /// The namespaces of the backup that are restored into a target, if they are several.
    pub fn sources_of(&self, target: &str) -> Option<&[String]> {
        self.merged.get(target).map(Vec::as_slice)
    }
}
