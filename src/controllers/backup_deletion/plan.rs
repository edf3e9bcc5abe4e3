//! What is to be done about a request; pure.

use std::cmp::Ordering;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::condition::{self, ConditionStatus};
use crate::api::v1::{
    Backup, BackupPhase, BackupStorageLocation, DeleteBackupRequest, DeleteBackupRequestPhase, Restore,
};
use crate::api::{labels, names, time};
use crate::runtime::clock::later;

use super::owner::wrote_nothing;
use crate::controllers::backup::phase::schedule_of;

/// Whether the backup is being deleted by this request.
const ACCEPTED: &str = "Accepted";

/// How long a request that has failed is shown.
const SHOWN_FOR: Duration = Duration::from_hours(24);

/// How far a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It was not seen yet.
    Accept,
    /// The deletion is open.
    Work,
    /// It is over, and shown until this time.
    Shown(Timestamp),
    /// It is over and can go.
    Remove,
    /// It is being deleted, or of a phase that this release does not know.
    LeaveAlone,
}

/// How far this request is.
pub fn stage(request: &DeleteBackupRequest, now: Timestamp) -> Stage {
    if request.metadata.deletion_timestamp.is_some() {
        return Stage::LeaveAlone;
    }
    match request.status.phase() {
        DeleteBackupRequestPhase::New => Stage::Accept,
        DeleteBackupRequestPhase::InProgress => Stage::Work,
        DeleteBackupRequestPhase::Processed if request.status.errors.is_empty() => Stage::Remove,
        DeleteBackupRequestPhase::Processed => {
            let created = request.metadata.creation_timestamp.as_ref();
            let end = created.map_or(now, |created| later(created.0, SHOWN_FOR));
            if end <= now { Stage::Remove } else { Stage::Shown(end) }
        }
        DeleteBackupRequestPhase::Other(_) => Stage::LeaveAlone,
    }
}

/// Which of two requests for one backup goes on: one that is at work, then the older one. The order is total, so that of two passes that
/// see both, one deletes and the other is deleted.
pub fn precedence(one: &DeleteBackupRequest, other: &DeleteBackupRequest) -> Ordering {
    let rank = |request: &DeleteBackupRequest| match request.status.phase() {
        DeleteBackupRequestPhase::InProgress => 0,
        DeleteBackupRequestPhase::New => 1,
        _ => 2,
    };
    let key = |request: &DeleteBackupRequest| {
        let meta = &request.metadata;
        let created = meta.creation_timestamp.as_ref().map(|created| created.0);
        (rank(request), created, meta.uid.clone())
    };
    key(one).cmp(&key(other))
}

/// A label of a request; an empty one is as none.
pub fn label<'a>(request: &'a DeleteBackupRequest, key: &str) -> Option<&'a str> {
    let labels = request.metadata.labels.as_ref()?;
    labels.get(key).map(String::as_str).filter(|value| !value.is_empty())
}

/// Whether a run of this backup is under way or will be. It is read from the phase: nothing of it is in memory.
pub fn is_busy(backup: &Backup) -> bool {
    let phase = backup.status.phase();
    !phase.is_terminal() && *phase != BackupPhase::Deleting
}

/// Why a request cannot be accepted, in Velero's words (spec api 7.4).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No backup is named.
    #[error("spec.backupName is required")]
    NoName,
    /// A run is under way.
    #[error("backup is still in progress")]
    InProgress,
    /// There is no such backup, or the one of that name is not the one that was meant.
    #[error("backup not found")]
    NoBackup,
    /// Its location does not exist.
    #[error("backup storage location {0} not found")]
    NoLocation(String),
    /// Nothing may be deleted in its location.
    #[error("cannot delete backup because backup storage location {0} is currently in read-only mode")]
    ReadOnly(String),
    /// Its location cannot be used.
    #[error("cannot delete backup because backup storage location {0} is currently in Unavailable state")]
    Unavailable(String),
}

impl Refusal {
    /// The reason of the condition.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoName => "BackupNameMissing",
            Self::InProgress => "BackupInProgress",
            Self::NoBackup => "BackupNotFound",
            Self::NoLocation(_) => "LocationGone",
            Self::ReadOnly(_) => "LocationReadOnly",
            Self::Unavailable(_) => "LocationUnavailable",
        }
    }
}

/// The backup of a request, unless its name was taken by another one since.
///
/// # Errors
/// It is not there, or a run of it is under way.
pub fn backup_of<'a>(request: &DeleteBackupRequest, backup: Option<&'a Backup>) -> Result<&'a Backup, Refusal> {
    let backup = backup
        .filter(|backup| is_meant(request, backup))
        .ok_or(Refusal::NoBackup)?;
    if is_busy(backup) {
        return Err(Refusal::InProgress);
    }
    Ok(backup)
}

/// Whether this backup is the one that the request was made for.
pub fn is_meant(request: &DeleteBackupRequest, backup: &Backup) -> bool {
    label(request, labels::BACKUP_UID).is_none_or(|uid| backup.metadata.uid.as_deref() == Some(uid))
}

/// Whether files can be removed from the location of a backup. One that never wrote any needs none.
///
/// # Errors
/// They cannot.
pub fn location_of(backup: &Backup, location: Option<&BackupStorageLocation>) -> Result<(), Refusal> {
    let name = || backup.spec.storage_location.clone();
    match location {
        _ if wrote_nothing(backup) => Ok(()),
        None => Err(Refusal::NoLocation(name())),
        Some(location) if location.is_read_only() => Err(Refusal::ReadOnly(name())),
        Some(location) if !location.is_available() => Err(Refusal::Unavailable(name())),
        Some(_) => Ok(()),
    }
}

/// The accepted request: with labels that find it, and the location, so that the deletion can end although the Backup is gone.
pub fn accepted(request: &DeleteBackupRequest, backup: &Backup, now: Timestamp) -> DeleteBackupRequest {
    let mut wanted = request.clone();
    let labels = wanted.metadata.labels.get_or_insert_default();
    for (key, value) in [
        (labels::BACKUP_NAME, names::label_value(&request.spec.backup_name)),
        (labels::BACKUP_UID, backup.metadata.uid.clone().unwrap_or_default()),
        (
            labels::STORAGE_LOCATION,
            names::label_value(&backup.spec.storage_location),
        ),
    ] {
        let label = labels.entry(key.to_owned()).or_default();
        if label.is_empty() {
            *label = value;
        }
    }
    wanted.status.phase = Some(DeleteBackupRequestPhase::InProgress);
    let conditions = &mut wanted.status.conditions;
    condition::set(conditions, ACCEPTED, ConditionStatus::True, "Accepted", "", &time(now));
    wanted
}

/// The request that is not carried out.
pub fn refused(request: &DeleteBackupRequest, refusal: &Refusal, now: Timestamp) -> DeleteBackupRequest {
    let mut wanted = processed(request);
    wanted.status.errors = vec![refusal.to_string()];
    condition::set(
        &mut wanted.status.conditions,
        ACCEPTED,
        ConditionStatus::False,
        refusal.reason(),
        refusal.to_string(),
        &time(now),
    );
    wanted
}

/// The request after everything is deleted.
pub fn processed(request: &DeleteBackupRequest) -> DeleteBackupRequest {
    let mut wanted = request.clone();
    wanted.status.phase = Some(DeleteBackupRequestPhase::Processed);
    wanted.status.errors.clear();
    wanted
}

/// Whether a restore reads this backup now, or may begin to: one of a schedule chooses its backup when it is validated.
pub fn reads(restore: &Restore, backup: &Backup) -> bool {
    let name = backup.metadata.name.as_deref().unwrap_or_default();
    let schedule = schedule_of(backup);
    let spec = &restore.spec;
    let is_of_schedule = spec.backup_name.is_empty() && !schedule.is_empty() && spec.schedule_name == schedule;
    !restore.status.phase().is_terminal() && (spec.backup_name == name || is_of_schedule)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::v1::{AccessMode, LocationPhase};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn request(phase: &str, created: i64, uid: &str) -> DeleteBackupRequest {
        let mut request = DeleteBackupRequest::new("velero", "d");
        request.metadata.creation_timestamp = Some(time(at(created)));
        request.metadata.uid = Some(uid.to_owned());
        request.status.phase = (!phase.is_empty()).then(|| phase.into());
        request
    }

    fn backup(phase: &str) -> Backup {
        let mut backup = Backup::new("velero", "b");
        backup.metadata.uid = Some("u".to_owned());
        backup.spec.storage_location = "default".to_owned();
        backup.status.phase = (!phase.is_empty()).then(|| phase.into());
        backup
    }

    #[test]
    fn a_request_goes_on_whatever_process_began_it_and_a_failed_one_is_shown_for_a_day() {
        let day = 24 * 3600;
        for (phase, errors, now, stage_) in [
            ("", 0, 0, Stage::Accept),
            ("New", 0, 0, Stage::Accept),
            ("InProgress", 0, 2 * day, Stage::Work),
            ("Processed", 0, 0, Stage::Remove),
            ("Processed", 1, 0, Stage::Shown(at(day))),
            ("Processed", 1, day - 1, Stage::Shown(at(day))),
            ("Processed", 1, day, Stage::Remove),
            ("OfALaterRelease", 0, 2 * day, Stage::LeaveAlone),
        ] {
            let mut request = request(phase, 0, "u");
            request.status.errors = vec!["e".to_owned(); errors];
            assert_eq!(stage(&request, at(now)), stage_, "{phase} {errors} {now}");
            request.metadata.deletion_timestamp = Some(time(at(0)));
            assert_eq!(stage(&request, at(now)), Stage::LeaveAlone);
        }
    }

    #[test]
    fn of_several_requests_one_goes_on_whoever_looks() {
        let order = [
            request("InProgress", 9, "a"),
            request("", 1, "c"),
            request("New", 2, "a"),
            request("New", 2, "b"),
            request("Processed", 0, "a"),
        ];
        for (i, one) in order.iter().enumerate() {
            for (j, other) in order.iter().enumerate() {
                assert_eq!(precedence(one, other), i.cmp(&j), "{i} {j}");
            }
        }
    }

    #[test]
    fn a_backup_is_busy_by_its_phase_alone() {
        for (phase, busy) in [
            ("", true),
            ("Queued", true),
            ("ReadyToStart", true),
            ("InProgress", true),
            ("WaitingForPluginOperations", true),
            ("WaitingForPluginOperationsPartiallyFailed", true),
            ("Finalizing", true),
            ("FinalizingPartiallyFailed", true),
            ("OfALaterRelease", true),
            ("FailedValidation", false),
            ("Completed", false),
            ("PartiallyFailed", false),
            ("Failed", false),
            ("Deleting", false),
        ] {
            assert_eq!(is_busy(&backup(phase)), busy, "{phase}");
            let judged = backup_of(&request("", 0, "r"), Some(&backup(phase))).map(|_| ());
            assert_eq!(judged, if busy { Err(Refusal::InProgress) } else { Ok(()) }, "{phase}");
        }
    }

    #[test]
    fn a_request_for_a_backup_that_was_replaced_does_not_delete_the_new_one() {
        let mut request = request("", 0, "r");
        assert_eq!(backup_of(&request, None), Err(Refusal::NoBackup));
        for (uid, is_meant) in [("u", true), ("older", false), ("", true)] {
            request.metadata.labels = Some([(labels::BACKUP_UID.to_owned(), uid.to_owned())].into());
            assert_eq!(
                backup_of(&request, Some(&backup("Completed"))).is_ok(),
                is_meant,
                "{uid}"
            );
        }
    }

    #[test]
    fn a_location_that_takes_no_deletion_is_refused_in_veleros_words() {
        let location = |phase: LocationPhase, access: AccessMode| {
            let mut location = BackupStorageLocation::new("velero", "default");
            location.status.phase = Some(phase);
            location.spec.access_mode = Some(access);
            location
        };
        let good = location(LocationPhase::Available, AccessMode::ReadWrite);
        let read_only = location(LocationPhase::Unavailable, AccessMode::ReadOnly);
        let unavailable = location(LocationPhase::Unavailable, AccessMode::ReadWrite);
        for (found, text) in [
            (Some(&good), ""),
            (None, "backup storage location default not found"),
            (
                Some(&read_only),
                "cannot delete backup because backup storage location default is currently in read-only mode",
            ),
            (
                Some(&unavailable),
                "cannot delete backup because backup storage location default is currently in Unavailable state",
            ),
        ] {
            let refused = location_of(&backup("Completed"), found).err();
            assert_eq!(refused.map(|r| r.to_string()).unwrap_or_default(), text);
            assert_eq!(location_of(&backup("FailedValidation"), found), Ok(()));
        }
    }

    #[test]
    fn an_accepted_request_has_labels_that_find_it_and_keeps_its_own() {
        let mut bare = request("", 0, "r");
        bare.spec.backup_name = "n".repeat(80);
        let labels = accepted(&bare, &backup("Completed"), at(0)).metadata.labels.unwrap();
        assert_eq!(labels[labels::BACKUP_NAME], names::label_value(&bare.spec.backup_name));
        assert_eq!(labels[labels::BACKUP_UID], "u");
        assert_eq!(labels[labels::STORAGE_LOCATION], "default");
        bare.metadata.labels = Some([(labels::BACKUP_NAME.to_owned(), "own".to_owned())].into());
        let labels = accepted(&bare, &backup("Completed"), at(0)).metadata.labels.unwrap();
        assert_eq!(labels[labels::BACKUP_NAME], "own");
    }

    #[test]
    fn a_restore_reads_its_backup_until_it_has_ended() {
        let mut scheduled = backup("Completed");
        scheduled.metadata.labels = Some([(labels::SCHEDULE_NAME.to_owned(), "nightly".to_owned())].into());
        for (phase, name, schedule, expected) in [
            ("", "b", "", true),
            ("InProgress", "b", "", true),
            ("WaitingForPluginOperations", "b", "", true),
            ("Completed", "b", "", false),
            ("FailedValidation", "b", "", false),
            ("InProgress", "other", "nightly", false),
            ("", "", "nightly", true),
            ("", "", "weekly", false),
        ] {
            let mut restore = Restore::new("velero", "r");
            restore.spec.backup_name = name.to_owned();
            restore.spec.schedule_name = schedule.to_owned();
            restore.status.phase = (!phase.is_empty()).then(|| phase.into());
            assert_eq!(reads(&restore, &scheduled), expected, "{phase} {name} {schedule}");
        }
    }
}
