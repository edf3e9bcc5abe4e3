//! A service account forgets the token that its cluster generated for it.

use serde_json::Value;

use super::{ActionError, BuiltIn, Input, Output};
use crate::restore::object::metadata;

pub(super) const ACTION: BuiltIn = BuiltIn {
    name: "velero.io/service-account",
    resources: &["serviceaccounts"],
    label: None,
    execute,
};

#[expect(clippy::unnecessary_wraps, reason = "the signature of every built-in action")]
fn execute(item: &mut Value, _: &Input<'_>) -> Result<Output, ActionError> {
    let prefix = format!("{}-token-", metadata::field(item, "name").unwrap_or_default());
    if let Some(secrets) = item.get_mut("secrets").and_then(Value::as_array_mut) {
        let generated = |secret: &Value| {
            secret
                .get("name")
                .and_then(Value::as_str)
                .is_some_and(|name| name.starts_with(&prefix))
        };
        // only one was ever generated; others of that form were added by people
        if let Some(at) = secrets.iter().rposition(generated) {
            secrets.remove(at);
        }
    }
    Ok(Output::default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::changed;
    use super::*;

    #[test]
    fn the_last_generated_token_goes() {
        let account = |secrets: Value| json!({"metadata": {"name": "web"}, "secrets": secrets});
        let table = [
            (json!([{"name": "web-token-a"}]), json!([])),
            (
                json!([{"name": "web-token-a"}, {"name": "web-token-b"}]),
                json!([{"name": "web-token-a"}]),
            ),
            (
                json!([{"name": "web-token-a"}, {"name": "mine"}]),
                json!([{"name": "mine"}]),
            ),
            (
                json!([{"name": "website-token-a"}, {"name": "web"}]),
                json!([{"name": "website-token-a"}, {"name": "web"}]),
            ),
            (json!(null), json!(null)),
        ];
        for (before, after) in table {
            assert_eq!(changed(&ACTION, &account(before)), account(after));
        }
    }
}
