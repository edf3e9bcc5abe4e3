//! Persistent volumes: which of them are restored, and which claims get a new one (spec restore 10.1). The restore of volume data
//! attaches here.

use std::ops::ControlFlow;

use serde_json::Value;

use super::context::{ItemRestore, VOLUMES};
use crate::restore::ledger::State;
use crate::restore::object::volume::{self, Decision, Kept};
use crate::restore::processed::{Step, done};

impl ItemRestore<'_> {
    /// Ends the pass if the item is a persistent volume that is not restored.
    pub(super) async fn decide_volume(&mut self, object: &mut Value) -> Step<()> {
        if self.group_resource() != VOLUMES {
            return ControlFlow::Continue(());
        }
        let prepared = self.ctx.parts.prepared;
        let mapping = &prepared.context.namespace_mapping;
        let mut waiting = object.clone();
        volume::reset_binding(&mut waiting);
        volume::map_claim(&mut waiting, |source| mapping.get(source).map(String::as_str));
        let wants_data = prepared.request.spec.restore_pvs != Some(false);
        let name = self.item.path.name;
        match volume::decide(object, &prepared.request.kept_volumes) {
            Decision::Provision(None) if self.outlives(&mut waiting).await? => {}
            Decision::Provision(kept) => {
                if kept == Some(Kept::CsiSnapshot) && wants_data {
                    self.messages.error(format!("the data of persistent volume {name} is in a CSI snapshot, which this release cannot restore: its claim gets an empty volume"));
                }
                self.messages.why = "it is not restored, so that its claim gets a new volume".into();
                return done(State::Provision);
            }
            Decision::FromSnapshot if wants_data => {
                self.messages.error(format!("the data of persistent volume {name} is in a native snapshot, which this release cannot restore; restore with restorePVs=false to get the volume without it"));
                return done(State::Failed);
            }
            Decision::FromSnapshot | Decision::AsItWas => {}
        }
        *object = waiting;
        ControlFlow::Continue(())
    }

    /// Whether a new volume is provisioned in place of a volume of the backup.
    pub(super) fn is_provisioned(&self, name: &str) -> bool {
        let parts = self.ctx.parts;
        let volume = parts.archived.find_cluster_scoped(VOLUMES, name);
        volume.is_some_and(|item| parts.tracker.journal.state(item) == State::Provision)
    }
}
