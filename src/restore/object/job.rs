//! Jobs and their pods. A job finds its pods by its own uid, and a restored job has a new one (decision 40).

use serde_json::Value;

use super::outcome;
use crate::api::LabelSelector;
use crate::select::labels::Selector;

/// What a restore does with a pod of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The job has a selector of the user, and adopts the pod.
    Restored,
    /// The restored job creates another one.
    Recreated,
    /// The job has ended in this way.
    Ended(String),
    /// The job is not restored, and nothing else would manage the pod.
    Alone,
}

/// The name of the job that controls a pod.
pub fn of_pod(pod: &Value) -> Option<&str> {
    let owners = pod.pointer("/metadata/ownerReferences")?.as_array()?;
    let job = owners.iter().find(|owner| {
        let text = |key| owner.get(key).and_then(Value::as_str).unwrap_or_default();
        let controls = owner.get("controller").is_some_and(|controls| controls == true);
        controls && text("kind") == "Job" && text("apiVersion").split('/').next() == Some("batch")
    })?;
    job.get("name")?.as_str()
}

/// Whether the user chose the job's selector.
pub fn selects_by_hand(job: &Value) -> bool {
    job.pointer("/spec/manualSelector").is_some_and(|manual| manual == true)
}

/// Decides about a pod by its job, if that is restored.
pub fn fate(pod: &Value, job: Option<&Value>) -> Fate {
    let Some(job) = job else { return Fate::Alone };
    if let Some(how) = outcome::over("jobs.batch", job) {
        return Fate::Ended(how);
    }
    if selects_by_hand(job) && selects(job, pod) {
        Fate::Restored
    } else {
        Fate::Recreated
    }
}

fn selects(job: &Value, pod: &Value) -> bool {
    let selector = job.pointer("/spec/selector").cloned().unwrap_or_default();
    let Ok(selector) = serde_json::from_value::<LabelSelector>(selector) else {
        return false;
    };
    let labels = pod.pointer("/metadata/labels").and_then(Value::as_object);
    let labels = labels
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect();
    Selector::from_api(&selector).is_ok_and(|selector| selector.matches(&labels))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_job_is_one_of_the_batch_group_that_controls_the_pod() {
        let owner = |version: &str, kind: &str, controller: Value| json!({"apiVersion": version, "kind": kind, "name": "j", "controller": controller});
        let table = [
            (json!([owner("batch/v1", "Job", json!(true))]), Some("j")),
            (json!([owner("batch/v1beta1", "Job", json!(true))]), Some("j")),
            (
                json!([owner("v1", "Node", json!(false)), owner("batch/v1", "Job", json!(true))]),
                Some("j"),
            ),
            (json!([owner("batch/v1", "Job", json!(null))]), None),
            (json!([owner("batch.volcano.sh/v1alpha1", "Job", json!(true))]), None),
            (json!([owner("apps/v1", "ReplicaSet", json!(true))]), None),
            (json!(null), None),
        ];
        for (owners, expected) in table {
            let pod = json!({"metadata": {"ownerReferences": owners}});
            assert_eq!(of_pod(&pod), expected, "{pod}");
        }
    }

    #[test]
    fn a_pod_belongs_to_the_job_of_its_restore_or_is_not_restored() {
        let pod = json!({"metadata": {"labels": {"run": "mine", "controller-uid": "1"}}});
        let job = |manual: Value, labels: Value, status: Value| json!({"spec": {"manualSelector": manual, "selector": {"matchLabels": labels}}, "status": status});
        let (mine, failed) = (
            json!({"run": "mine"}),
            json!({"conditions": [{"type": "Failed", "status": "True"}]}),
        );
        let table = [
            ("no job", None, Fate::Alone),
            (
                "selected by uid",
                Some(job(json!(null), json!({"controller-uid": "1"}), json!({}))),
                Fate::Recreated,
            ),
            (
                "by hand",
                Some(job(json!(true), mine.clone(), json!({}))),
                Fate::Restored,
            ),
            (
                "by hand, other labels",
                Some(job(json!(true), json!({"run": "other"}), json!({}))),
                Fate::Recreated,
            ),
            (
                "manualSelector is false",
                Some(job(json!(false), mine.clone(), json!({}))),
                Fate::Recreated,
            ),
            (
                "over",
                Some(job(json!(true), mine, failed)),
                Fate::Ended("has failed".to_owned()),
            ),
        ];
        for (name, job, expected) in table {
            assert_eq!(fate(&pod, job.as_ref()), expected, "{name}");
        }
    }
}
