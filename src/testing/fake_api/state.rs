//! The objects of a fake API server and what it does to them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::kinds::{FakeKind, group_version, split_api_version};
use super::{Answer, FakeApi, Fault, Seen};

type Matches = Box<dyn Fn(&Seen) -> bool + Send>;
type Effect = Box<dyn FnOnce(&FakeApi) + Send>;
/// Namespace (empty for cluster scope) and name: the order of a list.
type ObjectKey = (String, String);

/// Everything the server knows.
pub(super) struct State {
    pub(super) kinds: Vec<FakeKind>,
    pub(super) faults: Vec<Fault>,
    pub(super) before: Vec<(Matches, Effect)>,
    pub(super) seen: Vec<Seen>,
    /// Objects by (group, plural): versions of a kind share their objects.
    objects: BTreeMap<(String, String), BTreeMap<ObjectKey, Value>>,
    revision: u64,
}

/// The kind of a write.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Main,
    Status,
}

/// The answer a scripted fault gives.
pub(super) struct Scripted {
    pub(super) status: http::StatusCode,
    pub(super) body: Value,
    pub(super) retry_after: Option<u64>,
    pub(super) applied: bool,
}

impl State {
    pub(super) fn new(kinds: Vec<FakeKind>) -> Self {
        Self {
            kinds,
            faults: Vec::new(),
            before: Vec::new(),
            seen: Vec::new(),
            objects: BTreeMap::new(),
            revision: 0,
        }
    }

    pub(super) fn serve(&mut self, kind: FakeKind) {
        let same = |k: &FakeKind| (&k.group, &k.version, &k.plural) == (&kind.group, &kind.version, &kind.plural);
        if !self.kinds.iter().any(same) {
            self.kinds.push(kind);
        }
    }

    pub(super) fn kind_named(&self, api_version: &str, kind: &str) -> Option<&FakeKind> {
        let (group, version) = split_api_version(api_version);
        self.kinds
            .iter()
            .find(|k| k.group == group && k.version == version && k.kind == kind)
    }

    pub(super) fn kind_at(&self, group: &str, version: &str, plural: &str) -> Option<&FakeKind> {
        self.kinds
            .iter()
            .find(|k| k.group == group && k.version == version && k.plural == plural)
    }

    pub(super) fn due(&mut self, seen: &Seen) -> Vec<Effect> {
        let (due, rest) = std::mem::take(&mut self.before)
            .into_iter()
            .partition(|(matches, _)| matches(seen));
        self.before = rest;
        let due: Vec<(Matches, Effect)> = due;
        due.into_iter().map(|(_, effect)| effect).collect()
    }

    pub(super) fn fault_for(&mut self, seen: &Seen) -> Option<Scripted> {
        let at = self
            .faults
            .iter()
            .position(|fault| fault.times > 0 && (fault.matches)(seen))?;
        let fault = &mut self.faults[at];
        fault.times -= 1;
        Some(Scripted {
            status: fault.status,
            body: fault.body.clone(),
            retry_after: fault.retry_after,
            applied: fault.applied,
        })
    }

    pub(super) fn insert(&mut self, mut object: Value) {
        let api_version = object["apiVersion"].as_str().unwrap_or_default().to_owned();
        let kind_name = object["kind"].as_str().unwrap_or_default().to_owned();
        let Some(kind) = self.kind_named(&api_version, &kind_name).cloned() else {
            panic_unserved(&api_version, &kind_name);
        };
        if kind.namespaced && object["metadata"]["namespace"].is_null() {
            object["metadata"]["namespace"] = json!("default");
        }
        let key = key_of(&object);
        assert!(!key.1.is_empty(), "an inserted {kind_name} needs a name");
        self.stamp(&kind, &mut object, true);
        self.put(&kind, key, object);
    }

    pub(super) fn get(&self, api_version: &str, kind: &str, namespace: Option<&str>, name: &str) -> Option<Value> {
        let kind = self.kind_named(api_version, kind)?;
        let object = self.read(kind, namespace.unwrap_or_default(), name)?;
        Some(object)
    }

    pub(super) fn all(&self, api_version: &str, kind: &str) -> Vec<Value> {
        let Some(kind) = self.kind_named(api_version, kind) else {
            return Vec::new();
        };
        self.of(kind).map(|(_, object)| shown_as(kind, object)).collect()
    }

    pub(super) fn remove(&mut self, api_version: &str, kind: &str, namespace: Option<&str>, name: &str) -> bool {
        let Some(kind) = self.kind_named(api_version, kind).cloned() else {
            return false;
        };
        self.take(&kind, namespace.unwrap_or_default(), name).is_some()
    }

    /// Objects of a kind after a key, in the order of lists.
    pub(super) fn of(&self, kind: &FakeKind) -> impl Iterator<Item = (&ObjectKey, &Value)> {
        self.objects.get(&storage_of(kind)).into_iter().flatten()
    }

    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    pub(super) fn read(&self, kind: &FakeKind, namespace: &str, name: &str) -> Option<Value> {
        let objects = self.objects.get(&storage_of(kind))?;
        objects
            .get(&(namespace.to_owned(), name.to_owned()))
            .map(|object| shown_as(kind, object))
    }

    pub(super) fn everything(&self) -> Vec<Value> {
        self.objects.values().flat_map(BTreeMap::values).cloned().collect()
    }

    pub(super) fn create(&mut self, kind: &FakeKind, namespace: &str, mut object: Value, dry: bool) -> Answer {
        if !object["metadata"].is_object() {
            return Answer::error(400, "BadRequest", "the object has no metadata");
        }
        if kind.namespaced {
            match object["metadata"]["namespace"].as_str() {
                Some(given) if given != namespace => {
                    let message =
                        "the namespace of the provided object does not match the namespace sent on the request";
                    return Answer::error(400, "BadRequest", message);
                }
                _ => object["metadata"]["namespace"] = json!(namespace),
            }
            if self.core_namespace(namespace).is_none() {
                return not_found(&FakeKind::new("v1", "namespaces", "Namespace", false), namespace);
            }
            if self
                .core_namespace(namespace)
                .is_some_and(|ns| ns["status"]["phase"] == "Terminating")
            {
                let message =
                    format!("unable to create new content in namespace {namespace} because it is being terminated");
                return Answer::error(403, "Forbidden", &message);
            }
        }
        if object["metadata"]["resourceVersion"]
            .as_str()
            .is_some_and(|version| !version.is_empty())
        {
            let message = "resourceVersion should not be set on objects to be created";
            return Answer::error(400, "BadRequest", message);
        }
        if object["metadata"]["name"].as_str().unwrap_or_default().is_empty() {
            let Some(base) = object["metadata"]["generateName"].as_str() else {
                return Answer::error(422, "Invalid", "name or generateName is required");
            };
            object["metadata"]["name"] = json!(format!("{base}{:05x}", self.revision + 1));
        }
        let key = key_of(&object);
        if self.read(kind, &key.0, &key.1).is_some() {
            let message = format!("{} {:?} already exists", qualified(kind), key.1);
            return named(Answer::error(409, "AlreadyExists", &message), kind, &key.1);
        }
        if kind.has_status && kind.kind != "Namespace" {
            remove(&mut object, "status");
        }
        self.stamp(kind, &mut object, false);
        let shown = shown_as(kind, &object);
        if !dry {
            self.put(kind, key, object);
        }
        Answer::created(shown)
    }

    /// Replaces (or, after a patch was applied to what was read, updates) an object.
    pub(super) fn update(&mut self, kind: &FakeKind, part: Part, mut wanted: Value, dry: bool) -> Answer {
        let (namespace, name) = key_of(&wanted);
        let Some(current) = self.read(kind, &namespace, &name) else {
            return not_found(kind, &name);
        };
        let version = &wanted["metadata"]["resourceVersion"];
        if version.as_str().is_some_and(|v| !v.is_empty()) && *version != current["metadata"]["resourceVersion"] {
            let message = format!(
                "Operation cannot be fulfilled on {} {name:?}: the object has been modified; please apply your changes \
                 to the latest version and try again",
                qualified(kind)
            );
            return named(Answer::error(409, "Conflict", &message), kind, &name);
        }
        match part {
            Part::Status => {
                let status = wanted["status"].take();
                wanted = current.clone();
                if status.is_null() {
                    remove(&mut wanted, "status");
                } else {
                    wanted["status"] = status;
                }
            }
            Part::Main if kind.has_status => {
                if current["status"].is_null() {
                    remove(&mut wanted, "status");
                } else {
                    wanted["status"] = current["status"].clone();
                }
            }
            Part::Main => {}
        }
        for kept in [
            "uid",
            "creationTimestamp",
            "deletionTimestamp",
            "namespace",
            "name",
            "generation",
            "resourceVersion",
        ] {
            if !current["metadata"][kept].is_null() {
                wanted["metadata"][kept] = current["metadata"][kept].clone();
            }
        }
        if wanted == current {
            return Answer::ok(current);
        }
        let outside_spec = |value: &Value| {
            let mut map = value.as_object().cloned().unwrap_or_default();
            map.remove("metadata");
            if kind.has_status {
                map.remove("status");
            }
            map
        };
        if outside_spec(&wanted) != outside_spec(&current) {
            let generation = current["metadata"]["generation"].as_u64().unwrap_or(1);
            wanted["metadata"]["generation"] = json!(generation + 1);
        }
        if dry {
            return Answer::ok(shown_as(kind, &wanted));
        }
        self.revision += 1;
        wanted["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let leaving = !wanted["metadata"]["deletionTimestamp"].is_null() && !has_finalizers(&wanted);
        if leaving {
            self.take(kind, &namespace, &name);
        } else {
            self.put(kind, (namespace, name), wanted.clone());
        }
        Answer::ok(shown_as(kind, &wanted))
    }

    pub(super) fn delete(&mut self, kind: &FakeKind, namespace: &str, name: &str, preconditions: &Value) -> Answer {
        let Some(mut object) = self.read(kind, namespace, name) else {
            return not_found(kind, name);
        };
        let metadata = &object["metadata"];
        for field in ["uid", "resourceVersion"] {
            let wanted = &preconditions[field];
            if !wanted.is_null() && *wanted != metadata[field] {
                let message = format!("the {field} in the precondition does not match");
                return named(Answer::error(409, "Conflict", &message), kind, name);
            }
        }
        if has_finalizers(&object) {
            self.revision += 1;
            object["metadata"]["deletionTimestamp"] = json!("2030-01-01T00:00:00Z");
            object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
            self.put(kind, (namespace.to_owned(), name.to_owned()), object.clone());
            return Answer::ok(object);
        }
        self.take(kind, namespace, name);
        Answer::ok(json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
            "details": {"name": name, "group": kind.group, "kind": kind.plural, "uid": object["metadata"]["uid"]},
        }))
    }

    fn core_namespace(&self, name: &str) -> Option<Value> {
        self.kind_named("v1", "Namespace")
            .and_then(|kind| self.read(kind, "", name))
    }

    /// Fills in what a server fills in; with `keep`, fields of the object stay.
    fn stamp(&mut self, kind: &FakeKind, object: &mut Value, keep: bool) {
        self.revision += 1;
        let serial = self.revision;
        let metadata = &mut object["metadata"];
        let mut set = |field: &str, value: Value| {
            if !keep || metadata[field].is_null() {
                metadata[field] = value;
            }
        };
        set("uid", json!(format!("00000000-0000-4000-8000-{serial:012x}")));
        set("resourceVersion", json!(serial.to_string()));
        set("creationTimestamp", json!("2030-01-01T00:00:00Z"));
        set("generation", json!(1));
        if !keep {
            remove(metadata, "deletionTimestamp");
        }
        if kind.kind == "Namespace" && object["status"]["phase"].is_null() {
            object["status"] = json!({"phase": "Active"});
        }
        if kind.kind == "CustomResourceDefinition" {
            if object["status"]["conditions"].is_null() {
                object["status"]["conditions"] = json!([
                    {"type": "NamesAccepted", "status": "True"}, {"type": "Established", "status": "True"}
                ]);
            }
            for served in FakeKind::of_crd(object) {
                self.serve(served);
            }
        }
    }

    fn put(&mut self, kind: &FakeKind, key: ObjectKey, object: Value) {
        self.objects.entry(storage_of(kind)).or_default().insert(key, object);
    }

    fn take(&mut self, kind: &FakeKind, namespace: &str, name: &str) -> Option<Value> {
        let taken = self
            .objects
            .get_mut(&storage_of(kind))?
            .remove(&(namespace.to_owned(), name.to_owned()))?;
        self.revision += 1;
        if kind.kind == "Namespace" && kind.group.is_empty() {
            for objects in self.objects.values_mut() {
                objects.retain(|(namespace, _), _| namespace != name);
            }
        }
        if kind.kind == "CustomResourceDefinition" {
            for gone in FakeKind::of_crd(&taken) {
                self.objects.remove(&storage_of(&gone));
                self.kinds.retain(|k| *k != gone);
            }
        }
        Some(taken)
    }
}

fn storage_of(kind: &FakeKind) -> (String, String) {
    (kind.group.clone(), kind.plural.clone())
}

/// An object read through one of its kind's versions.
pub(super) fn shown_as(kind: &FakeKind, object: &Value) -> Value {
    let mut shown = object.clone();
    shown["apiVersion"] = json!(kind.api_version());
    shown["kind"] = json!(kind.kind);
    shown
}

pub(super) fn key_of(object: &Value) -> ObjectKey {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    (text("namespace"), text("name"))
}

pub(super) fn not_found(kind: &FakeKind, name: &str) -> Answer {
    let message = format!("{} {name:?} not found", qualified(kind));
    named(Answer::error(404, "NotFound", &message), kind, name)
}

fn named(mut answer: Answer, kind: &FakeKind, name: &str) -> Answer {
    answer.body["details"] = json!({"name": name, "group": kind.group, "kind": kind.plural});
    answer
}

fn qualified(kind: &FakeKind) -> String {
    if kind.group.is_empty() {
        kind.plural.clone()
    } else {
        format!("{}.{}", kind.plural, kind.group)
    }
}

fn has_finalizers(object: &Value) -> bool {
    object["metadata"]["finalizers"]
        .as_array()
        .is_some_and(|finalizers| !finalizers.is_empty())
}

pub(super) fn remove(value: &mut Value, key: &str) {
    value
        .as_object_mut()
        .map(|map: &mut Map<String, Value>| map.remove(key));
}

#[expect(
    clippy::panic,
    reason = "a test that inserts what is not served has a mistake of its own"
)]
fn panic_unserved(api_version: &str, kind: &str) -> ! {
    let (group, version) = split_api_version(api_version);
    panic!("the fake serves no {kind} of {}", group_version(group, version));
}
