//! One watch for each kind, shared by all readers and followers.
//!
//! [`Watch`] configures a watch, [`SharedWatch`] is its reading side: the objects as last seen, and every change of them.
//! The task in between is in `drive`, its effect on the store in `feed`.
//!
//! kube-runtime's own shared streams are not used: a subscriber that learns of an object after it was deleted stalls for good, and
//! deletions are never delivered.

mod drive;
mod feed;
mod guard;
mod rediscovery;
mod shared;
#[cfg(test)]
mod tests;

use std::future::Future;

use futures::{Stream, StreamExt};
use kube::{Api, Client};
use kube_runtime::watcher::{self, Event, watcher};
use tower::BoxError;

pub use self::guard::Guarded;
pub use self::rediscovery::Rediscovery;
pub use self::shared::{Change, NotReady, SharedWatch, Unreadable};

pub(crate) use self::shared::Found;

use self::feed::Feed;
use super::health::Component;
use super::metrics::Metrics;
use super::object::AnyKind;

/// The configuration of a watch. Pass it to [`Manager::watch`](super::Manager::watch).
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

    /// A description for users: the kind, and the namespace if there is one.
    pub(crate) fn describe(&self) -> String {
        let kind = K::kind(&self.kind);
        match self.api.namespace() {
            Some(namespace) => format!("{kind} in {namespace}"),
            None => kind.into_owned(),
        }
    }
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

    /// A store that is fed by these events, without a server, and the future that feeds it until they end; for tests.
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

    /// A ready store of these objects that never changes; for tests of readers.
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
}
