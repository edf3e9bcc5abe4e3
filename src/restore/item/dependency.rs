//! Creations that fail because another object is missing: the item waits if that object may be created (decision 41).

use serde_json::Value;
use tokio::time::Instant;

use super::context::{ItemContext, ItemRestore};
use crate::archive::spool::ItemHandle;
use crate::cluster::ApiError;
use crate::cluster::discovery::GroupResource;
use crate::restore::item_id::ItemId;
use crate::restore::ledger::State;
use crate::restore::object::needs;
use crate::restore::retry_reason::RetryReason;
use crate::restore::wait_reason::WaitReason;

impl ItemContext<'_> {
    /// Whether an item is in the cluster now, or will be tried.
    pub(super) fn is_to_come(self, item: ItemHandle) -> bool {
        let state = self.parts.tracker.journal.state(item);
        state.exists() || state == State::Pending && self.parts.prepared.plan.contains(item)
    }
}

impl ItemRestore<'_> {
    /// What a failed creation waits for, if its error is transient or the missing object may be created.
    pub(super) fn missing_dependency(&self, object: &Value, error: &ApiError) -> Option<WaitReason> {
        let namespace = self.item.path.namespace;
        let needed = match WaitReason::of(error) {
            Some(WaitReason::Error(RetryReason::Dependency, message)) => {
                let resource: GroupResource = self.group_resource().parse().unwrap_or_default();
                needs::missing(&message, &resource, object, namespace)
            }
            None => needs::named_by(error, self.item.path.name, namespace),
            reason => return reason,
        };
        needed.into_iter().find_map(|needed| self.wait_for(&needed, error))
    }

    fn wait_for(&self, needed: &ItemId, error: &ApiError) -> Option<WaitReason> {
        let reason = || WaitReason::Error(RetryReason::Dependency, error.message.clone());
        if needs::is_made_by_the_cluster(needed) {
            return Some(reason());
        }
        let parts = self.ctx.parts;
        let item = parts.prepared.plan.winner(parts.archived.find_id(needed)?);
        let queue = &parts.tracker.queue;
        if queue.holds(item) && queue.blocked_on(self.item.handle, item, Instant::now()) {
            return Some(WaitReason::Item(item));
        }
        // also one that exists: admission reads from a cache that may lag behind a creation
        self.ctx.is_to_come(item).then(reason)
    }
}
