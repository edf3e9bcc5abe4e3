//! Objects that need another one that is neither restored nor in the cluster: a warning (decision 46).

use std::ops::ControlFlow;

use serde_json::Value;

use super::context::ItemRestore;
use crate::archive::layout::ItemPath;
use crate::restore::object::{needs, prerequisite};
use crate::restore::processed::{Step, unless_transient};

impl ItemRestore<'_> {
    /// Warns if an object that this one needs will be missing.
    pub(super) async fn warn_of_missing_prerequisite(&mut self, object: &Value) -> Step<()> {
        let (parts, path) = (self.ctx.parts, self.item.path);
        let Some(prerequisite) = prerequisite::of(path.group_resource, object, path.namespace) else {
            return ControlFlow::Continue(());
        };
        let on = &prerequisite.item;
        let resource = on.resource.to_string();
        let needed = ItemPath {
            group_resource: &resource,
            namespace: on.namespace.as_deref(),
            name: &on.name,
        };
        let archived = parts.archived.find(&needed);
        let comes = archived.is_some_and(|item| self.ctx.is_to_come(parts.prepared.plan.winner(item)));
        let types = parts.types.served();
        let Some(served) = types.discovery.preferred_version(&on.resource) else {
            return ControlFlow::Continue(());
        };
        if comes || needs::is_made_by_the_cluster(on) {
            return ControlFlow::Continue(());
        }
        let target = needed
            .namespace
            .map(|namespace| parts.prepared.context.target(namespace));
        // an object that cannot be read may exist
        if let Ok(None) = unless_transient(parts.client.get(served, target, &on.name).await)? {
            let text = prerequisite::warning(&self.id(), &prerequisite);
            self.messages.warn(text);
        }
        ControlFlow::Continue(())
    }
}
