//! Predicates on objects that decide how they are restored.

use serde_json::Value;

use super::metadata;

/// The annotation of a static pod; its node creates it again.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// The conditions with which a job ends. The last two come before, while its pods are being deleted.
const ENDS: [(&str, &str); 4] = [
    ("Complete", COMPLETED),
    ("Failed", FAILED),
    ("SuccessCriteriaMet", COMPLETED),
    ("FailureTarget", FAILED),
];

const COMPLETED: &str = "has completed";
const FAILED: &str = "has failed";

/// How an object has ended, if a restore would run it again: pods by their phase, jobs by their conditions and their completion
/// time.
pub fn over(group_resource: &str, object: &Value) -> Option<String> {
    match group_resource {
        "pods" => match object.pointer("/status/phase")?.as_str()? {
            "Succeeded" => Some(COMPLETED.to_owned()),
            "Failed" => Some(FAILED.to_owned()),
            _ => None,
        },
        "jobs.batch" => job_end(object),
        _ => None,
    }
}

fn job_end(job: &Value) -> Option<String> {
    let ends = ENDS.iter().find_map(|(kind, end)| Some((*end, condition(job, kind)?)));
    if let Some((end, condition)) = ends {
        let reason = condition.get("reason").and_then(Value::as_str);
        return Some(match reason.filter(|reason| end == FAILED && !reason.is_empty()) {
            Some(reason) => format!("{end} ({reason})"),
            None => end.to_owned(),
        });
    }
    let time = job.pointer("/status/completionTime")?.as_str()?;
    (!time.is_empty()).then(|| COMPLETED.to_owned())
}

/// A condition of an object with status `True`.
fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    conditions.iter().find(|condition| {
        condition.get("type").is_some_and(|its| its == kind)
            && condition.get("status").is_some_and(|status| status == "True")
    })
}

/// Whether it is the mirror pod of a static pod.
pub fn is_mirror(object: &Value) -> bool {
    object.get("kind").is_some_and(|kind| kind == "Pod")
        && metadata::annotation(object, MIRROR).is_some_and(|mirror| !mirror.is_empty())
}

/// Whether a CRD is accepted: its names are free and its type is served.
pub fn is_accepted(crd: &Value) -> bool {
    ["Established", "NamesAccepted"]
        .iter()
        .all(|kind| condition(crd, kind).is_some())
}

/// Whether the use of all limits of a quota has been counted.
pub fn is_counted(quota: &Value) -> bool {
    let limits = |path| quota.pointer(path).and_then(Value::as_object);
    let (used, hard) = (limits("/status/used"), limits("/status/hard"));
    let has = |counted: Option<&serde_json::Map<String, Value>>, key: &String| {
        counted.is_some_and(|map| map.contains_key(key))
    };
    limits("/spec/hard")
        .into_iter()
        .flat_map(serde_json::Map::keys)
        .all(|key| has(used, key) && has(hard, key))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ended_pods_and_jobs_are_not_run_again() {
        let job = |kind: &str, status: &str, reason: &str| {
            json!({"status": {"conditions": [
                {"type": "Suspended", "status": "False"}, {"type": kind, "status": status, "reason": reason},
            ]}})
        };
        let table = [
            ("pods", json!({"status": {"phase": "Succeeded"}}), Some("has completed")),
            ("pods", json!({"status": {"phase": "Failed"}}), Some("has failed")),
            ("pods", json!({"status": {"phase": "Running"}}), None),
            ("pods", json!({}), None),
            (
                "jobs.batch",
                json!({"status": {"completionTime": "2026-01-01T00:00:00Z"}}),
                Some("has completed"),
            ),
            ("jobs.batch", json!({"status": {"completionTime": null}}), None),
            ("jobs.batch", json!({"status": {"failed": 3}}), None),
            (
                "jobs.batch",
                job("Complete", "True", "CompletionsReached"),
                Some("has completed"),
            ),
            (
                "jobs.batch",
                job("Failed", "True", "BackoffLimitExceeded"),
                Some("has failed (BackoffLimitExceeded)"),
            ),
            ("jobs.batch", job("Failed", "True", ""), Some("has failed")),
            (
                "jobs.batch",
                job("FailureTarget", "True", "DeadlineExceeded"),
                Some("has failed (DeadlineExceeded)"),
            ),
            (
                "jobs.batch",
                job("SuccessCriteriaMet", "True", "SuccessPolicy"),
                Some("has completed"),
            ),
            ("jobs.batch", job("Failed", "False", "BackoffLimitExceeded"), None),
            ("jobs.batch", job("Suspended", "True", "JobSuspended"), None),
            ("jobs.example.com", job("Failed", "True", "x"), None),
            ("widgets.example.com", json!({"status": {"phase": "Failed"}}), None),
        ];
        for (resource, object, expected) in table {
            assert_eq!(over(resource, &object).as_deref(), expected, "{resource} {object}");
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

    #[test]
    fn a_quota_is_counted_when_all_its_limits_have_a_use() {
        let spec = json!({"hard": {"pods": "2", "services": "1"}});
        let (all, half) = (json!({"pods": "0", "services": "0"}), json!({"pods": "0"}));
        let table = [
            (json!({"spec": spec}), false),
            (json!({"spec": spec, "status": {"hard": all, "used": half}}), false),
            (json!({"spec": spec, "status": {"hard": all, "used": all}}), true),
            (json!({"spec": {}}), true),
        ];
        for (quota, expected) in table {
            assert_eq!(is_counted(&quota), expected, "{quota}");
        }
    }
}
