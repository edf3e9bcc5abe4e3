//! Subjects of role bindings follow their service accounts into the target namespace.

use serde_json::Value;

use super::{ActionError, BuiltIn, Input, Output};

pub(super) const CLUSTER: BuiltIn = BuiltIn {
    name: "velero.io/cluster-role-bindings",
    resources: &["clusterrolebindings.rbac.authorization.k8s.io"],
    label: None,
    execute,
};

pub(super) const NAMESPACED: BuiltIn = BuiltIn {
    name: "velero.io/role-bindings",
    resources: &["rolebindings.rbac.authorization.k8s.io"],
    label: None,
    execute,
};

#[expect(clippy::unnecessary_wraps, reason = "the signature of every built-in action")]
fn execute(item: &mut Value, input: &Input<'_>) -> Result<Output, ActionError> {
    for subject in item
        .get_mut("subjects")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        let Some(namespace) = subject.get_mut("namespace") else {
            continue;
        };
        if let Some(target) = namespace
            .as_str()
            .and_then(|source| input.restore.namespace_mapping.get(source))
        {
            *namespace = Value::from(target.as_str());
        }
    }
    Ok(Output::default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{World, changed, mapped, run};
    use super::*;

    #[test]
    fn subjects_of_mapped_namespaces_move() {
        let binding = json!({"subjects": [
            {"kind": "ServiceAccount", "name": "a", "namespace": "shop"},
            {"kind": "ServiceAccount", "name": "b", "namespace": "other"},
            {"kind": "User", "name": "c"},
        ]});
        for action in [CLUSTER, NAMESPACED] {
            let (item, output) = run(&action, &mapped(&[("shop", "copy")]), &World::default(), &binding);
            assert_eq!(output, Ok(Output::default()));
            assert_eq!(
                item,
                json!({"subjects": [
                    {"kind": "ServiceAccount", "name": "a", "namespace": "copy"},
                    {"kind": "ServiceAccount", "name": "b", "namespace": "other"},
                    {"kind": "User", "name": "c"},
                ]})
            );
        }
    }

    #[test]
    fn a_binding_without_subjects_stays_as_it_is() {
        for binding in [
            json!({}),
            json!({"subjects": null}),
            json!({"subjects": [{"namespace": 3}, "odd"]}),
        ] {
            assert_eq!(changed(&NAMESPACED, &binding), binding);
        }
    }
}
