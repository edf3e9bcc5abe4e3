//! What an item's actions do to it, and the items they ask for first (spec restore 14).

use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use super::super::actions::{ActionError, Input, Lookup, Output, RestoreItemAction};
use super::super::engine::{Outcome, Run, World, message};
use super::super::ledger::{Severity, State};
use super::super::retry_queue::Hold;
use super::{Subject, Told};
use crate::archive::layout::{ItemCopy, ItemPath};
use crate::restore::item_id::ItemId;

impl Run<'_> {
    /// Runs the item's actions in order; `Some` if one of them leaves it out or fails.
    pub(super) async fn act(
        &self,
        subject: &Subject<'_>,
        world: &World,
        item: &mut Value,
        original: &Value,
        told: &mut Told,
    ) -> Result<Option<State>, Hold> {
        for applicable in world.actions.for_items(subject.path.group_resource, subject.target) {
            if !applicable.matches(item) {
                continue;
            }
            let action = applicable.action;
            let input = Input {
                original,
                namespace: subject.path.namespace,
                restore: &self.restoration,
                lookup: self,
            };
            match action.execute(item, input).await {
                Err(error) => {
                    told.error(
                        subject,
                        format!("error preparing {}: {error}", self.id_of(subject.item)),
                    );
                    return Ok(Some(State::Failed));
                }
                Ok(Output {
                    skip: true, warnings, ..
                }) => {
                    self.log_item(subject.item, &format!("Left out by action {}", action.name()));
                    told.why = format!("left out by action {}", action.name()).into();
                    let state = told.implied();
                    for text in warnings {
                        told.warn(subject, text);
                    }
                    return Ok(Some(state));
                }
                Ok(output) => {
                    for text in output.warnings {
                        told.warn(subject, text);
                    }
                    for wanted in &output.additional {
                        self.restore_additional(subject, wanted, told).await?;
                    }
                    if let Some(limit) = output.wait {
                        self.wait_for_additional(subject, action, &output.additional, limit, told)
                            .await;
                    }
                }
            }
        }
        Ok(None)
    }

    /// Restores an item that an action asks for, before anything else is done about the one that it asks for.
    async fn restore_additional(&self, subject: &Subject<'_>, wanted: &ItemId, told: &mut Told) -> Result<(), Hold> {
        let resource = wanted.resource.to_string();
        if let Err(reason) = self.filter.additional(&resource, wanted.namespace.as_deref()) {
            self.log_item(
                subject.item,
                &format!("It needs {wanted}, which is not restored: {reason}"),
            );
            return Ok(());
        }
        let path = ItemPath {
            group_resource: &resource,
            namespace: wanted.namespace.as_deref(),
            name: &wanted.name,
        };
        let Some(item) = self.request.archive.find(&path, ItemCopy::Plain) else {
            let text = format!(
                "{} needs {wanted}, which is not in the backup",
                self.id_of(subject.item)
            );
            told.messages.push(message(
                Severity::Warning,
                Some(wanted.namespace.as_deref().unwrap_or_default()),
                text,
            ));
            return Ok(());
        };
        let item = self.plan.winner(item);
        if self.restore(item, Some(subject.item)).await == Outcome::Parked
            && self.parked().park_behind(subject.item, item, Instant::now())
        {
            return Err(Hold::Behind(item));
        }
        Ok(())
    }

    async fn wait_for_additional(
        &self,
        subject: &Subject<'_>,
        action: &dyn RestoreItemAction,
        wanted: &[ItemId],
        limit: Duration,
        told: &mut Told,
    ) {
        let exists = |id: &&ItemId| {
            let resource = id.resource.to_string();
            let path = ItemPath {
                group_resource: &resource,
                namespace: id.namespace.as_deref(),
                name: &id.name,
            };
            let item = self.request.archive.find(&path, ItemCopy::Plain);
            item.is_some_and(|item| self.ledger().state(self.plan.winner(item)).exists())
        };
        let items: Vec<ItemId> = wanted.iter().filter(exists).cloned().collect();
        let limit = if limit.is_zero() {
            self.request.options.resource_timeout
        } else {
            limit
        };
        let ready = async {
            while !action.are_ready(&items, &self.restoration).await? {
                sleep(Duration::from_secs(1)).await;
            }
            Ok::<_, ActionError>(())
        };
        let reason = match timeout(limit, ready).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("not within {limit:?}"),
        };
        let id = self.id_of(subject.item);
        told.error(
            subject,
            format!(
                "additional items of {id} are not ready for action {}: {reason}",
                action.name()
            ),
        );
    }
}

impl Lookup for Run<'_> {
    fn archived<'a>(&'a self, item: &'a ItemId) -> BoxFuture<'a, Option<Value>> {
        async move {
            let resource = item.resource.to_string();
            let path = ItemPath {
                group_resource: &resource,
                namespace: item.namespace.as_deref(),
                name: &item.name,
            };
            let found = self.request.archive.find(&path, ItemCopy::Plain)?;
            serde_json::from_slice(&self.read_bytes(found).await.ok()?).ok()
        }
        .boxed()
    }
}
