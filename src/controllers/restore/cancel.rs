//! The ends of a restore that is cancelled: what it has made stays (decision 55).

use jiff::Timestamp;

use crate::api::condition::{self, ConditionStatus};
use crate::api::time;
use crate::api::v1::{Restore, RestorePhase, RestoreProgress, RestoreStatus};
use crate::controllers::run::cancel::{self, REASON};

/// How far a restore had come when it was cancelled.
pub(super) fn how_far(progress: &RestoreProgress) -> String {
    let RestoreProgress {
        total_items,
        items_restored,
    } = progress;
    let total = total_items.max(items_restored);
    format!("{items_restored} of {total} items were restored, and stay")
}

/// The end of one that was cancelled under way, with the counts of its messages in `status`.
pub(super) fn ended(mut status: RestoreStatus, progress: RestoreProgress, now: Timestamp) -> RestoreStatus {
    let how_far = how_far(&progress);
    status.progress = Some(progress);
    end(status, format!("{REASON}: {how_far}"), now)
}

/// The end of one whose files could not be stored in time.
pub(super) fn given_up(restore: &Restore, now: Timestamp) -> RestoreStatus {
    let how_far = how_far(&restore.status.progress.clone().unwrap_or_default());
    let why = format!("{REASON}: {how_far}; its log and results could not be stored");
    end(restore.status.clone(), why, now)
}

/// One that was cancelled before it had begun.
pub(super) fn unbegun(seen: &Restore, now: Timestamp) -> Restore {
    let mut wanted = seen.clone();
    let why = format!("{REASON} before it began");
    wanted.status = end(wanted.status, why.clone(), now);
    let (conditions, now) = (&mut wanted.status.conditions, time(now));
    condition::set(conditions, "Completed", ConditionStatus::False, "Failed", why, &now);
    wanted
}

fn end(mut status: RestoreStatus, why: String, now: Timestamp) -> RestoreStatus {
    status.phase = Some(RestorePhase::Failed);
    status.completion_timestamp = Some(time(now));
    cancel::mark(&mut status.conditions, &why, now);
    status.failure_reason = why;
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_says_what_a_restore_has_made() {
        let now = Timestamp::UNIX_EPOCH;
        let progress = RestoreProgress {
            total_items: 0,
            items_restored: 4,
        };
        let mut restore = Restore::new("velero", "r");
        restore.status.progress = Some(progress.clone());
        for (status, expected) in [
            (
                ended(RestoreStatus::default(), progress, now),
                "cancelled by the annotation velero.io/cancel: 4 of 4 items were restored, and stay",
            ),
            (
                given_up(&restore, now),
                "cancelled by the annotation velero.io/cancel: 4 of 4 items were restored, and stay; its log and \
                 results could not be stored",
            ),
            (
                unbegun(&restore, now).status,
                "cancelled by the annotation velero.io/cancel before it began",
            ),
        ] {
            assert_eq!(status.failure_reason, expected);
            assert_eq!(status.phase, Some(RestorePhase::Failed));
            assert!(cancel::is_marked(&status.conditions));
        }
    }
}
