//! Removes from a service account the token that its cluster generated for it (decision 40).

use futures::future::{BoxFuture, FutureExt};
use serde_json::Value;

use super::action::{ActionError, AppliesTo, Input, Output, RestoreItemAction};
use super::token_references::{left_out, warning};
use crate::restore::object::metadata;

pub(super) struct ServiceAccountAction;

impl RestoreItemAction for ServiceAccountAction {
    fn name(&self) -> &'static str {
        "velero.io/service-account"
    }

    fn applies_to(&self) -> AppliesTo {
        AppliesTo {
            included_resources: vec!["serviceaccounts".to_owned()],
            ..AppliesTo::default()
        }
    }

    fn execute<'a>(&'a self, item: &'a mut Value, input: Input<'a>) -> BoxFuture<'a, Result<Output, ActionError>> {
        async move {
            let name = metadata::field(item, "name").unwrap_or_default().to_owned();
            let lists = ["secrets", "imagePullSecrets"];
            let names = lists.iter().flat_map(|list| references(item, list));
            let gone = left_out(&input, &name, names).await;
            let mut output = Output::default();
            for secret in &gone {
                output
                    .warnings
                    .push(warning(&format!("service account {name}"), secret));
            }
            for list in lists {
                if let Some(references) = item.get_mut(list).and_then(Value::as_array_mut) {
                    references
                        .retain(|reference| !name_of(reference).is_some_and(|name| gone.iter().any(|one| one == name)));
                }
            }
            Ok(output)
        }
        .boxed()
    }

    fn is_pure(&self) -> bool {
        true
    }
}

fn references<'a>(account: &'a Value, list: &str) -> impl Iterator<Item = &'a str> {
    let references = account.get(list).and_then(Value::as_array);
    references.into_iter().flatten().filter_map(name_of)
}

fn name_of(reference: &Value) -> Option<&str> {
    reference.get("name").and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::restore::actions::testing::{Archive, generated, made_by_hand, run};
    use crate::restore::request::RestoreContext;

    #[test]
    fn only_references_to_generated_tokens_are_removed_with_a_warning() {
        let archive = Archive::of([
            generated("shop", "web", "web-token-x7k2p"),
            made_by_hand("shop", "web", "web-token-mbfgh"),
            generated("shop", "app", "app-token-x7k2p"),
        ]);
        let named = |names: &[&str]| -> Value { names.iter().map(|name| json!({"name": name})).collect() };
        let table: [(&[&str], &[&str]); 6] = [
            (&["web-token-x7k2p"], &[]),
            (&["web-token-x7k2p", "mine"], &["mine"]),
            (
                &["web-token-ci", "web-token-deploy"],
                &["web-token-ci", "web-token-deploy"],
            ),
            (&["web-token-mbfgh"], &["web-token-mbfgh"]),
            // the token of another account, and one that is not in the backup
            (&["app-token-x7k2p", "web-token-zzzzz"], &[]),
            (&["db-token-zzzzz"], &["db-token-zzzzz"]),
        ];
        for list in ["secrets", "imagePullSecrets"] {
            for (before, after) in table {
                let account = json!({"metadata": {"name": "web", "namespace": "shop"}, (list): named(before)});
                let (item, output) = run(&ServiceAccountAction, &RestoreContext::default(), &archive, &account);
                assert_eq!(item[list], named(after), "{before:?}");
                let warnings = output.unwrap().warnings;
                assert_eq!(warnings.len(), before.len() - after.len(), "{warnings:?}");
            }
        }
    }

    #[test]
    fn an_account_without_references_is_not_changed() {
        for account in [
            json!({"metadata": {"name": "web"}}),
            json!({"metadata": {"name": "web"}, "secrets": null}),
        ] {
            let (item, output) = run(
                &ServiceAccountAction,
                &RestoreContext::default(),
                &Archive::default(),
                &account,
            );
            assert_eq!((item, output), (account, Ok(Output::default())));
        }
    }
}
