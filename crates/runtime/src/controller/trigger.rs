//! Reasons to look at an object.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;

use crate::object::{Kind, ObjectRef};
use crate::watch::{Change, SharedWatch};

/// Whom to look at.
#[derive(Debug)]
pub(super) enum Touched<K: Kind> {
    /// These; the same one may come twice.
    Some(Vec<ObjectRef<K>>),
    /// Every object: some reasons were missed.
    All,
}

/// Starts to listen. What happens from the call on is not missed, even if the stream is not read for a while.
pub(super) type Trigger<K> = Box<dyn Fn() -> BoxStream<'static, Touched<K>> + Send + Sync>;

/// Changes of the objects themselves.
pub(super) fn own<K: Kind>(watch: SharedWatch<K>) -> Trigger<K> {
    Box::new(move || follow(&watch, |change| vec![change.key.clone()]))
}

/// Changes of another kind, by what they mean for ours.
pub(super) fn mapped<S, K, Refs>(watch: SharedWatch<S>, map: impl Fn(&S) -> Refs + Send + Sync + 'static) -> Trigger<K>
where
    S: Kind,
    K: Kind,
    Refs: IntoIterator<Item = ObjectRef<K>>,
{
    let map = Arc::new(map);
    Box::new(move || {
        let map = map.clone();
        follow(&watch, move |change| {
            // An object that moves from one owner to another concerns both.
            change
                .before
                .iter()
                .chain(&change.after)
                .flat_map(|object| map(object))
                .collect()
        })
    })
}

fn follow<S: Kind, K: Kind>(
    watch: &SharedWatch<S>,
    refs: impl Fn(&Change<S>) -> Vec<ObjectRef<K>> + Send + 'static,
) -> BoxStream<'static, Touched<K>> {
    stream::unfold((watch.changes(), refs), |(mut changes, refs)| async move {
        let touched = match changes.recv().await {
            Ok(change) => Touched::Some(refs(&change)),
            Err(RecvError::Lagged(missed)) => {
                tracing::debug!(kind = %S::kind(&()), missed, "fell behind; looking at everything");
                Touched::All
            }
            Err(RecvError::Closed) => return None,
        };
        Some((touched, (changes, refs)))
    })
    .boxed()
}

/// Asks for passes. Never blocks and never loses a request: what is asked for twice before it was looked at is one request. Clones are the same.
#[derive(Debug)]
pub struct Wakes<K: Kind> {
    inner: Arc<Inner<K>>,
}

impl<K: Kind> Clone for Wakes<K> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
        }
    }
}

#[derive(Debug)]
struct Inner<K: Kind> {
    asked: Mutex<Asked<K>>,
    news: Notify,
}

#[derive(Debug)]
struct Asked<K: Kind> {
    keys: HashSet<ObjectRef<K>>,
    all: bool,
}

impl<K: Kind> Wakes<K> {
    pub(crate) fn new() -> Self {
        Self {
            inner: Arc::new(Inner {
                asked: Mutex::new(Asked {
                    keys: HashSet::new(),
                    all: false,
                }),
                news: Notify::new(),
            }),
        }
    }

    /// Look at this object.
    pub fn wake(&self, key: ObjectRef<K>) {
        self.ask(|asked| {
            asked.keys.insert(key);
        });
    }

    /// Look at every object.
    pub fn wake_all(&self) {
        self.ask(|asked| asked.all = true);
    }

    fn ask(&self, add: impl FnOnce(&mut Asked<K>)) {
        add(&mut self.inner.asked.lock().unwrap_or_else(PoisonError::into_inner));
        self.inner.news.notify_one();
    }

    /// What was asked for since the last time. For one caller at a time; may be cancelled.
    pub(super) async fn next(&self) -> Touched<K> {
        loop {
            if let Some(touched) = self.take() {
                return touched;
            }
            self.inner.news.notified().await;
        }
    }

    /// Whom somebody asked for since the last time; for tests.
    #[cfg(test)]
    pub(crate) fn taken(&self) -> Vec<ObjectRef<K>> {
        match self.take() {
            Some(Touched::Some(keys)) => keys,
            _ => Vec::new(),
        }
    }

    fn take(&self) -> Option<Touched<K>> {
        let mut asked = self.inner.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let keys: Vec<_> = asked.keys.drain().collect();
        if std::mem::take(&mut asked.all) {
            return Some(Touched::All);
        }
        (!keys.is_empty()).then_some(Touched::Some(keys))
    }
}
