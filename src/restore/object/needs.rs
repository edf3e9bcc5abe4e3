//! Objects that must be in a cluster before its admission accepts another one.

use serde_json::Value;

use crate::cluster::ApiError;
use crate::cluster::discovery::GroupResource;
use crate::restore::item_id::ItemId;

/// The account of pods that name none. A controller creates it in each new namespace.
const DEFAULT_ACCOUNT: &str = "default";

/// The objects that the built-in admission reads for an object of the backup's namespace `namespace`. Other objects that it names
/// may be created later.
pub fn of(resource: &GroupResource, object: &Value, namespace: Option<&str>) -> Vec<ItemId> {
    if *resource != GroupResource::new("", "pods") {
        return Vec::new();
    }
    let named = |key| {
        let name = object.get("spec").and_then(|spec| spec.get(key)?.as_str());
        name.filter(|name| !name.is_empty())
    };
    let account = named("serviceAccountName").or_else(|| named("serviceAccount"));
    let mut needed = Vec::new();
    if let (Some(account), Some(namespace)) = (account, namespace) {
        needed.push(ItemId::namespaced(
            GroupResource::new("", "serviceaccounts"),
            namespace,
            account,
        ));
    }
    for (key, resource) in [
        (
            "priorityClassName",
            GroupResource::new("scheduling.k8s.io", "priorityclasses"),
        ),
        ("runtimeClassName", GroupResource::new("node.k8s.io", "runtimeclasses")),
    ] {
        needed.extend(named(key).map(|name| ItemId::cluster(resource, name)));
    }
    needed
}

/// Which of these objects admission did not find, by its refusal.
pub fn missing(refusal: &str, resource: &GroupResource, object: &Value, namespace: Option<&str>) -> Vec<ItemId> {
    let mut needed = of(resource, object, namespace);
    let accounts = GroupResource::new("", "serviceaccounts");
    if let Some(namespace) = namespace
        && !needed.iter().any(|needed| needed.resource == accounts)
    {
        needed.push(ItemId::namespaced(accounts, namespace, DEFAULT_ACCOUNT));
    }
    needed.retain(|needed| {
        refusal.contains(match needed.resource.resource.as_str() {
            "serviceaccounts" => "service account",
            "priorityclasses" => "PriorityClass",
            _ => "RuntimeClass",
        })
    });
    needed
}

/// The object that a creation of `name` in the backup's namespace did not find, if the answer names another one: it may be in the
/// namespace or of cluster scope.
pub fn named_by(error: &ApiError, name: &str, namespace: Option<&str>) -> Vec<ItemId> {
    let Some(object) = error.object.as_ref().filter(|_| error.code == 404) else {
        return Vec::new();
    };
    if object.name.is_empty() || object.name == name {
        return Vec::new();
    }
    let resource = GroupResource::new(&object.group, &object.kind);
    let own = namespace.map(|namespace| ItemId::namespaced(resource.clone(), namespace, &object.name));
    own.into_iter()
        .chain([ItemId::cluster(resource.clone(), &object.name)])
        .collect()
}

/// Whether a controller of each cluster creates the object, without any restore.
pub fn is_made_by_the_cluster(needed: &ItemId) -> bool {
    needed.name == DEFAULT_ACCOUNT && needed.resource == GroupResource::new("", "serviceaccounts")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_pod_needs_its_account_and_its_classes() {
        let pods = GroupResource::new("", "pods");
        let spec =
            json!({"spec": {"serviceAccountName": "web", "priorityClassName": "high", "runtimeClassName": "kata"}});
        let needed: Vec<String> = of(&pods, &spec, Some("shop")).iter().map(ToString::to_string).collect();
        assert_eq!(
            needed,
            [
                "serviceaccounts/shop/web",
                "priorityclasses.scheduling.k8s.io/high",
                "runtimeclasses.node.k8s.io/kata"
            ]
        );
        assert!(of(&pods, &json!({"spec": {"serviceAccountName": ""}}), Some("shop")).is_empty());
        assert!(of(&GroupResource::new("apps", "pods"), &spec, Some("shop")).is_empty());
    }

    #[test]
    fn a_refusal_names_which_of_a_pods_needs_is_missing() {
        let pods = GroupResource::new("", "pods");
        let spec =
            json!({"spec": {"serviceAccountName": "web", "priorityClassName": "high", "runtimeClassName": "kata"}});
        let table = [
            (
                &spec,
                "no PriorityClass with name high was found",
                "priorityclasses.scheduling.k8s.io/high",
            ),
            (
                &spec,
                "pod rejected: RuntimeClass \"kata\" not found",
                "runtimeclasses.node.k8s.io/kata",
            ),
            (
                &spec,
                "error looking up service account shop/web: not found",
                "serviceaccounts/shop/web",
            ),
            (
                &json!({}),
                "error looking up service account shop/default: not found",
                "serviceaccounts/shop/default",
            ),
        ];
        for (object, refusal, expected) in table {
            let missing = missing(refusal, &pods, object, Some("shop"));
            let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
            assert_eq!(missing, [expected], "{refusal}");
        }
    }

    #[test]
    fn a_404_of_another_object_names_what_is_needed() {
        let error = |kind: &str, name: &str| ApiError {
            attempt: "create rolebindings".to_owned(),
            class: crate::cluster::error::Class::Answered,
            code: 404,
            reason: "NotFound".to_owned(),
            message: "x".to_owned(),
            causes: Vec::new(),
            object: Some(crate::cluster::error::ErrorObject {
                group: "rbac.authorization.k8s.io".to_owned(),
                kind: kind.to_owned(),
                name: name.to_owned(),
            }),
            retry_after: None,
            continue_token: None,
        };
        let words = |needed: Vec<ItemId>| needed.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            words(named_by(&error("roles", "reader"), "b", Some("shop"))),
            [
                "roles.rbac.authorization.k8s.io/shop/reader",
                "roles.rbac.authorization.k8s.io/reader"
            ]
        );
        assert!(named_by(&error("rolebindings", "b"), "b", Some("shop")).is_empty());
        assert!(named_by(&error("roles", ""), "b", Some("shop")).is_empty());
    }
}
