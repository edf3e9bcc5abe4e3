//! What must be in a cluster for its admission to let an object in.

use serde_json::Value;

use crate::cluster::discovery::GroupResource;
use crate::restore::actions::ItemId;

/// What the built-in admission looks up for an object of the backup's namespace `namespace`. Anything else that an object
/// names may come later.
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_needs_its_account_and_its_classes_and_nothing_else_needs_anything() {
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
}
