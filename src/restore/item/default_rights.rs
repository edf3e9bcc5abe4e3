//! Default roles and bindings of the API server: what the backup's have more is told, or added (decision 40).
//!
//! What happens if the process dies after the patch: the next life finds nothing missing, and knows from the ledger that the object
//! was about to be changed.

use serde_json::Value;

use super::super::engine::Run;
use super::super::ledger::State;
use super::super::object::default_rights::{self, Missing};
use super::super::object::existing::Policy;
use super::super::parked::Hold;
use super::{Subject, Told, unless_passing};
use crate::cluster::discovery::GroupResource;
use crate::restore::actions::map_subjects;

impl Run<'_> {
    /// `Some` if it is one of them, and the cluster's has less, or had.
    pub(super) async fn compare_default_rights(
        &self,
        subject: &Subject<'_>,
        original: &Value,
        told: &mut Told,
    ) -> Result<Option<State>, Hold> {
        let Some(list) = default_rights::list_of(&subject.path, original) else {
            return Ok(None);
        };
        let (world, path) = (self.world(), &subject.path);
        let resource: GroupResource = path.group_resource.parse().unwrap_or_default();
        let Some(served) = world.discovery.preferred_version(&resource) else {
            return Ok(None);
        };
        let mut archived = original.clone();
        map_subjects(&mut archived, &self.restoration.namespace_mapping);
        let live = unless_passing(self.calls.get(served, subject.target, path.name).await)?;
        let missing = live
            .ok()
            .flatten()
            .and_then(|live| default_rights::missing(list, &archived, &live));
        let updating = self.ledger().note(subject.item).is_some_and(|note| note.updating);
        let Some(Missing { named, patch }) = missing else {
            return Ok(updating.then_some(State::Updated));
        };
        let named = named.join(", ");
        let is_common = list == "rules" && path.namespace.is_none() && self.restoration.maps();
        if self.policy == Policy::Leave || is_common {
            let kind = original.get("kind").and_then(Value::as_str).unwrap_or_default();
            told.differs(
                subject,
                kind,
                &default_rights::warning(list, &named, self.policy == Policy::Leave),
            );
            return Ok(Some(State::Differs));
        }
        if self.foresight.is_none() && !updating {
            self.intend_update(subject.item).await;
        }
        let patched = self.calls.merge_patch(served, subject.target, path.name, &patch).await;
        match unless_passing(patched)? {
            Ok(_) => {
                let text = format!("its {list} stay, and these are added: {named}");
                self.log_item(subject.item, &text);
                told.why = text.into();
                Ok(Some(State::Updated))
            }
            Err(error) => {
                let id = self.id_of(subject.item);
                told.warn(
                    subject,
                    format!("could not add these {list} to {id}: {named}: {}", error.message),
                );
                Ok(Some(State::Failed))
            }
        }
    }
}
