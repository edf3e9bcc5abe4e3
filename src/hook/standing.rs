//! The state of a pod's containers: whether a command can run in them, and if not, why.

use std::collections::BTreeMap;

use serde_json::Value;

/// The state of a pod's containers by its status. A container without a valid status counts as one that may run: the kubelet's
/// answer to a command decides then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The pod has ended.
    pub ended: bool,
    /// Containers that do not run, each with its state.
    pub(super) stopped: BTreeMap<String, String>,
}

impl Standing {
    /// From the pod's object.
    pub fn of(pod: &Value) -> Self {
        let (spec, status) = (&pod["spec"], &pod["status"]);
        let stopped = ["containers", "initContainers"]
            .iter()
            .flat_map(|list| list_of(&spec[list]))
            .filter_map(|container| container["name"].as_str())
            .filter_map(|name| Some((name.to_owned(), why_stopped(spec, status, name)?)));
        Self {
            ended: matches!(status["phase"].as_str(), Some("Succeeded" | "Failed")),
            stopped: stopped.collect(),
        }
    }

    /// The state of a container that does not run; `None` for one that runs, or may.
    pub fn stopped(&self, container: &str) -> Option<&str> {
        self.stopped.get(container).map(String::as_str)
    }

    /// With this container stopped, for tests and fakes.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn with_stopped(mut self, container: &str, state: &str) -> Self {
        self.stopped.insert(container.to_owned(), state.to_owned());
        self
    }
}

fn why_stopped(spec: &Value, status: &Value, name: &str) -> Option<String> {
    let statuses: Vec<&Value> = ["containerStatuses", "initContainerStatuses"]
        .iter()
        .flat_map(|list| list_of(&status[list]))
        .filter(|container| container["name"] == name)
        .collect();
    if statuses.is_empty() {
        // A kubelet reports every container as soon as it has seen the pod.
        return (status["phase"] == "Pending").then(|| not_begun(spec, status));
    }
    if statuses
        .iter()
        .any(|container| container["state"]["running"].is_object())
    {
        return None;
    }
    statuses.into_iter().find_map(state_of)
}

fn state_of(container: &Value) -> Option<String> {
    let state = &container["state"];
    if state["waiting"].is_object() {
        let reason = given(&state["waiting"]["reason"]).unwrap_or("it waits");
        let before = exit_code(&container["lastState"]["terminated"]);
        return Some(before.map_or_else(
            || reason.to_owned(),
            |code| format!("{reason}, it ended with exit code {code} before"),
        ));
    }
    let terminated = &state["terminated"];
    terminated.is_object().then(|| {
        let reason = given(&terminated["reason"]).unwrap_or("it has ended");
        exit_code(terminated).map_or_else(|| reason.to_owned(), |code| format!("{reason}, exit code {code}"))
    })
}

fn not_begun(spec: &Value, status: &Value) -> String {
    if given(&spec["nodeName"]).is_some() {
        return "its node has not started the pod".to_owned();
    }
    let conditions = list_of(&status["conditions"]);
    let unscheduled = conditions
        .iter()
        .find(|condition| condition["type"] == "PodScheduled" && condition["status"] == "False");
    let why = unscheduled.and_then(|condition| given(&condition["message"]).or_else(|| given(&condition["reason"])));
    why.map_or_else(
        || "the pod is not scheduled".to_owned(),
        |why| format!("the pod is not scheduled: {why}"),
    )
}

fn list_of(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn given(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

fn exit_code(terminated: &Value) -> Option<i64> {
    terminated["exitCode"].as_i64()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "`json!` in place reads better")]
    fn standing(node: &str, status: Value) -> Standing {
        Standing::of(&json!({
            "spec": {"nodeName": node, "containers": [{"name": "one"}],
                     "initContainers": [{"name": "seed"}, {"name": "side", "restartPolicy": "Always"}]},
            "status": status,
        }))
    }

    #[expect(clippy::needless_pass_by_value, reason = "`json!` in place reads better")]
    fn status_with(state: Value) -> Value {
        json!({"phase": "Running", "containerStatuses": [{"name": "one", "state": state}]})
    }

    #[test]
    fn a_container_runs_unless_its_status_says_that_it_does_not() {
        // the pod's node, its status -> the state of `one`, if it is stopped
        let cases = [
            (
                "n",
                status_with(json!({"running": {"startedAt": "2026-11-24T01:02:03Z"}})),
                None,
            ),
            ("n", status_with(json!({"running": {}})), None),
            (
                "n",
                status_with(json!({"waiting": {"reason": "ImagePullBackOff", "message": "m"}})),
                Some("ImagePullBackOff"),
            ),
            (
                "n",
                status_with(json!({"waiting": {"reason": "PodInitializing"}})),
                Some("PodInitializing"),
            ),
            ("n", status_with(json!({"waiting": {}})), Some("it waits")),
            ("n", status_with(json!({"waiting": {"reason": ""}})), Some("it waits")),
            (
                "n",
                json!({"phase": "Running", "containerStatuses": [{
                    "name": "one", "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                    "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}}}]}),
                Some("CrashLoopBackOff, it ended with exit code 1 before"),
            ),
            (
                "n",
                status_with(json!({"terminated": {"reason": "Completed", "exitCode": 0}})),
                Some("Completed, exit code 0"),
            ),
            (
                "n",
                status_with(json!({"terminated": {"exitCode": 137}})),
                Some("it has ended, exit code 137"),
            ),
            ("n", status_with(json!({"terminated": {}})), Some("it has ended")),
            // It has no status.
            (
                "n",
                json!({"phase": "Pending"}),
                Some("its node has not started the pod"),
            ),
            ("", json!({"phase": "Pending"}), Some("the pod is not scheduled")),
            (
                "",
                json!({"phase": "Pending", "conditions": [
                    {"type": "Ready", "status": "False", "message": "no"},
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available"}]}),
                Some("the pod is not scheduled: 0/1 nodes are available"),
            ),
            (
                "",
                json!({"phase": "Pending", "conditions": [
                    {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]}),
                Some("the pod is not scheduled: SchedulingGated"),
            ),
            ("n", json!({"phase": "Running"}), None),
            ("n", json!({"phase": "Unknown"}), None),
            ("n", json!({}), None),
            ("n", Value::Null, None),
            // An invalid status counts as none.
            ("n", status_with(Value::Null), None),
            ("n", status_with(json!({})), None),
            ("n", status_with(json!("running")), None),
            (
                "n",
                status_with(json!({"running": null, "waiting": null, "terminated": null})),
                None,
            ),
            (
                "n",
                status_with(json!({"running": null, "waiting": {"reason": "ErrImagePull"}})),
                Some("ErrImagePull"),
            ),
            ("n", status_with(json!({"waiting": 3, "terminated": []})), None),
            ("n", json!({"phase": "Running", "containerStatuses": "none"}), None),
            (
                "n",
                json!({"phase": "Running", "containerStatuses": [null, 1, {"state": {"waiting": {}}}]}),
                None,
            ),
            // Two entries: one that runs is enough.
            (
                "n",
                json!({"phase": "Running", "containerStatuses": [
                    {"name": "one", "state": {"waiting": {}}}, {"name": "one", "state": {"running": {}}}]}),
                None,
            ),
        ];
        for (node, status, state) in cases {
            assert_eq!(standing(node, status.clone()).stopped("one"), state, "{status}");
        }
    }

    #[test]
    fn a_sidecar_has_its_status_among_the_init_containers() {
        let status = json!({"phase": "Pending",
            "initContainerStatuses": [{"name": "side", "state": {"running": {}}}],
            "containerStatuses": [{"name": "one", "state": {"waiting": {"reason": "PodInitializing"}}}]});
        let initialising = standing("n", status);
        assert_eq!(initialising.stopped("side"), None);
        assert_eq!(initialising.stopped("one"), Some("PodInitializing"));
        let status = json!({"phase": "Running",
            "initContainerStatuses": [{"name": "side", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}],
            "containerStatuses": [{"name": "one", "state": {"running": {}}}]});
        let crashing = standing("n", status);
        assert_eq!(crashing.stopped("side"), Some("CrashLoopBackOff"));
        assert_eq!(crashing.stopped("one"), None);
        assert_eq!(crashing.stopped("nowhere"), None);
    }

    #[test]
    fn a_pod_has_ended_when_its_phase_says_so() {
        for (phase, ended) in [
            ("Succeeded", true),
            ("Failed", true),
            ("Running", false),
            ("Pending", false),
            ("", false),
        ] {
            assert_eq!(standing("n", json!({"phase": phase})).ended, ended, "{phase}");
        }
        assert_eq!(Standing::of(&json!([])), Standing::default());
        assert_eq!(Standing::of(&json!({"spec": [], "status": 1})), Standing::default());
    }
}
