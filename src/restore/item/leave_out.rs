//! Items that are not restored: the cluster or a controller creates them again, or they have ended.

use std::ops::ControlFlow;

use serde_json::Value;

use super::context::{CLAIMS, ItemRestore};
use crate::archive::layout::ItemPath;
use crate::cluster::discovery::GroupResource;
use crate::restore::ledger::State;
use crate::restore::object::{cluster_owned, ephemeral, outcome};
use crate::restore::processed::{Step, done, unless_transient};

impl ItemRestore<'_> {
    /// Ends the pass if the item is not restored.
    pub(super) async fn leave_out(&mut self, object: &Value) -> Step<()> {
        if let Some(reason) = self.owner_of(object).await? {
            self.log(&format!("Not restored: {reason}"));
            self.messages.why = reason.into();
            return done(State::Skipped);
        }
        if let Some(how) = outcome::over(self.group_resource(), object) {
            self.log(&format!("It {how}, so it is not restored"));
            self.messages.why = format!("it {how}").into();
            // a pod is created again by its controller, or is bare and has ended; a job is work that a user wants done
            if self.group_resource() != "pods" {
                let text = format!("{} {how}: it is not restored, because it would run again", self.id());
                self.messages.warn(text);
            }
            return done(State::Dropped);
        }
        if outcome::is_mirror(object) {
            self.messages.why = "it is the mirror of a static pod, which its node creates again".into();
            return done(State::Skipped);
        }
        ControlFlow::Continue(())
    }

    /// Why an object is left to the cluster, if it is.
    pub(super) async fn owner_of(&self, object: &Value) -> Step<Option<&'static str>> {
        let parts = self.ctx.parts;
        let mut services = Vec::new();
        if let Some(name) = cluster_owned::service_of(&self.item.path, object) {
            let path = ItemPath {
                group_resource: "services",
                name,
                ..self.item.path
            };
            if let Some(item) = parts.archived.find(&path) {
                services.extend(parts.archived.json(item).await);
            }
            let types = parts.types.served();
            let served = types.discovery.preferred_version(&GroupResource::new("", "services"));
            if let Some(served) = served.filter(|_| !services.iter().any(cluster_owned::selects)) {
                // without the right to read services, the service in the backup decides
                let live = unless_transient(parts.client.get(served, self.item.target, name).await)?;
                services.extend(live.ok().flatten());
            }
        }
        ControlFlow::Continue(cluster_owned::reason(&self.item.path, object, &services))
    }

    /// Ends the pass if the item is a claim that the cluster creates again with its pod.
    pub(super) fn leave_to_pod(&mut self, claim: &Value) -> Step<()> {
        let pod = ephemeral::pod_of(claim).filter(|_| self.group_resource() == CLAIMS);
        let Some(pod) = pod else {
            return ControlFlow::Continue(());
        };
        let text = ephemeral::warning(&self.id(), pod);
        self.messages.warn(text);
        self.messages.why = format!("the cluster creates it again with pod {pod}").into();
        done(State::Skipped)
    }
}
