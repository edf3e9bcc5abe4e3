//! schedule: makes a Backup when a Schedule is due (spec backup 18, decision 52).

pub mod backup;
pub mod cron;
mod decide;
pub mod last;
mod ticks;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use kube::Api;
use kube::api::ListParams;
use parking_lot::Mutex;

use crate::api::v1::{Backup, BackupPhase, Schedule};
use crate::api::{labels, names};
use crate::cluster::ApiError;
use crate::cluster::objects::{self, WriteOptions};
use crate::runtime::lease::NotLeading;
use crate::runtime::report::EventNote;
use crate::runtime::watch::{Change, Guarded};
use crate::runtime::{
    Class, Classify, Controller, Manager, Next, ObjectRef, Predicate, Reconciler, SharedWatch, Uid, uid_of,
};

use super::watches::{Watches, refs};
use super::write::{WriteError, Written};
use crate::controllers::context::Context;
use backup::Origin;
use decide::{Facts, Made, Plan, Refused, decide};
use last::last_results;
use ticks::Tick;

/// Backups a page of what is asked for before one is made.
const PAGE: u32 = 100;

/// Names that a tick may have: that of its due time, and those of the seconds after it where another Backup has that.
const NAMES: i64 = 10;

/// A pass failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The status was not written.
    #[error("writing the schedule's status failed: {0}")]
    StatusNotWritten(#[source] WriteError),
    /// Whether a backup of the schedule is in progress is not known for certain.
    #[error("asking the API server which backups of the schedule there are failed: {0}")]
    BackupsNotListed(#[source] kube::Error),
    /// The Backup was not created, and may be later.
    #[error("creating backup `{name}` failed: {reason}; it is tried again")]
    BackupNotCreated {
        /// The Backup.
        name: String,
        /// Why.
        #[source]
        reason: ApiError,
    },
    /// The API server does not accept the Backup.
    #[error(
        "the API server does not accept backup `{name}`: {reason}; check spec.template, and that the schedule's name is short enough"
    )]
    BackupRefused {
        /// The Backup.
        name: String,
        /// Why.
        #[source]
        reason: ApiError,
    },
    /// Other Backups have all names of the tick.
    #[error(
        "backup `{name}` and those of the seconds after it exist and are not of this schedule; delete them, or rename the schedule"
    )]
    BackupNameTaken {
        /// The first of the names.
        name: String,
    },
    /// This process does not lead.
    #[error(transparent)]
    NotLeading(#[from] NotLeading),
}

impl Classify for Error {
    crate::runtime::reasons!(
        StatusNotWritten,
        BackupsNotListed,
        BackupNotCreated,
        BackupRefused,
        BackupNameTaken,
        NotLeading
    );

    fn class(&self) -> Class {
        match self {
            Self::NotLeading(_) | Self::StatusNotWritten(WriteError::NotLeading(_)) => Class::Lost,
            Self::BackupRefused { .. } | Self::BackupNameTaken { .. } => Class::Invalid,
            _ => Class::Transient,
        }
    }
}

impl Error {
    /// As the Schedule shows it.
    fn refused(&self) -> Refused {
        Refused {
            reason: self.reason(),
            message: self.to_string(),
        }
    }
}

/// The reconciler.
pub struct Schedules {
    ctx: Arc<Context>,
    backups: SharedWatch<Backup>,
    /// The schedules that have their series, each with its last complaints. Lost with the process, which costs one more event.
    known: Mutex<HashMap<Uid, Vec<EventNote>>>,
}

impl Schedules {
    /// A reconciler of schedules, with the Backups in this watch.
    pub fn new(ctx: Arc<Context>, backups: SharedWatch<Backup>) -> Self {
        Self {
            ctx,
            backups,
            known: Mutex::default(),
        }
    }

    /// Runs it in this manager.
    pub fn register(manager: &mut Manager, ctx: &Arc<Context>, watches: &Watches) {
        let (schedules, backups) = (&watches.schedules, &watches.backups);
        let reconciler = Self::new(Arc::clone(ctx), backups.clone());
        let all = schedules.clone();
        manager.control(
            Controller::new(reconciler, schedules).on(backups.when(concerns_schedule()), move |backup: &Backup| {
                Self::of(&all, backup)
            }),
        );
    }

    /// The schedule that a Backup belongs to by its label.
    pub fn of(schedules: &SharedWatch<Schedule>, backup: &Backup) -> Vec<ObjectRef<Schedule>> {
        match label_of(backup) {
            Some(label) => refs(&schedules.list_where(|schedule| label_value(schedule) == *label)),
            None => Vec::new(),
        }
    }

    fn decide(&self, seen: &Schedule, backups: &[Made], refused: Option<&Refused>) -> Plan {
        let settings = &self.ctx.settings;
        let facts = Facts {
            now: self.ctx.clock.now(),
            zone: &settings.zone,
            skip_immediately: settings.skip_immediately,
            backups,
            refused,
        };
        decide(seen, &facts)
    }

    /// The Backups of a schedule, as the API server has them now.
    async fn fresh_backups(&self, seen: &Schedule) -> Result<Vec<Made>, Error> {
        let client = self.ctx.cluster.client().clone();
        let api: Api<Guarded<Backup>> = Api::namespaced_with(client, &self.ctx.namespace, &());
        let query = format!("{}={}", labels::SCHEDULE_NAME, label_value(seen));
        let (mut found, mut page) = (Vec::new(), ListParams::default().limit(PAGE).labels(&query));
        loop {
            let list = api.list(&page).await.map_err(Error::BackupsNotListed)?;
            found.extend(list.items.iter().filter_map(|item| match item {
                Guarded::Good(backup) => made(seen, backup),
                Guarded::Broken { .. } => None,
            }));
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(found),
            }
        }
    }

    /// Creates the Backup of a tick, or finds that it was created: by a server that died before it wrote that down, or one that led
    /// before. A Backup of another origin keeps its name. Returns the name.
    async fn create(&self, seen: &Schedule, tick: Tick) -> Result<String, Error> {
        let namespace = &self.ctx.namespace;
        let first = backup::of_tick(seen, namespace, tick.due, 0);
        let resource = self.ctx.writer.resource("Backup");
        for number in 0..NAMES {
            let wanted = backup::of_tick(seen, namespace, tick.due, number);
            let name = wanted.metadata.name.clone().unwrap_or_default();
            let failed = |reason: ApiError| {
                if reason.is_invalid() {
                    Error::BackupRefused {
                        name: name.clone(),
                        reason,
                    }
                } else {
                    Error::BackupNotCreated {
                        name: name.clone(),
                        reason,
                    }
                }
            };
            let Some(resource) = resource else { break };
            let body = objects::body(&serde_json::to_value(&wanted).unwrap_or_default());
            let create = objects::create(
                &self.ctx.cluster,
                resource,
                Some(namespace),
                body,
                WriteOptions::default(),
            );
            match self.ctx.gate.write(create).await? {
                Ok(_) => {
                    let note = format!("created backup `{name}`, which was due at {}", tick.due);
                    self.ctx
                        .events
                        .publish(seen, EventNote::normal("BackupCreated", "Schedule", note));
                    return Ok(name);
                }
                Err(error) if error.is_already_exists() => {}
                Err(error) => return Err(failed(error)),
            }
            let found = objects::get(&self.ctx.cluster, resource, Some(namespace), &name)
                .await
                .map_err(failed)?;
            let found = found.and_then(|found| serde_json::from_value::<Backup>(found).ok());
            if found.is_some_and(|found| is_of(seen, tick, &found)) {
                return Ok(name);
            }
        }
        Err(Error::BackupNameTaken {
            name: first.metadata.name.unwrap_or_default(),
        })
    }

    /// The series of the schedule's metrics.
    fn measure(&self, seen: &Schedule, backups: &[Arc<Backup>], plan: &Plan) {
        let (metrics, label) = (&self.ctx.metrics, label_value(seen));
        if let Entry::Vacant(new) = self.known.lock().entry(uid_of(seen)) {
            metrics.init_schedule(&label);
            new.insert(Vec::new());
        }
        let last = last_results(backups.iter().map(|backup| &**backup));
        metrics.backup_results(&label, last);
        if let Some(interval) = plan.interval {
            metrics.schedule_interval(&label, interval);
        }
    }

    /// Publishes what a plan says, each complaint once.
    fn report(&self, seen: &Schedule, plan: &Plan) {
        let before = self.known.lock().insert(uid_of(seen), plan.complaints.clone());
        let before = before.unwrap_or_default();
        let new = plan.complaints.iter().filter(|complaint| !before.contains(complaint));
        for note in new.chain(&plan.events) {
            self.ctx.events.publish(seen, note.clone());
        }
    }
}

impl Reconciler for Schedules {
    type Kind = Schedule;
    type Error = Error;
    const NAME: &'static str = "schedule";
    const RESYNC: Duration = Duration::from_mins(10);

    async fn reconcile(&self, seen: Arc<Schedule>) -> Result<Next, Error> {
        let label = label_value(&seen);
        let backups = self.backups.list_where(|backup| label_of(backup) == Some(&label));
        let cached: Vec<Made> = backups.iter().filter_map(|backup| made(&seen, backup)).collect();
        let mut plan = self.decide(&seen, &cached, None);
        self.measure(&seen, &backups, &plan);
        let mut refused = None;
        if plan.make.is_some() {
            // The watch may be behind what this server, or the one that led before, has created.
            let fresh = self.fresh_backups(&seen).await?;
            plan = self.decide(&seen, &fresh, None);
            if let Some(tick) = plan.make
                && let Err(error) = self.create(&seen, tick).await
            {
                if error.class() == Class::Lost {
                    return Err(error);
                }
                plan = self.decide(&seen, &fresh, Some(&error.refused()));
                refused = Some(error);
            }
        }
        let written = self.ctx.writer.write(&*seen, &plan.wanted).await;
        match written.map_err(Error::StatusNotWritten)? {
            // Another writer changed it meanwhile; the change leads to another pass.
            Written::Conflict => Ok(Next::After(Duration::from_secs(1))),
            Written::Done | Written::Unchanged => {
                self.report(&seen, &plan);
                refused.map_or(Ok(plan.next), Err)
            }
        }
    }

    fn gone(&self, key: &ObjectRef<Schedule>, uid: &Uid) {
        self.known.lock().remove(uid);
        self.ctx.metrics.schedule_gone(&names::label_value(&key.name));
    }
}

/// A backup that is over when it appears comes from a bucket. Its schedule waits for none, and a pass for each of thousands, which looks at all of
/// them, would cost more than their sync. The progress of one that runs is written each second, and means nothing to its schedule.
fn concerns_schedule() -> Predicate<Backup> {
    Predicate::new(|change: &Change<Backup>| match (&change.before, &change.after) {
        (None, Some(after)) => is_unfinished(after),
        (Some(before), Some(after)) => {
            before.status.phase != after.status.phase
                || before.metadata.labels != after.metadata.labels
                || before.metadata.annotations != after.metadata.annotations
                || before.metadata.deletion_timestamp != after.metadata.deletion_timestamp
        }
        _ => true,
    })
}

/// The value of the label that a schedule's Backups and metrics have.
fn label_value(schedule: &Schedule) -> String {
    names::label_value(schedule.metadata.name.as_deref().unwrap_or_default())
}

/// The label of a Backup that a schedule made.
pub fn label_of(backup: &Backup) -> Option<&String> {
    backup.metadata.labels.as_ref()?.get(labels::SCHEDULE_NAME)
}

/// A Backup that has the schedule's label, as a fact about the schedule; none if it is of an earlier Schedule of that name.
fn made(schedule: &Schedule, backup: &Backup) -> Option<Made> {
    let origin = Origin::of(backup);
    if origin
        .uid
        .is_some_and(|uid| schedule.metadata.uid.as_deref() != Some(uid))
    {
        return None;
    }
    Some(Made {
        name: backup.metadata.name.clone().unwrap_or_default(),
        tick: origin.tick.filter(|_| origin.uid.is_some()),
        is_unfinished: is_unfinished(backup),
    })
}

/// Whether a Backup is the one of this tick.
fn is_of(schedule: &Schedule, tick: Tick, backup: &Backup) -> bool {
    made(schedule, backup).is_some_and(|made| made.tick == Some(tick.due))
}

/// Whether a backup runs or waits for its turn. One that is being deleted is cancelled, and a phase that is not known is none of a run.
fn is_unfinished(backup: &Backup) -> bool {
    let phase = backup.status.phase();
    let ended = phase.is_terminal() || matches!(phase, BackupPhase::Deleting | BackupPhase::Other(_));
    !ended && backup.metadata.deletion_timestamp.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_that_is_over_when_it_appears_wakes_no_schedule() {
        let backup = |phase: &str| {
            let mut backup = Backup::new("velero", "b");
            backup.status.phase = Some(phase.into());
            Arc::new(backup)
        };
        for (before, after, expected) in [
            (None, Some("Completed"), false),
            (None, Some("Failed"), false),
            (None, Some("New"), true),
            (None, Some("InProgress"), true),
            (Some("InProgress"), Some("Completed"), true),
            (Some("Completed"), Some("Deleting"), true),
            (Some("Completed"), None, true),
        ] {
            let change = Change {
                key: ObjectRef::new("b").within("velero"),
                before: before.map(backup),
                after: after.map(backup),
            };
            assert_eq!(concerns_schedule().holds(&change), expected, "{before:?} {after:?}");
        }
    }
}
