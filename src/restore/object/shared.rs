//! Objects of the cluster that a copied namespace shares with its source (decision 40).
//!
//! A restore that maps namespaces usually creates a copy beside its source. An existing object of the cluster may serve the source:
//! if it were changed for the copy, it would serve only the copy.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::called_services;
use crate::cluster::merge;

/// Volumes belong to their claims, and have rules of their own.
const VOLUMES: &str = "persistentvolumes";

/// Locks: the holder in the backup is a process that has ended, the holder in the cluster may be running.
const LEASES: &str = "leases.coordination.k8s.io";

/// Types with subjects that are granted rights.
const BINDINGS: [&str; 2] = [
    "clusterrolebindings.rbac.authorization.k8s.io",
    "rolebindings.rbac.authorization.k8s.io",
];

/// What a restore may do about an object that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// The same as with any other object.
    Own,
    /// Its subjects are kept, and missing ones are added.
    Join {
        /// The object with all of them.
        becomes: Value,
        /// The missing ones, for users.
        missing: Vec<String>,
    },
    /// It serves this namespace of the backup, which is restored into another one: it is not changed.
    Serves(String),
    /// It is of cluster scope, so the source uses it too: it is not changed. With the object that it is compared with.
    Common(Value),
    /// A running process may hold it: it is not changed, and a difference is normal.
    Held,
}

impl Sharing {
    /// The object after the change; `wanted` is the one that would have been created.
    pub fn becomes<'a>(&'a self, wanted: &'a Value) -> &'a Value {
        match self {
            Self::Join { becomes, .. } | Self::Common(becomes) => becomes,
            Self::Own | Self::Held | Self::Serves(_) => wanted,
        }
    }
}

/// Decides between the object of the cluster and the one that would have been created. `namespace`: that of the backup's, where
/// the type has any. `mapping`: source to target.
pub fn decide(
    group_resource: &str,
    namespace: Option<&str>,
    (live, wanted): (&Value, &Value),
    mapping: &BTreeMap<String, String>,
) -> Sharing {
    if group_resource == LEASES {
        return Sharing::Held;
    }
    if mapping.iter().all(|(source, target)| source == target) {
        return Sharing::Own;
    }
    if BINDINGS.contains(&group_resource) {
        return join(live, wanted, namespace.is_none());
    }
    if namespace.is_some() || group_resource == VOLUMES {
        return Sharing::Own;
    }
    // an earlier restore made it for the copy
    if let Some((moved, _)) = called_services::moved(group_resource, wanted, mapping)
        && called_services::namespaces(group_resource, live) == called_services::namespaces(group_resource, &moved)
    {
        return Sharing::Common(moved);
    }
    let serves = called_services::mapped_namespace(group_resource, live, wanted, mapping);
    serves.map_or_else(
        || Sharing::Common(wanted.clone()),
        |namespace| Sharing::Serves(namespace.to_owned()),
    )
}

/// The warning about an object that is not changed because the source uses it too.
pub fn common_warning() -> &'static str {
    "it is left as it is, because this restore maps namespaces and the object is cluster-scoped, so the source of the copy uses \
     it too; change it by hand if the copy needs another one"
}

/// A ClusterRoleBinding also belongs to the source, so only subjects are added to it.
fn join(live: &Value, wanted: &Value, is_common: bool) -> Sharing {
    let subjects = |object: &Value| object.get("subjects").and_then(Value::as_array).cloned();
    let mut all = subjects(live).unwrap_or_default();
    let mut missing = Vec::new();
    for subject in subjects(wanted).unwrap_or_default() {
        if all.iter().all(|other| !is_same_subject(other, &subject)) {
            missing.push(name_of_subject(&subject));
            all.push(subject);
        }
    }
    if is_common && live.get("roleRef") != wanted.get("roleRef") {
        return Sharing::Common(wanted.clone());
    }
    let adds_only = is_common && !missing.is_empty();
    let mut becomes = if adds_only { live.clone() } else { wanted.clone() };
    if let Some(object) = becomes.as_object_mut() {
        // a binding without subjects has no such field
        if all.is_empty() && live.get("subjects").is_none() {
            object.remove("subjects");
        } else {
            object.insert("subjects".to_owned(), Value::Array(all));
        }
    }
    if is_common && missing.is_empty() {
        return Sharing::Common(becomes);
    }
    Sharing::Join { becomes, missing }
}

/// Whether two subjects are the same, without the API server's defaults.
pub fn is_same_subject(one: &Value, other: &Value) -> bool {
    key(one) == key(other)
}

fn key(subject: &Value) -> Value {
    let mut key = merge::without_null_fields(subject.clone());
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

/// A subject, for users.
pub fn name_of_subject(subject: &Value) -> String {
    let text = |key| subject.get(key).and_then(Value::as_str).unwrap_or_default();
    let (kind, namespace, name) = (text("kind"), text("namespace"), text("name"));
    if namespace.is_empty() {
        format!("{kind} {name}")
    } else {
        format!("{kind} {namespace}/{name}")
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
        let role = json!({"kind": "ClusterRole", "name": "r"});
        for (name, live, wanted, all, missing) in &table {
            let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
            let binding = |subjects: &Value, more: Value| json!({"subjects": subjects, "roleRef": role, "more": more});
            let (live, wanted) = (binding(live, json!(1)), binding(wanted, json!(2)));
            // an object of a target namespace belongs to the copy
            let expected = Sharing::Join {
                becomes: binding(all, json!(2)),
                missing: missing.clone(),
            };
            assert_eq!(
                decide(BINDINGS[1], Some("shop"), (&live, &wanted), &mapping()),
                expected,
                "{name}"
            );
            let expected = if missing.is_empty() {
                Sharing::Common(binding(all, json!(2)))
            } else {
                Sharing::Join {
                    becomes: binding(all, json!(1)),
                    missing,
                }
            };
            assert_eq!(
                decide(BINDINGS[0], None, (&live, &wanted), &mapping()),
                expected,
                "{name}"
            );
            // with another role the subjects would get other rights than they had
            let mut other = live.clone();
            other["roleRef"]["name"] = json!("other");
            assert_eq!(
                decide(BINDINGS[0], None, (&other, &wanted), &mapping()),
                Sharing::Common(wanted.clone()),
                "{name}"
            );
            for resource in BINDINGS {
                let nowhere = decide(resource, None, (&live, &wanted), &BTreeMap::new());
                assert_eq!(nowhere, Sharing::Own, "{name}");
            }
        }
        let bare = json!({"roleRef": {}});
        assert_eq!(
            decide(BINDINGS[1], Some("shop"), (&bare, &bare), &mapping()),
            Sharing::Join {
                becomes: bare.clone(),
                missing: Vec::new()
            }
        );
    }

    #[test]
    fn an_object_of_an_earlier_copy_is_compared_as_such() {
        let hooks = "validatingwebhookconfigurations.admissionregistration.k8s.io";
        let calling = |namespace: &str| json!({"webhooks": [{"clientConfig": {"service": {"namespace": namespace}}}]});
        let found = decide(hooks, None, (&calling("copy"), &calling("shop")), &mapping());
        assert_eq!(found, Sharing::Common(calling("copy")));
    }

    #[test]
    fn a_cluster_scoped_object_is_not_changed_for_a_copy() {
        let itself: BTreeMap<String, String> = [("same".to_owned(), "same".to_owned())].into();
        let hooks = "validatingwebhookconfigurations.admissionregistration.k8s.io";
        let calling = json!({"webhooks": [{"clientConfig": {"service": {"namespace": "shop"}}}]});
        let common = || Sharing::Common(json!({"its": "own"}));
        let table = [
            ("clusterroles.rbac.authorization.k8s.io", None, common()),
            ("customresourcedefinitions.apiextensions.k8s.io", None, common()),
            ("storageclasses.storage.k8s.io", None, common()),
            ("widgets.example.com", None, common()),
            ("widgets.example.com", Some("shop"), Sharing::Own),
            ("persistentvolumes", None, Sharing::Own),
            (hooks, None, Sharing::Serves("shop".to_owned())),
        ];
        for (resource, namespace, expected) in table {
            let found = decide(resource, namespace, (&calling, &json!({"its": "own"})), &mapping());
            assert_eq!(found, expected, "{resource} {namespace:?}");
            for mapping in [&BTreeMap::new(), &itself] {
                let found = decide(resource, namespace, (&calling, &json!({"its": "own"})), mapping);
                assert_eq!(found, Sharing::Own, "{resource} {namespace:?}");
            }
        }
    }

    #[test]
    fn an_existing_lease_belongs_to_its_holder() {
        let lease = |holder: &str| json!({"spec": {"holderIdentity": holder}});
        for mapping in [BTreeMap::new(), BTreeMap::from([("a".to_owned(), "b".to_owned())])] {
            let decided = decide(
                "leases.coordination.k8s.io",
                Some("a"),
                (&lease("new"), &lease("old")),
                &mapping,
            );
            assert_eq!(decided, Sharing::Held);
        }
    }
}
