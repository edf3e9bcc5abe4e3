//! backup-operations and restore-operations: while an object waits for operations of its items, asks for their progress, and moves it on
//! when all have ended (spec backup 14.2, restore 19.2).

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::artifact::ItemOperation;
use crate::api::v1::BackupStorageLocation;
use crate::controllers::context::Context;
use crate::controllers::location;
use crate::controllers::run::RunId;
use crate::controllers::run::cancel::{self, is_cancelled};
use crate::controllers::watches::{Watches, refs};
use crate::controllers::write::{WriteError, Written};
use crate::runtime::clock::later;
use crate::runtime::report::EventNote;
use crate::runtime::{Controller, Manager, Next, Reconciler, SharedWatch};

use super::blocked::{self, Blocked};
use super::cancelled;
use super::error::Error;
use super::file::{self, FileError};
use super::kind::{Counts, Finalized, Operated, Sources, Stage};
use super::poll;
use super::step::due;

/// Objects at once. A pass waits for actions that do not answer, so there are more than for other buckets.
const WORKERS: usize = 16;

/// When to look again after another writer changed the object.
const CONFLICT: Duration = Duration::from_secs(1);

/// When to look again at least at an object that is blocked.
const BLOCKED_AGAIN: Duration = Duration::from_secs(30);

/// The reconciler of operations.
pub struct Waiting<K> {
    ctx: Arc<Context>,
    sources: Sources,
    kind: PhantomData<fn() -> K>,
}

impl<K: Operated> Waiting<K> {
    /// A reconciler with these.
    pub fn new(ctx: Arc<Context>, sources: Sources) -> Self {
        Self {
            ctx,
            sources,
            kind: PhantomData,
        }
    }

    /// Runs it in this manager.
    pub fn register(manager: &mut Manager, ctx: &Arc<Context>, watches: &Watches, objects: &SharedWatch<K>) {
        let sources = Sources::new(ctx, watches);
        let waiting = objects.clone();
        manager.control(
            Controller::new(Self::new(Arc::clone(ctx), sources), objects)
                .workers(WORKERS)
                // Some wait until their location can be used.
                .on(&watches.locations, move |_: &BackupStorageLocation| {
                    refs(&waiting.list_where(|object| object.stage() == Stage::Waiting))
                }),
        );
    }

    async fn poll(&self, seen: &K, location: &BackupStorageLocation, now: Timestamp) -> Result<Next, Error> {
        let (ctx, name) = (&self.ctx, &RunId::of(seen).name);
        let limit = limit(ctx, seen);
        let store = location::open(ctx, location).await?;
        let before = file::read::<K>(&store, name).await?;
        if Counts::of(&before).attempted < seen.counts().attempted {
            return Err(FileError::Incomplete(K::operations_key(name)).into());
        }
        let after = poll::ask(seen, &ctx.actions, &before, now, limit).await;
        if after != before {
            // Before the status: what that counts as failed is in the file.
            file::write::<K>(&store, name, &after).await?;
        }
        let counts = Counts::of(&after);
        let mut wanted = seen.clone();
        wanted.set_counts(counts);
        blocked::release(wanted.conditions(), now);
        if counts.all_ended() {
            wanted.finalizing();
        }
        wanted.show_phase(now);
        if ctx.writer.write(seen, &wanted).await? == Written::Conflict {
            return Ok(Next::After(CONFLICT));
        }
        Ok(next(&after, now, limit, ctx.settings.item_operation_frequency))
    }
}

impl Sources {
    /// The watches of the server.
    pub fn new(ctx: &Context, watches: &Watches) -> Self {
        Self {
            backups: watches.backups.clone(),
            locations: watches.locations.clone(),
            namespace: ctx.namespace.clone(),
        }
    }
}

/// How long the operations of an object may take.
pub(super) fn limit<K: Operated>(ctx: &Context, object: &K) -> Duration {
    let own = object.time_limit().positive();
    own.unwrap_or(ctx.settings.item_operation_timeout)
}

/// A failure that only a user mends: the object waits for that, as for its location.
fn lasting(error: &Error) -> Option<Blocked> {
    let (reason, is_lasting) = match error {
        Error::LocationUnusable(cause) => ("LocationUnusable", !cause.is_transient()),
        Error::BucketUnreadable(FileError::Store(cause)) => ("BucketUnreadable", !cause.is_transient()),
        Error::BucketUnreadable(FileError::Content { .. } | FileError::Incomplete(_)) => ("BucketUnreadable", true),
        Error::StatusNotWritten(_) | Error::RecordUnreadable(_) => return None,
    };
    is_lasting.then(|| Blocked::now(reason, error.to_string()))
}

/// When to ask again: after the frequency, or when the time of an operation is over.
fn next<S>(operations: &[ItemOperation<S>], now: Timestamp, limit: Duration, frequency: Duration) -> Next {
    let open = operations.iter().filter(|one| !one.status.phase().is_terminal());
    match open.map(|one| due(&one.status, now, limit)).min() {
        Some(first) => Next::At(first.min(later(now, frequency))),
        None => Next::Resync,
    }
}

/// What both controllers do with an object that waits for its location: the object says so, and is given up when its time is over.
pub(super) async fn wait_for_location<K: Operated>(
    ctx: &Context,
    seen: &K,
    why: &Blocked,
    stage: &str,
) -> Result<Next, Error> {
    let (now, limit) = (ctx.clock.now(), limit(ctx, seen));
    let until = if why.is_final {
        now
    } else {
        blocked::deadline(ctx, &RunId::of(seen), "", stage, limit).await?
    };
    let mut wanted = seen.clone();
    if until <= now {
        let reason = if why.is_final {
            why.message.clone()
        } else {
            format!("gave up when the time of the item operations was over: {}", why.message)
        };
        let ended = Finalized {
            status: seen.given_up(reason, now),
            archive: 0,
        };
        let written = write_end(ctx, seen, &ended).await?;
        return Ok(if written { Next::Resync } else { Next::After(CONFLICT) });
    }
    let is_news = blocked::show(wanted.conditions(), why, now);
    match ctx.writer.write(seen, &wanted).await? {
        Written::Conflict => return Ok(Next::After(CONFLICT)),
        Written::Done if is_news => {
            let note = EventNote::warning(why.reason, "Operations", &*why.message);
            ctx.events.publish(seen, note);
        }
        _ => {}
    }
    // A change of the location leads to a pass; of a bucket there is none.
    let again = later(now, ctx.settings.item_operation_frequency.max(BLOCKED_AGAIN));
    Ok(Next::At(until.min(again)))
}

/// Writes the end of an object, and counts it on the transition. False if another writer changed the object first.
pub(super) async fn write_end<K: Operated>(
    ctx: &Context,
    seen: &K,
    end: &Finalized<K::Status>,
) -> Result<bool, WriteError> {
    let now = ctx.clock.now();
    let mut wanted = seen.clone();
    wanted.set_status(end.status.clone());
    blocked::release(wanted.conditions(), now);
    cancel::conclude(seen.meta(), &[], wanted.conditions(), now);
    wanted.show_phase(now);
    let written = ctx.writer.write(seen, &wanted).await?;
    if written == Written::Done {
        wanted.count_end(ctx, end.archive);
    }
    Ok(written != Written::Conflict)
}

impl<K: Operated> Reconciler for Waiting<K> {
    type Kind = K;
    type Error = Error;
    const NAME: &'static str = K::OPERATIONS;
    const RESYNC: Duration = Duration::from_mins(1);

    async fn reconcile(&self, seen: Arc<K>) -> Result<Next, Error> {
        if seen.stage() != Stage::Waiting || seen.meta().deletion_timestamp.is_some() {
            return Ok(Next::Settled);
        }
        if is_cancelled(seen.meta()) {
            let location = seen.location(&self.sources).ok();
            return cancelled::pass(&self.ctx, &seen, location.as_deref()).await;
        }
        match seen.location(&self.sources) {
            Ok(location) => match self.poll(&seen, &location, self.ctx.clock.now()).await {
                Err(error) => match lasting(&error) {
                    Some(why) => wait_for_location(&self.ctx, &*seen, &why, "waiting").await,
                    None => Err(error),
                },
                passed => passed,
            },
            Err(why) => wait_for_location(&self.ctx, &*seen, &why, "waiting").await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::artifact::{BackupItemOperation, OperationPhase};
    use crate::api::time;

    #[test]
    fn operations_are_asked_again_after_the_frequency_or_when_the_first_is_out_of_time() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let operation = |phase: &str, created| {
            let mut operation = BackupItemOperation::default();
            operation.status.phase = Some(OperationPhase::from(phase));
            operation.status.created = Some(time(at(created)));
            operation
        };
        let (limit, frequency) = (Duration::from_secs(100), Duration::from_secs(10));
        for (operations, expected) in [
            (vec![], Next::Resync),
            (vec![operation("Completed", 0), operation("Failed", 0)], Next::Resync),
            (vec![operation("New", 50)], Next::At(at(70))),
            (
                vec![operation("InProgress", 50), operation("New", -35)],
                Next::At(at(65)),
            ),
        ] {
            assert_eq!(next(&operations, at(60), limit, frequency), expected, "{operations:?}");
        }
    }
}
