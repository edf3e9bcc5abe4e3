//! What is to be done about a backup whose life ends; pure.

use jiff::Timestamp;

use crate::api::v1::{Backup, BackupPhase, BackupStorageLocation, DeleteBackupRequest, DeleteBackupRequestPhase};
use crate::api::{labels, names};

use super::end::End;

/// Whether the time of a backup has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// It has.
    Now,
    /// It comes at this time.
    At(Timestamp),
    /// Only a change of the object brings it: the backup has no end, still runs, or is deleted already.
    OnChange,
}

/// Whether the time of a backup with this end has come. One that runs is not deleted under its run, however short its life is: the end of
/// the run is a change of the object.
pub fn due(backup: &Backup, end: End, now: Timestamp) -> Due {
    let phase = backup.status.phase();
    let is_over = phase.is_terminal() || *phase == BackupPhase::Deleting;
    if backup.metadata.deletion_timestamp.is_some() || !is_over {
        return Due::OnChange;
    }
    match end {
        End::Never => Due::OnChange,
        End::At(end) if end <= now => Due::Now,
        End::At(end) => Due::At(end),
    }
}

/// What keeps an expired backup: the values of the label `velero.io/gc-failure`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Its location does not exist.
    NotFound,
    /// Its location cannot be read.
    CannotGet,
    /// Its location cannot be used now.
    Unavailable,
    /// Nothing may be deleted in its location.
    ReadOnly,
}

impl Obstacle {
    /// What keeps the backups of this location; nothing if they can be deleted.
    pub fn of(location: Option<&BackupStorageLocation>) -> Option<Self> {
        match location {
            None => Some(Self::NotFound),
            Some(location) if location.is_read_only() => Some(Self::ReadOnly),
            Some(location) if !location.is_available() => Some(Self::Unavailable),
            Some(_) => None,
        }
    }

    /// The value of the label, which is the reason of the event too.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotFound => "BSLNotFound",
            Self::CannotGet => "BSLCannotGet",
            Self::Unavailable => "BSLUnavailable",
            Self::ReadOnly => "BSLReadOnly",
        }
    }

    /// For users.
    pub fn note(self, location: &str) -> String {
        let why = match self {
            Self::NotFound => "does not exist",
            Self::CannotGet => "cannot be read",
            Self::Unavailable => "is unavailable",
            Self::ReadOnly => "is read-only",
        };
        format!("the backup has expired and is kept, because its storage location `{location}` {why}")
    }
}

/// The label as the backup has it.
pub fn shown(backup: &Backup) -> Option<&str> {
    let labels = backup.metadata.labels.as_ref()?;
    labels.get(labels::GC_FAILURE).map(String::as_str)
}

/// The backup with the label that this obstacle gives it, or without one.
pub fn labelled(backup: &Backup, obstacle: Option<Obstacle>) -> Backup {
    let mut wanted = backup.clone();
    match obstacle {
        Some(obstacle) => {
            let labels = wanted.metadata.labels.get_or_insert_default();
            labels.insert(labels::GC_FAILURE.to_owned(), obstacle.word().to_owned());
        }
        None => {
            if let Some(labels) = &mut wanted.metadata.labels {
                labels.remove(labels::GC_FAILURE);
            }
        }
    }
    wanted
}

/// Whether a request for the deletion of a backup is at work or will be.
pub fn is_open(request: &DeleteBackupRequest) -> bool {
    request.metadata.deletion_timestamp.is_none()
        && matches!(
            request.status.phase(),
            DeleteBackupRequestPhase::New | DeleteBackupRequestPhase::InProgress
        )
}

/// The request for the deletion of a backup, as the command line makes it too.
pub fn request(namespace: &str, backup: &str, uid: &str) -> DeleteBackupRequest {
    let mut request = DeleteBackupRequest::new(namespace, "");
    request.metadata.name = None;
    request.metadata.generate_name = Some(format!("{backup}-"));
    request.metadata.labels = Some(
        [
            (labels::BACKUP_NAME.to_owned(), names::label_value(backup)),
            (labels::BACKUP_UID.to_owned(), uid.to_owned()),
        ]
        .into(),
    );
    backup.clone_into(&mut request.spec.backup_name);
    request
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::time;
    use crate::api::v1::{AccessMode, LocationPhase};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_backup_is_due_at_its_expiration_and_never_while_it_runs() {
        for (phase, expiration, expected) in [
            ("Completed", Some(at(10)), Due::Now),
            ("Completed", Some(at(9)), Due::Now),
            ("Completed", Some(at(11)), Due::At(at(11))),
            ("Completed", Some(at(253_402_200_000)), Due::At(at(253_402_200_000))),
            ("Completed", Some(Timestamp::MIN), Due::Now),
            ("Completed", None, Due::OnChange),
            ("PartiallyFailed", Some(at(9)), Due::Now),
            ("Failed", Some(at(9)), Due::Now),
            ("FailedValidation", Some(at(9)), Due::Now),
            ("Deleting", Some(at(9)), Due::Now),
            ("", Some(at(9)), Due::OnChange),
            ("Queued", Some(at(9)), Due::OnChange),
            ("ReadyToStart", Some(at(9)), Due::OnChange),
            ("InProgress", Some(at(9)), Due::OnChange),
            ("WaitingForPluginOperations", Some(at(9)), Due::OnChange),
            ("FinalizingPartiallyFailed", Some(at(9)), Due::OnChange),
            ("OfALaterRelease", Some(at(9)), Due::OnChange),
        ] {
            let mut backup = Backup::new("velero", "b");
            backup.status.phase = (!phase.is_empty()).then(|| phase.into());
            backup.status.expiration = expiration.map(time);
            let end = End::of(&backup);
            assert_eq!(due(&backup, end, at(10)), expected, "{phase} {expiration:?}");
            backup.metadata.deletion_timestamp = Some(time(at(1)));
            assert_eq!(due(&backup, end, at(10)), Due::OnChange, "{phase} {expiration:?}");
        }
    }

    #[test]
    fn each_state_of_the_location_has_its_value_of_the_label() {
        let location = |phase: Option<LocationPhase>, access: Option<AccessMode>| {
            let mut location = BackupStorageLocation::new("velero", "default");
            location.status.phase = phase;
            location.spec.access_mode = access;
            Some(location)
        };
        for (location, word) in [
            (None, Some("BSLNotFound")),
            (location(None, None), Some("BSLUnavailable")),
            (location(Some(LocationPhase::Unavailable), None), Some("BSLUnavailable")),
            (
                location(Some(LocationPhase::Unavailable), Some(AccessMode::ReadOnly)),
                Some("BSLReadOnly"),
            ),
            (
                location(Some(LocationPhase::Available), Some(AccessMode::ReadOnly)),
                Some("BSLReadOnly"),
            ),
            (
                location(Some(LocationPhase::Available), Some(AccessMode::ReadWrite)),
                None,
            ),
            (location(Some(LocationPhase::Available), None), None),
        ] {
            let obstacle = Obstacle::of(location.as_ref());
            assert_eq!(obstacle.map(Obstacle::word), word);
            let mut backup = Backup::new("velero", "b");
            backup.metadata.labels = Some([(labels::GC_FAILURE.to_owned(), "Old".to_owned())].into());
            assert_eq!(shown(&labelled(&backup, obstacle)), word);
        }
    }

    #[test]
    fn a_request_carries_the_name_in_a_form_that_a_label_can_have() {
        let name = "n".repeat(80);
        let request = request("velero", &name, "u");
        let labels = request.metadata.labels.clone().unwrap();
        assert_eq!(labels[labels::BACKUP_NAME], names::label_value(&name));
        assert_eq!(labels[labels::BACKUP_UID], "u");
        assert_eq!(request.spec.backup_name, name);
        assert_eq!(request.metadata.generate_name, Some(format!("{name}-")));
        assert_eq!(request.metadata.name, None);
        assert!(is_open(&request));
    }
}
