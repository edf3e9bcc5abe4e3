//! Claims that the cluster creates for the generic ephemeral volumes of pods. Each is owned by its pod. A restore does not restore
//! that owner, and without it the pod refuses the claim ("was not created for pod").

use serde_json::Value;

/// The pod for which a claim was created.
pub fn pod_of(claim: &Value) -> Option<&str> {
    let owners = claim.pointer("/metadata/ownerReferences")?.as_array()?;
    let pod = owners.iter().find(|owner| {
        owner.get("kind").is_some_and(|kind| kind == "Pod")
            && owner.get("apiVersion").is_some_and(|version| version == "v1")
            && owner.get("controller").is_some_and(|controls| controls == true)
    })?;
    pod.get("name")?.as_str()
}

/// The warning about such a claim.
pub fn warning(id: &str, pod: &str) -> String {
    format!(
        "{id} was created by the cluster for an ephemeral volume of pod {pod}: it is not restored, because the pod accepts only \
         its own claim; the cluster creates one for the restored pod, with a new volume unless the old one was kept"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_claim_that_a_pod_controls_belongs_to_it() {
        let owner = |version: &str, kind: &str, controls: bool| json!({"apiVersion": version, "kind": kind, "name": "web", "controller": controls});
        let set = owner("apps/v1", "StatefulSet", true);
        let table = [
            (json!([owner("v1", "Pod", true)]), Some("web")),
            (json!([set.clone(), owner("v1", "Pod", true)]), Some("web")),
            (json!([owner("v1", "Pod", false)]), None),
            (json!([owner("example.com/v1", "Pod", true)]), None),
            (json!([set]), None),
            (json!(null), None),
        ];
        for (owners, expected) in table {
            let claim = json!({"metadata": {"ownerReferences": owners}});
            assert_eq!(pod_of(&claim), expected, "{owners}");
        }
    }
}
