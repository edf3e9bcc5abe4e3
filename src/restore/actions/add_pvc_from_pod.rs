//! A pod's claims are restored before it.

use serde_json::Value;

use super::action::{ActionError, Input, Output};
use super::built_in::BuiltIn;
use crate::cluster::discovery::GroupResource;
use crate::restore::item_id::ItemId;
use crate::restore::object::metadata;

pub(super) const ACTION: BuiltIn = BuiltIn {
    name: "velero.io/add-pvc-from-pod",
    resources: &["pods"],
    label: None,
    execute,
};

#[expect(clippy::unnecessary_wraps, reason = "the signature of every built-in action")]
fn execute(item: &mut Value, input: &Input<'_>) -> Result<Output, ActionError> {
    let Some(namespace) = metadata::field(input.original, "namespace") else {
        return Ok(Output::default());
    };
    let volumes = item.pointer("/spec/volumes").and_then(Value::as_array);
    let claims = volumes
        .into_iter()
        .flatten()
        .filter_map(|volume| volume.pointer("/persistentVolumeClaim/claimName")?.as_str());
    let item = |claim| ItemId::namespaced(GroupResource::new("", "persistentvolumeclaims"), namespace, claim);
    Ok(Output::after(claims.map(item).collect()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::restore::actions::testing::{Archive, run};
    use crate::restore::request::RestoreContext;

    #[test]
    fn every_claim_is_requested_by_its_source_namespace() {
        let table = [
            (json!(null), vec![]),
            (json!([{"name": "a", "emptyDir": {}}]), vec![]),
            (
                json!([
                    {"name": "a", "persistentVolumeClaim": {"claimName": "one"}},
                    {"name": "b", "persistentVolumeClaim": {"claimName": "two"}},
                ]),
                vec!["persistentvolumeclaims/shop/one", "persistentvolumeclaims/shop/two"],
            ),
        ];
        for (volumes, expected) in table {
            let pod = json!({"metadata": {"name": "p", "namespace": "shop"}, "spec": {"volumes": volumes}});
            let (item, output) = run(&ACTION, &RestoreContext::default(), &Archive::default(), &pod);
            let additional: Vec<String> = output.unwrap().additional.iter().map(ToString::to_string).collect();
            assert_eq!(
                (additional, item),
                (expected.into_iter().map(String::from).collect(), pod)
            );
        }
    }
}
