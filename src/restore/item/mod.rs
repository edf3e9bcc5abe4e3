//! One item from the archive to the cluster (spec restore 9).
//!
//! ```text
//!   restore (here)     once at a time for each item; the pass that needs an additional item restores it
//!   process            the steps of one pass
//!     namespace          ensures its target namespace
//!     default_rights     additions to the API server's default roles
//!     leave_out          items that are not restored, job_pods: pods of jobs
//!     volumes            persistent volumes and claims; volume data attaches here
//!     actions            the restore item actions, additional: items that they ask for; resource modifiers follow them
//!     unserved           types that are not served
//!     hooks              annotations of pods; restore hooks attach here
//!     prerequisite       objects that an object needs and that are missing
//!   create             the object is created, or found
//!     dependency         missing objects that a refused creation waits for
//!     created            status, managed fields, acceptance
//!     existing           compared with the object in the cluster, binding: volumes and their claims
//! ```
//!
//! Every step may be repeated: an item that waits, or that was done but not recorded before a crash, goes through all of them
//! again.

use futures::future::{BoxFuture, FutureExt};

use crate::archive::spool::ItemHandle;
use crate::restore::in_flight::Acquire;
use crate::restore::ledger::State;
use crate::restore::messages::ItemMessages;
use crate::restore::processed::Processed;
use crate::restore::wait_reason::WaitReason;

mod actions;
mod additional;
mod binding;
mod context;
mod create;
mod created;
mod default_rights;
mod dependency;
mod displaced;
mod existing;
mod hooks;
mod job_pods;
mod leave_out;
mod namespace;
mod prerequisite;
mod process;
mod unserved;
mod volumes;

pub(super) use self::context::ItemContext;
use self::context::{ItemOutcome, ItemRestore};

impl<'a> ItemContext<'a> {
    /// Restores an item, or waits until another pass has. `requester` is the item with an action that asks for it.
    pub(super) fn restore(self, item: ItemHandle, requester: Option<ItemHandle>) -> BoxFuture<'a, ItemOutcome> {
        let item = self.parts.prepared.plan.winner(item);
        async move {
            loop {
                match self.parts.in_flight.acquire(item, requester, || self.known(item)) {
                    Err(outcome) => return outcome,
                    Ok(Acquire::Cycle) => return ItemOutcome::Cycle,
                    // the other pass is part of this wave, so the wave waits for it anyway
                    Ok(Acquire::Wait(_)) if requester.is_none() => return ItemOutcome::Waiting,
                    Ok(Acquire::Wait(waiting)) => waiting.finished().await,
                    Ok(Acquire::Acquired(_guard)) => return self.work(item).await,
                }
            }
        }
        .boxed()
    }

    fn known(self, item: ItemHandle) -> Option<ItemOutcome> {
        let tracker = &self.parts.tracker;
        match tracker.journal.state(item) {
            State::Pending => tracker.queue.holds(item).then_some(ItemOutcome::Waiting),
            _ => Some(ItemOutcome::Done),
        }
    }

    async fn work(self, handle: ItemHandle) -> ItemOutcome {
        let parts = self.parts;
        let item = parts.prepared.item(handle);
        let mut pass = ItemRestore {
            ctx: self,
            item,
            messages: ItemMessages::new(item.target),
        };
        let processed = Processed::from(pass.process().await);
        let mut messages = pass.messages;
        match self.apply.finish(parts, item, processed, &mut messages).await {
            Processed::Done(state) => {
                parts.tracker.done(handle, state, messages.list, messages.note);
                ItemOutcome::Done
            }
            Processed::Waiting(reason) => {
                if matches!(reason, WaitReason::Namespace(_))
                    && let Some(target) = item.target
                {
                    parts.namespaces.doubt(target).await;
                }
                parts.tracker.wait(handle, reason);
                ItemOutcome::Waiting
            }
        }
    }
}
