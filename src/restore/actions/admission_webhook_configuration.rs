//! Webhook configurations of older API versions get the `sideEffects` that `v1` requires. Since 1.9.

use serde_json::{Value, json};

use super::action::{ActionError, Input, Output};
use super::built_in::BuiltIn;

pub(super) const ACTION: BuiltIn = BuiltIn {
    name: "velero.io/admission-webhook-configuration",
    resources: &[
        "mutatingwebhookconfigurations.admissionregistration.k8s.io",
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
    ],
    label: None,
    execute,
};

#[expect(clippy::unnecessary_wraps, reason = "the signature of every built-in action")]
fn execute(item: &mut Value, _: &Input<'_>) -> Result<Output, ActionError> {
    if item
        .get("apiVersion")
        .is_some_and(|version| version == "admissionregistration.k8s.io/v1")
        && let Some(webhooks) = item.get_mut("webhooks").and_then(Value::as_array_mut)
    {
        // an entry that is not an object is not a webhook
        webhooks.retain(Value::is_object);
        for webhook in webhooks {
            if !matches!(
                webhook.get("sideEffects").and_then(Value::as_str),
                Some("None" | "NoneOnDryRun")
            ) {
                webhook["sideEffects"] = json!("None");
            }
        }
    }
    Ok(Output::default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restore::actions::testing::changed;

    #[test]
    fn only_v1_is_touched_and_only_where_it_would_be_refused() {
        let v1 = "admissionregistration.k8s.io/v1";
        let table = [
            (
                v1,
                json!([{"name": "a", "sideEffects": "Unknown"}]),
                json!([{"name": "a", "sideEffects": "None"}]),
            ),
            (
                v1,
                json!([{"name": "a"}]),
                json!([{"name": "a", "sideEffects": "None"}]),
            ),
            (
                v1,
                json!([{"sideEffects": "None"}, {"sideEffects": "NoneOnDryRun"}]),
                json!([{"sideEffects": "None"}, {"sideEffects": "NoneOnDryRun"}]),
            ),
            (
                v1,
                json!(["odd", {"sideEffects": "Some"}]),
                json!([{"sideEffects": "None"}]),
            ),
            (v1, json!(null), json!(null)),
            (
                "admissionregistration.k8s.io/v1beta1",
                json!([{"sideEffects": "Some"}]),
                json!([{"sideEffects": "Some"}]),
            ),
        ];
        for (version, webhooks, expected) in table {
            let object = json!({"apiVersion": version, "webhooks": webhooks});
            assert_eq!(changed(&ACTION, &object)["webhooks"], expected, "{version} {webhooks}");
        }
    }
}
