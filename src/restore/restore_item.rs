//! The names of an item while it is restored.

use crate::archive::layout::ItemPath;
use crate::archive::spool::ItemHandle;

/// An item being restored, by its names.
#[derive(Clone, Copy, Debug)]
pub(super) struct RestoreItem<'a> {
    /// Its handle; `handle.index()` is its number in the ledger.
    pub(super) handle: ItemHandle,
    /// Its type and its names in the backup.
    pub(super) path: ItemPath<'a>,
    /// The namespace that it is restored into; `None` for cluster scope.
    pub(super) target: Option<&'a str>,
}
