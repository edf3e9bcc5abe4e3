//! Each target namespace is ensured once, for all items that need it (spec restore 8.2, 25.2 invariant 2).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::restore::object::metadata;

/// A namespace that was being deleted is read again after this.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Why a namespace cannot take objects now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// It is being deleted.
    Deletion,
    /// It could not be created, for a transient reason.
    Error(Arc<str>),
}

/// Whether a namespace can take objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It exists.
    Ready,
    /// Not now.
    Held(Obstacle),
    /// It could not be created.
    Failed,
}

/// Why a namespace was not created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotMade {
    /// It may be created later.
    Held(Obstacle),
    /// It will never be created, for this reason.
    Failed(String),
}

/// The known state of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Known {
    /// Unknown, or out of date.
    #[default]
    Nothing,
    /// It can take objects.
    Ready,
    /// It could not until now; to be checked again after this.
    Held(Instant, Obstacle),
    /// It never can.
    Failed,
}

impl Known {
    /// The new state.
    fn since(now: Instant, made: &Result<(), NotMade>) -> Self {
        match made {
            Ok(()) => Self::Ready,
            Err(NotMade::Held(obstacle)) => Self::Held(now + LOOK_AGAIN, obstacle.clone()),
            Err(NotMade::Failed(_)) => Self::Failed,
        }
    }

    /// The answer, if one is known.
    fn answer(&self, now: Instant) -> Option<Readiness> {
        match self {
            Self::Nothing => None,
            Self::Ready => Some(Readiness::Ready),
            Self::Held(until, obstacle) => (now < *until).then(|| Readiness::Held(obstacle.clone())),
            Self::Failed => Some(Readiness::Failed),
        }
    }

    /// Whether a creation may have been carried out although it ended with an error.
    fn may_be_ours(&self) -> bool {
        matches!(self, Self::Held(_, Obstacle::Error(_)))
    }
}

/// The states of all target namespaces.
#[derive(Debug, Default)]
pub struct Namespaces {
    slots: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Known>>>>,
}

impl Namespaces {
    /// Whether a namespace can take objects. If it is unknown, `make` creates or reads the namespace, once for all callers; its
    /// argument is whether an earlier creation may have been carried out.
    pub async fn ensure<F>(&self, name: &str, make: impl FnOnce(bool) -> F) -> Readiness
    where
        F: Future<Output = Result<(), NotMade>>,
    {
        let slot = self.slot(name);
        let mut known = slot.lock().await;
        if let Some(answer) = known.answer(Instant::now()) {
            return answer;
        }
        let made = make(known.may_be_ours()).await;
        *known = Known::since(Instant::now(), &made);
        match made {
            Ok(()) => Readiness::Ready,
            Err(NotMade::Held(obstacle)) => Readiness::Held(obstacle),
            Err(NotMade::Failed(_)) => Readiness::Failed,
        }
    }

    /// The API server reported that a namespace is being deleted: it is no longer ready.
    pub async fn doubt(&self, name: &str) {
        let slot = self.slot(name);
        let mut known = slot.lock().await;
        if *known == Known::Ready {
            *known = Known::Nothing;
        }
    }

    fn slot(&self, name: &str) -> Arc<tokio::sync::Mutex<Known>> {
        let mut slots = self.slots.lock();
        if let Some(slot) = slots.get(name) {
            return Arc::clone(slot);
        }
        Arc::clone(slots.entry(name.to_owned()).or_default())
    }
}

/// The namespace to create: the name it gets, and the backup's labels, annotations and spec. Without Velero's labels, as upstream.
pub fn wanted(target: &str, archived: Option<&Value>) -> Value {
    let mut new = Map::from_iter([("name".to_owned(), json!(target))]);
    let part = |path: &str| {
        archived
            .and_then(|namespace| namespace.pointer(path))
            .filter(|part| part.is_object())
            .cloned()
    };
    for key in ["labels", "annotations"] {
        if let Some(part) = part(&format!("/metadata/{key}")) {
            new.insert(key.to_owned(), part);
        }
    }
    let mut namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": new});
    if let Some(spec) = part("/spec") {
        namespace["spec"] = spec;
    }
    namespace
}

/// Whether an existing namespace can take objects.
pub fn can_take_objects(namespace: &Value) -> bool {
    !metadata::is_deleting(namespace)
        && namespace
            .pointer("/status/phase")
            .is_none_or(|phase| phase != "Terminating")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_gets_what_the_backup_has_and_its_new_name() {
        let archived = json!({
            "metadata": {"name": "shop", "uid": "1", "labels": {"team": "web"}, "annotations": {"note": "x"}, "finalizers": ["x"]},
            "spec": {"finalizers": ["kubernetes"]},
            "status": {"phase": "Active"},
        });
        assert_eq!(
            wanted("copy", Some(&archived)),
            json!({
                "apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": "copy", "labels": {"team": "web"}, "annotations": {"note": "x"}},
                "spec": {"finalizers": ["kubernetes"]},
            })
        );
        let bare = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "copy"}});
        assert_eq!(wanted("copy", None), bare);
        assert_eq!(
            wanted("copy", Some(&json!({"metadata": {"labels": "odd"}, "spec": null}))),
            bare
        );
    }

    #[test]
    fn a_terminating_namespace_takes_no_objects() {
        let table = [
            (json!({"metadata": {}, "status": {"phase": "Active"}}), true),
            (json!({"metadata": {}}), true),
            (json!({"metadata": {}, "status": {"phase": "Terminating"}}), false),
            (
                json!({"metadata": {"deletionTimestamp": "t"}, "status": {"phase": "Active"}}),
                false,
            ),
        ];
        for (namespace, expected) in table {
            assert_eq!(can_take_objects(&namespace), expected, "{namespace}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_blocked_namespace_is_not_read_again_at_once() {
        let now = Instant::now();
        let held = Known::Held(now + LOOK_AGAIN, Obstacle::Deletion);
        assert_eq!(held.answer(now), Some(Readiness::Held(Obstacle::Deletion)));
        assert_eq!(held.answer(now + LOOK_AGAIN), None);
        assert_eq!(Known::Nothing.answer(now), None);
    }
}
