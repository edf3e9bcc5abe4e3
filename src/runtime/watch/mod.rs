//! One watch a kind, shared by everyone.

use std::{future::Future, sync::Arc, time::Duration};

use futures::Stream;
use kube::{Api, core::DeserializeGuard, runtime::watcher};
use tokio::sync::broadcast;

use super::{
    metrics::Metrics,
    object::{Kind, ObjectRef, Uid},
};

/// What to watch and how. Hand it to [`Manager::watch`](super::Manager::watch).
#[derive(Debug)]
pub struct Watch<K> {
    api: Api<K>,
    config: watcher::Config,
    optional: Option<Rediscovery>,
}

impl<K: Kind> Watch<K> {
    /// Everything the `Api` reaches: one namespace or the whole cluster.
    pub fn of(api: Api<K>) -> Self {
        Self {
            api,
            config: watcher::Config::default(),
            optional: None,
        }
    }

    /// Only objects with these labels, in the form of a label selector's text.
    #[must_use]
    pub fn labels(mut self, selector: &str) -> Self {
        self.config = self.config.labels(selector);
        self
    }

    /// Only objects with these fields, in the form of a field selector's text.
    #[must_use]
    pub fn fields(mut self, selector: &str) -> Self {
        self.config = self.config.fields(selector);
        self
    }

    /// The kind may be missing: then the store is empty and ready, and the kind is tried again whenever discovery
    /// changes, and every few minutes.
    #[must_use]
    pub fn optional(mut self, rediscovery: &Rediscovery) -> Self {
        self.optional = Some(rediscovery.clone());
        self
    }
}

/// Tells the watches of optional kinds that what the server serves has changed. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Rediscovery(tokio::sync::watch::Sender<()>);

impl Rediscovery {
    /// Nothing was announced yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is served has changed: kinds that were missing are tried again at once.
    pub fn announce(&self) {
        self.0.send_replace(());
    }
}

/// A change of one object as the store saw it.
#[derive(Debug, Clone)]
pub struct Change<K> {
    /// The object as it was in the store, if it was.
    pub before: Option<Arc<K>>,
    /// The object as it is in the store now, unless it is gone.
    pub after: Option<Arc<K>>,
}

/// The objects of one kind as the watch last saw them. Clones are the same store.
#[derive(Debug, Clone)]
pub struct SharedWatch<K: Kind> {
    _todo: std::marker::PhantomData<K>,
}

impl<K: Kind> SharedWatch<K> {
    /// The handle, and the future that feeds it until it is dropped.
    pub fn start(watch: Watch<K>, metrics: &Metrics) -> (Self, impl Future<Output = ()> + Send + use<K>) {
        let _ = (watch.api, watch.config, watch.optional, metrics);
        let this: Self = todo!();
        #[expect(unreachable_code)]
        (this, std::future::pending())
    }

    /// A store that is fed by these events and knows no server; for tests.
    pub fn from_events(
        events: impl Stream<Item = watcher::Result<watcher::Event<DeserializeGuard<K>>>> + Send + 'static,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let _ = events;
        let this: Self = todo!();
        #[expect(unreachable_code)]
        (this, std::future::pending())
    }

    /// A ready store of these objects that never changes; for tests of what reads stores.
    pub fn fixed(objects: impl IntoIterator<Item = K>) -> Self {
        let _ = objects;
        todo!()
    }

    /// The object of this name, if there is one.
    pub fn get(&self, key: &ObjectRef<K>) -> Option<Arc<K>> {
        let _ = key;
        todo!()
    }

    /// All objects, in no order.
    pub fn list(&self) -> Vec<Arc<K>> {
        todo!()
    }

    /// The objects for which the predicate holds; it runs under the store's lock and must be quick.
    pub fn list_where(&self, predicate: impl Fn(&K) -> bool) -> Vec<Arc<K>> {
        let _ = predicate;
        todo!()
    }

    /// Whether the first list is complete.
    pub fn is_ready(&self) -> bool {
        todo!()
    }

    /// Returns when the first list is complete.
    ///
    /// # Errors
    /// It was not by the deadline.
    pub async fn wait_ready(&self, within: Duration) -> Result<(), NotReady> {
        let _ = within;
        todo!()
    }

    /// Every change from now on. Who falls behind gets [`RecvError::Lagged`](broadcast::error::RecvError::Lagged) and must look at everything.
    pub fn changes(&self) -> broadcast::Receiver<Change<K>> {
        todo!()
    }

    /// Why an object that exists is not in the store: it could not be parsed.
    pub fn unreadable(&self, key: &ObjectRef<K>) -> Option<Unreadable> {
        let _ = key;
        todo!()
    }
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
    "the list of kind `{kind}` was not complete after {after:?}; check that the kind is served and may be listed and watched"
)]
pub struct NotReady {
    /// The kind.
    pub kind: String,
    /// How long was waited.
    pub after: Duration,
}
