//! Comparison of two schemas.

use std::collections::BTreeSet;

use serde_json::{Value, json};

pub fn schema(crd: &Value) -> &Value {
    &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
}

pub fn schema_mut(crd: &mut Value) -> &mut Value {
    &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
}

/// Takes a property out of a schema.
pub fn remove(schema: &mut Value, path: &str) -> Option<Value> {
    match path.split_once('.') {
        Some((first, rest)) => remove(&mut schema["properties"][first], rest),
        None => schema["properties"].as_object_mut()?.remove(path),
    }
}

/// A crd without what may differ: descriptions, annotations, what an API server adds.
pub fn comparable(mut crd: Value) -> Value {
    crd["metadata"] = json!({"name": crd["metadata"]["name"]});
    without_descriptions(&mut crd);
    crd
}

fn without_descriptions(value: &mut Value) {
    match value {
        Value::Object(map) => {
            // A property that is called so is an object.
            if map.get("description").is_some_and(Value::is_string) {
                map.remove("description");
            }
            map.values_mut().for_each(without_descriptions);
        }
        Value::Array(items) => items.iter_mut().for_each(without_descriptions),
        _ => {}
    }
}

pub fn children(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema["properties"].as_object().into_iter().flatten()
}

pub fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn texts(value: &Value) -> BTreeSet<&str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// Notes where `ours` accepts less than `theirs`.
pub fn narrower(plural: &str, path: &str, ours: &Value, theirs: &Value, found: &mut Vec<String>) {
    let mut note = |what: String| found.push(format!("{plural} {path}.{what}"));
    if ours["x-kubernetes-preserve-unknown-fields"] == json!(true) && ours["type"] == theirs["type"] {
        return; // accepts whatever it is given
    }
    if ours["type"] != theirs["type"] || (ours["format"] != theirs["format"] && !ours["format"].is_null()) {
        note("type".to_owned());
    }
    if theirs["nullable"] == json!(true) && ours["nullable"] != json!(true) {
        note("nullable".to_owned());
    }
    if !ours["enum"].is_null() && (theirs["enum"].is_null() || !texts(&theirs["enum"]).is_subset(&texts(&ours["enum"])))
    {
        note("enum".to_owned());
    }
    for name in texts(&ours["required"]).difference(&texts(&theirs["required"])) {
        note(format!("required {name}"));
    }
    for keyword in [
        "pattern",
        "minimum",
        "maximum",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
    ] {
        if !ours[keyword].is_null() && ours[keyword] != theirs[keyword] {
            note(keyword.to_owned());
        }
    }
    for (name, theirs) in children(theirs) {
        match ours["properties"].get(name) {
            Some(ours) => narrower(plural, &join(path, name), ours, theirs, found),
            None => found.push(format!("{plural} {}: missing", join(path, name))),
        }
    }
    for part in ["items", "additionalProperties"] {
        if theirs[part].is_object() {
            narrower(plural, &format!("{path}[]"), &ours[part], &theirs[part], found);
        }
    }
}

pub fn undescribed(path: &str, schema: &Value, silent: &mut Vec<String>) {
    for (name, child) in children(schema) {
        let path = join(path, name);
        if child["description"].as_str().is_none_or(str::is_empty) {
            silent.push(path.clone());
        }
        undescribed(&path, child, silent);
        undescribed(&format!("{path}[]"), &child["items"], silent);
    }
}
