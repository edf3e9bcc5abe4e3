//! The items of a restore's archive, read without blocking the runtime.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::archive::layout::{ItemCopy, ItemPath};
use crate::archive::spool::{ItemHandle, Spool};
use crate::restore::actions::Lookup;
use crate::restore::item_id::ItemId;
use crate::restore::kinds::Kinds;

/// The items of an archive.
pub(super) struct ArchivedItems<'a> {
    spool: &'a Arc<Spool>,
    kinds: Mutex<Kinds>,
}

impl<'a> ArchivedItems<'a> {
    /// The items of this archive.
    pub(super) fn new(spool: &'a Arc<Spool>) -> Self {
        Self {
            spool,
            kinds: Mutex::default(),
        }
    }

    /// The item at a path.
    pub(super) fn find(&self, path: &ItemPath<'_>) -> Option<ItemHandle> {
        self.spool.find(path, ItemCopy::Plain)
    }

    /// The cluster-scoped item of a name.
    pub(super) fn find_cluster_scoped(&self, group_resource: &str, name: &str) -> Option<ItemHandle> {
        self.find(&ItemPath {
            group_resource,
            namespace: None,
            name,
        })
    }

    /// The item of an id.
    pub(super) fn find_id(&self, id: &ItemId) -> Option<ItemHandle> {
        self.find(&ItemPath {
            group_resource: &id.resource.to_string(),
            namespace: id.namespace.as_deref(),
            name: &id.name,
        })
    }

    /// The size of an item's JSON.
    pub(super) fn size(&self, item: ItemHandle) -> u64 {
        self.spool.size(item)
    }

    /// The kind of the first item of a type.
    pub(super) fn kind_of(&self, group_resource: &str) -> Option<String> {
        let mut kinds = self.kinds.lock();
        kinds.of(self.spool, group_resource)
    }

    /// The bytes of an item.
    pub(super) async fn bytes(&self, item: ItemHandle) -> Result<Bytes, String> {
        // Only tests use a runtime of one thread: a direct read keeps the order of events the same each time.
        if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
            return self.spool.read(item).map_err(|error| error.to_string());
        }
        let spool = Arc::clone(self.spool);
        let read = tokio::task::spawn_blocking(move || spool.read(item)).await;
        read.map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())
    }

    /// The object of an item; nothing if it cannot be read.
    pub(super) async fn json(&self, item: ItemHandle) -> Option<Value> {
        let bytes = self.bytes(item).await.ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}

impl Lookup for ArchivedItems<'_> {
    fn archived<'a>(&'a self, item: &'a ItemId) -> BoxFuture<'a, Option<Value>> {
        async move { self.json(self.find_id(item)?).await }.boxed()
    }
}
