//! Objects that are displaced by one of the same name, because their namespaces are restored into one: a warning (decision 46).

use std::ops::ControlFlow;

use super::context::{ItemContext, ItemRestore};
use crate::restore::ledger::Severity;
use crate::restore::messages::ItemMessages;
use crate::restore::object::displaced;

impl ItemContext<'_> {
    /// Reports each displaced object with the one that is restored in its place.
    pub(in crate::restore) async fn warn_of_displaced(self) {
        let parts = self.parts;
        for (loser, winner) in parts.prepared.plan.displaced() {
            let (lost, kept) = (parts.prepared.item(*loser), parts.prepared.item(*winner));
            let (Some(source), Some(target), Some(winning)) = (lost.path.namespace, lost.target, kept.path.namespace)
            else {
                continue;
            };
            // one that cannot be read is reported where it is restored
            let (Some(object), Some(other)) = (parts.archived.json(*loser).await, parts.archived.json(*winner).await)
            else {
                continue;
            };
            let pass = ItemRestore {
                ctx: self,
                item: lost,
                messages: ItemMessages::new(lost.target),
            };
            let is_left_out = matches!(pass.owner_of(&object).await, ControlFlow::Continue(Some(_)));
            if !is_left_out && displaced::is_lost(&object, &other) {
                let text = displaced::warning(&pass.id(), source, winning, target);
                parts.tracker.report(Some(target), Severity::Warning, text);
            }
        }
    }
}
