//! Objects that need another one which is neither restored nor there: a warning (decision 40).

use serde_json::Value;

use super::super::engine::Run;
use super::super::object::{needs, prerequisite};
use super::super::parked::Hold;
use super::{Subject, Told, unless_passing};
use crate::archive::layout::{ItemCopy, ItemPath};

impl Run<'_> {
    /// Warns if what an object needs will not be there.
    pub(super) async fn warn_of_missing_prerequisite(
        &self,
        subject: &Subject<'_>,
        item: &Value,
        told: &mut Told,
    ) -> Result<(), Hold> {
        let path = &subject.path;
        let Some(prerequisite) = prerequisite::of(path.group_resource, item, path.namespace) else {
            return Ok(());
        };
        let on = &prerequisite.item;
        let (resource, world) = (on.resource.to_string(), self.world());
        let needed = ItemPath {
            group_resource: &resource,
            namespace: on.namespace.as_deref(),
            name: &on.name,
        };
        let archived = self.request.archive.find(&needed, ItemCopy::Plain);
        let comes = archived.is_some_and(|item| self.is_to_come(self.plan.winner(item)));
        let Some(served) = world.discovery.preferred_version(&on.resource) else {
            return Ok(());
        };
        if comes || needs::is_made_by_the_cluster(on) {
            return Ok(());
        }
        let target = needed.namespace.map(|namespace| self.restoration.target(namespace));
        // what may not be read is not known to be absent
        if let Ok(None) = unless_passing(self.calls.get(served, target, &on.name).await)? {
            told.warn(subject, prerequisite::warning(&self.id_of(subject.item), &prerequisite));
        }
        Ok(())
    }
}
