//! Default roles and bindings of the API server: rules and subjects that only the backup has are reported, or added (decision 46).
//!
//! What happens if the process dies after the patch: the resumed run finds nothing missing. The ledger has recorded that the object
//! was about to be changed.

use std::ops::ControlFlow;

use serde_json::Value;

use super::context::ItemRestore;
use crate::cluster::discovery::GroupResource;
use crate::restore::actions::map_subjects;
use crate::restore::ledger::State;
use crate::restore::object::default_rights::{self, Missing};
use crate::restore::object::existing::ExistingResourcePolicy;
use crate::restore::processed::{Step, done, unless_transient};

impl ItemRestore<'_> {
    /// Ends the pass if the item is one of them and the cluster's has less, or had less before this restore.
    pub(super) async fn compare_default_rights(&mut self, original: &Value) -> Step<()> {
        let (parts, path) = (self.ctx.parts, self.item.path);
        let Some(list) = default_rights::list_of(&path, original) else {
            return ControlFlow::Continue(());
        };
        let types = parts.types.served();
        let resource: GroupResource = path.group_resource.parse().unwrap_or_default();
        let Some(served) = types.discovery.preferred_version(&resource) else {
            return ControlFlow::Continue(());
        };
        let (context, policy) = (&parts.prepared.context, parts.prepared.policy);
        let mut archived = original.clone();
        map_subjects(&mut archived, &context.namespace_mapping);
        let live = unless_transient(parts.client.get(served, self.item.target, path.name).await)?;
        let missing = live
            .ok()
            .flatten()
            .and_then(|live| default_rights::missing(list, &archived, &live));
        let updating = parts
            .tracker
            .journal
            .read(|ledger| ledger.note(self.item.handle).is_some_and(|note| note.updating));
        let Some(Missing { named, patch }) = missing else {
            return if updating {
                done(State::Updated)
            } else {
                ControlFlow::Continue(())
            };
        };
        let named = named.join(", ");
        let is_common = list == "rules" && path.namespace.is_none() && context.maps();
        if policy == ExistingResourcePolicy::Leave || is_common {
            let kind = original.get("kind").and_then(Value::as_str).unwrap_or_default();
            let reason = default_rights::warning(list, &named, policy == ExistingResourcePolicy::Leave);
            self.messages.differs(kind, path.name, &reason);
            return done(State::Differs);
        }
        if !updating {
            self.ctx.apply.before_change(parts, self.item).await;
        }
        let patched = parts
            .client
            .merge_patch(served, self.item.target, path.name, &patch)
            .await;
        match unless_transient(patched)? {
            Ok(_) => {
                let text = format!("its {list} are kept, and these are added: {named}");
                self.log(&text);
                self.messages.why = text.into();
                done(State::Updated)
            }
            Err(error) => {
                let text = format!(
                    "could not add these {list} to {}: {named}: {}",
                    self.id(),
                    error.message
                );
                self.messages.warn(text);
                done(State::Failed)
            }
        }
    }
}
