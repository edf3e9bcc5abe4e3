//! Secrets with the token of a service account: which of them a controller generated (decision 40).
//!
//! Until Kubernetes 1.24 a controller generated one for every account. A new cluster generates its own, or needs none. Secrets that
//! users wrote belong to them, with any name.

use serde_json::Value;

use super::metadata;
use crate::api::annotations::{LAST_APPLIED, SERVICE_ACCOUNT_NAME, SERVICE_ACCOUNT_UID};

/// The type of such a Secret.
pub const TYPE: &str = "kubernetes.io/service-account-token";

/// Between the name of the account and the random end of the name.
const MIDDLE: &str = "-token-";

/// The characters of random name ends: no vowels and nothing that looks like one.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// The length of a random name end.
const RANDOM: usize = 5;

/// The part before the end is cut to this length, so that the name is no longer than a label value.
const LONGEST: usize = 63 - RANDOM;

/// Whether the controller could have given this name to a token of this account.
pub fn is_name_of(account: &str, name: &str) -> bool {
    let full = format!("{account}{MIDDLE}");
    let prefix = full.get(..LONGEST).unwrap_or(&full);
    !account.is_empty() && name.strip_prefix(prefix).is_some_and(is_random)
}

/// Whether it could have given this name to a token of any account.
pub fn is_name(name: &str) -> bool {
    let at = name.len().saturating_sub(RANDOM);
    match (name.get(..at), name.get(at..)) {
        (Some(prefix), Some(end)) => is_random(end) && (prefix.ends_with(MIDDLE) || prefix.len() == LONGEST),
        _ => false,
    }
}

fn is_random(end: &str) -> bool {
    end.len() == RANDOM && end.bytes().all(|byte| ALPHABET.contains(&byte))
}

/// Whether the controller generated this Secret: by its type, its account, its name, and its managed fields.
pub fn is_generated(secret: &Value) -> bool {
    let annotation = |key| metadata::annotation(secret, key).unwrap_or_default();
    let name = metadata::field(secret, "name").unwrap_or_default();
    secret.get("type").is_some_and(|kind| kind == TYPE)
        && is_name_of(annotation(SERVICE_ACCOUNT_NAME), name)
        && !annotation(SERVICE_ACCOUNT_UID).is_empty()
        && annotation(LAST_APPLIED).is_empty()
        && !was_filled_later(secret)
}

/// Whether the token was written by another manager than the type: the controller writes both at once for its own Secrets, and
/// fills a user's Secret in a second write.
fn was_filled_later(secret: &Value) -> bool {
    let entries = secret.pointer("/metadata/managedFields").and_then(Value::as_array);
    let mut makers = entries
        .into_iter()
        .flatten()
        .filter(|entry| entry.pointer("/fieldsV1/f:type").is_some())
        .peekable();
    makers.peek().is_some() && makers.all(|entry| entry.pointer("/fieldsV1/f:data/f:token").is_none())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_whole_name_counts() {
        let long = "a".repeat(60);
        let table = [
            ("web", "web-token-x7k2p".to_owned(), true),
            ("web", "web-token-ci".to_owned(), false),
            ("web", "web-token-deploy".to_owned(), false),
            ("web", "web-token-abc12".to_owned(), false),
            ("web", "web-token-x7k2".to_owned(), false),
            ("web", "web-token-X7K2P".to_owned(), false),
            ("web", "website-token-x7k2p".to_owned(), false),
            ("web-token-x7k2p", "web-token-x7k2p-token-x7k2p".to_owned(), true),
            ("", "-token-x7k2p".to_owned(), false),
            // the name of the account itself is cut off
            (&long, format!("{}x7k2p", &long[..58]), true),
            (&long, format!("{long}-token-x7k2p"), false),
        ];
        for (account, name, expected) in table {
            assert_eq!(is_name_of(account, &name), expected, "{account} {name}");
            assert!(!expected || is_name(&name), "{name}");
        }
        for name in ["", "x7k2p", "web-x7k2p", "web-token-", "web-token-ci", "wäb-tökén"] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn only_tokens_of_the_controller_count_as_generated() {
        let account = json!({(SERVICE_ACCOUNT_NAME): "web", (SERVICE_ACCOUNT_UID): "1"});
        let secret = |name: &str, annotations: &Value, fields: &Value| {
            json!({
                "type": TYPE, "metadata": {"name": name, "annotations": annotations, "managedFields": fields},
            })
        };
        let applied = json!({(SERVICE_ACCOUNT_NAME): "web", (SERVICE_ACCOUNT_UID): "1", (LAST_APPLIED): "{}"});
        let by_controller = json!([{"manager": "k3s", "fieldsV1": {"f:type": {}, "f:data": {"f:token": {}}}}]);
        let by_hand = json!([
            {"manager": "kubectl-create", "fieldsV1": {"f:type": {}}},
            {"manager": "kube-controller-manager", "fieldsV1": {"f:data": {"f:token": {}}}},
        ]);
        let name = "web-token-x7k2p";
        let table = [
            ("made by the controller", secret(name, &account, &by_controller), true),
            ("before field managers", secret(name, &account, &json!(null)), true),
            ("created by hand", secret(name, &account, &by_hand), false),
            ("applied", secret(name, &applied, &json!(null)), false),
            (
                "a name of a person",
                secret("web-token-ci", &account, &json!(null)),
                false,
            ),
            (
                "another account's",
                secret(
                    name,
                    &json!({(SERVICE_ACCOUNT_NAME): "app", (SERVICE_ACCOUNT_UID): "1"}),
                    &json!(null),
                ),
                false,
            ),
            (
                "never filled",
                secret(name, &json!({(SERVICE_ACCOUNT_NAME): "web"}), &json!(null)),
                false,
            ),
        ];
        for (case, secret, expected) in table {
            assert_eq!(is_generated(&secret), expected, "{case}");
        }
        let mut opaque = secret(name, &account, &by_controller);
        opaque["type"] = json!("Opaque");
        assert!(!is_generated(&opaque));
    }
}
