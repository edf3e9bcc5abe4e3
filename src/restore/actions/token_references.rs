//! Who refers to a Secret with the token of a service account that a controller made, and that so is left out.

use super::{Input, ItemId};
use crate::cluster::discovery::GroupResource;
use crate::restore::object::token;

/// Whether a Secret of the item's namespace is left out. `account`: whose token it would be, where the backup has no such
/// Secret to look at.
pub(super) async fn is_left_out(input: &Input<'_>, secret: &str, account: &str) -> bool {
    if !token::is_name(secret) {
        return false;
    }
    let namespace = input.namespace.unwrap_or_default();
    let id = ItemId::namespaced(GroupResource::new("", "secrets"), namespace, secret);
    match input.lookup.archived(&id).await {
        Some(archived) => token::is_generated(&archived),
        None => token::is_name_of(account, secret),
    }
}

/// The names among these that are left out, each once.
pub(super) async fn left_out<'n>(
    input: &Input<'_>,
    account: &str,
    names: impl Iterator<Item = &'n str>,
) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for name in names {
        if !found.iter().any(|known| known == name) && is_left_out(input, name, account).await {
            found.push(name.to_owned());
        }
    }
    found
}

/// What is to be said of something that refers to such a Secret.
pub(super) fn warning(what: &str, secret: &str) -> String {
    format!(
        "{what} refers to secret {secret}, a token that the source cluster generated: it is not restored; ask for a new one \
         with a Secret of type {} of your own",
        token::TYPE
    )
}
