//! Items that are not restored: they belong to the cluster, are over, or are made again by something else.

use std::ops::ControlFlow;

use serde_json::Value;

use super::context::ItemRestore;
use crate::archive::layout::ItemPath;
use crate::restore::ledger::State;
use crate::restore::object::{cluster_owned, outcome};
use crate::restore::processed::{Step, done};

impl ItemRestore<'_> {
    /// Ends the pass if the item is not restored.
    pub(super) async fn leave_out(&mut self, object: &Value) -> Step<()> {
        if let Some(reason) = self.owner_of(object).await {
            self.log(&format!("Left to the cluster: {reason}"));
            self.messages.why = reason.into();
            return done(State::Skipped);
        }
        if let Some(how) = outcome::over(self.group_resource(), object) {
            self.log(&format!("It {how}, so it is not restored"));
            self.messages.why = format!("it {how}").into();
            // pods are made again by their controllers, or bare and at their end; a job stands for work that a user wants done
            if self.group_resource() != "pods" {
                let text = format!("{} {how}: it is not restored, because it would run again", self.id());
                self.messages.warn(text);
            }
            return done(State::Dropped);
        }
        if outcome::is_mirror(object) {
            self.messages.why = "it is the image of a static pod, which its node makes".into();
            return done(State::Skipped);
        }
        ControlFlow::Continue(())
    }

    /// Why an object is left to the cluster, if it is.
    async fn owner_of(&self, object: &Value) -> Option<&'static str> {
        let archived = &self.ctx.parts.archived;
        let mut service = None;
        if cluster_owned::has_service(&self.item.path) {
            let path = ItemPath {
                group_resource: "services",
                ..self.item.path
            };
            if let Some(item) = archived.find(&path) {
                service = archived.json(item).await;
            }
        }
        cluster_owned::reason(&self.item.path, object, service.as_ref())
    }
}
