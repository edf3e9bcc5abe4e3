//! The hooks of a backup's spec, and the pods they are for.

use std::collections::BTreeMap;

use super::command::{Hook, OnError, Phase, Source, timeout_of};
use crate::api::{BackupHook, BackupHooks, BackupResourceHooks, HookErrorMode};
use crate::select::includes::{IncludesExcludes, Resolve};
use crate::select::labels::Selector;

/// The only type that hooks are for.
const PODS: &str = "pods";

/// The hooks of a spec, checked.
#[derive(Clone, Debug, Default)]
pub struct SpecHooks {
    resources: Vec<Resource>,
}

#[derive(Clone, Debug)]
struct Resource {
    name: String,
    namespaces: IncludesExcludes,
    /// Whether pods are among the types the hooks are for.
    pods: bool,
    selector: Selector,
    pre: Vec<Hook>,
    post: Vec<Hook>,
}

/// The errors in the hooks of a spec, each with its place.
pub fn check(hooks: &BackupHooks) -> Vec<String> {
    SpecHooks::new(hooks, &|_| None).err().unwrap_or_default()
}

impl SpecHooks {
    /// Reads the hooks of a spec; the names of types are resolved through discovery.
    ///
    /// # Errors
    /// All errors in them.
    pub fn new(hooks: &BackupHooks, resolve: Resolve<'_>) -> Result<Self, Vec<String>> {
        let mut errors = Vec::new();
        let resources = hooks
            .resources
            .iter()
            .enumerate()
            .map(|(at, written)| Resource::new(&format!("spec.hooks.resources[{at}]"), written, resolve, &mut errors))
            .collect();
        if errors.is_empty() {
            Ok(Self { resources })
        } else {
            Err(errors)
        }
    }

    /// Whether any of them is for pods of this namespace with these labels.
    pub fn concern(&self, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
        self.for_pod(namespace, labels).next().is_some()
    }

    /// The hooks of a phase for such pods, in the order they run.
    pub(super) fn hooks(&self, phase: Phase, namespace: &str, labels: &BTreeMap<String, String>) -> Vec<Hook> {
        self.for_pod(namespace, labels)
            .flat_map(|resource| match phase {
                Phase::Pre => &resource.pre,
                Phase::Post => &resource.post,
            })
            .cloned()
            .collect()
    }

    fn for_pod<'a>(
        &'a self,
        namespace: &'a str,
        labels: &'a BTreeMap<String, String>,
    ) -> impl Iterator<Item = &'a Resource> {
        self.resources.iter().filter(move |resource| {
            resource.pods && resource.namespaces.should_include(namespace) && resource.selector.matches(labels)
        })
    }

    /// The names of hooks that no pod can have, because their resources leave pods out.
    pub fn idle(&self) -> impl Iterator<Item = &str> {
        let idle = self.resources.iter().filter(|resource| !resource.pods);
        idle.map(|resource| resource.name.as_str())
    }
}

impl Resource {
    fn new(at: &str, written: &BackupResourceHooks, resolve: Resolve<'_>, errors: &mut Vec<String>) -> Self {
        let of = format!("invalid hook {:?}", written.name);
        let namespaces = IncludesExcludes::new(&written.included_namespaces, &written.excluded_namespaces);
        let types = IncludesExcludes::of_resources(&written.included_resources, &written.excluded_resources, resolve);
        for broken in namespaces.broken().chain(types.broken()) {
            errors.push(format!("{of}, {at}: {broken}"));
        }
        let selector = written
            .label_selector
            .as_ref()
            .map(|written| Selector::new(&written.into()))
            .transpose();
        let selector = selector.unwrap_or_else(|error| {
            errors.push(format!("{of}, {at}.labelSelector: {error}"));
            None
        });
        let mut of_phase = |phase: Phase, hooks: &[BackupHook]| {
            let read = hooks.iter().enumerate().filter_map(|(number, hook)| {
                let at = format!("{at}.{}[{number}].exec", phase.as_str());
                let found = hook_of(&written.name, phase, hook);
                found
                    .map_err(|(field, error)| errors.push(format!("{of}, {at}{field}: {error}")))
                    .ok()
            });
            read.collect()
        };
        Self {
            pre: of_phase(Phase::Pre, &written.pre),
            post: of_phase(Phase::Post, &written.post),
            name: written.name.clone(),
            pods: types.should_include(PODS),
            selector: selector.unwrap_or_default(),
            namespaces,
        }
    }
}

/// The hook, or the invalid field and the reason.
fn hook_of(name: &str, phase: Phase, written: &BackupHook) -> Result<Hook, (&'static str, String)> {
    let Some(exec) = &written.exec else {
        return Err((
            "",
            "it is missing, and nothing else can be run: name a command".to_owned(),
        ));
    };
    if exec.command.first().is_none_or(String::is_empty) {
        return Err((
            ".command",
            "it is empty: name the program to run and its arguments".to_owned(),
        ));
    }
    let on_error = match &exec.on_error {
        None => OnError::default(),
        Some(HookErrorMode::Continue) => OnError::Continue,
        Some(HookErrorMode::Fail) => OnError::Fail,
        Some(HookErrorMode::Other(text)) if text.is_empty() => OnError::default(),
        Some(HookErrorMode::Other(text)) => {
            return Err((".onError", format!("{text:?} is neither Fail nor Continue")));
        }
    };
    let timeout = timeout_of(&exec.timeout).map_err(|error| (".timeout", error))?;
    Ok(Hook {
        source: Source::Spec,
        name: name.to_owned(),
        phase,
        container: exec.container.clone(),
        command: exec.command.clone(),
        on_error,
        timeout,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, from_value, json};

    use super::*;
    use crate::select::includes::ResolvedType;

    fn written(mut resource: Value) -> BackupHooks {
        if resource.get("pre").is_none() {
            resource["pre"] = json!([{"exec": {"command": ["sync"]}}]);
        }
        resource["name"] = json!("h");
        from_value(json!({"resources": [resource]})).unwrap()
    }

    fn resolve(typed: &str) -> Option<ResolvedType> {
        let name = match typed {
            "po" | "pod" | "pods" => "pods",
            "deploy" => "deployments.apps",
            _ => return None,
        };
        Some(ResolvedType {
            name: name.to_owned(),
            namespaced: true,
        })
    }

    #[test]
    fn hooks_are_for_the_pods_that_pass_all_filters() {
        let labels = BTreeMap::from([("app".to_owned(), "db".to_owned())]);
        let cases = [
            (json!({}), true),
            (json!({"includedNamespaces": ["*"]}), true),
            (json!({"includedNamespaces": ["shop"]}), true),
            (json!({"includedNamespaces": ["sh*"]}), true),
            (json!({"includedNamespaces": ["other"]}), false),
            (json!({"excludedNamespaces": ["shop"]}), false),
            (json!({"includedResources": ["po"]}), true),
            (json!({"includedResources": ["*"]}), true),
            (json!({"includedResources": ["deploy"]}), false),
            (json!({"includedResources": ["unheard-of"]}), false),
            (json!({"excludedResources": ["pod"]}), false),
            (json!({"labelSelector": {"matchLabels": {"app": "db"}}}), true),
            (json!({"labelSelector": {"matchLabels": {"app": "web"}}}), false),
            (json!({"labelSelector": {}}), true),
            (
                json!({"includedNamespaces": ["shop"], "labelSelector": {"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}}),
                false,
            ),
        ];
        for (resource, applies) in cases {
            let hooks = SpecHooks::new(&written(resource.clone()), &resolve).unwrap();
            assert_eq!(hooks.concern("shop", &labels), applies, "{resource}");
            assert_eq!(hooks.hooks(Phase::Pre, "shop", &labels).len(), usize::from(applies));
        }
    }

    #[test]
    fn hooks_run_in_the_order_of_the_spec() {
        let hook = |word: &str| json!({"exec": {"command": [word]}});
        let hooks: BackupHooks = from_value(json!({"resources": [
            {"name": "one", "pre": [hook("a"), hook("b")], "post": [hook("c")]},
            {"name": "two", "includedNamespaces": ["elsewhere"], "pre": [hook("d")]},
            {"name": "three", "pre": [{"exec": {"command": ["e", "f"], "container": "side", "onError": "Continue", "timeout": "2m"}}]},
        ]}))
        .unwrap();
        let hooks = SpecHooks::new(&hooks, &resolve).unwrap();
        let labels = BTreeMap::new();
        let pre = hooks.hooks(Phase::Pre, "shop", &labels);
        let order: Vec<_> = pre
            .iter()
            .map(|hook| (hook.name.as_str(), hook.command.join(" ")))
            .collect();
        assert_eq!(
            order,
            [
                ("one", "a".to_owned()),
                ("one", "b".to_owned()),
                ("three", "e f".to_owned())
            ]
        );
        assert_eq!(hooks.hooks(Phase::Post, "shop", &labels).len(), 1);
        assert_eq!(
            (pre[0].container.as_str(), pre[0].on_error, pre[0].timeout),
            ("", OnError::Fail, Duration::from_secs(30))
        );
        assert_eq!(
            (pre[2].container.as_str(), pre[2].on_error, pre[2].timeout),
            ("side", OnError::Continue, Duration::from_mins(2))
        );
    }

    #[test]
    fn errors_are_named_with_their_place() {
        let exec = |exec: Value| json!({"pre": [{"exec": {"command": ["sync"]}}], "post": [{"exec": exec}]});
        let cases = [
            (
                json!({"pre": [{}]}),
                r#"invalid hook "h", spec.hooks.resources[0].pre[0].exec: it is missing"#,
            ),
            (
                exec(json!({})),
                r#"invalid hook "h", spec.hooks.resources[0].post[0].exec.command: it is empty"#,
            ),
            (exec(json!({"command": []})), "post[0].exec.command: it is empty"),
            (exec(json!({"command": [""]})), "post[0].exec.command: it is empty"),
            (
                exec(json!({"command": ["a"], "onError": "Stop"})),
                r#"post[0].exec.onError: "Stop" is neither"#,
            ),
            (
                exec(json!({"command": ["a"], "timeout": "soon"})),
                "post[0].exec.timeout: time: invalid duration",
            ),
            (
                exec(json!({"command": ["a"], "timeout": "-5s"})),
                "post[0].exec.timeout: -5s is negative",
            ),
            (
                json!({"includedNamespaces": ["[a"]}),
                r#"invalid hook "h", spec.hooks.resources[0]: "#,
            ),
            (
                json!({"labelSelector": {"matchExpressions": [{"key": "a", "operator": "Like"}]}}),
                r#"spec.hooks.resources[0].labelSelector: "Like" is not"#,
            ),
        ];
        for (resource, expected) in cases {
            let errors = check(&written(resource.clone()));
            assert!(
                errors.len() == 1 && errors[0].contains(expected),
                "{resource}: {errors:?}"
            );
        }
        assert!(check(&written(json!({}))).is_empty());
        assert!(check(&BackupHooks::default()).is_empty());
    }

    #[test]
    fn hooks_that_no_pod_can_have_are_named() {
        let hooks = written(json!({"includedResources": ["deploy"]}));
        let hooks = SpecHooks::new(&hooks, &resolve).unwrap();
        assert_eq!(hooks.idle().collect::<Vec<_>>(), ["h"]);
        let hooks = SpecHooks::new(&written(json!({})), &resolve).unwrap();
        assert_eq!(hooks.idle().count(), 0);
    }
}
