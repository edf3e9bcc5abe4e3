//! Objects stripped of what belongs to one cluster, so that those of two can be compared.

use serde_json::{Map, Value};

/// Fields that decision 31 removes on both sides: an object's identity in its cluster, its owners there, and its status. Managed
/// fields are restored only where a client applied server-side (decision 17).
const OF_ITS_CLUSTER: [&str; 7] = [
    "/metadata/uid",
    "/metadata/resourceVersion",
    "/metadata/generation",
    "/metadata/creationTimestamp",
    "/metadata/ownerReferences",
    "/metadata/managedFields",
    "/status",
];

/// Takes those fields off.
pub fn strip(object: &mut Value) {
    for pointer in OF_ITS_CLUSTER {
        remove(object, pointer);
    }
}

/// Removes and returns the value of a JSON pointer.
pub fn remove(object: &mut Value, pointer: &str) -> Option<Value> {
    let (parent, key) = pointer.rsplit_once('/')?;
    let key = key.replace("~1", "/").replace("~0", "~");
    match object.pointer_mut(parent)? {
        Value::Object(map) => map.remove(&key),
        _ => None,
    }
}

/// Removes a map that has become empty: it is as good as none.
pub fn remove_if_empty(object: &mut Value, pointer: &str) {
    if object
        .pointer(pointer)
        .and_then(Value::as_object)
        .is_some_and(Map::is_empty)
    {
        remove(object, pointer);
    }
}

/// Where two values differ, one line a place.
pub fn differences(want: &Value, have: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", want, have, &mut found);
    found
}

fn compare(at: &str, want: &Value, have: &Value, found: &mut Vec<String>) {
    match (want, have) {
        (Value::Object(want), Value::Object(have)) => {
            for (key, value) in want {
                match have.get(key) {
                    Some(other) => compare(&format!("{at}/{key}"), value, other, found),
                    None => found.push(format!("{at}/{key}: {value} is missing")),
                }
            }
            for (key, value) in have.iter().filter(|(key, _)| !want.contains_key(*key)) {
                found.push(format!("{at}/{key}: {value} is too much"));
            }
        }
        (Value::Array(want), Value::Array(have)) if want.len() == have.len() => {
            for (number, (value, other)) in want.iter().zip(have).enumerate() {
                compare(&format!("{at}/{number}"), value, other, found);
            }
        }
        (want, have) if want == have => {}
        _ => found.push(format!("{at}: {have} instead of {want}")),
    }
}
