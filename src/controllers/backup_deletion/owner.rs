//! Which backup the files under a name belong to (spec backup 22 D3).
//!
//! A Backup that failed because its name was taken owns nothing, and must not delete what the other one has stored. The seal and the lock
//! of the name say which backup it is; a synced object knows the uid that it had where it was made.

use crate::api::Time;
use crate::api::v1::{Backup, BackupPhase};
use crate::controllers::backup::name_lock;
use crate::controllers::backup::seal::{self, Stored};
use crate::controllers::backup_sync::ORIGIN_UID;
use crate::store::{Store, StoreError};

/// The owner of the files under the name of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// That backup.
    This,
    /// Another backup, as this says.
    Another(String),
}

/// Whether a backup never reached the bucket, because it was refused or cancelled before it began. A start time speaks against both.
pub fn wrote_nothing(backup: &Backup) -> bool {
    let status = &backup.status;
    let has_failed = matches!(status.phase(), BackupPhase::FailedValidation | BackupPhase::Failed)
        || !status.validation_errors.is_empty()
        || !status.failure_reason.is_empty();
    status.start_timestamp.is_none() && has_failed
}

/// Reads which backup the files under this backup's name belong to.
///
/// # Errors
/// See [`StoreError`].
pub async fn of(store: &Store, backup: &Backup) -> Result<Owner, StoreError> {
    let name = backup.metadata.name.as_deref().unwrap_or_default();
    let lock = name_lock::holder(store, name).await?;
    let stored = seal::read(store, name).await?;
    Ok(decide(backup, lock.as_ref().map(|lock| lock.uid.as_str()), &stored))
}

fn decide(backup: &Backup, lock: Option<&str>, stored: &Stored) -> Owner {
    let uid = backup.metadata.uid.as_deref().unwrap_or_default();
    let annotations = backup.metadata.annotations.as_ref();
    let origin = annotations.and_then(|noted| noted.get(ORIGIN_UID)).map(String::as_str);
    match stored {
        Stored::Backup(sealed) => {
            let sealed_uid = sealed.metadata.uid.as_deref().unwrap_or_default();
            let is_this = if sealed_uid.is_empty() {
                !has_failed(backup)
            } else {
                sealed_uid == uid || origin == Some(sealed_uid) || (origin.is_none() && is_same_run(backup, sealed))
            };
            if is_this {
                Owner::This
            } else {
                Owner::Another(sealed_uid.to_owned())
            }
        }
        // The seal of a backup that once was complete was damaged; to one that failed it may never have belonged.
        Stored::Unreadable if has_failed(backup) => Owner::Another(String::new()),
        Stored::Unreadable => Owner::This,
        Stored::Nothing => match lock {
            Some(holder) if holder != uid => Owner::Another(holder.to_owned()),
            // The log and the results of a run that failed, or the rest of a deletion.
            _ => Owner::This,
        },
    }
}

fn has_failed(backup: &Backup) -> bool {
    *backup.status.phase() == BackupPhase::Failed || !backup.status.failure_reason.is_empty()
}

/// Velero's sync notes no origin. The times of the run are those of the bucket then.
fn is_same_run(backup: &Backup, sealed: &Backup) -> bool {
    let ends = |backup: &Backup| -> Option<(Time, Time)> {
        let status = &backup.status;
        status.start_timestamp.clone().zip(status.completion_timestamp.clone())
    };
    ends(backup).is_some_and(|own| Some(own) == ends(sealed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::time;

    fn backup(uid: &str, phase: &str, started: i64) -> Backup {
        let at = |second| Some(time(jiff::Timestamp::from_second(second).unwrap()));
        let mut backup = Backup::new("velero", "b");
        backup.metadata.uid = Some(uid.to_owned());
        backup.status.phase = Some(phase.into());
        backup.status.start_timestamp = at(started);
        backup.status.completion_timestamp = at(started + 5);
        backup
    }

    fn synced(uid: &str, origin: &str) -> Backup {
        let mut backup = backup(uid, "Completed", 1);
        backup.metadata.annotations = Some([(ORIGIN_UID.to_owned(), origin.to_owned())].into());
        backup
    }

    fn sealed(uid: &str, started: i64) -> Stored {
        Stored::Backup(Box::new(backup(uid, "Completed", started)))
    }

    #[test]
    fn files_of_another_backup_are_known_by_their_seal_or_lock() {
        let another = |uid: &str| Owner::Another(uid.to_owned());
        let mut deleting = backup("u", "Deleting", 1);
        deleting.status.failure_reason = "already exists in object storage".to_owned();
        for (what, backup, lock, stored, owner) in vec![
            (
                "its own",
                backup("u", "Completed", 1),
                None,
                sealed("u", 1),
                Owner::This,
            ),
            ("synced", synced("u", "o"), None, sealed("o", 1), Owner::This),
            ("synced, replaced", synced("u", "o"), None, sealed("x", 1), another("x")),
            (
                "synced by Velero",
                backup("u", "Completed", 1),
                None,
                sealed("x", 1),
                Owner::This,
            ),
            (
                "another run",
                backup("u", "Completed", 1),
                None,
                sealed("x", 2),
                another("x"),
            ),
            (
                "the name was taken",
                backup("u", "Failed", 7),
                None,
                sealed("x", 1),
                another("x"),
            ),
            (
                "the same, deleting",
                deleting.clone(),
                None,
                sealed("x", 2),
                another("x"),
            ),
            (
                "a seal without uid",
                backup("u", "Completed", 1),
                None,
                sealed("", 1),
                Owner::This,
            ),
            ("the same, failed", deleting.clone(), None, sealed("", 1), another("")),
            (
                "damaged",
                backup("u", "Completed", 1),
                None,
                Stored::Unreadable,
                Owner::This,
            ),
            (
                "damaged, failed",
                deleting.clone(),
                None,
                Stored::Unreadable,
                another(""),
            ),
            ("being made", deleting.clone(), Some("x"), Stored::Nothing, another("x")),
            (
                "an unknown lock",
                deleting.clone(),
                Some(""),
                Stored::Nothing,
                another(""),
            ),
            (
                "half deleted",
                backup("u", "Deleting", 1),
                Some("u"),
                Stored::Nothing,
                Owner::This,
            ),
            ("logs of a failure", deleting, None, Stored::Nothing, Owner::This),
        ] {
            assert_eq!(decide(&backup, lock, &stored), owner, "{what}");
        }
    }
}
