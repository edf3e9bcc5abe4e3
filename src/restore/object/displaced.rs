//! Objects with the same name from namespaces that are restored into one: one is restored, the other is lost (decision 40).

use serde_json::Value;

use super::metadata;
use super::token;
use crate::api::annotations::LAST_APPLIED;

/// Whether anything is lost with a displaced object.
pub fn is_lost(loser: &Value, winner: &Value) -> bool {
    !token::is_generated(loser) && comparable(loser) != comparable(winner)
}

/// The object without its namespace and the metadata that a cluster assigns.
fn comparable(object: &Value) -> Value {
    let mut object = object.clone();
    // one without metadata is compared as it is
    let _ = metadata::reset(&mut object);
    metadata::remove_annotations(&mut object, &[LAST_APPLIED]);
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("namespace");
        metadata.remove("managedFields");
    }
    if object.get("kind").is_some_and(|kind| kind == "Service")
        && object
            .pointer("/spec/clusterIP")
            .is_none_or(|address| address != "None")
        && let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut)
    {
        spec.retain(|key, _| !matches!(key.as_str(), "clusterIP" | "clusterIPs"));
    }
    object
}

/// The warning about the lost one.
pub fn warning(id: &str, lost: &str, kept: &str, target: &str) -> String {
    format!(
        "{id} of namespace {lost} is not restored: namespaces {kept} and {lost} are both restored into {target}, both have an \
         object of this type and name, and that of {kept} is restored; restore {lost} into a namespace of its own to get it"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::restore::object::token::TYPE;

    #[test]
    fn an_object_that_differs_in_more_than_its_place_is_lost() {
        let config = |namespace: &str, more: Value| {
            let mut config = json!({
                "metadata": {
                    "name": "c", "namespace": namespace, "uid": namespace, "resourceVersion": namespace,
                    "annotations": {(LAST_APPLIED): namespace}, "managedFields": [namespace],
                },
                "status": {"seen": namespace},
            });
            json_patch::merge(&mut config, &more);
            config
        };
        let service =
            |address: &str| json!({"kind": "Service", "spec": {"clusterIP": address, "clusterIPs": [address]}});
        let table = [
            (json!({}), json!({}), false),
            (json!({"data": {"a": "1"}}), json!({"data": {"a": "1"}}), false),
            (json!({"data": {"a": "1"}}), json!({"data": {"a": "2"}}), true),
            (json!({"metadata": {"labels": {"a": "1"}}}), json!({}), true),
            (service("10.0.0.1"), service("10.0.0.2"), false),
            (service("10.0.0.1"), service("None"), true),
        ];
        for (one, other, lost) in table {
            assert_eq!(is_lost(&config("a", one.clone()), &config("b", other)), lost, "{one}");
        }
        let token = json!({"type": TYPE, "metadata": {"name": "web-token-x7k2p", "annotations": {
            "kubernetes.io/service-account.name": "web", "kubernetes.io/service-account.uid": "1",
        }}});
        assert!(!is_lost(&token, &json!({})));
        assert!(is_lost(&json!({"odd": 1}), &json!({})));
    }
}
