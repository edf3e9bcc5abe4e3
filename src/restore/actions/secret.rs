//! Tokens of service accounts: those that a cluster made by itself are left to the new one, those that a person asked for
//! are restored empty and filled anew. Since 1.11.

use futures::future::{BoxFuture, FutureExt};
use serde_json::Value;

use super::{ActionError, AppliesTo, Input, ItemId, Output, RestoreItemAction};
use crate::api::annotations::SERVICE_ACCOUNT_UID;
use crate::cluster::discovery::GroupResource;
use crate::restore::object::metadata;

const TOKEN_TYPE: &str = "kubernetes.io/service-account-token";
const FILLED: [&str; 2] = ["token", "ca.crt"];

/// Upstream looks for the account in the source namespace of the new cluster; it is the target one, and the archive, that
/// can hold it (spec restore 26, row 29).
pub(super) struct SecretAction;

impl RestoreItemAction for SecretAction {
    fn name(&self) -> &'static str {
        "velero.io/secret"
    }

    fn applies_to(&self) -> AppliesTo {
        AppliesTo {
            included_resources: vec!["secrets".to_owned()],
            ..AppliesTo::default()
        }
    }

    fn execute<'a>(&'a self, item: &'a mut Value, input: Input<'a>) -> BoxFuture<'a, Result<Output, ActionError>> {
        async move {
            if item.get("type").is_none_or(|kind| kind != TOKEN_TYPE) {
                return Ok(Output::default());
            }
            let name = metadata::field(input.original, "name").unwrap_or_default();
            let namespace = metadata::field(input.original, "namespace").unwrap_or_default();
            let accounts = GroupResource::new("", "serviceaccounts");
            for account in possible_accounts(name) {
                let archived = input
                    .lookup
                    .is_archived(&ItemId::namespaced(accounts.clone(), namespace, account));
                let target = Some(input.restore.target(namespace));
                if archived || input.lookup.is_live(&accounts, target, account).await? {
                    return Ok(Output::skip());
                }
            }
            empty(item);
            Ok(Output::default())
        }
        .boxed()
    }

    fn is_pure(&self) -> bool {
        // what is in the cluster is emptied like what is restored; a token that is left out is never compared
        true
    }
}

/// The accounts whose generated token could have this name: everything before a `-token-`.
fn possible_accounts(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices("-token-")
        .map(|(at, _)| &name[..at])
        .filter(|account| !account.is_empty())
}

fn empty(secret: &mut Value) {
    metadata::remove_annotations(secret, &[SERVICE_ACCOUNT_UID]);
    if let Some(data) = secret.get_mut("data").and_then(Value::as_object_mut) {
        data.retain(|key, _| !FILLED.contains(&key.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{World, changed, mapped, run};
    use super::*;

    fn token(name: &str) -> Value {
        json!({
            "metadata": {"name": name, "namespace": "shop", "annotations": {
                "kubernetes.io/service-account.name": "web", "kubernetes.io/service-account.uid": "1",
            }},
            "type": TOKEN_TYPE,
            "data": {"token": "t", "ca.crt": "c", "namespace": "n"},
        })
    }

    fn account(namespace: &str, name: &str) -> ItemId {
        ItemId::namespaced(GroupResource::new("", "serviceaccounts"), namespace, name)
    }

    #[test]
    fn generated_tokens_are_left_to_the_cluster() {
        let archived = World {
            archived: [account("shop", "web")].into(),
            ..World::default()
        };
        let live_in_target = World {
            live: [account("copy", "web")].into(),
            ..World::default()
        };
        let live_in_source = World {
            live: [account("shop", "web")].into(),
            ..World::default()
        };
        let odd = World {
            archived: [account("shop", "web-token-a")].into(),
            ..World::default()
        };
        let table = [
            ("the account is in the archive", &archived, "web-token-abc", true),
            (
                "the account is in the target namespace",
                &live_in_target,
                "web-token-abc",
                true,
            ),
            (
                "another namespace has such an account",
                &live_in_source,
                "web-token-abc",
                false,
            ),
            ("a token asked for by a person", &archived, "web", false),
            ("an account with a misleading name", &odd, "web-token-a-token-b", true),
            ("a secret without account", &archived, "-token-abc", false),
        ];
        for (name, world, secret, skipped) in table {
            let (_, output) = run(&SecretAction, &mapped(&[("shop", "copy")]), world, &token(secret));
            assert_eq!(output.unwrap().skip, skipped, "{name}");
        }
    }

    #[test]
    fn a_kept_token_is_restored_empty() {
        let secret = changed(&SecretAction, &token("mine"));
        assert_eq!(secret["data"], json!({"namespace": "n"}));
        assert_eq!(
            secret["metadata"]["annotations"],
            json!({"kubernetes.io/service-account.name": "web"})
        );
    }

    #[test]
    fn other_secrets_are_not_touched() {
        let secret = json!({"metadata": {"name": "web-token-abc"}, "type": "Opaque", "data": {"token": "t"}});
        assert_eq!(changed(&SecretAction, &secret), secret);
    }
}
