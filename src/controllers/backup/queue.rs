//! backup-queue: from New to ReadyToStart, as far as there are free places. Everything is derived from the phases in the
//! API, so a restart forgets nothing (spec backup 3, 22 A2 and A3).

use std::sync::Arc;
use std::time::Duration;

use crate::api::v1::{Backup, BackupPhase};
use crate::runtime::{Class, Classify, Next, Reconciler, SharedWatch};

use super::super::ports::Ports;
use super::super::write::{WriteError, Written};

/// A pass failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The phase was not written.
    #[error("writing the backup's place in the queue failed: {0}")]
    StatusNotWritten(#[from] WriteError),
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::StatusNotWritten(WriteError::NotLeading(_)) => Class::Lost,
            Self::StatusNotWritten(_) => Class::Transient,
        }
    }
}

/// The reconciler.
pub struct Queue {
    ports: Arc<Ports>,
    watch: SharedWatch<Backup>,
}

impl Queue {
    /// A queue of the backups in this watch.
    pub fn new(ports: Arc<Ports>, watch: SharedWatch<Backup>) -> Self {
        Self { ports, watch }
    }
}

/// What the queue does with a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Not the queue's.
    Leave,
    /// Has this place, or keeps it.
    Wait(i64),
    /// May begin.
    Start,
}

impl Reconciler for Queue {
    type Kind = Backup;
    type Error = Error;
    const NAME: &'static str = "backup-queue";
    const RESYNC: Duration = Duration::from_mins(1);

    async fn reconcile(&self, seen: Arc<Backup>) -> Result<Next, Error> {
        let settings = &self.ports.settings;
        let places = if settings.runs_backups {
            settings.concurrent_backups
        } else {
            0
        };
        let mut wanted = (*seen).clone();
        match step(&seen, &self.watch.list(), places) {
            Step::Leave => return Ok(Next::Resync),
            Step::Wait(position) => {
                wanted.status.phase = Some(BackupPhase::Queued);
                wanted.status.queue_position = position;
            }
            Step::Start => {
                wanted.status.phase = Some(BackupPhase::ReadyToStart);
                wanted.status.queue_position = 0;
            }
        }
        match self.ports.write(&*seen, &wanted).await? {
            Written::Conflict => Ok(Next::In(Duration::from_secs(1))),
            Written::Done | Written::Unchanged => Ok(Next::Resync),
        }
    }
}

/// The order of the queue: who waits longer, and of equals the name.
fn order(backup: &Backup) -> (bool, Option<jiff::Timestamp>, Option<&str>) {
    let meta = &backup.metadata;
    // One that is queued already stands before one that has only just come.
    let queued = *backup.status.phase() == BackupPhase::Queued;
    (
        !queued,
        meta.creation_timestamp.as_ref().map(|t| t.0),
        meta.name.as_deref(),
    )
}

fn waits(backup: &Backup) -> bool {
    matches!(backup.status.phase(), BackupPhase::New | BackupPhase::Queued)
        && backup.metadata.deletion_timestamp.is_none()
}

fn step(seen: &Backup, all: &[Arc<Backup>], places: usize) -> Step {
    if !waits(seen) {
        return Step::Leave;
    }
    let running = all
        .iter()
        .filter(|b| matches!(b.status.phase(), BackupPhase::ReadyToStart | BackupPhase::InProgress))
        // One that is being deleted is told to stop, and does not go on.
        .filter(|b| b.metadata.deletion_timestamp.is_none())
        .count();
    let before = all.iter().filter(|b| waits(b) && order(b) < order(seen)).count();
    if before < places.saturating_sub(running) {
        return Step::Start;
    }
    Step::Wait(i64::try_from(before).unwrap_or(i64::MAX).saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::time;

    fn backup(name: &str, created: i64, phase: &str) -> Arc<Backup> {
        let mut backup = Backup::new("velero", name);
        backup.metadata.creation_timestamp = Some(time(jiff::Timestamp::from_second(created).unwrap()));
        backup.status.phase = (!phase.is_empty()).then(|| BackupPhase::from(phase));
        Arc::new(backup)
    }

    fn steps(all: &[Arc<Backup>], places: usize) -> Vec<Step> {
        all.iter().map(|b| step(b, all, places)).collect()
    }

    #[test]
    fn free_places_go_to_those_who_wait_longest_and_the_others_know_their_place() {
        let all = [
            backup("c", 3, ""),
            backup("a", 1, "New"),
            backup("b", 2, ""),
            backup("done", 0, "Completed"),
        ];
        assert_eq!(steps(&all, 1), [Step::Wait(3), Step::Start, Step::Wait(2), Step::Leave]);
        assert_eq!(steps(&all, 2), [Step::Wait(3), Step::Start, Step::Start, Step::Leave]);
    }

    #[test]
    fn running_and_promised_places_are_taken_whatever_process_gave_them() {
        let all = [
            backup("a", 1, "InProgress"),
            backup("b", 2, "ReadyToStart"),
            backup("c", 3, ""),
        ];
        assert_eq!(steps(&all, 2)[2], Step::Wait(1));
        assert_eq!(steps(&all, 3)[2], Step::Start);
    }

    #[test]
    fn nothing_leaves_the_queue_where_backups_are_not_carried_out() {
        assert_eq!(steps(&[backup("a", 1, "Queued")], 0), [Step::Wait(1)]);
    }

    #[test]
    fn a_backup_that_is_being_deleted_waits_for_nothing_and_holds_no_place() {
        for phase in ["Queued", "ReadyToStart", "InProgress"] {
            let mut gone = (*backup("a", 1, phase)).clone();
            gone.metadata.deletion_timestamp = Some(time(jiff::Timestamp::UNIX_EPOCH));
            let all = [Arc::new(gone), backup("b", 2, "Queued")];
            assert_eq!(steps(&all, 1), [Step::Leave, Step::Start], "{phase}");
        }
    }
}
