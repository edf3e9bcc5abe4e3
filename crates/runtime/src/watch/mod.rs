//! One watch a kind, shared by all that read or follow that kind.
//!
//! [`Watch`] says what to watch, [`SharedWatch`] is what readers hold: the objects as last seen, and every change of them.
//! The task in between is in `drive`, what it does to the store in `feed`.
//!
//! kube-runtime's own shared streams are not used: a subscriber that learns of an object after it was deleted stalls for good, and
//! deletions are never delivered.

mod drive;
mod feed;
mod guard;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use futures::{Stream, StreamExt};
use kube::{Api, Client};
use kube_runtime::reflector::Store;
use kube_runtime::watcher::{self, Event, watcher};
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;
use tower::BoxError;

pub use self::guard::Guarded;

use self::feed::Feed;
use super::health::Component;
use super::metrics::Metrics;
use super::object::{AnyKind, ObjectRef, Uid};

/// How many changes a follower may be behind before it has to look at everything.
const BEHIND: usize = 1024;

/// What to watch and how. Hand it to [`Manager::watch`](super::Manager::watch).
#[derive(Debug)]
pub struct Watch<K: AnyKind> {
    kind: K::DynamicType,
    api: Api<K>,
    config: watcher::Config,
    optional: Option<Rediscovery>,
}

impl<K: AnyKind> Watch<K> {
    /// Everything the `Api` reaches: one namespace or the whole cluster.
    pub fn of(api: Api<K>) -> Self
    where
        K::DynamicType: Default,
    {
        Self::of_kind(api, K::DynamicType::default())
    }

    /// The same for a kind that is known from discovery: the `Api` was made with this
    /// [`ApiResource`](kube::core::ApiResource).
    pub fn of_kind(api: Api<K>, kind: K::DynamicType) -> Self {
        Self {
            kind,
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

    /// The kind may be missing: then the store is empty and ready, and the kind is tried again whenever discovery changes, and every
    /// few minutes.
    #[must_use]
    pub fn optional(mut self, rediscovery: &Rediscovery) -> Self {
        self.optional = Some(rediscovery.clone());
        self
    }

    /// What is watched, for people: the kind, and where if it is not everywhere.
    pub(crate) fn describe(&self) -> String {
        let kind = K::kind(&self.kind);
        match self.api.namespace() {
            Some(namespace) => format!("{kind} in {namespace}"),
            None => kind.into_owned(),
        }
    }
}

/// Announces to the watches of optional kinds that what the server serves has changed. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Rediscovery(watch::Sender<()>);

impl Rediscovery {
    /// Nothing was announced yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is served has changed: kinds that were missing are tried again at once.
    pub fn announce(&self) {
        self.0.send_replace(());
    }

    fn follow(&self) -> watch::Receiver<()> {
        self.0.subscribe()
    }
}

/// A change of one object as the store saw it.
#[derive(Debug, Clone)]
pub struct Change<K: AnyKind> {
    /// Which name it happened to.
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
    /// How long was waited.
    pub after: Duration,
    /// What the watch said last.
    pub last_error: String,
}

/// The objects of one kind as the watch last saw them. Clones are the same store.
#[derive(Clone)]
pub struct SharedWatch<K: AnyKind> {
    kind: K::DynamicType,
    store: Store<K>,
    shared: Arc<Shared<K>>,
}

struct Shared<K: AnyKind> {
    /// What exists and cannot be parsed. Locked around every change of the store, so that a reader that holds it sees both as one.
    unreadable: RwLock<HashMap<ObjectRef<K>, Unreadable>>,
    changes: broadcast::Sender<Change<K>>,
    status: watch::Sender<Status>,
    /// When something was last sent to the API server or came from it; nothing if the events are a test's.
    contact: Mutex<Option<Instant>>,
}

#[derive(Debug, Clone, Default)]
struct Status {
    ready: bool,
    last_error: Option<String>,
}

/// What the store knows of a name, at one moment.
#[derive(Debug, Clone)]
pub(crate) enum Found<K> {
    Object(Arc<K>),
    Unreadable(Unreadable),
    Nothing,
}

impl<K: AnyKind> SharedWatch<K> {
    /// The handle, and the future that feeds it until it is dropped.
    pub fn start(
        watch: Watch<K>,
        metrics: &Metrics,
        health: Option<Component>,
    ) -> (Self, impl Future<Output = ()> + Send + use<K>) {
        let Watch {
            kind,
            api,
            config,
            optional,
        } = watch;
        let namespace = api.namespace().map(String::from);
        let metrics = metrics.watch(&K::kind(&kind), namespace.as_deref());
        let (feed, watch) = Feed::new(kind.clone(), Some(metrics), health);
        let client = watch.stamped(Client::from(api));
        let api: Api<Guarded<K>> = match namespace {
            Some(namespace) => Api::namespaced_with(client, &namespace, &kind),
            None => Api::all_with(client, &kind),
        };
        let connect = move || watcher(api.clone(), config.clone()).boxed();
        (watch, drive::reconnecting(feed, connect, optional))
    }

    /// A store that is fed by these events and knows no server, and the future that feeds it until they end; for tests.
    pub fn from_events<S>(events: S) -> (Self, impl Future<Output = ()> + Send + use<K, S>)
    where
        S: Stream<Item = watcher::Result<Event<Guarded<K>>>> + Send + 'static,
        K::DynamicType: Default,
    {
        Self::from_events_of(K::DynamicType::default(), events)
    }

    /// The same for a kind that is known from discovery.
    pub fn from_events_of<S>(kind: K::DynamicType, events: S) -> (Self, impl Future<Output = ()> + Send + use<K, S>)
    where
        S: Stream<Item = watcher::Result<Event<Guarded<K>>>> + Send + 'static,
    {
        let (mut feed, watch) = Feed::new(kind, None, None);
        let drive = async move {
            drive::follow(&mut feed, events.boxed()).await;
        };
        (watch, drive)
    }

    /// A ready store of these objects that never changes; for tests of what reads stores.
    pub fn fixed(objects: impl IntoIterator<Item = K>) -> Self
    where
        K::DynamicType: Default,
    {
        let (mut feed, watch) = Feed::new(K::DynamicType::default(), None, None);
        feed.apply(Event::Init);
        for object in objects {
            feed.apply(Event::InitApply(Guarded::Good(object)));
        }
        feed.apply(Event::InitDone);
        watch
    }

    /// What makes the kind known: nothing for one that is known at compile time, else its [`ApiResource`](kube::core::ApiResource).
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

    /// For how long nothing was sent to the API server and nothing came from it. A watch that works begins a new request every few minutes
    /// even if nothing changes. Nothing for a watch that is fed by a test.
    pub fn silent_for(&self) -> Option<Duration> {
        let contact = *self.shared.contact.lock().unwrap_or_else(PoisonError::into_inner);
        contact.map(|contact| contact.elapsed())
    }

    /// The same connection; each request is noted.
    fn stamped(&self, client: Client) -> Client {
        self.shared.stamp();
        let namespace = client.default_namespace().to_owned();
        let shared = self.shared.clone();
        let service = tower::service_fn(move |request| {
            shared.stamp();
            let client = client.clone();
            async move { client.send(request).await.map_err(BoxError::from) }
        });
        Client::new(service, namespace)
    }

    /// Every change from now on. A follower that falls behind gets [`Lagged`](broadcast::error::RecvError::Lagged) and must look at everything.
    pub fn changes(&self) -> broadcast::Receiver<Change<K>> {
        self.shared.changes.subscribe()
    }

    /// Why an object that exists is not in the store: it could not be parsed.
    pub fn unreadable(&self, key: &ObjectRef<K>) -> Option<Unreadable> {
        self.shared.table().get(key).cloned()
    }

    /// What is known of this name; readable and unreadable are seen as of one moment.
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
    fn new() -> Self {
        Self {
            unreadable: RwLock::default(),
            changes: broadcast::Sender::new(BEHIND),
            status: watch::Sender::default(),
            contact: Mutex::new(None),
        }
    }

    /// Something came from the API server, if there is one.
    fn heard(&self) {
        if let Some(contact) = &mut *self.contact.lock().unwrap_or_else(PoisonError::into_inner) {
            *contact = Instant::now();
        }
    }

    /// Something is sent to the API server.
    fn stamp(&self) {
        *self.contact.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn table(&self) -> RwLockReadGuard<'_, HashMap<ObjectRef<K>, Unreadable>> {
        self.unreadable.read().unwrap_or_else(PoisonError::into_inner)
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
