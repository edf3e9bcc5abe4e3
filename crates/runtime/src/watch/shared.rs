//! The reading side of a watch: the store and its changes.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kube_runtime::reflector::Store;
use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use crate::object::{AnyKind, ObjectRef, Uid};

/// How many changes a follower may be behind before it has to read the whole store.
const BEHIND: usize = 1024;

/// A change of one object as the store saw it.
#[derive(Debug, Clone)]
pub struct Change<K: AnyKind> {
    /// The name of the object.
    pub key: ObjectRef<K>,
    /// The object as it was, if it was known.
    pub before: Option<Arc<K>>,
    /// The object as it is in the store now, unless it is gone or cannot be read. A uid other than before means that
    /// the object was deleted and the name taken again.
    pub after: Option<Arc<K>>,
}

/// An object that exists and could not be parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Which one it is.
    pub uid: Uid,
    /// What is wrong with it.
    pub error: String,
}

/// A store was not filled in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the list of kind `{kind}` was not complete after {after:?}: {last_error}; \
     check that the kind is served and may be listed and watched"
)]
pub struct NotReady {
    /// The kind.
    pub kind: String,
    /// How long the wait was.
    pub after: Duration,
    /// The watch's last error.
    pub last_error: String,
}

/// The objects of one kind as the watch last saw them. Clones are the same store.
#[derive(Clone)]
pub struct SharedWatch<K: AnyKind> {
    pub(super) kind: K::DynamicType,
    pub(super) store: Store<K>,
    pub(super) shared: Arc<Shared<K>>,
}

pub(super) struct Shared<K: AnyKind> {
    /// Objects that exist and cannot be parsed. Locked around every change of the store, so that a reader with the lock sees both as one state.
    pub(super) unreadable: RwLock<HashMap<ObjectRef<K>, Unreadable>>,
    pub(super) changes: broadcast::Sender<Change<K>>,
    pub(super) status: watch::Sender<Status>,
    /// When something was last sent to the API server or received from it; `None` if the events are a test's.
    contact: Mutex<Option<Instant>>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Status {
    pub(super) ready: bool,
    pub(super) last_error: Option<String>,
}

/// The state of a name in the store, at one moment.
#[derive(Debug, Clone)]
pub(crate) enum Found<K> {
    Object(Arc<K>),
    Unreadable(Unreadable),
    Nothing,
}

impl<K: AnyKind> SharedWatch<K> {
    /// The dynamic part of the kind: `()` for a kind known at compile time, else its [`ApiResource`](kube::core::ApiResource).
    pub fn kind(&self) -> &K::DynamicType {
        &self.kind
    }

    /// The name by which the store knows this object.
    pub(crate) fn key_of(&self, object: &K) -> ObjectRef<K> {
        ObjectRef::from_obj_with(object, self.kind.clone())
    }

    /// The object of this name, if there is one and it can be read.
    pub fn get(&self, key: &ObjectRef<K>) -> Option<Arc<K>> {
        self.store.get(key)
    }

    /// All objects, in no order.
    pub fn list(&self) -> Vec<Arc<K>> {
        self.store.state()
    }

    /// The objects for which the predicate holds; it runs under the store's lock and must be quick.
    pub fn list_where(&self, predicate: impl Fn(&K) -> bool) -> Vec<Arc<K>> {
        self.store.state_filter(predicate)
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.store.is_empty()
    }

    /// How many objects exist and could not be parsed.
    pub fn unreadable_count(&self) -> usize {
        self.shared.table().len()
    }

    /// Whether the first list is complete.
    pub fn is_ready(&self) -> bool {
        self.shared.status.borrow().ready
    }

    /// Returns when the first list is complete.
    ///
    /// # Errors
    /// It was not within that time.
    pub async fn wait_ready(&self, within: Duration) -> Result<(), NotReady> {
        tokio::time::timeout(within, self.ready()).await.map_err(|_| NotReady {
            kind: K::kind(&self.kind).into_owned(),
            after: within,
            last_error: self
                .last_error()
                .unwrap_or_else(|| "the API server has not answered".into()),
        })
    }

    /// Returns when the first list is complete, however long that takes.
    pub async fn ready(&self) {
        // The sender lives as long as `self`.
        let _ = self.shared.status.subscribe().wait_for(|status| status.ready).await;
    }

    /// Why the watch does not work at the moment, if it does not.
    pub fn last_error(&self) -> Option<String> {
        self.shared.status.borrow().last_error.clone()
    }

    /// For how long nothing was sent to the API server or received from it. A watch that works begins a new request every few minutes
    /// even if nothing changes. Nothing for a watch that is fed by a test.
    pub fn silent_for(&self) -> Option<Duration> {
        let contact = *self.shared.contact.lock();
        contact.map(|contact| contact.elapsed())
    }

    /// Every change from now on. A follower that falls behind gets [`Lagged`](broadcast::error::RecvError::Lagged) and must look at everything.
    pub fn changes(&self) -> broadcast::Receiver<Change<K>> {
        self.shared.changes.subscribe()
    }

    /// Why an object that exists is not in the store: it could not be parsed.
    pub fn unreadable(&self, key: &ObjectRef<K>) -> Option<Unreadable> {
        self.shared.table().get(key).cloned()
    }

    /// The state of this name, readable or unreadable, at one moment.
    pub(crate) fn find(&self, key: &ObjectRef<K>) -> Found<K> {
        let table = self.shared.table();
        match (self.store.get(key), table.get(key)) {
            (Some(object), _) => Found::Object(object),
            (None, Some(unreadable)) => Found::Unreadable(unreadable.clone()),
            (None, None) => Found::Nothing,
        }
    }
}

impl<K: AnyKind> Shared<K> {
    pub(super) fn new() -> Self {
        Self {
            unreadable: RwLock::default(),
            changes: broadcast::Sender::new(BEHIND),
            status: watch::Sender::default(),
            contact: Mutex::new(None),
        }
    }

    /// Something came from the API server, if there is one.
    pub(super) fn heard(&self) {
        if let Some(contact) = &mut *self.contact.lock() {
            *contact = Instant::now();
        }
    }

    /// Something is sent to the API server.
    pub(super) fn stamp(&self) {
        *self.contact.lock() = Some(Instant::now());
    }

    fn table(&self) -> RwLockReadGuard<'_, HashMap<ObjectRef<K>, Unreadable>> {
        self.unreadable.read()
    }
}

impl<K: AnyKind> fmt::Debug for SharedWatch<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedWatch")
            .field("kind", &K::kind(&self.kind))
            .field("objects", &self.store.len())
            .field("status", &*self.shared.status.borrow())
            .finish_non_exhaustive()
    }
}
