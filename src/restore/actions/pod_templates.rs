//! Objects with pod templates get a warning if their pods would refer to a token that is left out (decision 40). The templates
//! are not changed.

use futures::future::{BoxFuture, FutureExt};
use serde_json::Value;

use super::action::{ActionError, AppliesTo, Input, Output, RestoreItemAction};
use super::token_references::{left_out, names_in, secret_of, warning};
use crate::restore::object::metadata;

pub(super) struct PodTemplatesAction;

const RESOURCES: [&str; 8] = [
    "cronjobs.batch",
    "daemonsets.apps",
    "deployments.apps",
    "jobs.batch",
    "podtemplates",
    "replicasets.apps",
    "replicationcontrollers",
    "statefulsets.apps",
];

/// Where the spec of the pods is.
const SPECS: [&str; 3] = [
    "/spec/template/spec",
    "/spec/jobTemplate/spec/template/spec",
    "/template/spec",
];

impl RestoreItemAction for PodTemplatesAction {
    fn name(&self) -> &'static str {
        "velero.io/pod-templates"
    }

    fn applies_to(&self) -> AppliesTo {
        AppliesTo {
            included_resources: RESOURCES.map(String::from).to_vec(),
            ..AppliesTo::default()
        }
    }

    fn execute<'a>(&'a self, item: &'a mut Value, input: Input<'a>) -> BoxFuture<'a, Result<Output, ActionError>> {
        async move {
            let mut output = Output::default();
            let spec = SPECS.iter().find_map(|at| item.pointer(at));
            // an object that a controller made from a template is reported for its owner
            let Some(spec) = spec.filter(|_| !is_controlled(input.original)) else {
                return Ok(output);
            };
            let account = spec.get("serviceAccountName").and_then(Value::as_str);
            let account = account.filter(|name| !name.is_empty()).unwrap_or("default");
            let volumes = spec.get("volumes").and_then(Value::as_array).into_iter().flatten();
            let mut named: Vec<&str> = volumes.filter_map(secret_of).map(|(_, secret)| secret).collect();
            names_in("spec", spec, &mut named);
            let kind = item
                .get("kind")
                .and_then(Value::as_str)
                .unwrap_or("object")
                .to_lowercase();
            let name = metadata::field(item, "name").unwrap_or_default();
            for secret in left_out(&input, account, named.into_iter()).await {
                output.warnings.push(warning(&format!("{kind} {name}"), &secret));
            }
            Ok(output)
        }
        .boxed()
    }

    fn is_pure(&self) -> bool {
        true
    }
}

fn is_controlled(object: &Value) -> bool {
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    let mut owners = owners.into_iter().flatten();
    owners.any(|owner| owner.get("controller").is_some_and(|controls| controls == true))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::restore::actions::testing::{Archive, generated, made_by_hand, run};
    use crate::restore::request::RestoreContext;

    #[test]
    fn a_template_with_a_generated_token_is_only_a_warning() {
        let archive = Archive::of([
            generated("shop", "web", "web-token-x7k2p"),
            made_by_hand("shop", "web", "web-token-mbfgh"),
        ]);
        let volume = |secret: &str| json!({"volumes": [{"name": "v", "secret": {"secretName": secret}}]});
        let object = |spec: Value, owners: Value| {
            json!({
                "kind": "Deployment", "spec": spec,
                "metadata": {"name": "w", "namespace": "shop", "ownerReferences": owners},
            })
        };
        let template = |secret: &str| json!({"template": {"spec": volume(secret)}});
        let owner = json!([{"kind": "Deployment", "name": "w", "controller": true}]);
        let table = [
            (object(template("web-token-x7k2p"), json!(null)), 1),
            (object(template("web-token-mbfgh"), json!(null)), 0),
            (object(template("web-token-ci"), json!(null)), 0),
            (object(template("web-token-x7k2p"), owner), 0),
            (
                object(
                    json!({"jobTemplate": {"spec": template("web-token-x7k2p")}}),
                    json!(null),
                ),
                1,
            ),
            (object(json!({}), json!(null)), 0),
        ];
        for (before, warned) in table {
            let (after, output) = run(&PodTemplatesAction, &RestoreContext::default(), &archive, &before);
            let warnings = output.unwrap().warnings;
            assert_eq!(warnings.len(), warned, "{before} {warnings:?}");
            assert!(
                warnings.iter().all(|text| text.starts_with("deployment w refers to")),
                "{warnings:?}"
            );
            assert_eq!(after, before);
        }
    }
}
