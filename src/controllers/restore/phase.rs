//! How the phase of a restore shows in its conditions, and its end in the metrics.

use crate::api::condition::{self, ConditionStatus};
use crate::api::time;
use crate::api::v1::{Restore, RestorePhase, RestoreStatus};
use crate::controllers::context::Context;
use crate::controllers::run::trace;
use crate::restore::progress::Standstill;
use crate::telemetry::velero::RunResult;

/// The condition of a restore that has come to a standstill.
pub(super) const BLOCKED: &str = "Blocked";

/// Counts a restore whose final phase was written; called on the transition.
pub fn count_end(ctx: &Context, restore: &Restore) {
    let status = &restore.status;
    let counted = match status.phase() {
        RestorePhase::Completed => RunResult::Completed,
        RestorePhase::PartiallyFailed => RunResult::PartiallyFailed,
        RestorePhase::FailedValidation => RunResult::FailedValidation,
        _ => RunResult::Failed,
    };
    let ends = status
        .start_timestamp
        .as_ref()
        .zip(status.completion_timestamp.as_ref());
    let took = ends.map(|(start, end)| end.0.as_second() - start.0.as_second());
    ctx.metrics.restore_ended(&restore.spec.schedule_name, counted, took);
}

/// Whether the restore waits for something while nothing else is left to do: there only once it was so.
pub fn blocked(status: &mut RestoreStatus, standstill: Option<&Standstill>, now: jiff::Timestamp) {
    let (conditions, now) = (&mut status.conditions, time(now));
    if let Some(Standstill { reason, message }) = standstill {
        condition::set(conditions, BLOCKED, ConditionStatus::True, reason, message, &now);
    } else if condition::find(conditions, BLOCKED).is_some_and(|found| found.status == ConditionStatus::True) {
        condition::set(conditions, BLOCKED, ConditionStatus::False, "Released", "", &now);
    }
}

/// The phase in words that `kubectl wait` understands; nothing depends on them (decision 1).
pub fn conditions(restore: &mut Restore, now: jiff::Timestamp) {
    blocked(&mut restore.status, None, now);
    let status = &restore.status;
    let now = time(now);
    let phase = status.phase().to_string();
    let (validated, done) = match status.phase() {
        RestorePhase::FailedValidation => (ConditionStatus::False, ConditionStatus::False),
        RestorePhase::Completed => (ConditionStatus::True, ConditionStatus::True),
        RestorePhase::PartiallyFailed | RestorePhase::Failed => (ConditionStatus::True, ConditionStatus::False),
        _ => (ConditionStatus::True, ConditionStatus::Unknown),
    };
    let why = if status.validation_errors.is_empty() {
        status.failure_reason.clone()
    } else {
        status.validation_errors.join("; ")
    };
    let why = trace::message(&why, restore);
    let conditions = &mut restore.status.conditions;
    condition::set(conditions, "Validated", validated, &phase, why.clone(), &now);
    condition::set(conditions, "Completed", done, &phase, why, &now);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_condition_blocked_is_there_once_it_was_so_and_moves_with_the_standstill() {
        let at = |second| jiff::Timestamp::from_second(second).unwrap();
        let standstill = |reason, message: &str| Standstill {
            reason,
            message: message.to_owned(),
        };
        let mut restore = Restore::new("velero", "r");
        blocked(&mut restore.status, None, at(1));
        assert!(restore.status.conditions.is_empty());
        let steps = [
            (
                Some(standstill("QuotaExceeded", "pods/a/b waits")),
                "True",
                "QuotaExceeded",
                2,
            ),
            (
                Some(standstill("TypeNotServed", "x/a/b waits")),
                "True",
                "TypeNotServed",
                2,
            ),
            (None, "False", "Released", 4),
            (None, "False", "Released", 4),
        ];
        for (number, (standstill, expected, reason, since)) in (2..).zip(steps) {
            blocked(&mut restore.status, standstill.as_ref(), at(number));
            let found = condition::find(&restore.status.conditions, BLOCKED).unwrap();
            assert_eq!(
                (found.status.to_string().as_str(), found.reason.as_str()),
                (expected, reason)
            );
            assert_eq!(found.last_transition_time, Some(time(at(since))));
        }
        blocked(&mut restore.status, Some(&standstill("Conflict", "")), at(9));
        restore.status.phase = Some(RestorePhase::Completed);
        conditions(&mut restore, at(10));
        let found = condition::find(&restore.status.conditions, BLOCKED).unwrap();
        assert_eq!(found.status, ConditionStatus::False, "it has ended");
    }
}
