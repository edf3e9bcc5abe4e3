//! The metadata of a restored object: which fields of the backup are kept, and the two labels of its origin (spec restore 9.1, 9
//! step 14).

use serde_json::{Map, Value};

use crate::api::labels::{BACKUP_NAME, RESTORE_NAME};
use crate::api::names;

/// Assigned by the source cluster, meaningless or harmful in another one (the list of 1.18.1). Owner references are never
/// restored: controllers adopt by labels.
const REMOVED: [&str; 9] = [
    "generateName",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "ownerReferences",
];

/// The object has no usable `metadata`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the object has no metadata; check how the backup was written")]
pub struct NoMetadata;

/// Removes what belongs to the source cluster. Returns the status, which is restored later or not at all.
pub fn reset(object: &mut Value) -> Result<Option<Value>, NoMetadata> {
    let object = object.as_object_mut().ok_or(NoMetadata)?;
    let metadata = object
        .get_mut("metadata")
        .and_then(Value::as_object_mut)
        .ok_or(NoMetadata)?;
    for key in REMOVED {
        metadata.remove(key);
    }
    Ok(object.remove("status"))
}

/// The two labels of every object that a restore creates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreLabels {
    backup: String,
    restore: String,
}

impl RestoreLabels {
    /// The labels for a restore of a backup, their names shortened where a label value would be too long.
    pub fn new(backup: &str, restore: &str) -> Self {
        Self {
            backup: names::label_value(backup),
            restore: names::label_value(restore),
        }
    }

    /// Writes both labels into the object, over any value.
    pub fn label(&self, object: &mut Value) {
        let labels = map_in(object, "labels");
        labels.insert(BACKUP_NAME.to_owned(), Value::from(self.backup.as_str()));
        labels.insert(RESTORE_NAME.to_owned(), Value::from(self.restore.as_str()));
    }

    /// The merge patch that gives an existing object the labels of this restore.
    pub fn label_patch(&self) -> Value {
        serde_json::json!({"metadata": {"labels": {
            (BACKUP_NAME): self.backup,
            (RESTORE_NAME): self.restore,
        }}})
    }

    /// Whether a restore of this name created, or last changed, the object.
    pub fn is_on(&self, object: &Value) -> bool {
        label(object, RESTORE_NAME) == Some(&self.restore)
    }
}

/// Whether a label is one of the two.
pub fn is_of_origin(key: &str) -> bool {
    [BACKUP_NAME, RESTORE_NAME].contains(&key)
}

/// The value of a label.
pub fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get("labels")?.get(key)?.as_str()
}

/// The value of an annotation.
pub fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get("annotations")?.get(key)?.as_str()
}

/// A text field of the metadata.
pub fn field<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get(key)?.as_str()
}

/// Whether the object is being deleted: its name will soon be free.
pub fn is_deleting(object: &Value) -> bool {
    field(object, "deletionTimestamp").is_some()
}

/// Sets `metadata.<key>`.
pub fn set_field(object: &mut Value, key: &str, value: &str) {
    entry_map(object, "metadata").insert(key.to_owned(), Value::from(value));
}

/// Removes annotations, and the annotation map if it becomes empty.
pub fn remove_annotations(object: &mut Value, keys: &[&str]) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
        return;
    };
    let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) else {
        return;
    };
    let before = annotations.len();
    annotations.retain(|key, _| !keys.contains(&key.as_str()));
    if annotations.is_empty() && before > 0 {
        metadata.remove("annotations");
    }
}

fn map_in<'a>(object: &'a mut Value, key: &str) -> &'a mut Map<String, Value> {
    let metadata = entry_map(object, "metadata");
    as_map(metadata.entry(key).or_insert_with(|| Value::Object(Map::new())))
}

fn entry_map<'a>(object: &'a mut Value, key: &str) -> &'a mut Map<String, Value> {
    as_map(as_map(object).entry(key).or_insert_with(|| Value::Object(Map::new())))
}

/// The value as a map; another value (a null, or a hostile one) is replaced by an empty map.
fn as_map(value: &mut Value) -> &mut Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => {
            *other = Value::Object(Map::new());
            as_map(other)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_belongs_to_the_source_cluster_is_removed() {
        let mut object = json!({
            "kind": "Pod",
            "metadata": {
                "name": "a", "namespace": "b", "labels": {"x": "y"}, "annotations": {"k": "v"},
                "finalizers": ["example.com/keep"], "managedFields": [{"manager": "m"}], "clusterName": "odd",
                "generateName": "a-", "selfLink": "/x", "uid": "1", "resourceVersion": "2", "generation": 3,
                "creationTimestamp": "t", "deletionTimestamp": "t", "deletionGracePeriodSeconds": 30,
                "ownerReferences": [{"name": "o"}],
            },
            "status": {"phase": "Running"},
        });
        assert_eq!(reset(&mut object), Ok(Some(json!({"phase": "Running"}))));
        assert_eq!(
            object,
            json!({
                "kind": "Pod",
                "metadata": {
                    "name": "a", "namespace": "b", "labels": {"x": "y"}, "annotations": {"k": "v"},
                    "finalizers": ["example.com/keep"], "managedFields": [{"manager": "m"}], "clusterName": "odd",
                },
            })
        );
    }

    #[test]
    fn an_object_without_metadata_is_an_error() {
        for mut object in [json!({}), json!({"metadata": null}), json!({"metadata": "x"}), json!(3)] {
            assert_eq!(reset(&mut object), Err(NoMetadata), "{object}");
        }
    }

    #[test]
    fn both_labels_are_written_over_any_value() {
        let origin = RestoreLabels::new("b", &"r".repeat(70));
        for mut object in [
            json!({"metadata": {"name": "a"}}),
            json!({"metadata": {"labels": null}}),
            json!({"metadata": {"labels": {"velero.io/restore-name": "older"}}}),
        ] {
            origin.label(&mut object);
            assert_eq!(label(&object, "velero.io/backup-name"), Some("b"));
            assert_eq!(label(&object, "velero.io/restore-name").map(str::len), Some(63));
            assert!(origin.is_on(&object));
        }
    }

    #[test]
    fn the_last_annotation_takes_the_map_with_it() {
        let mut object = json!({"metadata": {"annotations": {"a": "1", "b": "2"}}});
        remove_annotations(&mut object, &["a"]);
        assert_eq!(object, json!({"metadata": {"annotations": {"b": "2"}}}));
        remove_annotations(&mut object, &["b", "c"]);
        assert_eq!(object, json!({"metadata": {}}));
    }
}
