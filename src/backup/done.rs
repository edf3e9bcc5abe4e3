//! The items that a run has begun.

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use crate::cluster::discovery::GroupResource;

/// An item's identity in 16 bytes: a hash of its type, namespace and name.
///
/// Half of a SHA-256, so that two objects cannot be made to collide on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key([u8; 16]);

impl Key {
    /// `namespace` is `None` for cluster scope.
    pub(super) fn new(resource: &GroupResource, namespace: Option<&str>, name: &str) -> Self {
        Self::in_version(resource, None, namespace, name)
    }

    /// `version` is `None` for the preferred one. In another one the same object is an item of its own.
    pub(super) fn in_version(
        resource: &GroupResource,
        version: Option<&str>,
        namespace: Option<&str>,
        name: &str,
    ) -> Self {
        let mut hash = Sha256::new();
        let parts = [&resource.group, &resource.resource, namespace.unwrap_or_default(), name];
        for part in parts.into_iter().chain(version) {
            hash.update(part);
            // No part can contain it.
            hash.update(b"\0");
        }
        let mut key = [0; 16];
        key.copy_from_slice(&hash.finalize()[..16]);
        Self(key)
    }

    fn shard(self) -> usize {
        usize::from(self.0[0]) << 4 | usize::from(self.0[1]) >> 4
    }
}

/// The set of items that were begun. It costs 16 bytes an item, and never more than 32 while a shard grows (decision 11).
///
/// The keys are sorted within shards that stay small, so that an insertion moves a few kilobytes even at millions of
/// items; a hash table would need up to 40 bytes an item, and all of them twice while it grows.
#[derive(Debug)]
pub(super) struct Done {
    shards: Mutex<Vec<Vec<Key>>>,
}

impl Done {
    const SHARDS: usize = 1 << 12;

    pub(super) fn new() -> Self {
        Self {
            shards: Mutex::new(vec![Vec::new(); Self::SHARDS]),
        }
    }

    /// Adds an item; false if it was there. The one caller that gets true processes the item.
    pub(super) fn insert(&self, key: Key) -> bool {
        let shard = &mut self.shards.lock()[key.shard()];
        match shard.binary_search(&key) {
            Ok(_) => false,
            Err(at) => {
                shard.insert(at, key);
                true
            }
        }
    }

    /// Whether an item was begun.
    pub(super) fn contains(&self, key: Key) -> bool {
        self.shards.lock()[key.shard()].binary_search(&key).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(resource: &str, namespace: Option<&str>, name: &str) -> Key {
        Key::new(&GroupResource::new("", resource), namespace, name)
    }

    #[test]
    fn an_item_is_begun_once() {
        let done = Done::new();
        let web = key("pods", Some("shop"), "web");
        assert!(!done.contains(web));
        assert!(done.insert(web));
        assert!(!done.insert(web));
        assert!(done.contains(web));
    }

    #[test]
    fn type_version_namespace_and_name_all_count() {
        let done = Done::new();
        let group = |group: &str| Key::new(&GroupResource::new(group, "pods"), Some("shop"), "web");
        for other in [
            key("pods", Some("shop"), "web"),
            key("pods", Some("web"), "shop"),
            key("pods", None, "web"),
            key("pods", None, "shopweb"),
            key("secrets", Some("shop"), "web"),
            group("metrics.k8s.io"),
            Key::in_version(&GroupResource::new("", "pods"), Some("v1beta1"), Some("shop"), "web"),
        ] {
            assert!(done.insert(other), "{other:?}");
        }
    }

    #[test]
    fn many_items_fit_in_the_promised_memory() {
        let done = Done::new();
        let keys: Vec<Key> = (0..50_000).map(|i| key("pods", Some("shop"), &i.to_string())).collect();
        assert!(keys.iter().all(|key| done.insert(*key)));
        assert!(keys.iter().all(|key| done.contains(*key)));
        let bytes: usize = done
            .shards
            .lock()
            .iter()
            .map(|shard| shard.capacity() * size_of::<Key>())
            .sum();
        assert!(bytes <= 32 * keys.len(), "{bytes}");
    }
}
