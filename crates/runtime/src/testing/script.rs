//! A watch with events of a test.

use futures::channel::mpsc;
use kube_runtime::watcher::{self, Event};

use crate::object::AnyKind;
use crate::task::{self, Task};
use crate::watch::{Guarded, SharedWatch};

/// Plays the API server of one watch. The watch ends when it is dropped.
#[derive(Debug)]
pub struct Script<K: AnyKind>(mpsc::UnboundedSender<watcher::Result<Event<Guarded<K>>>>);

/// The events of a [`Script`], for [`SharedWatch::from_events`].
pub type Events<K> = mpsc::UnboundedReceiver<watcher::Result<Event<Guarded<K>>>>;

impl<K: AnyKind> Script<K> {
    /// A script and its events, for code that drives a watch itself. Others use [`scripted`].
    pub fn new() -> (Self, Events<K>) {
        let (send, events) = mpsc::unbounded();
        (Self(send), events)
    }

    /// Any event of a watcher.
    pub fn event(&self, event: Event<Guarded<K>>) {
        let _ = self.0.unbounded_send(Ok(event));
    }

    /// The connection fails.
    pub fn fails(&self, error: watcher::Error) {
        let _ = self.0.unbounded_send(Err(error));
    }

    /// A complete list: objects that are not in it are gone.
    pub fn list(&self, objects: impl IntoIterator<Item = K>) {
        self.event(Event::Init);
        for object in objects {
            self.event(Event::InitApply(Guarded::Good(object)));
        }
        self.event(Event::InitDone);
    }

    /// An object was created or changed.
    pub fn apply(&self, object: K) {
        self.event(Event::Apply(Guarded::Good(object)));
    }

    /// An object was deleted.
    pub fn delete(&self, object: K) {
        self.event(Event::Delete(Guarded::Good(object)));
    }

    /// An object was created or changed and cannot be read; only the metadata of `object` remain.
    pub fn spoil(&self, object: &K, error: &str) {
        self.event(Event::Apply(Guarded::Broken {
            metadata: Box::new(object.meta().clone()),
            error: error.into(),
        }));
    }
}

/// A watch that follows a script, driven until the task is dropped.
pub fn scripted<K: AnyKind>() -> (Script<K>, SharedWatch<K>, Task<()>)
where
    K::DynamicType: Default,
{
    scripted_of(K::DynamicType::default())
}

/// The same for a kind that is known from discovery.
pub fn scripted_of<K: AnyKind>(kind: K::DynamicType) -> (Script<K>, SharedWatch<K>, Task<()>) {
    let (script, events) = Script::new();
    let (watch, drive) = SharedWatch::from_events_of(kind, events);
    (script, watch, task::spawn("drive", drive))
}
