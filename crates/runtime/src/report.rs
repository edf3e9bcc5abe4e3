//! Reports for users: log lines of failed passes, and Kubernetes events. No other code of the framework writes them.
//!
//! Events are written in the background and are not guaranteed: when the API server is slow they are dropped and counted, and
//! no pass waits for one.

use std::fmt;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{Client, Resource};
use kube_runtime::events::{Event, Recorder};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio_util::sync::CancellationToken;

pub use kube_runtime::events::EventType;

use super::object::{AnyKind, ObjectRef, Uid, path_of};
use super::reconciler::Class;
use crate::metrics::registry::IntCounter;

/// The API server's limits, in bytes.
const REASON_LIMIT: usize = 128;
const NOTE_LIMIT: usize = 1024;

/// How many events may wait to be written.
const QUEUE: usize = 256;

/// How long writing one event may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A message for the users of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventNote {
    /// Normal or warning.
    pub kind: EventType,
    /// Short, in PascalCase.
    pub reason: String,
    /// What was done, in PascalCase, such as `Reconcile`.
    pub action: String,
    /// A sentence. What is beyond 1,024 bytes is cut off.
    pub note: String,
}

impl EventNote {
    /// Something that went well.
    pub fn normal(reason: &str, action: &str, note: impl Into<String>) -> Self {
        Self::of(EventType::Normal, reason, action, note)
    }

    /// Something that may need attention.
    pub fn warning(reason: &str, action: &str, note: impl Into<String>) -> Self {
        Self::of(EventType::Warning, reason, action, note)
    }

    fn of(kind: EventType, reason: &str, action: &str, note: impl Into<String>) -> Self {
        Self {
            kind,
            reason: reason.into(),
            action: action.into(),
            note: note.into(),
        }
    }

    fn into_event(self) -> Event {
        Event {
            type_: self.kind,
            reason: cut(&self.reason, REASON_LIMIT).into(),
            action: cut(&self.action, REASON_LIMIT).into(),
            note: Some(cut(&self.note, NOTE_LIMIT).into()),
            secondary: None,
        }
    }
}

/// The longest start of the text that fits and does not split a character.
fn cut(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

/// Publishes events. Clones are the same.
#[derive(Clone)]
pub struct EventRecorder {
    queue: mpsc::Sender<(Event, ObjectReference)>,
    dropped: Option<IntCounter>,
}

impl fmt::Debug for EventRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventRecorder").finish_non_exhaustive()
    }
}

impl EventRecorder {
    /// The recorder, and the publisher of its events, which must be [driven](Publisher::run).
    pub fn new(dropped: IntCounter) -> (Self, Publisher) {
        let (queue, events) = mpsc::channel(QUEUE);
        (
            Self {
                queue,
                dropped: Some(dropped),
            },
            Publisher { events },
        )
    }

    /// A recorder that publishes nothing; for tests.
    pub fn silent() -> Self {
        Self {
            queue: mpsc::channel(1).0,
            dropped: None,
        }
    }

    /// Publishes an event about this object. Returns at once.
    pub fn publish<K: Resource<DynamicType = ()>>(&self, object: &K, note: EventNote) {
        self.publish_about(object.object_ref(&()), note);
    }

    /// The same for a kind that is known from discovery.
    pub fn publish_of<K: Resource>(&self, object: &K, kind: &K::DynamicType, note: EventNote) {
        self.publish_about(object.object_ref(kind), note);
    }

    /// Publishes an event about an object that cannot be read, and that no status can be written to.
    pub(crate) fn unreadable<K: AnyKind>(&self, key: &ObjectRef<K>, uid: &Uid, error: &str) {
        let about = ObjectReference {
            api_version: Some(K::api_version(&key.dyntype).into_owned()),
            kind: Some(K::kind(&key.dyntype).into_owned()),
            name: Some(key.name.clone()),
            namespace: key.namespace.clone(),
            uid: Some(uid.to_string()),
            ..ObjectReference::default()
        };
        let note = format!("it cannot be read and is left alone: {error}; check it against the kind's schema");
        self.publish_about(about, EventNote::warning("Unreadable", "Reconcile", note));
    }

    fn publish_about(&self, about: ObjectReference, note: EventNote) {
        // A closed queue means that nothing is published: no client was given for it, or the process stops.
        if let Err(TrySendError::Full(_)) = self.queue.try_send((note.into_event(), about))
            && let Some(dropped) = &self.dropped
        {
            dropped.inc();
        }
    }

    /// Logs a pass that failed and publishes an event about it; a pass that was lost with leadership is only a debug line.
    pub(crate) fn failed<K: AnyKind>(&self, key: &ObjectRef<K>, object: &K, failure: &Failure) {
        let Failure {
            class,
            reason,
            text,
            retry,
        } = failure;
        let path = path_of(key);
        match class {
            Class::Lost => tracing::debug!(object = path, %reason, error = %text, "pass given up"),
            Class::Invalid => {
                tracing::warn!(object = path, %reason, error = %text, "object cannot be reconciled as it is");
            }
            Class::Transient => {
                tracing::warn!(object = path, %reason, error = %text, retry_in = ?retry, "reconcile failed");
            }
        }
        if *class != Class::Lost {
            self.publish_of(
                object,
                &key.dyntype,
                EventNote::warning(reason, "Reconcile", text.as_str()),
            );
        }
    }
}

/// A failed pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) class: Class,
    pub(crate) reason: &'static str,
    pub(crate) text: String,
    pub(crate) retry: Duration,
}

/// The writing side of an [`EventRecorder`].
#[derive(Debug)]
pub struct Publisher {
    events: mpsc::Receiver<(Event, ObjectReference)>,
}

impl Publisher {
    /// Writes events until the token fires. `program` names their source.
    pub async fn run(mut self, client: Client, program: &str, stop: CancellationToken) {
        let recorder = Recorder::new(client, program.into());
        loop {
            let next = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                next = self.events.recv() => next,
            };
            let Some((event, about)) = next else {
                // Every recorder is dropped; the task still has to run until it is stopped.
                return stop.cancelled().await;
            };
            match tokio::time::timeout(PATIENCE, recorder.publish(&event, &about)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, reason = event.reason, "event not written"),
                Err(_) => tracing::debug!(reason = event.reason, "event not written in time"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;
    use crate::metrics::Metrics;
    use crate::metrics::registry::Registry;

    fn recorder() -> (EventRecorder, Publisher, Registry) {
        let registry = Registry::new();
        let (recorder, publisher) = EventRecorder::new(Metrics::new(&registry).unwrap().events_dropped());
        (recorder, publisher, registry)
    }

    #[test]
    fn long_notes_are_cut_between_characters() {
        let (recorder, mut publisher, _) = recorder();
        recorder.publish(
            &ConfigMap::default(),
            EventNote::warning("Odd", "Reconcile", "a".to_string() + &"ä".repeat(600)),
        );
        let (event, _) = publisher.events.try_recv().unwrap();
        let note = event.note.unwrap();
        assert_eq!(note.len(), 1023);
        assert!(note.ends_with('ä'));
    }

    #[test]
    fn events_that_are_not_written_in_time_are_dropped_and_counted() {
        let (recorder, _publisher, registry) = recorder();
        for _ in 0..QUEUE + 2 {
            recorder.publish(&ConfigMap::default(), EventNote::normal("Seen", "Look", "again"));
        }
        assert!(registry.text().unwrap().contains("controller_events_dropped_total 2"));
    }

    #[test]
    fn an_unreadable_object_gets_an_event_by_its_identity() {
        let (recorder, mut publisher, _) = recorder();
        let key = ObjectRef::<ConfigMap>::new("odd").within("shop");
        recorder.unreadable(&key, &Uid::from("u-1"), "invalid type: string, expected u32");
        let (event, about) = publisher.events.try_recv().unwrap();
        assert_eq!(
            (about.kind.as_deref(), about.uid.as_deref()),
            (Some("ConfigMap"), Some("u-1"))
        );
        assert!(event.note.unwrap().contains("expected u32"));
    }

    #[test]
    fn what_was_lost_is_not_reported() {
        let (recorder, mut publisher, _) = recorder();
        let mut failure = Failure {
            class: Class::Lost,
            reason: "NotLeading",
            text: "not leading".into(),
            retry: Duration::ZERO,
        };
        let key = ObjectRef::<ConfigMap>::new("a");
        recorder.failed(&key, &ConfigMap::default(), &failure);
        assert!(publisher.events.try_recv().is_err());
        failure.class = Class::Invalid;
        recorder.failed(&key, &ConfigMap::default(), &failure);
        publisher.events.try_recv().unwrap();
    }
}
