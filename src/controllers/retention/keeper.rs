//! The rules as `gc` asks them: whether a backup whose expiration has passed is kept nevertheless.

use std::sync::Arc;

use crate::api::v1::{Backup, Schedule};
use crate::controllers::schedule::backup::SCHEDULE_UID;
use crate::runtime::{ObjectRef, SharedWatch};

use super::plan::{Verdict, plan};
use super::rules::Rules;

/// Reads the rules of schedules over what is in the stores.
#[derive(Clone)]
pub struct Keeper {
    schedules: SharedWatch<Schedule>,
    backups: SharedWatch<Backup>,
}

impl Keeper {
    /// With these stores.
    pub fn new(schedules: SharedWatch<Schedule>, backups: SharedWatch<Backup>) -> Self {
        Self { schedules, backups }
    }

    /// Whether a rule keeps this backup, or its rules cannot be followed.
    pub fn keeps(&self, backup: &Backup) -> bool {
        let Some(uid) = schedule_uid(backup) else { return false };
        let is_its = |schedule: &Schedule| schedule.metadata.uid.as_deref() == Some(uid);
        let Some(schedule) = self.schedules.list_where(is_its).pop() else {
            return false;
        };
        let Some(annotations) = &schedule.metadata.annotations else {
            return false;
        };
        match Rules::parse(annotations) {
            Err(_) => true,
            Ok(None) => false,
            Ok(Some(rules)) => plan(&rules, &of_schedule(&self.backups, &schedule))
                .iter()
                .any(|(kept, verdict)| kept.metadata.uid == backup.metadata.uid && matches!(verdict, Verdict::Kept(_))),
        }
    }

    /// The backups of a schedule whose rules may have changed.
    pub fn concerned(schedule: &Schedule, backups: &SharedWatch<Backup>) -> Vec<ObjectRef<Backup>> {
        let backups = of_schedule(backups, schedule);
        backups.iter().map(|backup| ObjectRef::from_obj(&**backup)).collect()
    }
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
