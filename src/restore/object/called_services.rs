//! Services that the API server calls for objects of cluster scope: webhooks, API services, conversions of custom resources.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// The paths of the namespaces of such services in objects of cluster scope. `*` is each entry of a list.
const NAMESPACES: [(&str, &[&str]); 4] = [
    ("apiservices.apiregistration.k8s.io", &["spec", "service", "namespace"]),
    (
        "customresourcedefinitions.apiextensions.k8s.io",
        &["spec", "conversion", "webhook", "clientConfig", "service", "namespace"],
    ),
    (
        "mutatingwebhookconfigurations.admissionregistration.k8s.io",
        &["webhooks", "*", "clientConfig", "service", "namespace"],
    ),
    (
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
        &["webhooks", "*", "clientConfig", "service", "namespace"],
    ),
];

fn path_of(group_resource: &str) -> Option<&'static [&'static str]> {
    let row = NAMESPACES.iter().find(|(resource, _)| *resource == group_resource);
    row.map(|(_, path)| *path)
}

/// The namespace of a called service that the restore maps, in either of two forms of an object.
pub fn mapped_namespace<'a>(
    group_resource: &str,
    live: &'a Value,
    wanted: &'a Value,
    mapping: &BTreeMap<String, String>,
) -> Option<&'a str> {
    let mut named = [live, wanted]
        .into_iter()
        .flat_map(|form| namespaces(group_resource, form));
    named.find(|namespace| mapping.get(*namespace).is_some_and(|target| target != namespace))
}

/// The namespaces of all services that an object calls.
pub fn namespaces<'a>(group_resource: &str, object: &'a Value) -> Vec<&'a str> {
    let mut named = Vec::new();
    if let Some(path) = path_of(group_resource) {
        names_at(object, path, &mut named);
    }
    named
}

/// The object to create if namespaces are mapped, with the target namespaces of its services: it calls the service in the target
/// namespace. Nothing if no service is mapped.
pub fn moved(
    group_resource: &str,
    object: &Value,
    mapping: &BTreeMap<String, String>,
) -> Option<(Value, BTreeSet<String>)> {
    let path = path_of(group_resource)?;
    let (mut moved, mut targets) = (object.clone(), BTreeSet::new());
    move_at(&mut moved, path, &mut |namespace| {
        let target = mapping.get(namespace).filter(|target| *target != namespace)?;
        targets.insert(target.clone());
        Some(target.clone())
    });
    (!targets.is_empty()).then_some((moved, targets))
}

/// The warning about an object that calls mapped services.
pub fn moved_warning(id: &str, targets: &BTreeSet<String>) -> String {
    let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
    let targets = targets.join(", ");
    format!(
        "{id} now calls the service in namespace {targets}, as this restore maps its namespace: check that the service's \
         certificate names the namespace {targets}, and that the object's caBundle is that of the certificate; until then its \
         calls fail"
    )
}

fn names_at<'a>(value: &'a Value, path: &[&str], found: &mut Vec<&'a str>) {
    match path {
        [] => found.extend(value.as_str()),
        ["*", rest @ ..] => {
            for entry in value.as_array().into_iter().flatten() {
                names_at(entry, rest, found);
            }
        }
        [key, rest @ ..] => {
            if let Some(inner) = value.get(key) {
                names_at(inner, rest, found);
            }
        }
    }
}

fn move_at(value: &mut Value, path: &[&str], target: &mut impl FnMut(&str) -> Option<String>) {
    match path {
        [] => {
            if let Some(moved) = value.as_str().and_then(target) {
                *value = Value::from(moved);
            }
        }
        ["*", rest @ ..] => {
            for entry in value.as_array_mut().into_iter().flatten() {
                move_at(entry, rest, target);
            }
        }
        [key, rest @ ..] => {
            if let Some(inner) = value.get_mut(key) {
                move_at(inner, rest, target);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mapping() -> BTreeMap<String, String> {
        [("shop", "copy"), ("same", "same")]
            .map(|(from, to)| (from.to_owned(), to.to_owned()))
            .into()
    }

    fn to(namespace: &str) -> Value {
        json!({"service": {"name": "s", "namespace": namespace}})
    }

    fn webhooks(namespace: &str) -> Value {
        json!({"webhooks": [{"clientConfig": {"url": "u"}}, {"clientConfig": to(namespace)}]})
    }

    fn conversion(namespace: &str) -> Value {
        json!({"spec": {"conversion": {"webhook": {"clientConfig": to(namespace)}}}})
    }

    fn registered(namespace: &str) -> Value {
        json!({"spec": to(namespace)})
    }

    #[test]
    fn a_service_of_a_mapped_namespace_is_found_in_either_form() {
        let table = [
            (NAMESPACES[0].0, registered("shop"), registered("other"), Some("shop")),
            (NAMESPACES[0].0, registered("other"), registered("shop"), Some("shop")),
            (NAMESPACES[0].0, registered("other"), registered("other"), None),
            (NAMESPACES[0].0, registered("same"), registered("same"), None),
            (NAMESPACES[0].0, json!({"spec": {"service": null}}), json!({}), None),
            (NAMESPACES[1].0, conversion("shop"), conversion("shop"), Some("shop")),
            (NAMESPACES[2].0, webhooks("shop"), webhooks("shop"), Some("shop")),
            (NAMESPACES[3].0, webhooks("shop"), json!({}), Some("shop")),
            ("widgets.example.com", webhooks("shop"), webhooks("shop"), None),
        ];
        for (resource, live, wanted, expected) in table {
            let found = mapped_namespace(resource, &live, &wanted, &mapping());
            assert_eq!(found, expected, "{resource} {live}");
        }
    }

    #[test]
    fn a_created_object_calls_the_service_of_the_copy() {
        let table = [
            (NAMESPACES[0].0, registered("shop"), Some(registered("copy"))),
            (NAMESPACES[0].0, registered("same"), None),
            (NAMESPACES[0].0, registered("other"), None),
            (NAMESPACES[1].0, conversion("shop"), Some(conversion("copy"))),
            (NAMESPACES[2].0, webhooks("shop"), Some(webhooks("copy"))),
            (NAMESPACES[3].0, webhooks("shop"), Some(webhooks("copy"))),
            (NAMESPACES[3].0, json!({"webhooks": "odd"}), None),
            ("widgets.example.com", webhooks("shop"), None),
        ];
        for (resource, object, expected) in table {
            let targets = BTreeSet::from(["copy".to_owned()]);
            let expected = expected.map(|object| (object, targets));
            assert_eq!(moved(resource, &object, &mapping()), expected, "{resource} {object}");
            assert_eq!(moved(resource, &object, &BTreeMap::new()), None);
        }
    }
}
