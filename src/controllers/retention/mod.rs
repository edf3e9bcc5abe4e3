//! retention: how long the backups of a schedule are kept, beyond or short of their TTL, by rules in its annotations
//! ([decision 53](../../../docs/decisions/0053-retention.md)).
//!
//! ```text
//!   rules    the annotations of a Schedule
//!   plan     which backups the rules keep
//!   steps    what is to be done about them, and when
//!   prolong  writes a longer life into the bucket and the object
//!   keeper   the same rules for `gc`, before it deletes what has expired
//!   outlook  when backups will end, for the command line
//! ```
//!
//! It writes Backups and requests their deletion. The condition of the Schedule is written by `schedule`.

mod error;
pub mod keeper;
pub mod outlook;
pub mod plan;
mod prolong;
pub mod rules;
mod steps;
#[cfg(test)]
mod year;

pub use error::Error;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::v1::{Backup, BackupStorageLocation, Schedule};
use crate::runtime::report::EventNote;
use crate::runtime::watch::Change;
use crate::runtime::{Controller, Manager, Next, ObjectRef, Predicate, Reconciler, SharedWatch};

use super::context::Context;
use super::fresh;
use super::gc::request;
use super::watches::{BUCKET_WORKERS, Watches, refs, usable_changed};
use rules::Rules;
use steps::{Steps, holding, steps};

/// The action in events.
const ACTION: &str = "Expire";

/// The reconciler.
pub struct Retention {
    ctx: Arc<Context>,
    backups: SharedWatch<Backup>,
    locations: SharedWatch<BackupStorageLocation>,
}

impl Retention {
    /// A reconciler of the schedules that have rules.
    pub fn new(ctx: Arc<Context>, backups: SharedWatch<Backup>, locations: SharedWatch<BackupStorageLocation>) -> Self {
        Self {
            ctx,
            backups,
            locations,
        }
    }

    /// Runs it in this manager.
    pub fn register(manager: &mut Manager, ctx: &Arc<Context>, watches: &Watches) {
        let reconciler = Self::new(Arc::clone(ctx), watches.backups.clone(), watches.locations.clone());
        let (by_backup, by_location) = (watches.schedules.clone(), watches.schedules.clone());
        manager.control(
            Controller::new(reconciler, &watches.schedules)
                .workers(BUCKET_WORKERS)
                .on(watches.backups.when(verdict_may_change()), move |backup: &Backup| {
                    Self::of_backup(&by_backup, backup)
                })
                .on(
                    watches.locations.when(usable_changed()),
                    move |_: &BackupStorageLocation| refs(&by_location.list_where(has_rules)),
                ),
        );
    }

    fn of_backup(schedules: &SharedWatch<Schedule>, backup: &Backup) -> Vec<ObjectRef<Schedule>> {
        let Some(uid) = keeper::schedule_uid(backup) else {
            return Vec::new();
        };
        refs(&schedules.list_where(|schedule| schedule.metadata.uid.as_deref() == Some(uid)))
    }

    /// The steps for these backups of a schedule; none without rules. Rules that cannot be followed end nothing; `schedule` says so.
    fn steps(&self, schedule: &Schedule, backups: &[Arc<Backup>], now: Timestamp) -> Option<Steps> {
        let annotations = schedule.metadata.annotations.as_ref()?;
        if schedule.metadata.deletion_timestamp.is_some() {
            return None;
        }
        let usable = |location: &str| self.is_usable(location);
        match Rules::parse(annotations) {
            Ok(None) => None,
            Ok(Some(rules)) => Some(steps(&rules, backups, &usable, now)),
            Err(_) => Some(holding(backups, &usable, now)),
        }
    }

    /// The backups that end by the rules and the backups that the API server has now.
    async fn fresh_ends(&self, seen: &Schedule, now: Timestamp) -> Result<Vec<(Arc<Backup>, String)>, Error> {
        let name = seen.metadata.name.as_deref().unwrap_or_default();
        let schedule: Option<Schedule> = fresh::get(&self.ctx, name).await.map_err(Error::NotRead)?;
        let Some(schedule) = schedule.filter(|schedule| schedule.metadata.uid == seen.metadata.uid) else {
            return Ok(Vec::new());
        };
        let own = keeper::fresh_backups(&self.ctx, &schedule)
            .await
            .map_err(Error::NotRead)?;
        Ok(self.steps(&schedule, &own, now).unwrap_or_default().end)
    }

    /// Whether backups in this location may be changed and deleted.
    fn is_usable(&self, name: &str) -> bool {
        let key = ObjectRef::new(name).within(&self.ctx.namespace);
        let location = self.locations.get(&key);
        location.is_some_and(|location| location.is_available() && !location.is_read_only())
    }
}

impl Reconciler for Retention {
    type Kind = Schedule;
    type Error = Error;
    const NAME: &'static str = "retention";
    const RESYNC: Duration = Duration::from_hours(1);

    async fn reconcile(&self, seen: Arc<Schedule>) -> Result<Next, Error> {
        let now = self.ctx.clock.now();
        let Some(mut steps) = self.steps(&seen, &keeper::of_schedule(&self.backups, &seen), now) else {
            return Ok(Next::Resync);
        };
        if !steps.end.is_empty() {
            // What cannot be undone does not rest on stores that may be behind.
            steps.end = self.fresh_ends(&seen, now).await?;
        }
        // One backup that cannot be written keeps no other from its step.
        let mut failed = None;
        for (backup, until) in steps.prolong {
            if let Err(error) = self.prolong(&backup, until).await {
                failed.get_or_insert(error);
            }
        }
        for (backup, newer) in steps.end {
            match request::deletion(&self.ctx, &backup, now).await {
                Ok(true) => {
                    let note = format!("no retention rule of its schedule keeps it, and `{newer}` is newer");
                    self.ctx
                        .events
                        .publish(&*backup, EventNote::normal("Expired", ACTION, note));
                }
                Ok(false) => {}
                Err(error) => _ = failed.get_or_insert(error.into()),
            }
        }
        match failed {
            Some(error) => Err(error),
            None => Ok(steps.next.map_or(Next::Resync, Next::At)),
        }
    }
}

fn has_rules(schedule: &Schedule) -> bool {
    let annotations = schedule.metadata.annotations.as_ref();
    annotations.is_some_and(|annotations| !matches!(Rules::parse(annotations), Ok(None)))
}

/// Progress is written each second, and changes no verdict.
fn verdict_may_change() -> Predicate<Backup> {
    Predicate::new(|change: &Change<Backup>| match (&change.before, &change.after) {
        (Some(before), Some(after)) => {
            before.status.phase != after.status.phase
                || before.status.expiration != after.status.expiration
                || before.metadata.deletion_timestamp != after.metadata.deletion_timestamp
        }
        _ => true,
    })
}
