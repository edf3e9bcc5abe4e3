//! Requests for passes: a trigger, an operation or a user of the framework puts them into a controller's queue.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::object::{AnyKind, ObjectRef};

/// Objects that need a pass.
#[derive(Debug)]
pub(crate) enum Enqueue<K: AnyKind> {
    /// These; the same one may come twice.
    Some(Vec<ObjectRef<K>>),
    /// Every object: some changes were missed.
    All,
}

/// Requests passes of a controller. Never blocks and never loses a request. Two requests for an object before its pass are
/// one. Clones are the same.
#[derive(Debug)]
pub struct Enqueuer<K: AnyKind> {
    inner: Arc<Inner<K>>,
}

impl<K: AnyKind> Clone for Enqueuer<K> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
        }
    }
}

#[derive(Debug)]
struct Inner<K: AnyKind> {
    requests: Mutex<Requests<K>>,
    arrived: Notify,
}

#[derive(Debug)]
struct Requests<K: AnyKind> {
    keys: HashSet<ObjectRef<K>>,
    all: bool,
}

impl<K: AnyKind> Enqueuer<K> {
    pub(crate) fn new() -> Self {
        Self {
            inner: Arc::new(Inner {
                requests: Mutex::new(Requests {
                    keys: HashSet::new(),
                    all: false,
                }),
                arrived: Notify::new(),
            }),
        }
    }

    /// Requests a pass for this object. Without effect if there is no such object.
    pub fn enqueue(&self, key: ObjectRef<K>) {
        self.request(|requests| {
            requests.keys.insert(key);
        });
    }

    /// Requests a pass for every object.
    pub fn enqueue_all(&self) {
        self.request(|requests| requests.all = true);
    }

    fn request(&self, add: impl FnOnce(&mut Requests<K>)) {
        add(&mut self.inner.requests.lock());
        self.inner.arrived.notify_one();
    }

    /// What was requested since the last call. For one caller at a time; may be cancelled.
    pub(crate) async fn next(&self) -> Enqueue<K> {
        loop {
            if let Some(enqueue) = self.take() {
                return enqueue;
            }
            self.inner.arrived.notified().await;
        }
    }

    pub(crate) fn take(&self) -> Option<Enqueue<K>> {
        let mut requests = self.inner.requests.lock();
        let keys: Vec<_> = requests.keys.drain().collect();
        if std::mem::take(&mut requests.all) {
            return Some(Enqueue::All);
        }
        (!keys.is_empty()).then_some(Enqueue::Some(keys))
    }
}
