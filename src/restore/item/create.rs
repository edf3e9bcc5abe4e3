//! Creates an object, or finds it in the cluster (spec restore 9 steps 15 to 21).

use serde_json::Value;

use super::context::{ItemRestore, Wanted};
use crate::cluster::ApiError;
use crate::restore::apply::Creation;
use crate::restore::ledger::State;
use crate::restore::object::creation::{self, Lesser};
use crate::restore::object::{existing, metadata};
use crate::restore::processed::{End, done, unless_transient, wait};
use crate::restore::retry_reason::RetryReason;
use crate::restore::wait_reason::WaitReason;

impl ItemRestore<'_> {
    /// Creates an object, or handles the existing one.
    pub(super) async fn create(&mut self, wanted: Wanted) -> End {
        let parts = self.ctx.parts;
        match self.ctx.apply.create(parts, self.new_object(&wanted)).await {
            Creation::Created(created) => self.created(&wanted, created).await,
            Creation::Planned(why) => {
                self.messages.why = why;
                self.warn_of_moved(&wanted);
                done(State::Created)
            }
            Creation::Exists(live) => self.found(&wanted, live).await,
            Creation::Refused(error) => self.refused(wanted, error).await,
            Creation::Waiting(reason) => wait(reason),
        }
    }

    /// An object of that name may exist even if the error is another one: the ports of the service are in use, a quota, a webhook.
    /// Then the two are compared (spec restore 11).
    async fn refused(&mut self, wanted: Wanted, error: ApiError) -> End {
        let name = self.name_of(&wanted.object);
        let client = &self.ctx.parts.client;
        let live = match unless_transient(client.get(&wanted.resource, self.item.target, name).await)? {
            Ok(live) => live,
            Err(unreadable) if error.is_already_exists() => {
                let text = format!(
                    "{} already exists, but cannot be read to compare it: {}",
                    self.id(),
                    unreadable.message
                );
                self.messages.warn(text);
                return done(State::Failed);
            }
            Err(_) => None,
        };
        match live {
            Some(live) => self.found(&wanted, live).await,
            // deleted between the two calls
            None if error.is_already_exists() => wait(WaitReason::Error(RetryReason::Conflict, error.message)),
            None => {
                if let Some(reason) = self.missing_dependency(&wanted.object, &error) {
                    return wait(reason);
                }
                if let Some(lesser) = creation::lesser(self.group_resource(), &wanted.object, &error.message) {
                    return self.create_lesser(wanted, lesser, &error).await;
                }
                let text = format!("error restoring {}: {}", self.id(), error.message);
                self.messages.error(text);
                done(State::Failed)
            }
        }
    }

    /// Creates an object without the property that the cluster refuses, because other objects need it.
    async fn create_lesser(&mut self, wanted: Wanted, lesser: Lesser, refused: &ApiError) -> End {
        let Lesser { object, how } = lesser;
        let wanted = Wanted { object, ..wanted };
        let parts = self.ctx.parts;
        let sent = self.ctx.apply.send(parts, self.new_object(&wanted)).await;
        match unless_transient(sent)? {
            Ok(created) => {
                let text = format!("{} is restored with {how}: {}", self.id(), refused.message);
                self.messages.warn(text);
                match created {
                    Some(created) => self.created(&wanted, created).await,
                    None => done(State::Created),
                }
            }
            Err(error) => {
                let text = format!("error restoring {}: {}", self.id(), error.message);
                self.messages.error(text);
                done(State::Failed)
            }
        }
    }

    /// The object is in the cluster.
    async fn found(&mut self, wanted: &Wanted, live: Value) -> End {
        if metadata::is_deleting(&live) {
            return wait(WaitReason::Deletion);
        }
        if self.is_ours(&live) {
            return self.created(wanted, live).await;
        }
        self.existing(wanted, live).await
    }

    /// Whether an earlier pass of this restore made the object.
    fn is_ours(&self, live: &Value) -> bool {
        let (prepared, tracker) = (self.ctx.parts.prepared, &self.ctx.parts.tracker);
        let tried_before = tracker.journal.is_resumed() || tracker.queue.tries(self.item.handle) > 0;
        tried_before && existing::made_by_us(live, &prepared.labels, &prepared.started)
    }
}
