//! `velero.io/service-account`: the ClusterRoleBindings of a service account are saved too, with their ClusterRoles and those that
//! these aggregate.

use std::collections::HashMap;
use std::pin::pin;

use futures::StreamExt;
use futures::future::BoxFuture;
use serde::Deserialize;
use tokio::sync::OnceCell;

use super::aggregation::{RBAC, Roles};
use super::{ActionContext, ActionError, AppliesTo, BackupItemAction, Executed};
use crate::backup::item::{Item, ItemRef};
use crate::cluster::discovery::GroupResource;
use crate::cluster::list::{ListEvent, ListRequest};
use crate::telemetry::logrus::Level;

/// See the module. The bindings are listed once a run, for the first service account; the roles once, for the first account with a
/// binding.
#[derive(Default)]
pub(super) struct ServiceAccountAction {
    bindings: OnceCell<Bindings>,
    roles: OnceCell<Roles>,
}

/// The bindings of each service account.
#[derive(Debug, Default)]
struct Bindings {
    /// By namespace and name of the account.
    by_account: HashMap<(String, String), Vec<Bound>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Bound {
    binding: String,
    role: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Binding {
    role_ref: RoleRef,
    #[serde(default)]
    subjects: Option<Vec<Subject>>,
}

#[derive(Debug, Deserialize)]
struct RoleRef {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Subject {
    kind: String,
    #[serde(default)]
    namespace: String,
    name: String,
}

impl BackupItemAction for ServiceAccountAction {
    fn name(&self) -> &'static str {
        "velero.io/service-account"
    }

    fn applies_to(&self) -> AppliesTo {
        AppliesTo::types(&["serviceaccounts"])
    }

    fn execute<'a>(
        &'a self,
        item: &'a mut Item,
        context: &'a ActionContext<'a>,
    ) -> BoxFuture<'a, Result<Executed, ActionError>> {
        Box::pin(async move {
            let bindings = self.bindings.get_or_init(|| Bindings::known(context)).await;
            let head = item.head();
            let bound = bindings.of(head.namespace.as_deref().unwrap_or_default(), &head.name);
            if bound.is_empty() {
                return Ok(Executed::default());
            }
            let roles = self.roles.get_or_init(|| known_roles(context)).await;
            Ok(Executed {
                additional: related(bound, roles),
                ..Executed::default()
            })
        })
    }
}

/// The roles, or none if they cannot be listed; bound roles are still saved.
async fn known_roles(context: &ActionContext<'_>) -> Roles {
    Roles::list(context).await.unwrap_or_else(|error| {
        context.log.line(Level::Error).error(&error).msg(
            "Error listing cluster roles: the roles of service accounts are saved without those that they aggregate",
        );
        Roles::default()
    })
}

/// Bindings first, then each of their roles once, then what those aggregate.
fn related(bound: &[Bound], roles: &Roles) -> Vec<ItemRef> {
    let bindings = bound
        .iter()
        .map(|bound| ("clusterrolebindings", bound.binding.as_str()));
    let aggregated = roles.aggregated_by(bound.iter().map(|bound| bound.role.as_str()));
    let roles = bound.iter().map(|bound| bound.role.as_str()).chain(aggregated);
    let mut related: Vec<ItemRef> = Vec::new();
    for (resource, name) in bindings.chain(roles.map(|role| ("clusterroles", role))) {
        let item = ItemRef::cluster_scoped(RBAC, resource, name);
        if !related.contains(&item) {
            related.push(item);
        }
    }
    related
}

impl Bindings {
    /// The bindings, or none if they cannot be listed: the accounts are still saved, and the missing bindings are one error of
    /// the backup.
    async fn known(context: &ActionContext<'_>) -> Self {
        Self::list(context).await.unwrap_or_else(|error| {
            context.log.line(Level::Error).error(&error).msg(
                "Error listing cluster role bindings: the service accounts are saved without their bindings and roles",
            );
            Self::default()
        })
    }

    async fn list(context: &ActionContext<'_>) -> Result<Self, ActionError> {
        let mut bindings = Self::default();
        let group_resource = GroupResource::new(RBAC, "clusterrolebindings");
        let Some(resource) = context.discovery.preferred_version(&group_resource) else {
            return Ok(bindings);
        };
        let mut list = pin!(context.reader.list(ListRequest::all(resource.clone())));
        while let Some(event) = list.next().await {
            match event? {
                ListEvent::Item(object) => bindings.add(&object.head.name, serde_json::from_slice(&object.json)?),
                // The bindings seen before come again.
                ListEvent::Restarted => bindings = Self::default(),
                ListEvent::Unreadable { .. } | ListEvent::FirstPage { .. } => {}
            }
        }
        Ok(bindings)
    }

    fn add(&mut self, name: &str, binding: Binding) {
        let bound = Bound {
            binding: name.to_owned(),
            role: binding.role_ref.name,
        };
        for subject in binding
            .subjects
            .into_iter()
            .flatten()
            .filter(|subject| subject.kind == "ServiceAccount")
        {
            let account = self.by_account.entry((subject.namespace, subject.name)).or_default();
            if !account.contains(&bound) {
                account.push(bound.clone());
            }
        }
    }

    fn of(&self, namespace: &str, name: &str) -> &[Bound] {
        let account = (namespace.to_owned(), name.to_owned());
        self.by_account.get(&account).map_or(&[][..], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn a_service_accounts_bindings_and_their_roles_are_saved_too() {
        let mut bindings = Bindings::default();
        let account = |namespace: &str| json!({"kind": "ServiceAccount", "namespace": namespace, "name": "web"});
        for (name, role, subjects) in [
            (
                "one",
                "reader",
                json!([account("shop"), account("shop"), account("other")]),
            ),
            (
                "two",
                "reader",
                json!([account("shop"), {"kind": "User", "name": "web"}]),
            ),
            ("three", "writer", json!([account("other")])),
            ("four", "writer", json!(null)),
        ] {
            let binding = json!({"roleRef": {"name": role}, "subjects": subjects});
            bindings.add(name, from_value(binding).unwrap());
        }
        let binding = |name: &str| ItemRef::cluster_scoped(RBAC, "clusterrolebindings", name);
        let role = |name: &str| ItemRef::cluster_scoped(RBAC, "clusterroles", name);
        assert_eq!(
            related(bindings.of("shop", "web"), &Roles::default()),
            [binding("one"), binding("two"), role("reader")]
        );
        assert_eq!(bindings.of("shop", "default"), []);
    }
}
