//! Small questions about an object on which its way depends.

use serde_json::Value;

use super::metadata;

/// On a pod that a node made from a file of its own; the node makes it again.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// Whether it has completed, so that restoring it would run it again: pods by their phase, jobs by their completion time.
pub fn is_over(group_resource: &str, object: &Value) -> bool {
    match group_resource {
        "pods" => object
            .pointer("/status/phase")
            .is_some_and(|phase| phase == "Succeeded" || phase == "Failed"),
        "jobs.batch" => {
            let completed = object.pointer("/status/completionTime").and_then(Value::as_str);
            completed.is_some_and(|time| !time.is_empty())
        }
        _ => false,
    }
}

/// Whether it is the image of a static pod.
pub fn is_mirror(object: &Value) -> bool {
    object.get("kind").is_some_and(|kind| kind == "Pod")
        && metadata::annotation(object, MIRROR).is_some_and(|mirror| !mirror.is_empty())
}

/// Whether a CRD is accepted: its names are its own and its type is served.
pub fn is_accepted(crd: &Value) -> bool {
    let holds = |wanted: &str| {
        let conditions = crd.pointer("/status/conditions").and_then(Value::as_array);
        conditions.into_iter().flatten().any(|condition| {
            condition.get("type").is_some_and(|kind| kind == wanted)
                && condition.get("status").is_some_and(|status| status == "True")
        })
    };
    holds("Established") && holds("NamesAccepted")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_has_completed_is_not_run_again() {
        let table = [
            ("pods", json!({"status": {"phase": "Succeeded"}}), true),
            ("pods", json!({"status": {"phase": "Failed"}}), true),
            ("pods", json!({"status": {"phase": "Running"}}), false),
            ("pods", json!({}), false),
            (
                "jobs.batch",
                json!({"status": {"completionTime": "2026-01-01T00:00:00Z"}}),
                true,
            ),
            ("jobs.batch", json!({"status": {"completionTime": null}}), false),
            ("jobs.batch", json!({"status": {"failed": 3}}), false),
            ("jobs.example.com", json!({"status": {"completionTime": "t"}}), false),
            ("widgets.example.com", json!({"status": {"phase": "Failed"}}), false),
        ];
        for (resource, object, expected) in table {
            assert_eq!(is_over(resource, &object), expected, "{resource} {object}");
        }
    }

    #[test]
    fn static_pods_belong_to_their_node() {
        let pod =
            |value: &str| json!({"kind": "Pod", "metadata": {"annotations": {"kubernetes.io/config.mirror": value}}});
        assert!(is_mirror(&pod("abc")));
        assert!(!is_mirror(&pod("")));
        assert!(!is_mirror(&json!({"kind": "Pod", "metadata": {}})));
    }

    #[test]
    fn a_crd_is_accepted_when_both_conditions_hold() {
        let crd = |established: &str, names: &str| {
            json!({"status": {"conditions": [
                {"type": "NamesAccepted", "status": names}, {"type": "Established", "status": established},
            ]}})
        };
        assert!(is_accepted(&crd("True", "True")));
        assert!(!is_accepted(&crd("False", "True")) && !is_accepted(&crd("True", "False")) && !is_accepted(&json!({})));
    }
}
