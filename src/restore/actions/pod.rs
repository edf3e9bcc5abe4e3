//! Removes what a cluster assigned to a pod: its node, its priority number, its mounted token.

use futures::future::{BoxFuture, FutureExt};
use serde_json::{Map, Value};

use super::action::{ActionError, AppliesTo, Input, Output, RestoreItemAction};
use super::token_references::{left_out, names_in, secret_of, warning};
use crate::cluster::discovery::GroupResource;
use crate::restore::item_id::ItemId;
use crate::restore::object::metadata;

pub(super) struct PodAction;

const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// Where admission mounts the token of a pod's account, which is different in each cluster.
const MOUNTED_BY_ADMISSION: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

impl RestoreItemAction for PodAction {
    fn name(&self) -> &'static str {
        "velero.io/pod"
    }

    fn applies_to(&self) -> AppliesTo {
        AppliesTo {
            included_resources: vec!["pods".to_owned()],
            ..AppliesTo::default()
        }
    }

    fn execute<'a>(&'a self, item: &'a mut Value, input: Input<'a>) -> BoxFuture<'a, Result<Output, ActionError>> {
        async move {
            let name = metadata::field(item, "name").unwrap_or_default().to_owned();
            let Some(spec) = item.get_mut("spec").and_then(Value::as_object_mut) else {
                return Ok(Output::default());
            };
            spec.remove("nodeName");
            spec.remove("priority");
            let class = text(spec, "priorityClassName");
            let class =
                class.map(|class| ItemId::cluster(GroupResource::new("scheduling.k8s.io", "priorityclasses"), class));
            let mut output = Output::after(class.into_iter().collect());
            output.warnings = drop_tokens(spec, &name, &input).await;
            Ok(output)
        }
        .boxed()
    }

    fn is_pure(&self) -> bool {
        true
    }
}

fn text<'a>(spec: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    spec.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// Removes the volumes of tokens that are left out, with their mounts; returns the warnings.
async fn drop_tokens(spec: &mut Map<String, Value>, pod: &str, input: &Input<'_>) -> Vec<String> {
    let account = text(spec, "serviceAccountName").unwrap_or("default").to_owned();
    let volumes = || spec.get("volumes").and_then(Value::as_array).into_iter().flatten();
    let mounted = volumes().filter_map(secret_of).map(|(_, secret)| secret);
    let gone = left_out(input, &account, mounted).await;
    let dropped: Vec<(String, String)> = volumes()
        .filter_map(secret_of)
        .filter(|(_, secret)| gone.iter().any(|one| one == secret))
        .map(|(volume, secret)| (volume.to_owned(), secret.to_owned()))
        .collect();
    let mut named = Vec::new();
    for key in [
        "containers",
        "initContainers",
        "ephemeralContainers",
        "imagePullSecrets",
        "volumes",
    ] {
        if let Some(part) = spec.get(key) {
            names_in(key, part, &mut named);
        }
    }
    let used = left_out(input, &account, named.into_iter()).await;

    let automounts = spec
        .get("automountServiceAccountToken")
        .is_none_or(|mounts| mounts != false);
    let lost = dropped
        .iter()
        .filter(|(volume, _)| !automounts || is_mounted_elsewhere(spec, volume))
        .map(|(_, secret)| secret);
    let mut names: Vec<&String> = lost.chain(&used).collect();
    names.sort_unstable();
    names.dedup();
    let warnings = names
        .iter()
        .map(|secret| warning(&format!("pod {pod}"), secret))
        .collect();

    let is_dropped = |entry: &Value| {
        let name = entry.get("name").and_then(Value::as_str);
        name.is_some_and(|name| dropped.iter().any(|(volume, _)| volume == name))
    };
    if let Some(volumes) = spec.get_mut("volumes").and_then(Value::as_array_mut) {
        volumes.retain(|volume| !is_dropped(volume));
    }
    for mounts in CONTAINERS {
        for container in spec.get_mut(mounts).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(mounts) = container.get_mut("volumeMounts").and_then(Value::as_array_mut) {
                mounts.retain(|mount| !is_dropped(mount));
            }
        }
    }
    warnings
}

/// Whether a container mounts the volume at another path than admission does.
fn is_mounted_elsewhere(spec: &Map<String, Value>, volume: &str) -> bool {
    let containers = CONTAINERS.iter().filter_map(|key| spec.get(*key)?.as_array()).flatten();
    let mut mounts = containers
        .filter_map(|container| container.get("volumeMounts")?.as_array())
        .flatten();
    mounts.any(|mount| {
        mount.get("name").is_some_and(|name| name == volume)
            && mount.get("mountPath").is_none_or(|path| path != MOUNTED_BY_ADMISSION)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::restore::actions::testing::{Archive, generated, made_by_hand, run};
    use crate::restore::request::RestoreContext;

    fn archive() -> Archive {
        Archive::of([
            generated("shop", "web", "web-token-x7k2p"),
            made_by_hand("shop", "web", "web-token-mbfgh"),
        ])
    }

    fn pod(volumes: &Value, mounts: &Value) -> Value {
        json!({"metadata": {"name": "p", "namespace": "shop"}, "spec": {
            "serviceAccountName": "web", "volumes": volumes,
            "containers": [{"name": "a", "volumeMounts": mounts}, {"name": "b"}],
            "initContainers": [{"name": "i", "volumeMounts": mounts}],
        }})
    }

    fn restored(pod: &Value) -> (Value, Vec<String>) {
        let (item, output) = run(&PodAction, &RestoreContext::default(), &archive(), pod);
        (item, output.unwrap().warnings)
    }

    #[test]
    fn fields_that_the_cluster_assigned_are_removed() {
        let spec = json!({"spec": {"nodeName": "n", "priority": 100, "volumes": null, "dnsPolicy": "Default"}});
        assert_eq!(
            restored(&spec),
            (json!({"spec": {"volumes": null, "dnsPolicy": "Default"}}), vec![])
        );
        assert_eq!(restored(&json!({})), (json!({}), vec![]));
    }

    #[test]
    fn only_the_generated_token_is_not_mounted() {
        let volume = |name: &str, secret: &str| json!({"name": name, "secret": {"secretName": secret}});
        let at = |name: &str, path: &str| json!({"name": name, "mountPath": path});
        let kept = [
            volume("web-token-ci", "web-token-ci"),
            volume("t", "web-token-mbfgh"),
            json!({"name": "web-token-x7k2p", "emptyDir": {}}),
        ];
        for volume in kept {
            let name = volume["name"].as_str().unwrap();
            let pod = pod(&json!([volume]), &json!([at(name, "/t")]));
            assert_eq!(restored(&pod), (pod.clone(), vec![]));
        }
        // the token of another account that the backup does not have: whether it is generated cannot be known
        let other = pod(&json!([volume("o", "app-token-zzzzz")]), &json!([at("o", "/t")]));
        assert_eq!(restored(&other), (other.clone(), vec![]));

        let data = json!({"name": "data", "emptyDir": {}});
        for (path, warned) in [(MOUNTED_BY_ADMISSION, 0), ("/t", 1)] {
            for secret in ["web-token-x7k2p", "web-token-zzzzz"] {
                let before = pod(
                    &json!([volume("v", secret), data]),
                    &json!([at("v", path), at("data", "/d")]),
                );
                let (after, warnings) = restored(&before);
                assert_eq!(after, pod(&json!([data]), &json!([at("data", "/d")])), "{secret}");
                assert_eq!(warnings.len(), warned, "{path} {warnings:?}");
                assert!(warnings.iter().all(|warning| warning.contains(secret)), "{warnings:?}");
            }
        }
    }

    #[test]
    fn a_token_without_a_replacement_mount_is_a_warning() {
        let mut pod = pod(
            &json!([{"name": "v", "secret": {"secretName": "web-token-x7k2p"}}]),
            &json!([{"name": "v", "mountPath": MOUNTED_BY_ADMISSION}]),
        );
        pod["spec"]["automountServiceAccountToken"] = json!(false);
        assert_eq!(restored(&pod).1.len(), 1);
    }

    #[test]
    fn other_references_to_such_a_token_are_kept_with_one_warning() {
        let name = json!({"name": "web-token-x7k2p", "key": "token"});
        let specs = [
            json!({"imagePullSecrets": [name, {"name": "registry"}]}),
            json!({"containers": [{"env": [{"name": "T", "valueFrom": {"secretKeyRef": name}}], "envFrom": [{"secretRef": name}]}]}),
            json!({"volumes": [{"name": "v", "projected": {"sources": [{"secret": name}, {"secret": {"name": "mine"}}]}}]}),
        ];
        for spec in specs {
            let pod = json!({"metadata": {"name": "p", "namespace": "shop"}, "spec": spec});
            let (after, warnings) = restored(&pod);
            assert_eq!(after, pod);
            assert_eq!(warnings.len(), 1, "{spec} {warnings:?}");
        }
    }

    #[test]
    fn the_priority_class_is_an_additional_item() {
        for (class, expected) in [("high", Some("priorityclasses.scheduling.k8s.io/high")), ("", None)] {
            let pod = json!({"spec": {"priorityClassName": class}});
            let (_, output) = run(&PodAction, &RestoreContext::default(), &Archive::default(), &pod);
            assert_eq!(
                output.unwrap().additional.first().map(ToString::to_string).as_deref(),
                expected,
                "{class:?}"
            );
        }
    }
}
