//! Fields that only a subresource or an admission plugin sets, so that a creation with them is refused (decision 41).
//!
//! Derived from Kubernetes 1.35: `PrepareForCreate` and the validation of creations of every strategy in `pkg/registry`, and the
//! plugins in `plugin/pkg/admission`. Most strategies clear what a client must not set (a status, the user of a certificate
//! request) and so need no row; what the actions remove already (addresses of services, the node and the priority of pods) has none
//! either.

use serde_json::{Map, Value};

use super::merged_labels;

/// A field that a creation must not have.
struct Row {
    resource: &'static str,
    /// The map that holds it.
    parent: &'static str,
    field: &'static str,
    /// Whether it is removed from this object.
    goes: fn(&Value) -> bool,
    /// The text in the log; nothing if the new cluster sets its own value.
    lost: Option<&'static str>,
}

const ROWS: [Row; 4] = [
    Row {
        // validation: "cannot be set on create"; only `kubectl debug` and the subresource add them
        resource: "pods",
        parent: "/spec",
        field: "ephemeralContainers",
        goes: |_| true,
        lost: Some(
            "It is restored without its debug containers (spec.ephemeralContainers), which no creation may have",
        ),
    },
    Row {
        // admission plugin Priority computes it from the class and refuses any other value
        resource: "pods",
        parent: "/spec",
        field: "preemptionPolicy",
        goes: |_| true,
        lost: None,
    },
    Row {
        // admission plugin RuntimeClass computes it from the class and refuses any other value
        resource: "pods",
        parent: "/spec",
        field: "overhead",
        goes: |_| true,
        lost: None,
    },
    Row {
        // validation of creations: not both, or (since 1.33) both only with the same value; updates may make them differ
        resource: "ingresses.networking.k8s.io",
        parent: "/metadata/annotations",
        field: "kubernetes.io/ingress.class",
        goes: |ingress| ingress.pointer("/spec/ingressClassName").is_some_and(Value::is_string),
        lost: Some(
            "It is restored without its annotation kubernetes.io/ingress.class, which no creation may have beside \
             spec.ingressClassName",
        ),
    },
];

/// Removes the fields that a creation must not have; returns the texts for the log. Also applied to an object in the cluster before
/// the two are compared.
pub fn clear(group_resource: &str, object: &mut Value) -> Vec<&'static str> {
    let mut texts = Vec::new();
    if group_resource == "pods" {
        merged_labels::take_out(object);
    }
    for row in ROWS.iter().filter(|row| row.resource == group_resource) {
        if !(row.goes)(object) {
            continue;
        }
        let parent = object.pointer_mut(row.parent).and_then(Value::as_object_mut);
        let removed = parent.and_then(|parent| parent.remove(row.field));
        if removed.is_some_and(|value| !is_empty(&value)) {
            texts.extend(row.lost);
        }
    }
    texts
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty)
}

/// An object without the property that this cluster refuses.
#[derive(Clone, Debug, PartialEq)]
pub struct Lesser {
    /// The object to create in its place.
    pub object: Value,
    /// The change and its reason.
    pub how: &'static str,
}

/// The object to create in place of one that is refused for a property that is less important than the object. `refusal` is the API
/// server's answer to the creation.
pub fn lesser(group_resource: &str, object: &Value, refusal: &str) -> Option<Lesser> {
    without_default(group_resource, object, refusal).or_else(|| without_families(group_resource, object, refusal))
}

/// A default priority class without the default, if the cluster has another default: there can be only one.
fn without_default(group_resource: &str, object: &Value, refusal: &str) -> Option<Lesser> {
    let is_taken = group_resource == "priorityclasses.scheduling.k8s.io"
        && refusal.contains("is already marked as default")
        && object.get("globalDefault").is_some_and(|default| default == true);
    is_taken.then(|| {
        let mut object = object.clone();
        object["globalDefault"] = Value::Bool(false);
        Lesser {
            object,
            how: "globalDefault: false, because the cluster has another default",
        }
    })
}

/// A service with the address families of this cluster, if the old one assigned others. One that requires both is not changed:
/// only a user sets that.
fn without_families(group_resource: &str, object: &Value, refusal: &str) -> Option<Lesser> {
    let is_refused = group_resource == "services"
        && refusal.contains("spec.ipFamilies")
        && refusal.contains("not configured on this cluster")
        && object
            .pointer("/spec/ipFamilyPolicy")
            .is_none_or(|policy| policy != "RequireDualStack");
    let mut object = object.clone();
    let spec = object
        .get_mut("spec")
        .and_then(Value::as_object_mut)
        .filter(|_| is_refused)?;
    spec.remove("ipFamilies")?;
    Some(Lesser {
        object,
        how: "the address families of this cluster, because those of the old one are not configured here",
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_refused_in_creations_are_removed_and_logged() {
        let table = [
            (
                "pods",
                json!({"spec": {"ephemeralContainers": [{"name": "dbg"}], "a": 1}}),
                json!({"spec": {"a": 1}}),
                1,
            ),
            (
                "pods",
                json!({"spec": {"ephemeralContainers": []}}),
                json!({"spec": {}}),
                0,
            ),
            (
                "pods",
                json!({"spec": {"preemptionPolicy": "Never", "overhead": {"cpu": "1"}}}),
                json!({"spec": {}}),
                0,
            ),
            ("pods", json!({"spec": null}), json!({"spec": null}), 0),
            (
                "pods.example.com",
                json!({"spec": {"overhead": 1}}),
                json!({"spec": {"overhead": 1}}),
                0,
            ),
            (
                "ingresses.networking.k8s.io",
                json!({"metadata": {"annotations": {"kubernetes.io/ingress.class": "a", "b": "c"}}, "spec": {"ingressClassName": "d"}}),
                json!({"metadata": {"annotations": {"b": "c"}}, "spec": {"ingressClassName": "d"}}),
                1,
            ),
            (
                "ingresses.networking.k8s.io",
                json!({"metadata": {"annotations": {"kubernetes.io/ingress.class": "a"}}, "spec": {}}),
                json!({"metadata": {"annotations": {"kubernetes.io/ingress.class": "a"}}, "spec": {}}),
                0,
            ),
        ];
        let spread = |selector: Value| {
            let constraint = json!({"matchLabelKeys": ["hash"], "labelSelector": selector});
            json!({"metadata": {"labels": {"hash": "x"}}, "spec": {"topologySpreadConstraints": [constraint]}})
        };
        let merged = json!({"matchExpressions": [{"key": "hash", "operator": "In", "values": ["x"]}]});
        let spread = [
            ("pods", spread(merged.clone()), spread(json!({})), 0),
            ("pods.example.com", spread(merged.clone()), spread(merged), 0),
        ];
        for (resource, before, after, count) in table.into_iter().chain(spread) {
            let mut object = before.clone();
            assert_eq!(clear(resource, &mut object).len(), count, "{before}");
            assert_eq!(object, after, "{before}");
        }
    }

    #[test]
    fn a_second_default_class_becomes_an_ordinary_one() {
        let classes = "priorityclasses.scheduling.k8s.io";
        let refusal = "PriorityClass other is already marked as default. Only one default can exist";
        let default = json!({"globalDefault": true, "value": 5});
        let ordinary = json!({"globalDefault": false, "value": 5});
        let made = |resource: &str, object: &Value, refusal: &str| {
            lesser(resource, object, refusal).map(|lesser| lesser.object)
        };
        assert_eq!(made(classes, &default, refusal), Some(ordinary.clone()));
        assert_eq!(made(classes, &ordinary, refusal), None);
        assert_eq!(made(classes, &default, "no"), None);
        assert_eq!(made("pods", &default, refusal), None);
    }

    #[test]
    fn a_service_gets_the_clusters_address_families_unless_dual() {
        let refusal =
            "Service \"s\" is invalid: spec.ipFamilies[1]: Invalid value: \"IPv6\": not configured on this cluster";
        let service = |policy: &str| json!({"spec": {"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": policy, "type": "ClusterIP"}});
        for (policy, refusal, is_lesser) in [
            ("PreferDualStack", refusal, true),
            ("SingleStack", refusal, true),
            ("RequireDualStack", refusal, false),
            ("PreferDualStack", "spec.ports: Required value", false),
        ] {
            let made = lesser("services", &service(policy), refusal).map(|lesser| lesser.object);
            let without = json!({"spec": {"ipFamilyPolicy": policy, "type": "ClusterIP"}});
            assert_eq!(made, is_lesser.then_some(without), "{policy}: {refusal}");
        }
        assert_eq!(
            lesser("services", &json!({"spec": {}}), refusal),
            None,
            "there is nothing to take away"
        );
    }
}
