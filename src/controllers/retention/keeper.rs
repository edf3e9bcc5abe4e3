//! The rules as `gc` asks them: whether a backup whose expiration has passed is kept nevertheless.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::api::v1::{Backup, Schedule};
use crate::api::{labels, names};
use crate::controllers::context::Context;
use crate::controllers::fresh;
use crate::controllers::schedule::backup::SCHEDULE_UID;
use crate::runtime::clock::later;
use crate::runtime::{ObjectRef, SharedWatch, Uid, uid_of};

use super::plan::{Verdict, is_counted, plan};
use super::rules::Rules;

/// What was read from the API server is used so long for the other backups of the schedule: many may end in one moment.
const RECENT: Duration = Duration::from_secs(10);

/// Asks the rules of schedules about backups that are due. What is deleted rests on what the API server has, and not on a watch, which may
/// be behind.
pub struct Keeper {
    ctx: Arc<Context>,
    schedules: SharedWatch<Schedule>,
    /// By uid of the Schedule.
    recent: Mutex<HashMap<Uid, Arc<Recent>>>,
}

/// What the API server had a moment ago. Each part is asked for once, by the pass that needs it first.
struct Recent {
    at: Timestamp,
    /// The version of the Schedule in the watch at that time: a newer one may have other rules.
    version: Option<String>,
    schedule: OnceCell<Option<Schedule>>,
    /// The backups of the schedule that were due then, and whether a rule keeps them.
    due: OnceCell<HashMap<Uid, bool>>,
}

/// What the rules of a Schedule say about a backup.
enum Said {
    /// This, whatever other backups there are.
    Verdict(bool),
    /// It depends on the other backups.
    Compare(Rules),
}

impl Keeper {
    /// With this store, which leads from the uid of a schedule to its name.
    pub fn new(ctx: Arc<Context>, schedules: SharedWatch<Schedule>) -> Self {
        Self {
            ctx,
            schedules,
            recent: Mutex::default(),
        }
    }

    /// Whether it is known without a request that a rule keeps this backup.
    pub fn kept_lately(&self, backup: &Backup, now: Timestamp) -> bool {
        let Some(uid) = schedule_uid(backup) else { return false };
        let version = version(self.seen(uid).as_deref());
        let known = self.recent.lock().get(&Uid::from(uid)).cloned();
        let known = known.filter(|known| known.holds(version.as_deref(), now));
        known.and_then(|known| known.keeps(backup)) == Some(true)
    }

    /// Whether a rule keeps this backup, which is due, or its rules cannot be followed.
    ///
    /// # Errors
    /// The API server refused or was not reached.
    pub async fn keeps(&self, backup: &Backup, now: Timestamp) -> Result<bool, kube::Error> {
        let Some(uid) = schedule_uid(backup) else {
            return Ok(false);
        };
        let seen = self.seen(uid);
        let known = self.recent(uid, version(seen.as_deref()).as_deref(), now);
        let read = self.read(backup, seen.as_deref(), uid);
        let Some(schedule) = known.schedule.get_or_try_init(|| read).await? else {
            return Ok(false);
        };
        let rules = match said(schedule, backup) {
            Said::Verdict(verdict) => return Ok(verdict),
            Said::Compare(rules) => rules,
        };
        let due = known.due.get_or_try_init(|| self.due(schedule, &rules, backup, now));
        Ok(due.await?.get(&uid_of(backup)).copied().unwrap_or(true))
    }

    /// What is known of a schedule, or a place for what will be.
    fn recent(&self, uid: &str, version: Option<&str>, now: Timestamp) -> Arc<Recent> {
        let mut recent = self.recent.lock();
        recent.retain(|_, known| known.is_of_late(now));
        let fresh = || {
            Arc::new(Recent {
                at: now,
                version: version.map(str::to_owned),
                schedule: OnceCell::new(),
                due: OnceCell::new(),
            })
        };
        let known = recent.entry(uid.into()).or_insert_with(fresh);
        if !known.holds(version, now) {
            *known = fresh();
        }
        Arc::clone(known)
    }

    /// Of the schedule's backups that are due, whether a rule keeps them.
    async fn due(
        &self,
        schedule: &Schedule,
        rules: &Rules,
        backup: &Backup,
        now: Timestamp,
    ) -> Result<HashMap<Uid, bool>, kube::Error> {
        let mut backups = fresh_backups(&self.ctx, schedule).await?;
        if !backups.iter().any(|other| other.metadata.uid == backup.metadata.uid) {
            // Its label was taken away.
            backups.push(Arc::new(outline(backup)));
        }
        let is_due = |backup: &Backup| backup.status.expiration.as_ref().is_some_and(|end| end.0 <= now);
        let verdicts = plan(rules, &backups).into_iter();
        let due = verdicts.filter(|(backup, _)| is_due(backup));
        Ok(due
            .map(|(backup, verdict)| (uid_of(&*backup), matches!(verdict, Verdict::Kept(_))))
            .collect())
    }

    /// The Schedule of this uid in the watch.
    fn seen(&self, uid: &str) -> Option<Arc<Schedule>> {
        let is_its = |schedule: &Schedule| schedule.metadata.uid.as_deref() == Some(uid);
        self.schedules.list_where(is_its).pop()
    }

    /// The Schedule of this uid in the API server.
    async fn read(&self, backup: &Backup, seen: Option<&Schedule>, uid: &str) -> Result<Option<Schedule>, kube::Error> {
        let Some(name) = seen
            .and_then(|seen| seen.metadata.name.as_deref())
            .or_else(|| schedule_name(backup))
        else {
            return Ok(None);
        };
        let schedule: Option<Schedule> = fresh::get(&self.ctx, name).await?;
        Ok(schedule.filter(|schedule| schedule.metadata.uid.as_deref() == Some(uid)))
    }

    /// The backups of a schedule whose rules may have changed.
    pub fn concerned(schedule: &Schedule, backups: &SharedWatch<Backup>) -> Vec<ObjectRef<Backup>> {
        let backups = of_schedule(backups, schedule);
        backups.iter().map(|backup| ObjectRef::from_obj(&**backup)).collect()
    }
}

impl Recent {
    fn is_of_late(&self, now: Timestamp) -> bool {
        self.at <= now && now < later(self.at, RECENT)
    }

    fn holds(&self, version: Option<&str>, now: Timestamp) -> bool {
        self.is_of_late(now) && self.version.as_deref() == version
    }

    /// Whether a rule keeps this backup; none if that is not known yet.
    fn keeps(&self, backup: &Backup) -> Option<bool> {
        match self.schedule.get()?.as_ref().map(|schedule| said(schedule, backup)) {
            None => Some(false),
            Some(Said::Verdict(verdict)) => Some(verdict),
            Some(Said::Compare(_)) => self.due.get()?.get(&uid_of(backup)).copied(),
        }
    }
}

fn said(schedule: &Schedule, backup: &Backup) -> Said {
    match schedule.metadata.annotations.as_ref().map_or(Ok(None), Rules::parse) {
        Ok(None) => Said::Verdict(false),
        Err(_) => Said::Verdict(true),
        Ok(Some(_)) if !is_counted(backup) => Said::Verdict(false),
        Ok(Some(rules)) => Said::Compare(rules),
    }
}

fn version(schedule: Option<&Schedule>) -> Option<String> {
    schedule?.metadata.resource_version.clone()
}

/// The name of the Schedule that made a backup, as the backup has it.
fn schedule_name(backup: &Backup) -> Option<&str> {
    let meta = &backup.metadata;
    let label = meta
        .labels
        .as_ref()
        .and_then(|labels| labels.get(labels::SCHEDULE_NAME));
    let owners = meta.owner_references.iter().flatten();
    let mut owners = owners.filter(|owner| owner.kind == "Schedule" && owner.controller == Some(true));
    label
        .or_else(|| owners.next().map(|owner| &owner.name))
        .map(String::as_str)
}

/// The backups that this schedule made as the API server has them now, of each what rules depend on.
///
/// # Errors
/// The API server refused or was not reached.
pub(super) async fn fresh_backups(ctx: &Context, schedule: &Schedule) -> Result<Vec<Arc<Backup>>, kube::Error> {
    let name = schedule.metadata.name.as_deref().unwrap_or_default();
    let label = format!("{}={}", labels::SCHEDULE_NAME, names::label_value(name));
    let own = |backup: Backup| is_of(&backup, schedule).then(|| Arc::new(outline(&backup)));
    fresh::labelled_as(ctx, &label, own).await
}

/// What rules, requests and events need of a backup: a schedule may have thousands.
fn outline(backup: &Backup) -> Backup {
    let mut outline = Backup::default();
    let (meta, status) = (&backup.metadata, &backup.status);
    outline.metadata.name.clone_from(&meta.name);
    outline.metadata.namespace.clone_from(&meta.namespace);
    outline.metadata.uid.clone_from(&meta.uid);
    outline.metadata.creation_timestamp.clone_from(&meta.creation_timestamp);
    outline.metadata.deletion_timestamp.clone_from(&meta.deletion_timestamp);
    outline.spec.storage_location.clone_from(&backup.spec.storage_location);
    outline.spec.ttl = backup.spec.ttl.clone();
    outline.status.phase.clone_from(&status.phase);
    outline.status.start_timestamp.clone_from(&status.start_timestamp);
    outline.status.expiration.clone_from(&status.expiration);
    outline
}

/// The uid of the Schedule that made a backup: as it says, or as the controller in its owner references. Backups of another release
/// may have neither.
pub fn schedule_uid(backup: &Backup) -> Option<&str> {
    let meta = &backup.metadata;
    let noted = meta.annotations.as_ref().and_then(|noted| noted.get(SCHEDULE_UID));
    let owners = meta.owner_references.iter().flatten();
    let mut owners = owners.filter(|owner| owner.kind == "Schedule" && owner.controller == Some(true));
    noted
        .or_else(|| owners.next().map(|owner| &owner.uid))
        .map(String::as_str)
}

/// The backups that this schedule made.
pub fn of_schedule(backups: &SharedWatch<Backup>, schedule: &Schedule) -> Vec<Arc<Backup>> {
    backups.list_where(|backup| is_of(backup, schedule))
}

/// Whether this schedule made a backup.
pub fn is_of(backup: &Backup, schedule: &Schedule) -> bool {
    let uid = schedule.metadata.uid.as_deref();
    uid.is_some() && schedule_uid(backup) == uid
}

#[cfg(test)]
mod tests;
