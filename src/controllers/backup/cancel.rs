//! The ends of a backup that is cancelled (decision 55).

use jiff::Timestamp;

use super::end::BackupEnd;
use super::phase::schedule_of;
use crate::api::condition::{self, ConditionStatus};
use crate::api::time;
use crate::api::v1::{Backup, BackupPhase, BackupProgress, BackupStatus};
use crate::controllers::context::Context;
use crate::controllers::run::cancel::{self, REASON};
use crate::controllers::write::{WriteError, Written};
use crate::runtime::clock::later;

/// The end of one that was cancelled under way; nothing of it is left but its log and its results.
pub(super) fn ended(backup: &Backup, progress: Option<&BackupProgress>, now: Timestamp) -> BackupEnd {
    let status = BackupStatus {
        progress: progress.cloned(),
        ..backup.status.clone()
    };
    end(
        status,
        format!("{REASON}: {}; nothing of it is kept", how_far(progress)),
        now,
    )
}

/// The end of one that could not put in order in time what it had begun.
pub(super) fn given_up(backup: &Backup, now: Timestamp) -> BackupEnd {
    let how_far = how_far(backup.status.progress.as_ref());
    let why = format!("{REASON}: {how_far}; its files are removed when its storage location can be used");
    end(backup.status.clone(), why, now)
}

fn how_far(progress: Option<&BackupProgress>) -> String {
    let BackupProgress {
        total_items,
        items_backed_up,
    } = progress.cloned().unwrap_or_default();
    let total = total_items.max(items_backed_up);
    format!("{items_backed_up} of {total} items had been backed up")
}

fn end(mut status: BackupStatus, why: String, now: Timestamp) -> BackupEnd {
    status.phase = Some(BackupPhase::Failed);
    status.completion_timestamp = Some(time(now));
    cancel::mark(&mut status.conditions, &why, now);
    status.failure_reason = why;
    BackupEnd { status, archive: 0 }
}

/// Ends a backup that has not begun. Its place in the queue is free with that.
///
/// # Errors
/// The status was not written. May be repeated.
pub(super) async fn end_unbegun(ctx: &Context, seen: &Backup) -> Result<Written, WriteError> {
    let now = ctx.clock.now();
    let mut wanted = unbegun(seen, now);
    let ttl = seen.spec.ttl.positive().unwrap_or(ctx.settings.default_ttl);
    wanted.status.expiration.get_or_insert_with(|| time(later(now, ttl)));
    let written = ctx.writer.write(seen, &wanted).await?;
    if written == Written::Done {
        ctx.metrics.backup_cancelled(schedule_of(seen));
    }
    Ok(written)
}

fn unbegun(seen: &Backup, now: Timestamp) -> Backup {
    let mut wanted = seen.clone();
    let why = format!("{REASON} before it began");
    wanted.status = end(wanted.status, why.clone(), now).status;
    wanted.status.queue_position = 0;
    let (conditions, now) = (&mut wanted.status.conditions, time(now));
    if condition::find(conditions, "Queued").is_some() {
        condition::set(conditions, "Queued", ConditionStatus::False, "Cancelled", "", &now);
    }
    condition::set(conditions, "Completed", ConditionStatus::False, "Failed", why, &now);
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_that_has_not_begun_leaves_the_queue() {
        let mut waiting = Backup::new("velero", "b");
        waiting.status.phase = Some(BackupPhase::Queued);
        waiting.status.queue_position = 3;
        let now = time(Timestamp::UNIX_EPOCH);
        let conditions = &mut waiting.status.conditions;
        condition::set(conditions, "Queued", ConditionStatus::True, "NoFreePlace", "", &now);
        let status = unbegun(&waiting, Timestamp::UNIX_EPOCH).status;
        assert_eq!(status.phase, Some(BackupPhase::Failed));
        assert_eq!(status.queue_position, 0);
        assert_eq!(
            status.failure_reason,
            "cancelled by the annotation velero.io/cancel before it began"
        );
        assert_eq!(status.completion_timestamp, Some(now));
        let shown: Vec<_> = status
            .conditions
            .iter()
            .map(|c| (c.type_.as_str(), c.status.as_str(), c.reason.as_str()))
            .collect();
        assert_eq!(
            shown,
            [
                ("Queued", "False", "Cancelled"),
                ("Cancelled", "True", "Cancelled"),
                ("Completed", "False", "Failed")
            ]
        );
    }

    #[test]
    fn the_reason_says_how_far_a_backup_had_come() {
        let backup = Backup::new("velero", "b");
        for (progress, expected) in [
            (None, "0 of 0 items had been backed up"),
            (Some((3, 10)), "3 of 10 items had been backed up"),
        ] {
            let progress = progress.map(|(items_backed_up, total_items)| BackupProgress {
                total_items,
                items_backed_up,
            });
            let status = ended(&backup, progress.as_ref(), Timestamp::UNIX_EPOCH).status;
            assert_eq!(
                status.failure_reason,
                format!("cancelled by the annotation velero.io/cancel: {expected}; nothing of it is kept")
            );
            assert!(cancel::is_marked(&status.conditions));
        }
    }
}
