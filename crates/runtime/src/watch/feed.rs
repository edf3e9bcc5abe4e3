//! Applies events to the store: the synchronous half of a watch.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource as _;
use kube_runtime::reflector::store::Writer;
use kube_runtime::watcher::Event;
use parking_lot::RwLockWriteGuard;

use super::guard::Guarded;
use super::shared::{Change, Shared, SharedWatch, Unreadable};
use crate::health::Component;
use crate::metrics::WatchMetrics;
use crate::object::{AnyKind, ObjectRef, Uid, path_of};

/// The writing side of a [`SharedWatch`].
pub(super) struct Feed<K: AnyKind> {
    writer: Writer<K>,
    watch: SharedWatch<K>,
    /// The unreadable objects of a list that is under way.
    listed: HashMap<ObjectRef<K>, Unreadable>,
    metrics: Option<WatchMetrics>,
    health: Option<Component>,
}

/// The new state of an object.
enum Now<K> {
    Readable(K),
    Unreadable(Unreadable),
    Gone,
}

type Table<'a, K> = RwLockWriteGuard<'a, HashMap<ObjectRef<K>, Unreadable>>;

impl<K: AnyKind> Feed<K> {
    pub(super) fn new(
        kind: K::DynamicType,
        metrics: Option<WatchMetrics>,
        health: Option<Component>,
    ) -> (Self, SharedWatch<K>) {
        let writer = Writer::new(kind.clone());
        let watch = SharedWatch {
            kind,
            store: writer.as_reader(),
            shared: Arc::new(Shared::new()),
        };
        let feed = Self {
            writer,
            watch: watch.clone(),
            listed: HashMap::new(),
            metrics,
            health,
        };
        (feed, watch)
    }

    pub(super) fn kind(&self) -> &K::DynamicType {
        &self.watch.kind
    }

    /// One event, in the order in which the API server sent it.
    pub(super) fn apply(&mut self, event: Event<Guarded<K>>) {
        self.watch.shared.heard();
        if let Event::InitApply(object) | Event::Apply(object) | Event::Delete(object) = &event
            && object.meta().name.is_none()
        {
            tracing::warn!(kind = %K::kind(self.kind()), "the API server sent an object without a name; it is left out");
            return;
        }
        match event {
            Event::Init => {
                self.listed.clear();
                self.writer.apply_watcher_event(&Event::Init);
            }
            Event::InitApply(Guarded::Good(object)) => self.writer.apply_watcher_event(&Event::InitApply(object)),
            Event::InitApply(Guarded::Broken { metadata, error }) => {
                let (key, unreadable) = broken(self.kind(), &metadata, error);
                self.listed.insert(key, unreadable);
            }
            Event::InitDone => self.listed_all(),
            Event::Apply(Guarded::Good(object)) => self.change(self.watch.key_of(&object), Now::Readable(object)),
            Event::Apply(Guarded::Broken { metadata, error }) => {
                let (key, unreadable) = broken(self.kind(), &metadata, error);
                self.change(key, Now::Unreadable(unreadable));
            }
            Event::Delete(object) => {
                let (key, _) = broken(self.kind(), object.meta(), String::new());
                self.change(key, Now::Gone);
            }
        }
    }

    /// The kind is not served: nothing of it exists.
    pub(super) fn clear(&mut self) {
        self.apply(Event::Init);
        self.apply(Event::InitDone);
        self.say("the kind is not served");
    }

    /// The watch broke; the store stays as it is.
    pub(super) fn failed(&mut self, text: &str) {
        if let Some(metrics) = &self.metrics {
            metrics.errors.inc();
        }
        self.watch
            .shared
            .status
            .send_modify(|status| status.last_error = Some(text.to_owned()));
        if self.watch.is_ready() {
            // A filled store stays ready: an API server that is unavailable for a while must not make every replica unready.
            self.say(text);
        } else if let Some(health) = &self.health {
            health.not_ready(text);
        }
    }

    fn say(&self, text: &str) {
        if let Some(health) = &self.health {
            health.ready_with(text);
        }
    }

    fn change(&mut self, key: ObjectRef<K>, now: Now<K>) {
        let shared = self.watch.shared.clone();
        let mut table = shared.unreadable.write();
        let before = self.watch.store.get(&key);
        let was_unreadable = table.remove(&key).is_some();
        match now {
            Now::Readable(object) => self.writer.apply_watcher_event(&Event::Apply(object)),
            Now::Unreadable(unreadable) => {
                self.take_out(before.as_deref());
                complain(&key, &unreadable);
                table.insert(key.clone(), unreadable);
            }
            Now::Gone if before.is_none() && !was_unreadable => return,
            Now::Gone => self.take_out(before.as_deref()),
        }
        self.count(&table);
        drop(table);
        let after = self.watch.store.get(&key);
        self.recovered();
        // Fails without followers.
        let _ = shared.changes.send(Change { key, before, after });
    }

    fn take_out(&mut self, object: Option<&K>) {
        if let Some(object) = object {
            self.writer.apply_watcher_event(&Event::Delete(object.clone()));
        }
    }

    /// A list is complete: it replaces everything, and objects that are not in it are gone.
    fn listed_all(&mut self) {
        let shared = self.watch.shared.clone();
        let mut table = shared.unreadable.write();
        let by_key = |objects: Vec<Arc<K>>| -> HashMap<_, _> {
            objects
                .into_iter()
                .map(|object| (self.watch.key_of(&object), object))
                .collect()
        };
        let mut before = by_key(self.watch.store.state());
        self.writer.apply_watcher_event(&Event::InitDone);
        let mut after = by_key(self.watch.store.state());
        let listed = std::mem::take(&mut self.listed);
        for (key, unreadable) in &listed {
            if table.get(key) != Some(unreadable) {
                complain(key, unreadable);
            }
        }
        let was_unreadable = std::mem::replace(&mut *table, listed);
        let keys: HashSet<_> = before
            .keys()
            .chain(after.keys())
            .chain(was_unreadable.keys())
            .chain(table.keys())
            .cloned()
            .collect();
        self.count(&table);
        drop(table);
        self.recovered();
        shared.status.send_modify(|status| status.ready = true);
        for key in keys {
            let (before, after) = (before.remove(&key), after.remove(&key));
            if !same(before.as_deref(), after.as_deref()) {
                let _ = shared.changes.send(Change { key, before, after });
            }
        }
    }

    fn recovered(&self) {
        let had_failed = self
            .watch
            .shared
            .status
            .send_if_modified(|status| status.last_error.take().is_some());
        if let Some(health) = &self.health
            && (had_failed || !self.watch.is_ready())
        {
            health.ready();
        }
    }

    fn count(&self, table: &Table<'_, K>) {
        if let Some(metrics) = &self.metrics {
            #[expect(clippy::cast_precision_loss, reason = "a count of objects")]
            metrics.unreadable.set(table.len() as f64);
        }
    }
}

/// Whether a list brought nothing new about an object.
fn same<K: AnyKind>(before: Option<&K>, after: Option<&K>) -> bool {
    match (before.map(K::meta), after.map(K::meta)) {
        (Some(before), Some(after)) => {
            before.uid == after.uid
                && before.resource_version == after.resource_version
                && after.resource_version.is_some()
        }
        _ => false,
    }
}

fn broken<K: AnyKind>(kind: &K::DynamicType, metadata: &ObjectMeta, error: String) -> (ObjectRef<K>, Unreadable) {
    let mut key = ObjectRef::new_with(metadata.name.as_deref().unwrap_or_default(), kind.clone());
    key.namespace.clone_from(&metadata.namespace);
    let uid = Uid::from(metadata.uid.as_deref().unwrap_or_default());
    (key, Unreadable { uid, error })
}

fn complain<K: AnyKind>(key: &ObjectRef<K>, unreadable: &Unreadable) {
    tracing::warn!(
        kind = %K::kind(&key.dyntype),
        object = path_of(key),
        error = unreadable.error,
        "object cannot be read and is left alone; check it against the kind's schema"
    );
}
