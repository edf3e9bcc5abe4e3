//! The steps of one pass over an item, up to the object that is ready for the cluster.

use std::ops::ControlFlow;

use serde_json::Value;

use super::context::{CLAIMS, ItemRestore, Moved, Wanted};
use super::unserved::{Named, Serving, serving};
use crate::restore::ledger::State;
use crate::restore::object::{called_services, creation, identity, managed_fields, metadata, volume};
use crate::restore::plan::NAMESPACES;
use crate::restore::processed::{End, Step, done};

const DATA_UPLOADS: &str = "datauploads.velero.io";

impl ItemRestore<'_> {
    /// Restores the item.
    pub(super) async fn process(&mut self) -> End {
        if self.group_resource() == NAMESPACES {
            return self.process_namespace().await;
        }
        // not implemented yet: an action that turns it into its result; created as it is, it would make the node agents copy
        if self.group_resource() == DATA_UPLOADS {
            self.messages.why = "the data of volumes cannot be restored yet".into();
            return done(State::Skipped);
        }
        self.ensure_own_namespace().await?;
        let original = self.read().await?;
        self.note_kind(&original);
        self.compare_default_rights(&original).await?;
        self.leave_out(&original).await?;
        self.leave_to_job(&original).await?;
        self.leave_to_pod(&original)?;
        let mut object = original.clone();
        self.decide_volume(&mut object).await?;
        let status = self.reset(&mut object)?;
        let types = self.ctx.parts.types.served();
        self.run_actions(&types, &mut object, &original).await?;
        for lost in creation::clear(self.group_resource(), &mut object) {
            self.log(lost);
        }
        if self.group_resource() == CLAIMS {
            volume::adjust_claim(&mut object, |name| self.is_provisioned(name));
        }
        if let Some(target) = self.item.target {
            metadata::set_field(&mut object, "namespace", target);
        }
        let prepared = self.ctx.parts.prepared;
        prepared.labels.label(&mut object);
        let managed = managed_fields::take(&mut object, prepared.request.options.managed_fields);
        let converted = ["apiVersion", "kind"]
            .iter()
            .any(|key| object.get(key) != original.get(key));
        let text = |key| object.get(key).and_then(Value::as_str).unwrap_or_default();
        let named = Named {
            resource: &self.group_resource().parse().unwrap_or_default(),
            api_version: text("apiVersion"),
            kind: text("kind"),
        };
        let resource = match serving(&types.discovery, named, converted) {
            Serving::As(resource) => resource,
            Serving::Otherwise(other) => {
                let text = format!(
                    "error restoring {}: the API server serves it as {other}, not as {}",
                    self.id(),
                    named.api_version
                );
                self.messages.error(text);
                return done(State::Failed);
            }
            Serving::Not => {
                if let Some(why) = self.ctx.apply.planned_type(&object) {
                    self.messages.why = why.into();
                    self.warn_of_hooks(&object);
                    return done(State::Created);
                }
                return self.unserved(&types, named).await;
            }
        };
        self.warn_of_hooks(&object);
        self.warn_of_missing_prerequisite(&object).await?;
        let mapping = &prepared.context.namespace_mapping;
        let moved = called_services::moved(self.group_resource(), &object, mapping);
        let wanted = Wanted {
            moved: moved.map(|(object, targets)| Moved { object, targets }),
            object,
            owners: original.pointer("/metadata/ownerReferences").cloned(),
            status,
            managed,
            resource,
            types,
        };
        self.create(wanted).await
    }

    /// The object of the archive, if it matches its path.
    async fn read(&mut self) -> Step<Value> {
        match self.decode().await {
            Ok(object) => ControlFlow::Continue(object),
            Err(reason) => {
                let text = format!("error decoding {}: {reason}", self.item.path);
                self.messages.error(text);
                done(State::Unreadable)
            }
        }
    }

    async fn decode(&self) -> Result<Value, String> {
        let (parts, path) = (self.ctx.parts, &self.item.path);
        let bytes = parts.archived.bytes(self.item.handle).await?;
        let object: Value = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        let types = parts.types.served();
        let resource = path.group_resource.parse().ok();
        let kind = resource
            .and_then(|resource| types.discovery.preferred_version(&resource))
            .map(|served| served.kind.as_str());
        identity::check(&object, path, kind).map_err(|error| error.to_string())?;
        Ok(object)
    }

    /// Notes the kind of an item if it differs from that of its type's first item.
    fn note_kind(&mut self, object: &Value) {
        let text = |key| object.get(key).and_then(Value::as_str).unwrap_or_default();
        let kind = format!("{}/{}", text("apiVersion"), text("kind"));
        if self.ctx.parts.archived.kind_of(self.group_resource()).as_ref() != Some(&kind) {
            self.messages.note.kind = Some(kind);
        }
    }

    /// Removes what belongs to the source cluster. Returns the status.
    fn reset(&mut self, object: &mut Value) -> Step<Option<Value>> {
        match metadata::reset(object) {
            Ok(status) => ControlFlow::Continue(status),
            Err(error) => {
                let text = format!("error restoring {}: {error}", self.id());
                self.messages.error(text);
                done(State::Failed)
            }
        }
    }
}
