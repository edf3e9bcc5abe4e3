//! What a cluster assigned to a pod goes: its node, its priority number, its mounted token.

use serde_json::{Map, Value};

use super::{ActionError, BuiltIn, Input, ItemId, Output};
use crate::cluster::discovery::GroupResource;

pub(super) const ACTION: BuiltIn = BuiltIn {
    name: "velero.io/pod",
    resources: &["pods"],
    label: None,
    execute,
};

const CONTAINERS: [&str; 2] = ["containers", "initContainers"];

#[expect(clippy::unnecessary_wraps, reason = "the signature of every built-in action")]
fn execute(item: &mut Value, _: &Input<'_>) -> Result<Output, ActionError> {
    let Some(spec) = item.get_mut("spec").and_then(Value::as_object_mut) else {
        return Ok(Output::default());
    };
    spec.remove("nodeName");
    spec.remove("priority");
    drop_token_volumes(spec);
    let class = spec
        .get("priorityClassName")
        .and_then(Value::as_str)
        .filter(|class| !class.is_empty());
    let class = class.map(|class| ItemId::cluster(GroupResource::new("scheduling.k8s.io", "priorityclasses"), class));
    Ok(Output::after(class.into_iter().collect()))
}

/// Tokens that were secrets (before Kubernetes 1.24) are not restored; the new cluster mounts its own.
fn drop_token_volumes(spec: &mut Map<String, Value>) {
    let account = spec
        .get("serviceAccountName")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let prefix = format!("{account}-token-");
    let is_token = |entry: &Value| {
        entry
            .get("name")
            .and_then(Value::as_str)
            .is_some_and(|name| name.starts_with(&prefix))
    };
    if let Some(volumes) = spec.get_mut("volumes").and_then(Value::as_array_mut) {
        volumes.retain(|volume| !is_token(volume));
    }
    for containers in CONTAINERS {
        for container in spec
            .get_mut(containers)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            if let Some(mounts) = container.get_mut("volumeMounts").and_then(Value::as_array_mut) {
                mounts.retain(|mount| !is_token(mount));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Restoration;
    use super::super::testing::{World, changed, run};
    use super::*;

    #[test]
    fn what_the_cluster_assigned_goes() {
        let pod = json!({"spec": {
            "nodeName": "n", "priority": 100, "serviceAccountName": "web",
            "volumes": [{"name": "web-token-abc"}, {"name": "default-token-x"}, {"name": "data"}],
            "containers": [{"name": "a", "volumeMounts": [{"name": "web-token-abc"}, {"name": "data"}]}, {"name": "b"}],
            "initContainers": [{"name": "i", "volumeMounts": [{"name": "web-token-abc"}]}],
        }});
        let expected = json!({"spec": {
            "serviceAccountName": "web",
            "volumes": [{"name": "default-token-x"}, {"name": "data"}],
            "containers": [{"name": "a", "volumeMounts": [{"name": "data"}]}, {"name": "b"}],
            "initContainers": [{"name": "i", "volumeMounts": []}],
        }});
        assert_eq!(changed(&ACTION, &pod), expected);
    }

    #[test]
    fn the_priority_class_is_asked_for() {
        for (class, expected) in [("high", Some("priorityclasses.scheduling.k8s.io/high")), ("", None)] {
            let pod = json!({"spec": {"priorityClassName": class}});
            let (_, output) = run(&ACTION, &Restoration::default(), &World::default(), &pod);
            assert_eq!(
                output.unwrap().additional.first().map(ToString::to_string).as_deref(),
                expected,
                "{class:?}"
            );
        }
    }
}
