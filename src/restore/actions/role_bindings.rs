//! Maps the subjects of role bindings to the target namespaces of their service accounts, also those that name them as a group or as
//! a user.

use std::collections::BTreeMap;

use serde_json::Value;

use super::action::{ActionError, Input, Output};
use super::built_in::BuiltIn;

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

/// The prefix of a namespace in the name of the group of its service accounts.
const ACCOUNTS_OF: &str = "system:serviceaccounts:";

/// The prefix of `<namespace>:<name>` in the user name of a service account.
const ACCOUNT: &str = "system:serviceaccount:";

#[expect(clippy::unnecessary_wraps, reason = "the signature of every built-in action")]
fn execute(item: &mut Value, input: &Input<'_>) -> Result<Output, ActionError> {
    map_subjects(item, &input.restore.namespace_mapping);
    Ok(Output::default())
}

/// Maps the namespaces of a binding's subjects. `mapping`: source to target.
pub fn map_subjects(item: &mut Value, mapping: &BTreeMap<String, String>) {
    for subject in item
        .get_mut("subjects")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        if let Some(namespace) = subject.get_mut("namespace")
            && let Some(target) = namespace.as_str().and_then(|source| mapping.get(source))
        {
            *namespace = Value::from(target.as_str());
        }
        if let Some(name) = mapped_name(subject, mapping) {
            subject["name"] = Value::from(name);
        }
    }
}

/// The mapped name of a group or a user for accounts of a namespace, if that is mapped.
fn mapped_name(subject: &Value, mapping: &BTreeMap<String, String>) -> Option<String> {
    let text = |key| subject.get(key).and_then(Value::as_str);
    let name = text("name")?;
    match text("kind")? {
        "Group" => {
            let target = mapping.get(name.strip_prefix(ACCOUNTS_OF)?)?;
            Some(format!("{ACCOUNTS_OF}{target}"))
        }
        "User" => {
            let (source, account) = name.strip_prefix(ACCOUNT)?.split_once(':')?;
            Some(format!("{ACCOUNT}{}:{account}", mapping.get(source)?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::restore::actions::testing::{Archive, changed, mapped, run};

    #[test]
    fn subjects_of_mapped_namespaces_are_mapped() {
        let binding = json!({"subjects": [
            {"kind": "ServiceAccount", "name": "a", "namespace": "shop"},
            {"kind": "ServiceAccount", "name": "b", "namespace": "other"},
            {"kind": "User", "name": "c"},
            {"kind": "Group", "name": "system:serviceaccounts:shop"},
            {"kind": "Group", "name": "system:serviceaccounts"},
            {"kind": "Group", "name": "system:serviceaccounts:shop-2"},
            {"kind": "User", "name": "system:serviceaccount:shop:a"},
            {"kind": "User", "name": "system:serviceaccount:other:a"},
            {"kind": "User", "name": "system:serviceaccounts:shop"},
            {"kind": "Group", "name": "system:serviceaccount:shop:a"},
        ]});
        for action in [CLUSTER, NAMESPACED] {
            let (item, output) = run(&action, &mapped(&[("shop", "copy")]), &Archive::default(), &binding);
            assert_eq!(output, Ok(Output::default()));
            assert_eq!(
                item,
                json!({"subjects": [
                    {"kind": "ServiceAccount", "name": "a", "namespace": "copy"},
                    {"kind": "ServiceAccount", "name": "b", "namespace": "other"},
                    {"kind": "User", "name": "c"},
                    {"kind": "Group", "name": "system:serviceaccounts:copy"},
                    {"kind": "Group", "name": "system:serviceaccounts"},
                    {"kind": "Group", "name": "system:serviceaccounts:shop-2"},
                    {"kind": "User", "name": "system:serviceaccount:copy:a"},
                    {"kind": "User", "name": "system:serviceaccount:other:a"},
                    {"kind": "User", "name": "system:serviceaccounts:shop"},
                    {"kind": "Group", "name": "system:serviceaccount:shop:a"},
                ]})
            );
        }
    }

    #[test]
    fn a_binding_without_subjects_is_not_changed() {
        for binding in [
            json!({}),
            json!({"subjects": null}),
            json!({"subjects": [{"namespace": 3}, "odd"]}),
        ] {
            assert_eq!(changed(&NAMESPACED, &binding), binding);
        }
    }
}
