//! Objects of the cluster that a copied namespace shares with its source (decision 40).
//!
//! A restore that maps namespaces mostly makes a copy beside its source. What it finds in the cluster may serve the source:
//! made what the backup says for the copy, it would serve the copy alone.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::merge;

/// Types whose subjects are given rights.
const BINDINGS: [&str; 2] = [
    "clusterrolebindings.rbac.authorization.k8s.io",
    "rolebindings.rbac.authorization.k8s.io",
];

/// Where objects of cluster scope name the namespace of a service that the API server calls. `*` is each entry of a list.
const SERVICES: [(&str, &[&str]); 4] = [
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

/// What a restore may do about an object that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// What it does about any other.
    Own,
    /// Its subjects stay, and those that are missing are added.
    Join {
        /// The object with all of them.
        becomes: Value,
        /// Those that are missing, for people.
        missing: Vec<String>,
    },
    /// It serves this namespace of the backup, which is restored elsewhere: it is not changed.
    Serves(String),
}

/// Decides between the object of the cluster and the one that would have been created. `mapping`: source to target.
pub fn decide(group_resource: &str, live: &Value, wanted: &Value, mapping: &BTreeMap<String, String>) -> Sharing {
    if mapping.is_empty() {
        return Sharing::Own;
    }
    if BINDINGS.contains(&group_resource) {
        return join(live, wanted);
    }
    let Some((_, path)) = SERVICES.iter().find(|(resource, _)| *resource == group_resource) else {
        return Sharing::Own;
    };
    let mut named = Vec::new();
    names_at(live, path, &mut named);
    names_at(wanted, path, &mut named);
    named
        .into_iter()
        .find(|namespace| mapping.get(*namespace).is_some_and(|target| target != namespace))
        .map_or(Sharing::Own, |namespace| Sharing::Serves(namespace.to_owned()))
}

fn join(live: &Value, wanted: &Value) -> Sharing {
    let subjects = |object: &Value| object.get("subjects").and_then(Value::as_array).cloned();
    let mut all = subjects(live).unwrap_or_default();
    let mut missing = Vec::new();
    for subject in subjects(wanted).unwrap_or_default() {
        let known = key(&subject);
        if all.iter().all(|other| key(other) != known) {
            missing.push(name_of(&subject));
            all.push(subject);
        }
    }
    let mut becomes = wanted.clone();
    if let Some(object) = becomes.as_object_mut() {
        // a binding without subjects has no such field
        if all.is_empty() && live.get("subjects").is_none() {
            object.remove("subjects");
        } else {
            object.insert("subjects".to_owned(), Value::Array(all));
        }
    }
    Sharing::Join { becomes, missing }
}

/// A subject without what the API server fills in.
fn key(subject: &Value) -> Value {
    let mut key = subject.clone();
    merge::drop_nulls(&mut key);
    if let Some(key) = key.as_object_mut() {
        let group = if key.get("kind").is_some_and(|kind| kind == "ServiceAccount") {
            ""
        } else {
            "rbac.authorization.k8s.io"
        };
        if key.get("apiGroup").is_none_or(|given| given == "") {
            key.insert("apiGroup".to_owned(), json!(group));
        }
    }
    key
}

fn name_of(subject: &Value) -> String {
    let text = |key| subject.get(key).and_then(Value::as_str).unwrap_or_default();
    let (kind, namespace, name) = (text("kind"), text("namespace"), text("name"));
    if namespace.is_empty() {
        format!("{kind} {name}")
    } else {
        format!("{kind} {namespace}/{name}")
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping() -> BTreeMap<String, String> {
        [
            ("shop".to_owned(), "copy".to_owned()),
            ("same".to_owned(), "same".to_owned()),
        ]
        .into()
    }

    #[test]
    fn subjects_are_added_and_never_replaced() {
        let account = |namespace: &str| json!({"kind": "ServiceAccount", "name": "robot", "namespace": namespace});
        let group = |group: Value| json!({"kind": "Group", "name": "g", "apiGroup": group});
        let rbac = json!("rbac.authorization.k8s.io");
        let table = [
            (
                "the copy's is missing",
                json!([account("shop")]),
                json!([account("copy")]),
                json!([account("shop"), account("copy")]),
                vec!["ServiceAccount copy/robot"],
            ),
            (
                "all are there",
                json!([account("shop"), account("copy"), group(rbac.clone())]),
                json!([group(json!(null)), account("copy")]),
                json!([account("shop"), account("copy"), group(rbac)]),
                vec![],
            ),
            (
                "none were there",
                json!(null),
                json!([group(json!(""))]),
                json!([group(json!(""))]),
                vec!["Group g"],
            ),
        ];
        for resource in BINDINGS {
            for (name, live, wanted, all, missing) in &table {
                let (live, wanted) = (json!({"subjects": live}), json!({"subjects": wanted, "more": 1}));
                let expected = Sharing::Join {
                    becomes: json!({"subjects": all, "more": 1}),
                    missing: missing.iter().map(ToString::to_string).collect(),
                };
                assert_eq!(decide(resource, &live, &wanted, &mapping()), expected, "{name}");
                assert_eq!(
                    decide(resource, &live, &wanted, &BTreeMap::new()),
                    Sharing::Own,
                    "{name}"
                );
            }
        }
        let bare = json!({"roleRef": {}});
        assert_eq!(
            decide(BINDINGS[0], &bare, &bare, &mapping()),
            Sharing::Join {
                becomes: bare.clone(),
                missing: Vec::new()
            }
        );
    }

    #[test]
    fn what_calls_a_service_of_the_source_is_not_changed() {
        let to = |namespace: &str| json!({"service": {"name": "s", "namespace": namespace}});
        let webhooks =
            |namespace: &str| json!({"webhooks": [{"clientConfig": {"url": "u"}}, {"clientConfig": to(namespace)}]});
        let conversion =
            |namespace: &str| json!({"spec": {"conversion": {"webhook": {"clientConfig": to(namespace)}}}});
        let registered = |namespace: &str| json!({"spec": to(namespace)});
        let table = [
            (SERVICES[0].0, registered("shop"), registered("other"), Some("shop")),
            (SERVICES[0].0, registered("other"), registered("shop"), Some("shop")),
            (SERVICES[0].0, registered("other"), registered("other"), None),
            (SERVICES[0].0, registered("same"), registered("same"), None),
            (SERVICES[0].0, json!({"spec": {"service": null}}), json!({}), None),
            (SERVICES[1].0, conversion("shop"), conversion("shop"), Some("shop")),
            (SERVICES[2].0, webhooks("shop"), webhooks("shop"), Some("shop")),
            (SERVICES[3].0, webhooks("shop"), json!({}), Some("shop")),
            ("widgets.example.com", webhooks("shop"), webhooks("shop"), None),
        ];
        for (resource, live, wanted, expected) in table {
            let expected = expected.map_or(Sharing::Own, |namespace| Sharing::Serves(namespace.to_owned()));
            assert_eq!(
                decide(resource, &live, &wanted, &mapping()),
                expected,
                "{resource} {live}"
            );
        }
    }
}
