//! The table of operations.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::enqueue::Enqueuer;
use crate::object::{AnyKind, ObjectRef, Uid};
use crate::task::Group;

pub(super) struct Inner<K: AnyKind, O, P> {
    pub(super) limit: usize,
    pub(super) table: Mutex<Table<K, O, P>>,
    /// How many run; changes with the table.
    pub(super) running: watch::Sender<usize>,
}

pub(super) struct Table<K: AnyKind, O, P> {
    /// Missing while the controller does not run.
    pub(super) home: Option<Home<K>>,
    pub(super) entries: HashMap<Uid, Entry<O, P>>,
    /// Objects that found no room.
    pub(super) waiting: HashSet<ObjectRef<K>>,
}

pub(super) struct Home<K: AnyKind> {
    pub(super) group: Group,
    pub(super) enqueuer: Enqueuer<K>,
}

pub(super) enum Entry<O, P> {
    Running {
        progress: watch::Receiver<Option<P>>,
        cancelled: CancellationToken,
        /// The object is gone: the outcome is not kept.
        orphaned: bool,
    },
    Ended(Arc<Outcome<O>>),
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<O> {
    /// It returned this, also after it was cancelled.
    Returned(O),
    /// It panicked with this message.
    Panicked(String),
}

impl<K: AnyKind, O, P> Inner<K, O, P> {
    pub(super) fn table(&self) -> MutexGuard<'_, Table<K, O, P>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
