//! Objects that have no effect, or are deleted, without another one that the API server does not require (decision 40).

use serde_json::Value;

use super::{metadata, token, volume};
use crate::api::annotations::SERVICE_ACCOUNT_NAME;
use crate::cluster::discovery::GroupResource;
use crate::restore::item_id::ItemId;

/// An object that another one needs, by its names in the backup, and the consequence if it is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prerequisite {
    /// The other object.
    pub item: ItemId,
    /// The other object, for users.
    pub what: String,
    /// The consequence for the object without it.
    pub effect: &'static str,
}

/// What an object of the backup's namespace `namespace` needs when it is created.
pub fn of(group_resource: &str, object: &Value, namespace: Option<&str>) -> Option<Prerequisite> {
    match group_resource {
        "persistentvolumeclaims" => {
            let name = volume::volume_of(object)?;
            Some(Prerequisite {
                item: ItemId::cluster(GroupResource::new("", "persistentvolumes"), name),
                what: format!("persistent volume {name}"),
                effect: "the claim stays Pending until there is one; restore it too, or create it",
            })
        }
        "secrets" if object.get("type").is_some_and(|kind| kind == token::TYPE) => {
            let name = metadata::annotation(object, SERVICE_ACCOUNT_NAME).filter(|name| !name.is_empty())?;
            let accounts = GroupResource::new("", "serviceaccounts");
            Some(Prerequisite {
                item: ItemId::namespaced(accounts, namespace?, name),
                what: format!("service account {name}"),
                effect: "a controller deletes the token of an account that does not exist; restore the account too, and the \
                         Secret again",
            })
        }
        _ => None,
    }
}

/// The warning about an object without its prerequisite.
pub fn warning(id: &str, prerequisite: &Prerequisite) -> String {
    let Prerequisite { what, effect, .. } = prerequisite;
    format!("{id} needs {what}, which is neither restored nor in the cluster: {effect}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_claim_needs_its_volume_and_a_token_its_account() {
        let token = |kind: &str, account: Value| json!({"type": kind, "metadata": {"annotations": {(SERVICE_ACCOUNT_NAME): account}}});
        let claims = "persistentvolumeclaims";
        let table = [
            (
                claims,
                json!({"spec": {"volumeName": "pv"}}),
                Some("persistentvolumes/pv"),
            ),
            (claims, json!({"spec": {"volumeName": ""}}), None),
            (claims, json!({"spec": {}}), None),
            ("configmaps", json!({"spec": {"volumeName": "pv"}}), None),
            (
                "secrets",
                token(token::TYPE, json!("robot")),
                Some("serviceaccounts/shop/robot"),
            ),
            ("secrets", token(token::TYPE, json!("")), None),
            ("secrets", token(token::TYPE, json!(null)), None),
            ("secrets", token("Opaque", json!("robot")), None),
        ];
        for (resource, object, expected) in table {
            let found = of(resource, &object, Some("shop")).map(|needed| needed.item.to_string());
            assert_eq!(found.as_deref(), expected, "{resource} {object}");
        }
    }
}
