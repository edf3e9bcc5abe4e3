//! What a pass over a schedule does: pure.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::backup::SCHEDULE_JITTER;
use super::cron::Expression;
use super::ticks::{Jitter, Passed, Tick, Ticks, times};
use crate::api::condition::{self, ConditionStatus};
use crate::api::v1::{Schedule, SchedulePhase};
use crate::api::{GoDuration, time};
use crate::controllers::retention::rules::Rules;
use crate::runtime::Next;
use crate::runtime::report::EventNote;

/// Whether backups are made, and when the next one is.
pub(super) const SCHEDULED: &str = "Scheduled";

/// Whether due times before the last backup were missed.
pub(super) const MISSED: &str = "TicksMissed";

/// The action of the events.
const ACTION: &str = "Schedule";

/// Whether the retention rules of its annotations are followed (decision 53).
const RETENTION: &str = "Retention";

const RULES_INVALID: &str = "RulesInvalid";

const JITTER_IGNORED: &str = "JitterIgnored";

/// The two clocks of a cluster differ less than that. A time of the status that is later is an error of a clock or of a hand, and must
/// not keep backups from being made until then.
const FUTURE: SignedDuration = SignedDuration::from_mins(10);

/// A Backup of the schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) name: String,
    /// The tick it was made for; none if a user made it from the schedule, or upstream's server.
    pub(super) tick: Option<Timestamp>,
    /// Whether it is in progress or waits for its turn.
    pub(super) is_unfinished: bool,
}

/// All that a decision depends on beside the Schedule.
#[derive(Clone, Debug)]
pub(super) struct Facts<'a> {
    pub(super) now: Timestamp,
    /// The zone of the server.
    pub(super) zone: &'a TimeZone,
    /// `--schedule-skip-immediately`.
    pub(super) skip_immediately: bool,
    pub(super) backups: &'a [Made],
    /// Why the Backup that is due cannot be made, if that is known.
    pub(super) refused: Option<&'a Refused>,
}

/// Why the API server did not take the Backup of a tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The tick to make a Backup for, first.
    pub(super) make: Option<Tick>,
    /// The Schedule as it is to be after that.
    pub(super) wanted: Schedule,
    /// When to look again.
    pub(super) next: Next,
    /// Events of this change; not repeated by a pass that changes nothing.
    pub(super) events: Vec<EventNote>,
    /// What is so for a while, pass after pass: an event when it begins.
    pub(super) complaints: Vec<EventNote>,
    /// The seconds between the next two ticks.
    pub(super) interval: Option<f64>,
}

/// Decides about one schedule.
pub(super) fn decide(seen: &Schedule, facts: &Facts<'_>) -> Plan {
    let mut plan = due(seen, facts);
    plan.show_rules(seen, facts);
    plan
}

fn due(seen: &Schedule, facts: &Facts<'_>) -> Plan {
    let mut plan = Plan {
        make: None,
        wanted: seen.clone(),
        next: Next::Resync,
        events: Vec::new(),
        complaints: Vec::new(),
        interval: None,
    };
    repair(&mut plan.wanted, facts);
    let parsed = validated(seen, facts);
    // Upstream does not look at a paused schedule at all; what is to be skipped is skipped when it goes on.
    let skips = !seen.spec.paused && plan.wanted.spec.skip_immediately.unwrap_or(facts.skip_immediately);
    if !seen.spec.paused {
        plan.wanted.spec.skip_immediately = Some(false);
    }
    let status = &mut plan.wanted.status;
    let expression = match parsed {
        Ok(expression) => {
            status.phase = Some(SchedulePhase::Enabled);
            status.validation_errors.clear();
            expression
        }
        Err(error) => {
            status.phase = Some(SchedulePhase::FailedValidation);
            status.validation_errors = vec![error.clone()];
            if skips {
                status.last_skipped = Some(time(facts.now));
            }
            plan.set(facts, SCHEDULED, ConditionStatus::False, "FailedValidation", error);
            return plan;
        }
    };
    let (jitter, ignored) = jitter(seen);
    plan.complaints
        .extend(ignored.map(|why| EventNote::warning(JITTER_IGNORED, ACTION, why)));
    let ticks = Ticks {
        expression: &expression,
        zone: facts.zone,
        jitter,
    };
    plan.interval = ticks.interval(facts.now).map(|interval| interval.as_secs_f64());
    if seen.spec.paused {
        let message = "no backups are made while spec.paused is true; see `velero schedule unpause`";
        plan.say(facts, ConditionStatus::False, "Paused", message);
        return plan;
    }
    let mut passed = ticks.passed(base(&plan.wanted, facts.now), facts.now);
    if skips {
        plan.wanted.status.last_skipped = Some(time(facts.now));
        if let Some(passed) = passed.take() {
            plan.missed(facts, "SkipImmediately", &skipped(&passed));
        }
    }
    match passed {
        None => {
            let next = ticks.after(base(&plan.wanted, facts.now));
            plan.wait_for(facts, next);
        }
        Some(passed) => match (facts.backups.iter().find(|made| made.is_unfinished), facts.refused) {
            (Some(other), _) => plan.postpone(facts, &passed, &other.name),
            // The tick stays due: nothing is written of it but why it is not made.
            (None, Some(refused)) => plan.say(facts, ConditionStatus::False, refused.reason, &refused.message),
            (None, None) => plan.make(facts, &ticks, &passed),
        },
    }
    plan
}

impl Plan {
    /// Shows whether the retention rules are followed: there only once there were rules.
    fn show_rules(&mut self, seen: &Schedule, facts: &Facts<'_>) {
        let rules = seen.metadata.annotations.as_ref().map_or(Ok(None), Rules::parse);
        let (status, reason, message) = match rules {
            Ok(None) if condition::find(&self.wanted.status.conditions, RETENTION).is_none() => return,
            Ok(None) => (ConditionStatus::False, "NoRules", String::new()),
            Ok(Some(rules)) => (ConditionStatus::True, "RulesValid", rules.to_string()),
            Err(error) => (ConditionStatus::False, RULES_INVALID, error.to_string()),
        };
        if reason == RULES_INVALID {
            self.complaints
                .push(EventNote::warning(RULES_INVALID, ACTION, &*message));
        }
        self.set(facts, RETENTION, status, reason, message);
    }

    /// Nothing is due.
    fn wait_for(&mut self, facts: &Facts<'_>, next: Option<Tick>) {
        let Some(tick) = next else { return };
        let mut message = format!("the next backup is due at {}", tick.due);
        if tick.begins != tick.due {
            message = format!("{message} and begins at {}, by {SCHEDULE_JITTER}", tick.begins);
        }
        self.next = Next::At(tick.begins);
        self.say(facts, ConditionStatus::True, "Waiting", &message);
    }

    /// A change of the other backup leads to another pass.
    fn postpone(&mut self, facts: &Facts<'_>, passed: &Passed, other: &str) {
        // The first tick and not the latest: the message stays as it is while the backup waits.
        let message = format!(
            "the backup that was due at {} waits for the end of backup `{other}` of this schedule",
            passed.first
        );
        self.say(facts, ConditionStatus::True, "Postponed", &message);
        self.complaints.push(EventNote::normal("Postponed", ACTION, message));
    }

    fn make(&mut self, facts: &Facts<'_>, ticks: &Ticks<'_>, passed: &Passed) {
        let tick = passed.tick;
        if passed.missed > 0 {
            let shown = condition::find(&self.wanted.status.conditions, SCHEDULED);
            let (reason, why) = match shown.map(|shown| &*shown.reason) {
                Some("Postponed") => ("BackupInProgress", "an earlier backup of this schedule was in progress"),
                Some("Paused") => ("Paused", "the schedule was paused"),
                Some("FailedValidation") => ("FailedValidation", "the schedule was not valid"),
                Some("BackupNotCreated" | "BackupRefused" | "BackupNameTaken") => {
                    ("BackupNotCreated", "the API server did not take them")
                }
                _ => (
                    "ServerAway",
                    "no server made them: it was away, or the schedule was changed",
                ),
            };
            let text = format!(
                "{} from {} on passed without a backup, and one is made in their place: {why}",
                times(passed.missed),
                passed.first
            );
            self.missed(facts, reason, &text);
        } else if condition::find(&self.wanted.status.conditions, MISSED).is_some() {
            self.set(facts, MISSED, ConditionStatus::False, "NoneMissed", String::new());
        }
        self.make = Some(tick);
        self.wanted.status.last_backup = Some(time(made_at(ticks, tick, facts.now)));
        let next = ticks.after(base(&self.wanted, facts.now));
        self.wait_for(facts, next);
    }

    fn missed(&mut self, facts: &Facts<'_>, reason: &str, message: &str) {
        self.set(facts, MISSED, ConditionStatus::True, reason, message.to_owned());
        self.events.push(EventNote::normal("TicksMissed", ACTION, message));
    }

    /// Sets [`SCHEDULED`], with what is wrong beside it.
    fn say(&mut self, facts: &Facts<'_>, status: ConditionStatus, reason: &str, message: &str) {
        let message = match self.complaints.first() {
            Some(complaint) => format!("{message}; {}", complaint.note),
            None => message.to_owned(),
        };
        self.set(facts, SCHEDULED, status, reason, message);
    }

    fn set(&mut self, facts: &Facts<'_>, kind: &str, status: ConditionStatus, reason: &str, message: String) {
        let conditions = &mut self.wanted.status.conditions;
        condition::set(conditions, kind, status, reason, message, &time(facts.now));
    }
}

/// The time to write as that of the last backup: the next tick is one after it, and this one is not. Usually it is now, as upstream has
/// it. With jitter it is as much earlier as the backup began late, so that the next tick is not lost.
fn made_at(ticks: &Ticks<'_>, tick: Tick, now: Timestamp) -> Timestamp {
    let offset = tick.begins.duration_since(tick.due);
    let mut at = now.checked_sub(offset).unwrap_or(tick.due);
    if let Some(next) = ticks.after(tick.due) {
        at = at.min(next.due.checked_sub(SignedDuration::from_secs(1)).unwrap_or(tick.due));
    }
    at.max(tick.due)
}

/// Writes down that a backup was made if the server died before it could: the Backups that are there know it.
fn repair(wanted: &mut Schedule, facts: &Facts<'_>) {
    let ticks = facts.backups.iter().filter_map(|made| made.tick);
    let newest = ticks.filter(|tick| is_past(*tick, facts.now)).max();
    let last = wanted.status.last_backup.as_ref().map(|last| last.0);
    let last = last.filter(|last| is_past(*last, facts.now));
    if let Some(newest) = newest.filter(|newest| last.is_none_or(|last| last < *newest)) {
        wanted.status.last_backup = Some(time(newest));
    }
}

/// Whether a time of the status can be true.
fn is_past(at: Timestamp, now: Timestamp) -> bool {
    at.duration_since(now) <= FUTURE
}

/// Due times up to here are done with.
fn base(schedule: &Schedule, now: Timestamp) -> Timestamp {
    let is_past = |at: &Timestamp| is_past(*at, now);
    let (meta, status) = (&schedule.metadata, &schedule.status);
    let last_backup = status.last_backup.as_ref().map(|last| last.0).filter(is_past);
    let last_skipped = status.last_skipped.as_ref().map(|last| last.0).filter(is_past);
    let created = meta.creation_timestamp.as_ref().map(|created| created.0);
    let base = last_backup.or(created).unwrap_or(now);
    last_skipped.map_or(base, |skipped| base.max(skipped))
}

fn validated(seen: &Schedule, facts: &Facts<'_>) -> Result<Expression, String> {
    let text = &seen.spec.schedule;
    if text.is_empty() {
        return Err("Schedule must be a non-empty valid Cron expression".to_owned());
    }
    let expression = Expression::parse(text).map_err(|error| format!("invalid schedule: {error}"))?;
    match expression.next(facts.now, facts.zone) {
        Some(_) => Ok(expression),
        None => Err(format!(
            "invalid schedule: it is never due: no time of the next five years matches {text}"
        )),
    }
}

/// The jitter, and why what the annotation says is ignored.
fn jitter(seen: &Schedule) -> (Jitter, Option<String>) {
    let meta = &seen.metadata;
    let Some(given) = meta.annotations.as_ref().and_then(|noted| noted.get(SCHEDULE_JITTER)) else {
        return (Jitter::default(), None);
    };
    let ignored = |why: &str| {
        let text = format!("the annotation {SCHEDULE_JITTER} is ignored: {why}; give a duration such as 30m");
        (Jitter::default(), Some(text))
    };
    match given.parse().and_then(|given: GoDuration| given.value()) {
        Ok(most) => match most.try_into() {
            Ok(most) => (Jitter::new(most, meta.uid.as_deref().unwrap_or_default()), None),
            Err(_) => ignored(&format!("`{given}` is negative")),
        },
        Err(error) => ignored(&error.to_string()),
    }
}

fn skipped(passed: &Passed) -> String {
    format!(
        "{} from {} on passed without a backup, as spec.skipImmediately or the server's flag --schedule-skip-immediately asked",
        times(passed.missed + 1),
        passed.first
    )
}

#[cfg(test)]
mod tests;
