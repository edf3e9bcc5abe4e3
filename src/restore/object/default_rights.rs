//! The API server's default roles and bindings, if those of the backup have more than those of the cluster (decision 40).
//!
//! The API server writes them itself when it starts, and keeps the users' additions. So they are not restored; missing additions are
//! reported, or added, and nothing is removed.

use serde_json::{Value, json};

use super::{cluster_owned, shared};
use crate::archive::layout::ItemPath;

/// Rules or subjects that only the backup's default role or binding has.
#[derive(Clone, Debug, PartialEq)]
pub struct Missing {
    /// The subjects or rules, for users.
    pub named: Vec<String>,
    /// The merge patch that adds them. The list is replaced whole, so the patch holds only for the object that was read.
    pub patch: Value,
}

const BOOTSTRAPPING: &str = "/fieldsV1/f:metadata/f:labels/f:kubernetes.io~1bootstrapping";

/// The list of a default role or binding to which a user may have added.
pub fn list_of(path: &ItemPath<'_>, archived: &Value) -> Option<&'static str> {
    let list = match path.group_resource {
        "clusterrolebindings.rbac.authorization.k8s.io" | "rolebindings.rbac.authorization.k8s.io" => "subjects",
        // a controller writes the rules of an aggregating role
        "clusterroles.rbac.authorization.k8s.io" | "roles.rbac.authorization.k8s.io"
            if archived.get("aggregationRule").is_none_or(Value::is_null) =>
        {
            "rules"
        }
        _ => return None,
    };
    (cluster_owned::is_rbac_default(archived) && !is_of_the_api_server(archived, list)).then_some(list)
}

/// Whether only the API server has written a list, by its managed fields: then entries that are not in the cluster are defaults of
/// another version of Kubernetes.
fn is_of_the_api_server(archived: &Value, list: &str) -> bool {
    let entries = archived.pointer("/metadata/managedFields").and_then(Value::as_array);
    let at = format!("/fieldsV1/f:{list}");
    let writers: Vec<&Value> = entries
        .into_iter()
        .flatten()
        .filter(|entry| entry.pointer(&at).is_some())
        .collect();
    let labellers = entries
        .into_iter()
        .flatten()
        .filter(|entry| entry.pointer(BOOTSTRAPPING).is_some());
    // a second one that wrote the label as well applied the whole object
    labellers.count() == 1 && matches!(writers.as_slice(), [one] if one.pointer(BOOTSTRAPPING).is_some())
}

/// The entries of the archived list that the live one does not have.
pub fn missing(list: &str, archived: &Value, live: &Value) -> Option<Missing> {
    let entries = |object: &Value| object.get(list).and_then(Value::as_array).cloned().unwrap_or_default();
    let (mut all, mut named) = (entries(live), Vec::new());
    for entry in entries(archived) {
        let has = match list {
            "subjects" => all.iter().any(|other| shared::is_same_subject(other, &entry)),
            _ => all.iter().any(|other| grants(other, &entry)),
        };
        if !has {
            named.push(match list {
                "subjects" => shared::name_of_subject(&entry),
                _ => entry.to_string(),
            });
            all.push(entry);
        }
    }
    let version = live.pointer("/metadata/resourceVersion");
    (!named.is_empty()).then(|| Missing {
        named,
        patch: json!({"metadata": {"resourceVersion": version}, (list): all}),
    })
}

/// The warning about a default role or binding with subjects or rules that the cluster does not have. `may_add`: whether a restore
/// that updates adds them.
pub fn warning(list: &str, named: &str, may_add: bool) -> String {
    let advice = if may_add {
        "add them, or restore with --existing-resource-policy update, which adds them"
    } else {
        "they are not added, because this restore maps namespaces and the object is cluster-scoped"
    };
    format!("it is one of the API server's own and lacks these {list} of the backup: {named}; {advice}")
}

/// Whether a rule gives all the rights of another. Rights from several rules together do not count.
fn grants(rule: &Value, wanted: &Value) -> bool {
    let texts = |rule: &Value, key: &str| -> Vec<String> {
        let list = rule.get(key).and_then(Value::as_array);
        let texts = list.into_iter().flatten().filter_map(Value::as_str);
        texts.map(str::to_owned).collect()
    };
    let covers = |key: &str| {
        let has = texts(rule, key);
        let all = has.iter().any(|one| one == "*");
        all || texts(wanted, key).iter().all(|one| has.contains(one))
    };
    // an empty list means all names
    let (has, wants) = (texts(rule, "resourceNames"), texts(wanted, "resourceNames"));
    let names = has.is_empty() || !wants.is_empty() && wants.iter().all(|one| has.contains(one));
    names
        && ["apiGroups", "resources", "verbs", "nonResourceURLs"]
            .iter()
            .all(|key| covers(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLES: &str = "clusterroles.rbac.authorization.k8s.io";
    const BINDINGS: &str = "clusterrolebindings.rbac.authorization.k8s.io";

    #[test]
    fn only_lists_with_possible_user_additions_are_compared() {
        let default = |more: Value| {
            let mut object = json!({"metadata": {"labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}}});
            json_patch::merge(&mut object, &more);
            object
        };
        let managed = |entries: &[&[&str]]| {
            let labels = json!({"f:labels": {"f:kubernetes.io/bootstrapping": {}}});
            let entry = |parts: &&[&str]| {
                let mut fields = json!({});
                for part in *parts {
                    fields[*part] = if *part == "f:metadata" {
                        labels.clone()
                    } else {
                        json!({})
                    };
                }
                json!({"fieldsV1": fields})
            };
            let entries: Value = entries.iter().map(entry).collect();
            default(json!({"metadata": {"managedFields": entries}}))
        };
        let table = [
            (ROLES, default(json!({})), Some("rules")),
            (BINDINGS, default(json!({})), Some("subjects")),
            (
                "rolebindings.rbac.authorization.k8s.io",
                default(json!({})),
                Some("subjects"),
            ),
            ("roles.rbac.authorization.k8s.io", default(json!({})), Some("rules")),
            (ROLES, default(json!({"aggregationRule": {}})), None),
            (ROLES, json!({"metadata": {}}), None),
            ("configmaps", default(json!({})), None),
            (ROLES, managed(&[&["f:metadata", "f:rules"]]), None),
            (ROLES, managed(&[&["f:metadata"], &["f:rules"]]), Some("rules")),
            (
                ROLES,
                managed(&[&["f:metadata", "f:rules"], &["f:rules"]]),
                Some("rules"),
            ),
            (
                ROLES,
                managed(&[&["f:metadata"], &["f:metadata", "f:rules"]]),
                Some("rules"),
            ),
            (BINDINGS, managed(&[&["f:metadata", "f:subjects"]]), None),
            (BINDINGS, managed(&[&["f:metadata"], &["f:subjects"]]), Some("subjects")),
        ];
        for (group_resource, object, expected) in table {
            let path = ItemPath {
                group_resource,
                namespace: None,
                name: "x",
            };
            assert_eq!(list_of(&path, &object), expected, "{group_resource} {object}");
        }
    }

    #[test]
    fn missing_entries_are_added_after_those_of_the_cluster() {
        let user = |name: &str| json!({"kind": "User", "name": name, "apiGroup": "rbac.authorization.k8s.io"});
        let rule =
            |resources: &[&str], verbs: &[&str]| json!({"apiGroups": [""], "resources": resources, "verbs": verbs});
        let named =
            |names: Value| json!({"apiGroups": [""], "resources": ["a"], "verbs": ["get"], "resourceNames": names});
        let url = |url: &str| json!({"nonResourceURLs": [url], "verbs": ["get"]});
        let table = [
            ("subjects", json!([user("a")]), json!([user("b"), user("a")]), None),
            (
                "subjects",
                json!([user("a"), user("c")]),
                json!([user("b"), user("a")]),
                Some((json!([user("b"), user("a"), user("c")]), vec!["User c".to_owned()])),
            ),
            (
                "subjects",
                json!([{"kind": "User", "name": "a"}]),
                json!([user("a")]),
                None,
            ),
            ("subjects", json!(null), json!(null), None),
            (
                "rules",
                json!([rule(&["a"], &["get"])]),
                json!([rule(&["a", "b"], &["get", "list"])]),
                None,
            ),
            (
                "rules",
                json!([rule(&["a"], &["get"])]),
                json!([rule(&["*"], &["*"])]),
                None,
            ),
            (
                "rules",
                json!([rule(&["a"], &["get", "delete"])]),
                json!([rule(&["a"], &["get"])]),
                Some((
                    json!([rule(&["a"], &["get"]), rule(&["a"], &["get", "delete"])]),
                    vec![rule(&["a"], &["get", "delete"]).to_string()],
                )),
            ),
            (
                "rules",
                json!([named(json!(["x"]))]),
                json!([named(json!(["x", "y"]))]),
                None,
            ),
            ("rules", json!([named(json!(["x"]))]), json!([named(json!(null))]), None),
            (
                "rules",
                json!([named(json!(null))]),
                json!([named(json!(["x"]))]),
                Some((
                    json!([named(json!(["x"])), named(json!(null))]),
                    vec![named(json!(null)).to_string()],
                )),
            ),
            ("rules", json!([url("/a")]), json!([url("/a")]), None),
            (
                "rules",
                json!([url("/b")]),
                json!([url("/a")]),
                Some((json!([url("/a"), url("/b")]), vec![url("/b").to_string()])),
            ),
        ];
        for (list, archived, live, expected) in table {
            let found = missing(
                list,
                &json!({(list): archived}),
                &json!({(list): live, "metadata": {"resourceVersion": "7"}}),
            );
            let expected = expected.map(|(all, named)| Missing {
                named,
                patch: json!({(list): all, "metadata": {"resourceVersion": "7"}}),
            });
            assert_eq!(found, expected, "{archived} {live}");
        }
    }
}
