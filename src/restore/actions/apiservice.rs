//! APIServices that the API server maintains itself are not restored.

use serde_json::Value;

use super::action::{ActionError, Input, Output};
use super::built_in::BuiltIn;
use crate::api::labels::KUBE_AGGREGATOR_AUTOMANAGED;

pub(super) const ACTION: BuiltIn = BuiltIn {
    name: "velero.io/apiservice",
    resources: &["apiservices.apiregistration.k8s.io"],
    label: Some(KUBE_AGGREGATOR_AUTOMANAGED),
    execute,
};

#[expect(clippy::unnecessary_wraps, reason = "the signature of every built-in action")]
fn execute(_: &mut Value, _: &Input<'_>) -> Result<Output, ActionError> {
    Ok(Output::skip())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::restore::actions::testing::{Archive, run};
    use crate::restore::request::RestoreContext;

    #[test]
    fn matching_objects_are_left_out() {
        let (_, output) = run(
            &ACTION,
            &RestoreContext::default(),
            &Archive::default(),
            &json!({"metadata": {}}),
        );
        assert_eq!(output, Ok(Output::skip()));
    }
}
