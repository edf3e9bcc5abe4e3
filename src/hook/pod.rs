//! The hooks of one pod.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use super::annotation;
use super::command::{Hook, Phase};
use super::spec::SpecHooks;
use super::standing::Standing;
use crate::cluster::raw::RawObject;

/// The hooks that run in a pod around its backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodHooks {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub name: String,
    pub(super) pre: Vec<Hook>,
    pub(super) post: Vec<Hook>,
    /// Containers that commands can run in.
    pub(super) containers: Vec<String>,
    /// The state of its containers when it was read last.
    pub(super) now: Standing,
    /// The values of its annotations that cannot be parsed.
    pub(super) warnings: Vec<String>,
}

impl PodHooks {
    /// The hooks of a pod. The annotations decide for a phase; without annotations the spec decides. `None` if there is
    /// nothing to run.
    ///
    /// # Errors
    /// The object does not have the shape of a pod.
    pub fn of(spec: &SpecHooks, pod: &RawObject) -> Result<Option<Self>, serde_json::Error> {
        let facts: Pod = serde_json::from_slice(&pod.json)?;
        let namespace = pod.head.namespace.clone().unwrap_or_default();
        let mut warnings = Vec::new();
        let containers = facts.containers();
        let mut of_phase = |phase: Phase| {
            let own = annotation::hook(&facts.metadata.annotations, phase, &mut warnings);
            let mut hooks = own.map_or_else(|| spec.hooks(phase, &namespace, &pod.head.labels), |hook| vec![hook]);
            for hook in hooks.iter_mut().filter(|hook| hook.container.is_empty()) {
                hook.container = containers.first().cloned().unwrap_or_default();
            }
            hooks
        };
        let (pre, post) = (of_phase(Phase::Pre), of_phase(Phase::Post));
        if pre.is_empty() && post.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            name: pod.head.name.clone(),
            pre,
            post,
            containers,
            now: Standing::of(&serde_json::from_slice(&pod.json)?),
            warnings,
            namespace,
        }))
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Pod {
    metadata: Metadata,
    spec: Spec,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    #[serde(deserialize_with = "null_as_default")]
    annotations: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    #[serde(deserialize_with = "null_as_default")]
    containers: Vec<Container>,
    #[serde(deserialize_with = "null_as_default")]
    init_containers: Vec<Container>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Container {
    name: String,
    restart_policy: String,
}

fn null_as_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(value: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(value)?.unwrap_or_default())
}

impl Pod {
    /// The containers that run while the pod does: sidecars are written among the init containers.
    fn containers(&self) -> Vec<String> {
        let sidecars = self.spec.init_containers.iter();
        let sidecars = sidecars.filter(|container| container.restart_policy == "Always");
        let containers = self.spec.containers.iter().chain(sidecars);
        containers.map(|container| container.name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, from_value, json};

    use super::*;
    use crate::hook::command::Source;

    fn spec() -> SpecHooks {
        let hooks = from_value(json!({"resources": [{"name": "all",
            "pre": [{"exec": {"command": ["spec-pre"]}}, {"exec": {"command": ["spec-pre-2"], "container": "side"}}],
            "post": [{"exec": {"command": ["spec-post"]}}]}]}));
        SpecHooks::new(&hooks.unwrap(), &|_| None).unwrap()
    }

    #[expect(clippy::needless_pass_by_value, reason = "`json!` in place reads better")]
    fn pod(annotations: Value, phase: &str) -> RawObject {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"namespace": "shop", "name": "db-0", "annotations": annotations},
            "spec": {"containers": [{"name": "db"}, {"name": "side"}],
                     "initContainers": [{"name": "seed"}, {"name": "proxy", "restartPolicy": "Always"}]},
            "status": {"phase": phase}});
        RawObject::parse(Bytes::from(pod.to_string())).unwrap()
    }

    fn commands(hooks: &[Hook]) -> Vec<(String, &str)> {
        let of = |hook: &Hook| hook.command.join(" ");
        hooks.iter().map(|hook| (of(hook), hook.container.as_str())).collect()
    }

    #[test]
    fn hooks_of_the_spec_run_in_pods_without_annotations() {
        let hooks = PodHooks::of(&spec(), &pod(json!(null), "Running")).unwrap().unwrap();
        assert_eq!(
            commands(&hooks.pre),
            [("spec-pre".to_owned(), "db"), ("spec-pre-2".to_owned(), "side")]
        );
        assert_eq!(commands(&hooks.post), [("spec-post".to_owned(), "db")]);
        assert!(!hooks.now.ended);
    }

    #[test]
    fn an_annotation_replaces_all_hooks_of_its_phase_only() {
        let own = json!({"pre.hook.backup.velero.io/command": "own", "pre.hook.backup.velero.io/container": "side"});
        let hooks = PodHooks::of(&spec(), &pod(own, "Running")).unwrap().unwrap();
        assert_eq!(commands(&hooks.pre), [("own".to_owned(), "side")]);
        assert_eq!(hooks.pre[0].source, Source::Annotation);
        assert_eq!(commands(&hooks.post), [("spec-post".to_owned(), "db")]);
    }

    #[test]
    fn a_pod_without_hooks_has_none() {
        let none = PodHooks::of(&SpecHooks::default(), &pod(json!({"a": "b"}), "Running"));
        assert_eq!(none.unwrap(), None);
    }

    #[test]
    fn hooks_run_in_containers_and_sidecars_of_running_pods() {
        for (phase, ended) in [
            ("Running", false),
            ("Pending", false),
            ("Succeeded", true),
            ("Failed", true),
        ] {
            let hooks = PodHooks::of(&spec(), &pod(json!({}), phase)).unwrap().unwrap();
            assert_eq!(hooks.now.ended, ended, "{phase}");
            assert_eq!(hooks.containers, ["db", "side", "proxy"]);
        }
    }
}
