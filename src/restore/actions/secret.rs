//! Tokens of service accounts: generated ones are not restored, because the new cluster makes its own; those that a user created
//! are restored empty and filled again. Since 1.11.
//!
//! Upstream decides by the beginning of the name and also drops those of users (decision 40).

use serde_json::Value;

use super::action::{ActionError, Input, Output};
use super::built_in::BuiltIn;
use crate::api::annotations::SERVICE_ACCOUNT_UID;
use crate::restore::object::{metadata, token};

pub(super) const ACTION: BuiltIn = BuiltIn {
    name: "velero.io/secret",
    resources: &["secrets"],
    label: None,
    execute,
};

/// The keys that the controller fills if they are missing. It keeps an existing namespace, even that of another cluster.
const FILLED: [&str; 3] = ["token", "ca.crt", "namespace"];

/// Labels about the use of the old token. The API server refuses a token of a Secret that is marked invalid.
const OF_THE_OLD_TOKEN: [&str; 2] = [
    "kubernetes.io/legacy-token-invalid-since",
    "kubernetes.io/legacy-token-last-used",
];

#[expect(clippy::unnecessary_wraps, reason = "the signature of every built-in action")]
fn execute(item: &mut Value, _: &Input<'_>) -> Result<Output, ActionError> {
    if item.get("type").is_none_or(|kind| kind != token::TYPE) {
        return Ok(Output::default());
    }
    if token::is_generated(item) {
        return Ok(Output::skip());
    }
    metadata::remove_annotations(item, &[SERVICE_ACCOUNT_UID]);
    for (map, keys) in [("/data", &FILLED[..]), ("/metadata/labels", &OF_THE_OLD_TOKEN)] {
        if let Some(map) = item.pointer_mut(map).and_then(Value::as_object_mut) {
            map.retain(|key, _| !keys.contains(&key.as_str()));
        }
    }
    Ok(Output::default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::restore::actions::testing::{Archive, changed, run};
    use crate::restore::request::RestoreContext;

    fn token(name: &str) -> Value {
        json!({
            "metadata": {"name": name, "namespace": "shop", "annotations": {
                "kubernetes.io/service-account.name": "web", "kubernetes.io/service-account.uid": "1",
            }},
            "type": token::TYPE,
            "data": {"token": "t", "ca.crt": "c", "namespace": "n", "mine": "m"},
        })
    }

    #[test]
    fn generated_tokens_are_left_out_and_those_of_users_restored() {
        let table = [
            ("web-token-x7k2p", true),
            ("web-token-ci", false),
            ("app-token-x7k2p", false),
            ("web", false),
        ];
        for (name, skipped) in table {
            let (_, output) = run(&ACTION, &RestoreContext::default(), &Archive::default(), &token(name));
            assert_eq!(output.unwrap().skip, skipped, "{name}");
        }
    }

    #[test]
    fn a_kept_token_is_restored_empty() {
        let mut old = token("mine");
        old["metadata"]["labels"] = json!({"a": "b", "kubernetes.io/legacy-token-invalid-since": "2026-01-01"});
        let secret = changed(&ACTION, &old);
        assert_eq!(secret["data"], json!({"mine": "m"}));
        assert_eq!(
            secret["metadata"]["annotations"],
            json!({"kubernetes.io/service-account.name": "web"})
        );
        assert_eq!(secret["metadata"]["labels"], json!({"a": "b"}));
    }

    #[test]
    fn other_secrets_are_not_touched() {
        let secret = json!({"metadata": {"name": "web-token-x7k2p"}, "type": "Opaque", "data": {"token": "t"}});
        assert_eq!(changed(&ACTION, &secret), secret);
    }
}
