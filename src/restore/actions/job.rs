//! A job's selector has the uid of the backed-up job; it is removed, so that the restored job finds its own pods.

use serde_json::Value;

use super::action::{ActionError, Input, Output};
use super::built_in::BuiltIn;
use crate::api::labels::{BATCH_CONTROLLER_UID, CONTROLLER_UID};
use crate::restore::object::job;

pub(super) const ACTION: BuiltIn = BuiltIn {
    name: "velero.io/job",
    resources: &["jobs.batch"],
    label: None,
    execute,
};

/// The second since Kubernetes 1.27.
const UID_LABELS: [&str; 2] = [CONTROLLER_UID, BATCH_CONTROLLER_UID];

/// Where the labels are; a job without labels of its own has those of its template.
const LABELS: [&str; 3] = [
    "/metadata/labels",
    "/spec/selector/matchLabels",
    "/spec/template/metadata/labels",
];

#[expect(clippy::unnecessary_wraps, reason = "the signature of every built-in action")]
fn execute(item: &mut Value, _: &Input<'_>) -> Result<Output, ActionError> {
    // the labels are the user's, with any names; the API server writes none into such a job
    if job::selects_by_hand(item) {
        return Ok(Output::default());
    }
    for labels in LABELS {
        if let Some(labels) = item.pointer_mut(labels).and_then(Value::as_object_mut) {
            labels.retain(|key, _| !UID_LABELS.contains(&key.as_str()));
        }
    }
    Ok(Output::default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::restore::actions::testing::changed;

    #[test]
    fn only_the_uid_of_the_old_job_is_removed() {
        let old = json!({"controller-uid": "1", "batch.kubernetes.io/controller-uid": "1", "job-name": "j"});
        let job = |labels: &Value| {
            json!({"metadata": {"labels": labels}, "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}},
            }})
        };
        assert_eq!(changed(&ACTION, &job(&old)), job(&json!({"job-name": "j"})));
        for untouched in [json!({"spec": {}}), json!({}), job(&json!(null))] {
            assert_eq!(changed(&ACTION, &untouched), untouched);
        }
    }
    #[test]
    fn a_selector_of_the_user_is_kept() {
        let labels = json!({"controller-uid": "my-own", "run": "mine"});
        let job = json!({"spec": {
            "manualSelector": true, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}},
        }});
        assert_eq!(changed(&ACTION, &job), job);
    }
}
