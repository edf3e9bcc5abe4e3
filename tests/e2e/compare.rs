//! Objects before and after, field by field.

use serde_json::{Map, Value, json};

/// What a cluster gives each object anew, and what a restore leaves on it.
const METADATA: [&str; 6] = [
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "managedFields",
    // Owners are other objects after a restore; controllers adopt what is theirs.
    "ownerReferences",
];
const LABELS: [&str; 2] = ["velero.io/backup-name", "velero.io/restore-name"];

/// How the controller keeps in mind that it has bound a claim.
const ANNOTATIONS: [&str; 2] = [
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
];

/// What has to be equal before and after: the object without what is given anew each time, as if it were in `namespace`.
pub fn lasting(object: &Value, namespace: &str) -> Value {
    let mut object = object.clone();
    without(&mut object, "/metadata", &METADATA);
    without(&mut object, "/metadata/labels", &LABELS);
    without(&mut object, "/metadata/annotations", &ANNOTATIONS);
    without(&mut object, "", &["status"]);
    if !object["metadata"]["namespace"].is_null() {
        object["metadata"]["namespace"] = json!(namespace);
    }
    match object["kind"].as_str().unwrap_or_default() {
        "Namespace" => {
            object["metadata"]["name"] = json!(namespace);
            without(&mut object, "/metadata/labels", &["kubernetes.io/metadata.name"]);
        }
        // Headless stays headless; all others get an address of the cluster.
        "Service" if object["spec"]["clusterIP"] != "None" => {
            without(&mut object, "/spec", &["clusterIP", "clusterIPs"]);
        }
        "PersistentVolume" => without(&mut object, "/spec/claimRef", &["uid", "resourceVersion"]),
        "RoleBinding" => object["subjects"][0]["namespace"] = json!(namespace),
        _ => {}
    }
    // Labels and annotations that are empty now were perhaps not there.
    for map in ["labels", "annotations"] {
        if object["metadata"][map].as_object().is_none_or(Map::is_empty) {
            without(&mut object, "/metadata", &[map]);
        }
    }
    object
}

fn without(object: &mut Value, at: &str, keys: &[&str]) {
    if let Some(fields) = object.pointer_mut(at).and_then(Value::as_object_mut) {
        fields.retain(|key, _| !keys.contains(&key.as_str()));
    }
}
