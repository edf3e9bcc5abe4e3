//! The items that an item's actions ask for: they are restored first.

use std::ops::ControlFlow;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::context::{ItemOutcome, ItemRestore};
use crate::restore::actions::{ActionError, RestoreItemAction};
use crate::restore::item_id::ItemId;
use crate::restore::processed::{Step, wait};
use crate::restore::wait_reason::WaitReason;

impl ItemRestore<'_> {
    /// Restores an item that an action asks for, before this pass continues.
    pub(super) async fn restore_additional(&mut self, wanted: &ItemId) -> Step<()> {
        let parts = self.ctx.parts;
        let resource = wanted.resource.to_string();
        let namespace = wanted.namespace.as_deref();
        if let Err(reason) = parts.prepared.filter.additional(&resource, namespace) {
            self.log(&format!("It needs {wanted}, which is not restored: {reason}"));
            return ControlFlow::Continue(());
        }
        let Some(item) = parts.archived.find_id(wanted) else {
            let text = format!("{} needs {wanted}, which is not in the backup", self.id());
            self.messages.warn_in(namespace, text);
            return ControlFlow::Continue(());
        };
        let item = parts.prepared.plan.winner(item);
        let this = self.item.handle;
        if self.ctx.restore(item, Some(this)).await == ItemOutcome::Waiting
            && parts.tracker.queue.blocked_on(this, item, Instant::now())
        {
            return wait(WaitReason::Item(item));
        }
        ControlFlow::Continue(())
    }

    /// Waits until the action reports its additional items as ready.
    pub(super) async fn wait_for_additional(
        &mut self,
        action: &dyn RestoreItemAction,
        wanted: &[ItemId],
        limit: Duration,
    ) {
        let parts = self.ctx.parts;
        let exists = |id: &&ItemId| {
            let item = parts.archived.find_id(id);
            item.is_some_and(|item| {
                let item = parts.prepared.plan.winner(item);
                parts.tracker.journal.state(item).exists()
            })
        };
        let items: Vec<ItemId> = wanted.iter().filter(exists).cloned().collect();
        let limit = if limit.is_zero() {
            parts.prepared.request.options.resource_timeout
        } else {
            limit
        };
        let ready = async {
            while !action.are_ready(&items, &parts.prepared.context).await? {
                sleep(Duration::from_secs(1)).await;
            }
            Ok::<_, ActionError>(())
        };
        let reason = match timeout(limit, ready).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("not within {limit:?}"),
        };
        let text = format!(
            "additional items of {} are not ready for action {}: {reason}",
            self.id(),
            action.name()
        );
        self.messages.error(text);
    }
}
