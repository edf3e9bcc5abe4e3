//! What follows from the phase of a backup: its conditions, and the metrics of its end.

use crate::api::condition::{self, ConditionStatus};
use crate::api::v1::{Backup, BackupPhase};
use crate::api::{labels, time};
use crate::controllers::context::Context;
use crate::controllers::run::trace;
use crate::telemetry::velero::RunResult;

/// Counts a backup whose final phase was written; called on the transition.
pub fn count_end(ctx: &Context, backup: &Backup, archive: u64) {
    let status = &backup.status;
    let schedule = schedule_of(backup);
    let counted = match status.phase() {
        BackupPhase::Completed => RunResult::Completed,
        BackupPhase::PartiallyFailed => RunResult::PartiallyFailed,
        _ => RunResult::Failed,
    };
    let second = |t: &Option<crate::api::Time>| t.as_ref().map(|t| t.0.as_second());
    let end = second(&status.completion_timestamp);
    let took = second(&status.start_timestamp).zip(end).map(|(start, end)| end - start);
    let unsigned = |n: i64| u64::try_from(n).unwrap_or_default();
    let items = status.progress.as_ref().map_or(0, |p| unsigned(p.total_items));
    ctx.metrics.backup_ran(
        schedule,
        archive,
        items,
        unsigned(status.errors),
        unsigned(status.warnings),
    );
    ctx.metrics
        .backup_ended(schedule, counted, end.unwrap_or_default(), took);
}

/// The schedule that a backup is of; empty without one.
pub fn schedule_of(backup: &Backup) -> &str {
    backup
        .metadata
        .labels
        .as_ref()
        .and_then(|l| l.get(labels::SCHEDULE_NAME))
        .map_or("", String::as_str)
}

/// The phase in words that `kubectl wait` understands; nothing depends on them (decision 1).
pub fn conditions(backup: &mut Backup, now: jiff::Timestamp) {
    let status = &backup.status;
    let now = time(now);
    let phase = status.phase().to_string();
    let (validated, done) = match status.phase() {
        BackupPhase::FailedValidation => (ConditionStatus::False, ConditionStatus::False),
        BackupPhase::Completed => (ConditionStatus::True, ConditionStatus::True),
        BackupPhase::PartiallyFailed | BackupPhase::Failed => (ConditionStatus::True, ConditionStatus::False),
        _ => (ConditionStatus::True, ConditionStatus::Unknown),
    };
    let why = if status.validation_errors.is_empty() {
        status.failure_reason.clone()
    } else {
        status.validation_errors.join("; ")
    };
    let why = trace::message(&why, backup);
    let conditions = &mut backup.status.conditions;
    condition::set(conditions, "Validated", validated, &phase, why.clone(), &now);
    condition::set(conditions, "Completed", done, &phase, why, &now);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::annotations;

    #[test]
    fn conditions_tell_the_phase_and_why() {
        let mut backup = Backup::new("velero", "nightly");
        backup.status.phase = Some(BackupPhase::FailedValidation);
        backup.status.validation_errors = vec!["a".to_owned(), "b".to_owned()];
        let completed = |backup: &mut Backup| {
            conditions(backup, jiff::Timestamp::UNIX_EPOCH);
            let found = condition::find(&backup.status.conditions, "Completed").unwrap();
            (found.status.to_string(), found.message.clone())
        };
        assert_eq!(completed(&mut backup), ("False".to_owned(), "a; b".to_owned()));
        let traced = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let annotation = (annotations::TRACEPARENT.to_owned(), traced.to_owned());
        backup.metadata.annotations = Some([annotation].into());
        let message = "a; b; trace 4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(completed(&mut backup), ("False".to_owned(), message.to_owned()));
    }
}
