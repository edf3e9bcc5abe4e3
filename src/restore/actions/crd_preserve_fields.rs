//! CRDs from before structural schemas were required: `v1` refuses `preserveUnknownFields: true` and has another field for it.

use serde_json::{Value, json};

use super::action::{ActionError, Input, Output};
use super::built_in::BuiltIn;

pub(super) const ACTION: BuiltIn = BuiltIn {
    name: "velero.io/crd-preserve-fields",
    resources: &["customresourcedefinitions.apiextensions.k8s.io"],
    label: None,
    execute,
};

#[expect(clippy::unnecessary_wraps, reason = "the signature of every built-in action")]
fn execute(item: &mut Value, _: &Input<'_>) -> Result<Output, ActionError> {
    let is_v1 = item
        .get("apiVersion")
        .is_some_and(|version| version == "apiextensions.k8s.io/v1");
    let Some(spec) = item.get_mut("spec").and_then(Value::as_object_mut) else {
        return Ok(Output::default());
    };
    if !is_v1 || spec.get("preserveUnknownFields") != Some(&json!(true)) {
        return Ok(Output::default());
    }
    spec.insert("preserveUnknownFields".to_owned(), json!(false));
    for version in spec
        .get_mut("versions")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        if let Some(schema) = version
            .pointer_mut("/schema/openAPIV3Schema")
            .and_then(Value::as_object_mut)
        {
            schema.insert("x-kubernetes-preserve-unknown-fields".to_owned(), json!(true));
        }
    }
    Ok(Output::default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restore::actions::testing::changed;

    fn crd(version: &str, preserve: &Value, schema: &Value) -> Value {
        json!({
            "apiVersion": format!("apiextensions.k8s.io/{version}"),
            "spec": {"preserveUnknownFields": preserve, "versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}, {"name": "v2"}]},
        })
    }

    #[test]
    fn only_a_v1_crd_that_preserves_everything_is_changed() {
        let (open, plain) = (
            json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
            json!({"type": "object"}),
        );
        let table = [
            ("preserves", "v1", json!(true), json!(false), &open),
            ("does not", "v1", json!(false), json!(false), &plain),
            ("says nothing", "v1", json!(null), json!(null), &plain),
            ("is old", "v1beta1", json!(true), json!(true), &plain),
        ];
        for (name, version, before, after, schema) in table {
            assert_eq!(
                changed(&ACTION, &crd(version, &before, &plain)),
                crd(version, &after, schema),
                "{name}"
            );
        }
    }
}
