//! An archive on local disk: one unnamed data file and an index in memory, so that a restore can read items in its own order.

use std::io::{self, Read};
use std::path::Path;

use bytes::Bytes;

use super::layout::{ItemCopy, ItemPath};
use super::reader::{Limits, ReadError, Summary};

/// How an archive is spooled.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Limits of the archive itself.
    pub limits: Limits,
    /// Bytes that the data file may take (`--restore-spool-limit`).
    pub spool: u64,
    /// Whether the versioned copies are kept too; plain copies always are (decision 21).
    pub versioned: bool,
}

/// Handle of one copy of one item in its [`Spool`]: its position in the order of [`Spool::items`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemRef(u32);

/// The items of one archive.
#[derive(Debug)]
pub struct Spool {}

impl Spool {
    /// Reads an archive into a data file in the directory `scratch`. The file has no name and goes with the process, so nothing is
    /// left behind by a crash and a second call is a new beginning.
    pub fn fill<R: Read>(_archive: R, _scratch: &Path, _options: &Options) -> Result<Self, ReadError> {
        todo!()
    }

    /// What the pass over the archive found.
    pub fn summary(&self) -> &Summary {
        todo!()
    }

    /// Every group-resource that has a plain copy, sorted.
    pub fn group_resources(&self) -> impl Iterator<Item = &str> {
        std::iter::empty()
    }

    /// The versions that a group-resource was saved at, with whether it is the preferred one; empty unless versioned copies are kept.
    pub fn versions(&self, _group_resource: &str) -> impl Iterator<Item = (&str, bool)> {
        std::iter::empty()
    }

    /// One group-resource's namespaces (`None` first: cluster scope) in that copy, sorted.
    pub fn namespaces<'a>(
        &'a self,
        _group_resource: &str,
        _copy: ItemCopy<'_>,
    ) -> impl Iterator<Item = Option<&'a str>> {
        std::iter::empty()
    }

    /// The items of one group-resource in one scope, sorted by name.
    pub fn items_in(
        &self,
        _group_resource: &str,
        _copy: ItemCopy<'_>,
        _namespace: Option<&str>,
    ) -> impl Iterator<Item = ItemRef> {
        std::iter::empty()
    }

    /// Every kept copy, by group-resource, copy, namespace, name. The same archive gives the same order.
    pub fn items(&self) -> impl Iterator<Item = ItemRef> {
        std::iter::empty()
    }

    /// Looks up one item.
    pub fn find(&self, _item: &ItemPath<'_>, _copy: ItemCopy<'_>) -> Option<ItemRef> {
        todo!()
    }

    /// What an item is.
    pub fn path(&self, _item: ItemRef) -> (ItemPath<'_>, ItemCopy<'_>) {
        todo!()
    }

    /// Size of an item in bytes, without reading it.
    pub fn size(&self, _item: ItemRef) -> u64 {
        todo!()
    }

    /// An item's JSON. Blocking; any number of threads at once.
    pub fn read(&self, _item: ItemRef) -> io::Result<Bytes> {
        todo!()
    }
}
