//! Creations that fail because another object is not there: waited for where that object may come (decision 41).

use serde_json::Value;
use tokio::time::Instant;

use super::super::engine::Run;
use super::super::object::needs;
use super::super::retry::RetryReason;
use super::super::retry_queue::Hold;
use super::{Subject, hold_of};
use crate::archive::layout::{ItemCopy, ItemPath};
use crate::cluster::ApiError;
use crate::cluster::discovery::GroupResource;
use crate::restore::item_id::ItemId;

impl Run<'_> {
    /// What a creation that failed waits for, if that can pass.
    pub(super) fn hold_of_creation(&self, subject: &Subject<'_>, item: &Value, error: &ApiError) -> Option<Hold> {
        let namespace = subject.path.namespace;
        let needed = match hold_of(error) {
            Some(Hold::Error(RetryReason::Dependency, message)) => {
                let resource: GroupResource = subject.path.group_resource.parse().unwrap_or_default();
                needs::missing(&message, &resource, item, namespace)
            }
            None => needs::named_by(error, subject.path.name, namespace),
            hold => return hold,
        };
        needed
            .into_iter()
            .find_map(|needed| self.hold_for(subject, &needed, error))
    }

    fn hold_for(&self, subject: &Subject<'_>, needed: &ItemId, error: &ApiError) -> Option<Hold> {
        let hold = || Hold::Error(RetryReason::Dependency, error.message.clone());
        if needs::is_made_by_the_cluster(needed) {
            return Some(hold());
        }
        let resource = needed.resource.to_string();
        let path = ItemPath {
            group_resource: &resource,
            namespace: needed.namespace.as_deref(),
            name: &needed.name,
        };
        let item = self.plan.winner(self.request.archive.find(&path, ItemCopy::Plain)?);
        let is_parked = self.parked().holds(item);
        if is_parked && self.parked().park_behind(subject.item, item, Instant::now()) {
            return Some(Hold::Behind(item));
        }
        // also one that is there: admission reads from a cache that may lag behind what was just created
        self.is_to_come(item).then(hold)
    }
}
