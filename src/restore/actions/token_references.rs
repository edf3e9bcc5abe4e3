//! References to Secrets with generated tokens of service accounts, which are left out.

use serde_json::Value;

use super::action::Input;
use crate::cluster::discovery::GroupResource;
use crate::restore::item_id::ItemId;
use crate::restore::object::token;

/// Whether a Secret of the item's namespace is left out. `account`: the account of the token, for a Secret that is not in the
/// backup.
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

/// The warning about a reference to such a Secret.
pub(super) fn warning(what: &str, secret: &str) -> String {
    format!(
        "{what} refers to secret {secret}, a token that the source cluster generated: it is not restored; create \
         a Secret of type {} to get a new one",
        token::TYPE
    )
}

/// The names of a volume and of its Secret.
pub(super) fn secret_of(volume: &Value) -> Option<(&str, &str)> {
    let secret = volume.pointer("/secret/secretName")?.as_str()?;
    Some((volume.get("name")?.as_str()?, secret))
}

/// The Secrets that a part of a pod's spec names by references other than a volume's own.
pub(super) fn names_in<'a>(key: &str, value: &'a Value, found: &mut Vec<&'a str>) {
    const REFERENCES: [&str; 3] = ["secretKeyRef", "secretRef", "imagePullSecrets"];
    match value {
        Value::Array(entries) => entries.iter().for_each(|entry| names_in(key, entry, found)),
        Value::Object(map) => {
            // a projected volume has its secrets in a list of sources
            let is_source = key == "sources" && map.contains_key("secret");
            let reference = if is_source { map.get("secret") } else { Some(value) };
            if (is_source || REFERENCES.contains(&key))
                && let Some(name) = reference.and_then(|reference| reference.get("name")?.as_str())
            {
                found.push(name);
            }
            map.iter().for_each(|(key, value)| names_in(key, value, found));
        }
        _ => {}
    }
}
