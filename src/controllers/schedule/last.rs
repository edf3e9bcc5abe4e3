//! The results of a schedule's backups, as metrics show them after a restart: pure.

use jiff::Timestamp;

use crate::api::v1::{Backup, BackupPhase};
use crate::telemetry::velero::LastResults;

/// The last results of these backups.
pub fn last_results<'a>(backups: impl IntoIterator<Item = &'a Backup>) -> LastResults {
    let mut newest: Option<(Timestamp, bool)> = None;
    let mut last = LastResults::default();
    for backup in backups.into_iter().filter(|backup| backup.status.phase().is_terminal()) {
        let (status, is_good) = (&backup.status, *backup.status.phase() == BackupPhase::Completed);
        let completed = status.completion_timestamp.as_ref().map(|at| at.0);
        if is_good && let Some(completed) = completed {
            last.succeeded = last.succeeded.max(Some(completed.as_second()));
        }
        // What was refused has no other time.
        let created = backup.metadata.creation_timestamp.as_ref().map(|at| at.0);
        if let Some(ended) = completed.or(created)
            && newest.is_none_or(|(newest, _)| newest < ended)
        {
            newest = Some((ended, is_good));
        }
    }
    last.is_good = newest.map(|(_, is_good)| is_good);
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::time;

    fn backup(phase: &str, created: i64, completed: Option<i64>) -> Backup {
        let at = |second| time(Timestamp::from_second(second).unwrap());
        let mut backup = Backup::new("velero", "b");
        backup.metadata.creation_timestamp = Some(at(created));
        backup.status.phase = Some(phase.into());
        backup.status.completion_timestamp = completed.map(at);
        backup
    }

    #[test]
    fn the_newest_backup_that_ended_counts() {
        let (good, bad) = (
            backup("Completed", 10, Some(20)),
            backup("PartiallyFailed", 30, Some(40)),
        );
        let refused = backup("FailedValidation", 50, None);
        for (backups, is_good, succeeded) in [
            (vec![], None, None),
            (vec![&good], Some(true), Some(20)),
            (vec![&bad, &good], Some(false), Some(20)),
            (vec![&bad], Some(false), None),
            (vec![&good, &refused], Some(false), Some(20)),
            (vec![&good, &backup("InProgress", 60, None)], Some(true), Some(20)),
            (vec![&backup("Deleting", 60, Some(70)), &good], Some(true), Some(20)),
            (vec![&refused, &backup("Completed", 30, Some(55))], Some(true), Some(55)),
        ] {
            assert_eq!(last_results(backups), LastResults { is_good, succeeded });
        }
    }
}
