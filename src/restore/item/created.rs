//! The steps after the creation of an object: its status, its managed fields, and waits before the wave ends.

use std::ops::ControlFlow;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::context::{ItemRestore, Wanted};
use crate::api::annotations::RESTORE_STATUS;
use crate::cluster::discovery::{GroupResource, Resource};
use crate::cluster::objects;
use crate::restore::ledger::State;
use crate::restore::object::{called_services, managed_fields, metadata, outcome, status};
use crate::restore::priorities::CRDS;
use crate::restore::processed::{End, Step, done, unless_transient, wait};
use crate::restore::wait_reason::WaitReason;
use crate::runtime::backoff::{Backoff, Policy};

/// A CRD is accepted within milliseconds; after this time it is queued for a retry.
const ACCEPTED_AT_ONCE: Duration = Duration::from_secs(10);

/// A controller counts a quota's use within milliseconds.
const COUNTED_AT_ONCE: Duration = Duration::from_secs(10);

/// The waits between two reads of an object that a controller is about to work on.
const SETTLING_WAITS: Policy = Policy::doubling(Duration::from_millis(20), Duration::from_millis(500));

const QUOTAS: &str = "resourcequotas";

/// How often a status is written after conflicts with other clients and transient errors.
const STATUS_TRIES: u32 = 5;

/// The waits after transient errors.
const STATUS_WAITS: Policy = Policy::doubling(Duration::from_millis(250), Duration::from_secs(2));

impl ItemRestore<'_> {
    /// The steps after a creation: status, managed fields, and for a CRD its acceptance.
    pub(super) async fn created(&mut self, wanted: &Wanted, created: Value) -> End {
        if let Some(name) = metadata::field(&created, "name").filter(|name| *name != self.item.path.name) {
            self.messages.note.name = Some(name.to_owned());
        }
        self.warn_of_moved(wanted);
        let created = self.restore_status(wanted, created).await;
        self.restore_managed_fields(wanted, &created).await;
        match self.group_resource() {
            CRDS => self.wait_for_acceptance(&wanted.resource, created).await?,
            QUOTAS => self.wait_until_counted(&wanted.resource, created).await?,
            _ => {}
        }
        done(State::Created)
    }

    /// Reports that a created object calls another service than in the backup.
    pub(super) fn warn_of_moved(&mut self, wanted: &Wanted) {
        if let Some(moved) = &wanted.moved {
            let text = called_services::moved_warning(&self.id(), &moved.targets);
            self.messages.warn(text);
        }
    }

    /// Restores the status if it is requested; returns the object after that (spec restore 12).
    async fn restore_status(&mut self, wanted: &Wanted, created: Value) -> Value {
        let parts = self.ctx.parts;
        let types = parts.prepared.restored_status.as_ref();
        let by_spec = types.is_some_and(|types| types.should_include(self.group_resource()));
        let (restore, unreadable) = status::is_wanted(&wanted.object, by_spec);
        if let Some(value) = unreadable {
            self.log(&format!(
                "Its annotation {RESTORE_STATUS} is `{value}`, neither true nor false"
            ));
        }
        let Some(status) = wanted.status.as_ref().filter(|_| restore) else {
            return created;
        };
        if !wanted.resource.has_status {
            self.log("Its status is not restored: its type has no status subresource");
            return created;
        }
        let name = self.name_of(&created).to_owned();
        let target = self.item.target;
        let mut object = created;
        let mut waits = Backoff::new(STATUS_WAITS);
        for tries in 1..=STATUS_TRIES {
            object["status"] = status.clone();
            let body = objects::body(&object);
            let updated = parts.client.update_status(&wanted.resource, target, &name, body).await;
            let error = match updated {
                Ok(updated) => return updated,
                Err(error) => error,
            };
            if error.is_conflict()
                && tries < STATUS_TRIES
                && let Ok(Some(newer)) = parts.client.get(&wanted.resource, target, &name).await
            {
                object = newer;
                continue;
            }
            if WaitReason::of(&error).is_some() && tries < STATUS_TRIES {
                sleep(waits.failed()).await;
                continue;
            }
            let text = format!("could not restore the status of {}: {}", self.id(), error.message);
            self.messages.warn(text);
            break;
        }
        object
    }

    /// A failure is only a warning: the steps after it must not fail (spec restore 26, row 35).
    async fn restore_managed_fields(&mut self, wanted: &Wanted, created: &Value) {
        let patch = wanted
            .managed
            .as_ref()
            .and_then(|fields| managed_fields::patch(created, fields));
        let Some(patch) = patch else { return };
        let (client, target) = (&self.ctx.parts.client, self.item.target);
        let name = self.name_of(created);
        if let Err(error) = client.merge_patch(&wanted.resource, target, name, &patch).await {
            let text = format!(
                "could not restore the managed fields of {}: {}",
                self.id(),
                error.message
            );
            self.messages.warn(text);
        }
    }

    /// Waits until the API server has accepted a CRD (spec restore 9, step 21).
    async fn wait_for_acceptance(&self, crds: &Resource, mut crd: Value) -> Step<()> {
        let parts = self.ctx.parts;
        let (start, mut waits) = (Instant::now(), Backoff::new(SETTLING_WAITS));
        while !outcome::is_accepted(&crd) {
            if start.elapsed() > ACCEPTED_AT_ONCE {
                return wait(WaitReason::Established);
            }
            sleep(waits.failed()).await;
            match unless_transient(parts.client.get(crds, None, self.item.path.name).await)? {
                Ok(Some(newer)) => crd = newer,
                // deleted, or not readable: it was created
                Ok(None) | Err(_) => return ControlFlow::Continue(()),
            }
        }
        let text = |path| crd.pointer(path).and_then(Value::as_str).unwrap_or_default();
        parts
            .types
            .expect(GroupResource::new(text("/spec/group"), text("/spec/names/plural")));
        ControlFlow::Continue(())
    }

    /// Waits until a quota's use was counted. Until then admission refuses all that it limits, and controllers could come before
    /// the waiting items. Without a controller that counts, the wait ends after a short time.
    async fn wait_until_counted(&self, quotas: &Resource, mut quota: Value) -> Step<()> {
        let client = &self.ctx.parts.client;
        let (start, mut waits) = (Instant::now(), Backoff::new(SETTLING_WAITS));
        let name = self.name_of(&quota).to_owned();
        while !outcome::is_counted(&quota) {
            if start.elapsed() > COUNTED_AT_ONCE {
                self.log("Its use has not been counted yet; the restore continues");
                return ControlFlow::Continue(());
            }
            sleep(waits.failed()).await;
            match unless_transient(client.get(quotas, self.item.target, &name).await)? {
                Ok(Some(newer)) => quota = newer,
                // deleted, or not readable: it was created
                Ok(None) | Err(_) => return ControlFlow::Continue(()),
            }
        }
        ControlFlow::Continue(())
    }
}
