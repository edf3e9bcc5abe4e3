//! The events of our objects, in the order in which their phases change, for `kubectl describe`. The event of a phase is published after
//! the write of the phase (spec backup 22 F4).

use crate::api::v1::{
    Backup, BackupPhase, BackupStorageLocation, DeleteBackupRequest, DownloadRequest, LocationPhase, Restore,
    RestorePhase, Schedule, SchedulePhase, ServerStatusRequest,
};
use crate::api::{GoDuration, Time};
use crate::controllers::run::cancel;
use crate::restore::progress::Standstill;
use crate::runtime::report::EventNote;

/// A kind whose changes of the phase are published as events.
pub trait PhaseEvents {
    /// The event of the change from `self` to `after`; none where the phase stays as it is.
    fn event_of(&self, after: &Self) -> Option<EventNote> {
        let _ = after;
        None
    }
}

impl PhaseEvents for DeleteBackupRequest {
    fn event_of(&self, after: &Self) -> Option<EventNote> {
        let errors = &after.status.errors;
        let is_refused = self.status.phase() != after.status.phase() && !errors.is_empty();
        is_refused.then(|| EventNote::warning("DeletionRefused", "Delete", errors.join("; ")))
    }
}

impl PhaseEvents for DownloadRequest {}
impl PhaseEvents for ServerStatusRequest {}

impl PhaseEvents for Backup {
    fn event_of(&self, after: &Self) -> Option<EventNote> {
        const ACTION: &str = "Backup";
        let (spec, status) = (&after.spec, &after.status);
        let phase = status.phase();
        if self.status.phase() == phase {
            return None;
        }
        let ran = || {
            let items = status.progress.as_ref().map_or(0, |progress| progress.items_backed_up);
            let took = took(status.start_timestamp.as_ref(), status.completion_timestamp.as_ref());
            let counts = counts(status.errors, status.warnings);
            let name = after.metadata.name.as_deref().unwrap_or_default();
            format!("backed up {items} item(s){took}, {counts}; see `velero backup describe {name} --details`")
        };
        Some(match phase {
            BackupPhase::InProgress => EventNote::normal(
                "Started",
                ACTION,
                format!("is backed up to the storage location `{}`", spec.storage_location),
            ),
            BackupPhase::WaitingForPluginOperations | BackupPhase::WaitingForPluginOperationsPartiallyFailed => {
                let name = after.metadata.name.as_deref().unwrap_or_default();
                let (all, failed) = (
                    status.backup_item_operations_attempted,
                    status.backup_item_operations_failed,
                );
                operations(
                    phase.as_str(),
                    ACTION,
                    (all, failed),
                    &format!("backup describe {name}"),
                )
            }
            BackupPhase::Completed => EventNote::normal(phase.as_str(), ACTION, ran()),
            BackupPhase::PartiallyFailed => EventNote::warning(phase.as_str(), ACTION, ran()),
            BackupPhase::Failed if cancel::is_marked(&status.conditions) => {
                EventNote::normal("Cancelled", ACTION, &*status.failure_reason)
            }
            BackupPhase::Failed => EventNote::warning(phase.as_str(), ACTION, &*status.failure_reason),
            BackupPhase::FailedValidation => {
                EventNote::warning(phase.as_str(), ACTION, status.validation_errors.join("; "))
            }
            BackupPhase::Deleting => EventNote::normal(
                phase.as_str(),
                "Delete",
                "is deleted with its restores, its files and its data elsewhere",
            ),
            _ => return None,
        })
    }
}

impl PhaseEvents for Restore {
    fn event_of(&self, after: &Self) -> Option<EventNote> {
        const ACTION: &str = "Restore";
        let (spec, status) = (&after.spec, &after.status);
        let phase = status.phase();
        if self.status.phase() == phase {
            return None;
        }
        let ran = || {
            let items = status.progress.as_ref().map_or(0, |progress| progress.items_restored);
            let took = took(status.start_timestamp.as_ref(), status.completion_timestamp.as_ref());
            let counts = counts(status.errors, status.warnings);
            let name = after.metadata.name.as_deref().unwrap_or_default();
            format!("restored {items} item(s){took}, {counts}; see `velero restore describe {name} --details`")
        };
        Some(match phase {
            RestorePhase::InProgress => EventNote::normal(
                "Started",
                ACTION,
                format!("is restored from the backup `{}`", spec.backup_name),
            ),
            RestorePhase::WaitingForPluginOperations | RestorePhase::WaitingForPluginOperationsPartiallyFailed => {
                let name = after.metadata.name.as_deref().unwrap_or_default();
                let (all, failed) = (
                    status.restore_item_operations_attempted,
                    status.restore_item_operations_failed,
                );
                operations(
                    phase.as_str(),
                    ACTION,
                    (all, failed),
                    &format!("restore describe {name}"),
                )
            }
            RestorePhase::Completed => EventNote::normal(phase.as_str(), ACTION, ran()),
            RestorePhase::PartiallyFailed => EventNote::warning(phase.as_str(), ACTION, ran()),
            RestorePhase::Failed if cancel::is_marked(&status.conditions) => {
                EventNote::normal("Cancelled", ACTION, &*status.failure_reason)
            }
            RestorePhase::Failed => EventNote::warning(phase.as_str(), ACTION, &*status.failure_reason),
            RestorePhase::FailedValidation => {
                EventNote::warning(phase.as_str(), ACTION, status.validation_errors.join("; "))
            }
            _ => return None,
        })
    }
}

impl PhaseEvents for Schedule {
    fn event_of(&self, after: &Self) -> Option<EventNote> {
        let (phase, errors) = (after.status.phase(), &after.status.validation_errors);
        let is_news = self.status.phase() != phase || self.status.validation_errors != *errors;
        (*phase == SchedulePhase::FailedValidation && is_news)
            .then(|| EventNote::warning(phase.as_str(), "Schedule", errors.join("; ")))
    }
}

/// Operations of items go on, or one of them has failed.
fn operations(phase: &str, action: &'static str, (all, failed): (i64, i64), command: &str) -> EventNote {
    let see = format!("see `velero {command} --details`");
    if failed > 0 {
        return EventNote::warning(
            phase,
            action,
            format!("{failed} of {all} item operation(s) failed; {see}"),
        );
    }
    EventNote::normal(phase, action, format!("waits for {all} item operation(s); {see}"))
}

impl PhaseEvents for BackupStorageLocation {
    fn event_of(&self, after: &Self) -> Option<EventNote> {
        const ACTION: &str = "Validate";
        if self.status.phase == after.status.phase {
            return None;
        }
        match after.status.phase.as_ref()? {
            phase @ LocationPhase::Available => Some(EventNote::normal(
                phase.as_str(),
                ACTION,
                "its object store can be used",
            )),
            phase @ LocationPhase::Unavailable => {
                Some(EventNote::warning(phase.as_str(), ACTION, &*after.status.message))
            }
            LocationPhase::Other(_) => None,
        }
    }
}

/// A backup waits for its location.
pub fn location_not_validated() -> EventNote {
    let note = "its storage location has not been validated yet: it begins after the first validation";
    EventNote::normal("LocationNotValidated", "Backup", note)
}

/// A run is being cancelled.
pub fn cancelling(action: &str) -> EventNote {
    let note = "it was cancelled by the annotation velero.io/cancel: the run is stopped, and what it has begun is put in order";
    EventNote::normal("Cancelling", action, note)
}

/// A backup is begun again because its run died or broke off.
pub fn backup_resumed() -> EventNote {
    let note = "an earlier run did not come to its end: it collects afresh, with the spec it was prepared with";
    EventNote::normal("Resumed", "Backup", note)
}

/// A restore has come to a standstill.
pub fn restore_blocked(standstill: &Standstill) -> EventNote {
    EventNote::warning(standstill.reason, "Restore", &*standstill.message)
}

/// A restore goes on where its run died or broke off.
pub fn restore_resumed() -> EventNote {
    let note = "an earlier run did not come to its end: it goes on from what that had recorded";
    EventNote::normal("Resumed", "Restore", note)
}

/// ` in 1m5s`, where both ends are known.
fn took(start: Option<&Time>, end: Option<&Time>) -> String {
    start.zip(end).map_or_else(String::new, |(start, end)| {
        let seconds = end.0.as_second() - start.0.as_second();
        format!(" in {}", GoDuration::from_secs(seconds))
    })
}

fn counts(errors: i64, warnings: i64) -> String {
    match (errors, warnings) {
        (0, 0) => "without errors or warnings".to_owned(),
        (0, warnings) => format!("without errors, with {warnings} warning(s)"),
        (errors, 0) => format!("with {errors} error(s)"),
        (errors, warnings) => format!("with {errors} error(s) and {warnings} warning(s)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::time;
    use crate::api::v1::{BackupProgress, BackupStatus, RestoreProgress, RestoreStatus};

    /// Type, reason and note, as `kubectl describe` shows them.
    fn line(notice: Option<EventNote>) -> String {
        notice.map_or_else(String::new, |n| format!("{:?} {}: {}", n.kind, n.reason, n.note))
    }

    fn at(second: i64) -> Time {
        time(jiff::Timestamp::from_second(second).unwrap())
    }

    fn backup(phase: &str) -> Backup {
        let mut backup = Backup::new("velero", "nightly");
        backup.spec.storage_location = "default".into();
        backup.status = BackupStatus {
            phase: (!phase.is_empty()).then(|| phase.into()),
            validation_errors: vec!["a is wrong".into(), "b is, too".into()],
            failure_reason: "the bucket is full".into(),
            start_timestamp: Some(at(100)),
            completion_timestamp: Some(at(165)),
            backup_item_operations_attempted: 2,
            progress: Some(BackupProgress {
                total_items: 35,
                items_backed_up: 35,
            }),
            ..BackupStatus::default()
        };
        backup
    }

    #[test]
    fn the_events_of_a_backup_tell_its_phases_as_they_come() {
        let event = |before: &str, after: &Backup| line(backup(before).event_of(after));
        for (before, after, expected) in [
            // The queue publishes these.
            ("", "Queued", ""),
            ("", "ReadyToStart", ""),
            (
                "ReadyToStart",
                "InProgress",
                "Normal Started: is backed up to the storage location `default`",
            ),
            (
                "ReadyToStart",
                "FailedValidation",
                "Warning FailedValidation: a is wrong; b is, too",
            ),
            (
                "InProgress",
                "Completed",
                "Normal Completed: backed up 35 item(s) in 1m5s, without errors or warnings; see `velero backup describe nightly --details`",
            ),
            ("InProgress", "Failed", "Warning Failed: the bucket is full"),
            (
                "InProgress",
                "WaitingForPluginOperations",
                "Normal WaitingForPluginOperations: waits for 2 item operation(s); see `velero backup describe nightly --details`",
            ),
            ("WaitingForPluginOperations", "Finalizing", ""),
        ] {
            assert_eq!(event(before, &backup(after)), expected, "{before} -> {after}");
        }
        let mut failing = backup("WaitingForPluginOperationsPartiallyFailed");
        failing.status.backup_item_operations_failed = 1;
        assert_eq!(
            event("WaitingForPluginOperations", &failing),
            "Warning WaitingForPluginOperationsPartiallyFailed: 1 of 2 item operation(s) failed; see `velero backup describe nightly --details`"
        );
        let mut partly = backup("PartiallyFailed");
        (partly.status.errors, partly.status.warnings) = (3, 1);
        assert_eq!(
            event("InProgress", &partly),
            "Warning PartiallyFailed: backed up 35 item(s) in 1m5s, with 3 error(s) and 1 warning(s); see `velero backup describe nightly --details`"
        );
    }

    #[test]
    fn the_events_of_a_restore_tell_its_phases_as_they_come() {
        let restore = |phase: &str| {
            let mut restore = Restore::new("velero", "r");
            restore.spec.backup_name = "nightly".into();
            restore.status = RestoreStatus {
                phase: (!phase.is_empty()).then(|| phase.into()),
                warnings: 2,
                validation_errors: vec!["a is wrong".into()],
                failure_reason: "the archive is broken".into(),
                progress: Some(RestoreProgress {
                    total_items: 8,
                    items_restored: 7,
                }),
                ..RestoreStatus::default()
            };
            restore
        };
        for (before, after, expected) in [
            (
                "",
                "InProgress",
                "Normal Started: is restored from the backup `nightly`",
            ),
            ("InProgress", "InProgress", ""),
            ("", "FailedValidation", "Warning FailedValidation: a is wrong"),
            (
                "InProgress",
                "Completed",
                "Normal Completed: restored 7 item(s), without errors, with 2 warning(s); see `velero restore describe r --details`",
            ),
            ("InProgress", "Failed", "Warning Failed: the archive is broken"),
        ] {
            let event = line(restore(before).event_of(&restore(after)));
            assert_eq!(event, expected, "{before} -> {after}");
        }
    }

    #[test]
    fn the_events_of_a_location_tell_when_it_can_be_used_and_when_no_more() {
        let location = |phase: Option<&str>| {
            let mut location = BackupStorageLocation::new("velero", "default");
            location.status.phase = phase.map(Into::into);
            location.status.message = "no such bucket".into();
            location
        };
        for (before, after, expected) in [
            (None, "Available", "Normal Available: its object store can be used"),
            (Some("Available"), "Available", ""),
            (Some("Available"), "Unavailable", "Warning Unavailable: no such bucket"),
        ] {
            assert_eq!(line(location(before).event_of(&location(Some(after)))), expected);
        }
    }
}
