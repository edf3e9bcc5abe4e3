//! Objects made from a schema, with every field set.

use serde_json::{Map, Value, json};
use velero::api::schema::Crd;

use super::schema::{children, join};

/// An object with every field set, the `choice`th text of each enum.
pub fn object(crd: &Crd, properties: &Value, choice: usize) -> Value {
    json!({
        "apiVersion": format!("velero.io/{}", crd.version),
        "kind": crd.kind,
        "metadata": {"name": "x", "namespace": "velero", "creationTimestamp": "2026-11-23T19:22:17Z"},
        "spec": value("spec", &properties["spec"], choice),
        "status": value("status", &properties["status"], choice),
    })
}

fn value(name: &str, schema: &Value, choice: usize) -> Value {
    if let Some(texts) = schema["enum"].as_array() {
        return texts[choice % texts.len()].clone();
    }
    match (schema["type"].as_str().unwrap(), schema["format"].as_str()) {
        ("string", Some("date-time")) => json!("2026-11-23T19:22:17Z"),
        ("string", Some("byte")) => json!("Y2VydA=="),
        ("string", None)
            if ["ttl", "Timeout", "Frequency", "Period"]
                .iter()
                .any(|part| name.ends_with(part)) =>
        {
            json!("1h30m0s")
        }
        ("string", None) if name == "timeout" => json!("45s"),
        ("string", None) => json!(format!("{name} & <more>")),
        ("integer", _) => json!(7),
        ("boolean", _) => json!(true),
        ("array", _) => json!([value(name, &schema["items"], choice)]),
        ("object", _) if schema["additionalProperties"].is_object() => json!({"key": "value"}),
        ("object", _) if schema["x-kubernetes-preserve-unknown-fields"] == json!(true) => {
            json!({"name": "c", "image": "i", "ports": [{"containerPort": 80}], "newField": {"deep": null}})
        }
        ("object", _) => Value::Object(
            children(schema)
                .map(|(name, child)| (name.clone(), value(name, child, choice)))
                .collect::<Map<_, _>>(),
        ),
        other => panic!("{name}: {other:?} is new here"),
    }
}

/// The paths of all properties, `[]` for a step into a list.
pub fn leaves(path: &str, schema: &Value, name: &str, paths: &mut Vec<String>) {
    let path = join(path, name);
    for (name, child) in children(schema) {
        leaves(&path, child, name, paths);
    }
    for (name, child) in children(&schema["items"]) {
        leaves(&format!("{path}[]"), child, name, paths);
    }
    paths.push(path);
}

pub fn places<'a>(object: &'a mut Value, path: &str) -> Vec<&'a mut Value> {
    let mut places = vec![object];
    for step in path.split('.') {
        let (name, list) = step.strip_suffix("[]").map_or((step, false), |name| (name, true));
        places = places.into_iter().map(|place| &mut place[name]).collect();
        if list {
            places = places.into_iter().filter_map(|place| place.get_mut(0)).collect();
        }
    }
    places
}
