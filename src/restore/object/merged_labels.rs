//! Requirements that the API server merged into the label selectors of a pod as it was created (`matchLabelKeys` and
//! `mismatchLabelKeys`). A creation that has a key in both places is refused, and the API server merges them again.

use serde_json::Value;

/// The lists of keys, each with the operator of the requirement that it becomes.
const KEYS: [(&str, &str); 2] = [("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")];

const AFFINITIES: [&str; 2] = ["podAffinity", "podAntiAffinity"];

/// Removes them from the spreading constraints and the affinity terms of a pod.
pub fn take_out(pod: &mut Value) {
    let labels = pod.pointer("/metadata/labels").cloned().unwrap_or_default();
    let Some(spec) = pod.get_mut("spec") else { return };
    each(spec, "topologySpreadConstraints", |constraint| {
        from_term(constraint, &labels);
    });
    for kind in AFFINITIES {
        let Some(affinity) = spec.get_mut("affinity").and_then(|affinity| affinity.get_mut(kind)) else {
            continue;
        };
        each(affinity, "requiredDuringSchedulingIgnoredDuringExecution", |term| {
            from_term(term, &labels);
        });
        each(
            affinity,
            "preferredDuringSchedulingIgnoredDuringExecution",
            |weighted| {
                if let Some(term) = weighted.get_mut("podAffinityTerm") {
                    from_term(term, &labels);
                }
            },
        );
    }
}

fn each(parent: &mut Value, list: &str, change: impl Fn(&mut Value)) {
    let entries = parent.get_mut(list).and_then(Value::as_array_mut);
    entries.into_iter().flatten().for_each(change);
}

fn from_term(term: &mut Value, labels: &Value) {
    for (list, operator) in KEYS {
        let Some(keys) = term.get(list).and_then(Value::as_array).cloned() else {
            continue;
        };
        let Some(selector) = term.get_mut("labelSelector").and_then(Value::as_object_mut) else {
            continue;
        };
        let Some(requirements) = selector.get_mut("matchExpressions").and_then(Value::as_array_mut) else {
            continue;
        };
        requirements.retain(|requirement| !is_merged(requirement, &keys, operator, labels));
        if requirements.is_empty() {
            selector.remove("matchExpressions");
        }
    }
}

/// Whether the API server made a requirement from a key: the value is that of the pod's own label.
fn is_merged(requirement: &Value, keys: &[Value], operator: &str, labels: &Value) -> bool {
    let key = requirement.get("key").unwrap_or(&Value::Null);
    let value = key.as_str().and_then(|key| labels.get(key));
    let values = requirement.get("values").and_then(Value::as_array);
    keys.contains(key)
        && requirement.get("operator").is_some_and(|its| its == operator)
        && value.is_some_and(|value| values.is_some_and(|values| values.as_slice() == [value.clone()]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_requirements_that_the_api_server_merged_are_removed() {
        let required =
            |key: &str, operator: &str, values: Value| json!({"key": key, "operator": operator, "values": values});
        let hash = || required("hash", "In", json!(["x1"]));
        let tenant = || required("tenant", "NotIn", json!(["t"]));
        let own = || json!({"key": "app", "operator": "Exists"});
        let term = |requirements: Value| {
            let mut term = json!({
                "matchLabelKeys": ["hash"], "mismatchLabelKeys": ["tenant"], "labelSelector": {"matchLabels": {"a": "b"}},
            });
            json_patch::merge(&mut term["labelSelector"], &json!({"matchExpressions": requirements}));
            term
        };
        let pod = |term: Value| {
            let affinity = json!({
                "requiredDuringSchedulingIgnoredDuringExecution": [term],
                "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": term}],
            });
            json!({
                "metadata": {"labels": {"hash": "x1", "tenant": "t"}},
                "spec": {
                    "topologySpreadConstraints": [term], "affinity": {"podAffinity": affinity, "podAntiAffinity": affinity},
                },
            })
        };
        let table = [
            (term(json!([hash(), tenant()])), term(json!(null))),
            (term(json!([own(), hash(), tenant()])), term(json!([own()]))),
            // the API server merges no other value, operator or key
            (
                term(json!([required("hash", "In", json!(["x1", "x2"]))])),
                term(json!([required("hash", "In", json!(["x1", "x2"]))])),
            ),
            (
                term(json!([required("hash", "In", json!(["x2"]))])),
                term(json!([required("hash", "In", json!(["x2"]))])),
            ),
            (
                term(json!([required("hash", "NotIn", json!(["x1"]))])),
                term(json!([required("hash", "NotIn", json!(["x1"]))])),
            ),
            (
                term(json!([required("tenant", "In", json!(["t"]))])),
                term(json!([required("tenant", "In", json!(["t"]))])),
            ),
            (
                json!({"labelSelector": {"matchExpressions": [hash()]}}),
                json!({"labelSelector": {"matchExpressions": [hash()]}}),
            ),
            (json!({"matchLabelKeys": ["hash"]}), json!({"matchLabelKeys": ["hash"]})),
            (json!("odd"), json!("odd")),
        ];
        for (before, after) in table {
            let mut object = pod(before.clone());
            take_out(&mut object);
            assert_eq!(object, pod(after), "{before}");
        }
        for mut odd in [
            json!({}),
            json!({"spec": {"affinity": null, "topologySpreadConstraints": "odd"}}),
        ] {
            let before = odd.clone();
            take_out(&mut odd);
            assert_eq!(odd, before);
        }
    }
}
