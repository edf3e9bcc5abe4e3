mod lives;

use serde_json::{Value, json};

use super::*;
use crate::api::v1::Backup;
use crate::controllers::schedule::cron::zone;
use crate::controllers::schedule::{Origin, made};

static UTC: TimeZone = TimeZone::UTC;

/// Made on New Year's morning, due at one o'clock every night.
fn schedule(extra: &Value) -> Schedule {
    let mut object = json!({
        "apiVersion": "velero.io/v1", "kind": "Schedule",
        "metadata": {"name": "daily", "namespace": "velero", "uid": "u", "creationTimestamp": "2026-01-01T08:00:00Z"},
        "spec": {"schedule": "0 1 * * *", "template": {}},
    });
    json_patch::merge(&mut object, extra);
    serde_json::from_value(object).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn facts<'a>(now: &str, backups: &'a [Made]) -> Facts<'a> {
    Facts {
        now: at(now),
        zone: &UTC,
        skip_immediately: false,
        backups,
        refused: None,
    }
}

/// What is done, and why: `make TICK`, or the reason of the condition.
fn outcome(plan: &Plan) -> String {
    let reason = |kind: &str| {
        let found = condition::find(&plan.wanted.status.conditions, kind);
        found.map(|found| found.reason.clone()).unwrap_or_default()
    };
    match plan.make {
        Some(tick) => format!("make {}", tick.due),
        None => reason(SCHEDULED),
    }
}

fn message(plan: &Plan, kind: &str) -> String {
    let found = condition::find(&plan.wanted.status.conditions, kind);
    found.map(|found| found.message.clone()).unwrap_or_default()
}

fn last_backup(plan: &Plan) -> Option<String> {
    plan.wanted.status.last_backup.as_ref().map(|last| last.0.to_string())
}

fn unfinished(name: &str) -> Made {
    Made {
        name: name.to_owned(),
        tick: None,
        is_unfinished: true,
    }
}

#[test]
fn a_schedule_is_due_after_its_last_backup_or_its_creation() {
    let last = |time: &str| json!({"status": {"lastBackup": time}});
    let skipped = |time: &str| json!({"status": {"lastBackup": "2026-01-02T01:00:00Z", "lastSkipped": time}});
    for (extra, now, expected) in [
        (json!({}), "2026-01-01T08:00:00Z", "Waiting"),
        (json!({}), "2026-01-02T00:59:59Z", "Waiting"),
        (json!({}), "2026-01-02T01:00:00Z", "make 2026-01-02T01:00:00Z"),
        (json!({}), "2026-01-02T09:00:00Z", "make 2026-01-02T01:00:00Z"),
        (last("2026-01-02T01:00:00Z"), "2026-01-02T09:00:00Z", "Waiting"),
        (
            last("2026-01-02T01:00:31Z"),
            "2026-01-03T01:00:00Z",
            "make 2026-01-03T01:00:00Z",
        ),
        // However many were missed.
        (
            last("2026-01-02T01:00:00Z"),
            "2026-02-01T12:00:00Z",
            "make 2026-02-01T01:00:00Z",
        ),
        // A schedule that was restored with its status.
        (
            last("2025-06-01T01:00:00Z"),
            "2026-01-01T08:00:00Z",
            "make 2026-01-01T01:00:00Z",
        ),
        // What was skipped later counts.
        (skipped("2026-01-04T07:00:00Z"), "2026-01-04T08:00:00Z", "Waiting"),
        (
            skipped("2026-01-01T07:00:00Z"),
            "2026-01-04T08:00:00Z",
            "make 2026-01-04T01:00:00Z",
        ),
        // A clock that was wrong, or a hand.
        (
            last("2126-01-01T00:00:00Z"),
            "2026-01-03T09:00:00Z",
            "make 2026-01-03T01:00:00Z",
        ),
        (
            skipped("2126-01-01T00:00:00Z"),
            "2026-01-03T09:00:00Z",
            "make 2026-01-03T01:00:00Z",
        ),
        // Clocks of two servers.
        (last("2026-01-03T01:00:02Z"), "2026-01-03T01:00:00Z", "Waiting"),
        (
            json!({"spec": {"schedule": "@every 90m"}}),
            "2026-01-01T09:29:59Z",
            "Waiting",
        ),
        (
            json!({"spec": {"schedule": "@every 90m"}}),
            "2026-01-01T13:00:00Z",
            "make 2026-01-01T12:30:00Z",
        ),
        (
            json!({"spec": {"schedule": "CRON_TZ=America/New_York 0 1 * * *"}}),
            "2026-01-02T05:59:59Z",
            "Waiting",
        ),
        (
            json!({"spec": {"schedule": "CRON_TZ=America/New_York 0 1 * * *"}}),
            "2026-01-02T06:00:00Z",
            "make 2026-01-02T06:00:00Z",
        ),
    ] {
        assert_eq!(
            outcome(&decide(&schedule(&extra), &facts(now, &[]))),
            expected,
            "{extra} at {now}"
        );
    }
}

#[test]
fn the_next_pass_is_when_the_next_backup_is_due() {
    let seen = schedule(&json!({}));
    let waiting = decide(&seen, &facts("2026-01-01T12:00:00Z", &[]));
    assert_eq!(waiting.next, Next::At(at("2026-01-02T01:00:00Z")));
    assert_eq!(
        message(&waiting, SCHEDULED),
        "the next backup is due at 2026-01-02T01:00:00Z"
    );
    assert_eq!(waiting.interval, Some(86_400.0));
    let made = decide(&seen, &facts("2026-01-02T01:00:00Z", &[]));
    assert_eq!(made.next, Next::At(at("2026-01-03T01:00:00Z")));
    assert_eq!(last_backup(&made).as_deref(), Some("2026-01-02T01:00:00Z"));
    // A second pass over what the first one wrote changes nothing.
    let again = decide(&made.wanted, &facts("2026-01-02T01:00:00Z", &[]));
    assert_eq!(again.make, None);
    assert_eq!(again.wanted, made.wanted);
    assert!(again.events.is_empty() && again.complaints.is_empty());
}

#[test]
fn what_is_not_valid_says_why_and_recovers() {
    for (expression, expected) in [
        ("", "Schedule must be a non-empty valid Cron expression"),
        ("0 0 * * 7", "invalid schedule: end of range (7) above maximum (6): 7"),
        (
            "rubbish",
            "invalid schedule: expected exactly 5 fields, found 1: [rubbish]",
        ),
        (
            "@every 1",
            "invalid schedule: failed to parse duration @every 1: time: missing unit in duration \"1\"",
        ),
        (
            "0 0 30 2 *",
            "invalid schedule: it is never due: no time of the next five years matches 0 0 30 2 *",
        ),
    ] {
        let status = json!({"phase": "Enabled", "lastBackup": "2025-01-01T00:00:00Z"});
        let seen = schedule(&json!({"spec": {"schedule": expression}, "status": status}));
        let plan = decide(&seen, &facts("2026-01-02T09:00:00Z", &[]));
        let status = &plan.wanted.status;
        assert_eq!(*status.phase(), SchedulePhase::FailedValidation);
        assert_eq!(status.validation_errors, [expected]);
        assert_eq!((outcome(&plan).as_str(), plan.next), ("FailedValidation", Next::Resync));
        // Paused, it is validated too.
        let mut paused = seen.clone();
        paused.spec.paused = true;
        let plan = decide(&paused, &facts("2026-01-02T09:00:00Z", &[]));
        assert_eq!(*plan.wanted.status.phase(), SchedulePhase::FailedValidation);

        let mut corrected = plan.wanted;
        (corrected.spec.schedule, corrected.spec.paused) = ("0 1 * * *".to_owned(), false);
        let plan = decide(&corrected, &facts("2026-01-02T09:00:00Z", &[]));
        assert_eq!(*plan.wanted.status.phase(), SchedulePhase::Enabled);
        assert!(plan.wanted.status.validation_errors.is_empty());
        assert_eq!(outcome(&plan), "make 2026-01-02T01:00:00Z");
    }
}

#[test]
fn a_backup_in_progress_postpones_the_next_and_drops_none() {
    let now = "2026-01-03T01:30:00Z";
    for (phase, postpones) in [
        ("", true),
        ("New", true),
        ("Queued", true),
        ("ReadyToStart", true),
        ("InProgress", true),
        ("WaitingForPluginOperations", true),
        ("WaitingForPluginOperationsPartiallyFailed", true),
        ("Finalizing", true),
        ("FinalizingPartiallyFailed", true),
        ("Completed", false),
        ("PartiallyFailed", false),
        ("Failed", false),
        ("FailedValidation", false),
        ("Deleting", false),
        ("OfTomorrow", false),
    ] {
        let seen = schedule(&json!({"status": {"lastBackup": "2026-01-02T01:00:00Z"}}));
        let mut other = Backup::new("velero", "daily-1");
        other.status.phase = (!phase.is_empty()).then(|| phase.into());
        let backups: Vec<Made> = made(&seen, &other).into_iter().collect();
        let plan = decide(&seen, &facts(now, &backups));
        let expected = if postpones {
            "Postponed"
        } else {
            "make 2026-01-03T01:00:00Z"
        };
        assert_eq!(outcome(&plan), expected, "{phase}");
        if !postpones {
            continue;
        }
        let text =
            "the backup that was due at 2026-01-03T01:00:00Z waits for the end of backup `daily-1` of this schedule";
        assert_eq!(message(&plan, SCHEDULED), text);
        assert_eq!(plan.complaints.len(), 1);
        assert_eq!(last_backup(&plan).as_deref(), Some("2026-01-02T01:00:00Z"));
        // A day later nothing has changed, so nothing is written and no event is published.
        let later = decide(&plan.wanted, &facts("2026-01-04T01:30:00Z", &backups));
        assert_eq!(
            (later.wanted, later.complaints),
            (plan.wanted.clone(), plan.complaints.clone())
        );
        // It ends two days later: the latest tick is made, and the one between is told.
        let plan = decide(&plan.wanted, &facts("2026-01-04T05:00:00Z", &[]));
        assert_eq!(outcome(&plan), "make 2026-01-04T01:00:00Z");
        assert_eq!(
            message(&plan, MISSED),
            "1 due time from 2026-01-03T01:00:00Z on passed without a backup, and one is made in their place: an earlier backup of this schedule was in progress"
        );
    }
}

#[test]
fn a_backup_of_an_earlier_schedule_of_that_name_postpones_nothing() {
    let seen = schedule(&json!({}));
    let mut other = Backup::new("velero", "daily-1");
    assert!(made(&seen, &other).is_some(), "upstream's have no uid");
    let noted = other.metadata.annotations.get_or_insert_default();
    noted.insert("velero.io/schedule-uid".to_owned(), "another".to_owned());
    assert_eq!(made(&seen, &other), None);
    assert_eq!(Origin::of(&other).uid, Some("another"));
    let mut deleted = Backup::new("velero", "daily-2");
    deleted.metadata.deletion_timestamp = Some(time(at("2026-01-01T08:00:00Z")));
    assert!(!made(&seen, &deleted).unwrap().is_unfinished, "it is being cancelled");
}

#[test]
fn a_backup_that_was_made_before_the_server_died_is_not_made_again() {
    let made = Made {
        name: "daily-20260102010000".to_owned(),
        tick: Some(at("2026-01-02T01:00:00Z")),
        is_unfinished: true,
    };
    let plan = decide(&schedule(&json!({})), &facts("2026-01-02T01:00:05Z", &[made]));
    assert_eq!(outcome(&plan), "Waiting");
    assert_eq!(last_backup(&plan).as_deref(), Some("2026-01-02T01:00:00Z"));
}

#[test]
fn a_last_backup_in_the_future_is_corrected_by_the_backups_that_exist() {
    let made = Made {
        name: "daily-20260102010000".to_owned(),
        tick: Some(at("2026-01-02T01:00:00Z")),
        is_unfinished: false,
    };
    let seen = schedule(&json!({"status": {"lastBackup": "2126-01-01T00:00:00Z"}}));
    let plan = decide(&seen, &facts("2026-01-02T09:00:00Z", &[made]));
    assert_eq!(outcome(&plan), "Waiting");
    assert_eq!(last_backup(&plan).as_deref(), Some("2026-01-02T01:00:00Z"));
}

#[test]
fn a_paused_schedule_makes_nothing_and_shows_that_it_is_valid() {
    let extra =
        json!({"spec": {"paused": true, "skipImmediately": true}, "status": {"lastBackup": "2026-01-02T01:00:00Z"}});
    let paused = decide(&schedule(&extra), &facts("2026-01-05T09:00:00Z", &[]));
    assert_eq!((outcome(&paused).as_str(), paused.next), ("Paused", Next::Resync));
    assert_eq!(*paused.wanted.status.phase(), SchedulePhase::Enabled);
    assert_eq!(
        paused.wanted.spec.skip_immediately,
        Some(true),
        "it is for the time after"
    );

    let mut resumed = paused.wanted.clone();
    (resumed.spec.paused, resumed.spec.skip_immediately) = (false, None);
    let plan = decide(&resumed, &facts("2026-01-05T09:00:00Z", &[]));
    assert_eq!(outcome(&plan), "make 2026-01-05T01:00:00Z");
    assert_eq!(
        message(&plan, MISSED),
        "2 due times from 2026-01-03T01:00:00Z on passed without a backup, and one is made in their place: the schedule was paused"
    );

    resumed.spec.skip_immediately = Some(true);
    let plan = decide(&resumed, &facts("2026-01-05T09:00:00Z", &[]));
    assert_eq!(
        (outcome(&plan).as_str(), plan.next),
        ("Waiting", Next::At(at("2026-01-06T01:00:00Z")))
    );
    assert_eq!(plan.wanted.spec.skip_immediately, Some(false));
    let skipped = plan.wanted.status.last_skipped.as_ref().unwrap().0.to_string();
    assert_eq!(skipped, "2026-01-05T09:00:00Z");
    assert!(
        message(&plan, MISSED)
            .starts_with("3 due times from 2026-01-03T01:00:00Z on passed without a backup, as spec.skipImmediately")
    );
}

#[test]
fn the_flag_counts_for_each_schedule_that_does_not_say_itself() {
    let last = json!({"lastBackup": "2025-12-01T01:00:00Z"});
    for (spec, flag, skips) in [
        (json!(null), false, false),
        (json!(null), true, true),
        (json!(false), true, false),
        (json!(true), false, true),
    ] {
        let seen = schedule(&json!({"spec": {"skipImmediately": spec}, "status": last}));
        let facts = Facts {
            skip_immediately: flag,
            ..facts("2026-01-05T09:00:00Z", &[])
        };
        let plan = decide(&seen, &facts);
        assert_eq!(plan.wanted.spec.skip_immediately, Some(false));
        assert_eq!(plan.make.is_none(), skips, "{spec} {flag}");
        assert_eq!(plan.wanted.status.last_skipped.is_some(), skips);
        // Once.
        let again = decide(&plan.wanted, &facts);
        assert_eq!(again.wanted, plan.wanted);
    }
}

#[test]
fn with_jitter_a_backup_begins_later_under_the_name_of_its_tick() {
    let extra = json!({
        "metadata": {"annotations": {"velero.io/schedule-jitter": "30m"}},
        "spec": {"schedule": "0 * * * *"}, "status": {"lastBackup": "2026-01-01T08:00:00Z"},
    });
    let seen = schedule(&extra);
    let waiting = decide(&seen, &facts("2026-01-01T08:45:00Z", &[]));
    let Next::At(begins) = waiting.next else {
        panic!("{:?}", waiting.next)
    };
    let offset = begins.duration_since(at("2026-01-01T09:00:00Z"));
    assert!(
        offset > SignedDuration::ZERO && offset < SignedDuration::from_mins(30),
        "{offset}"
    );
    let text = message(&waiting, SCHEDULED);
    assert!(text.contains("due at 2026-01-01T09:00:00Z and begins at"), "{text}");

    // Three hours, with passes only when they are due.
    let (mut seen, mut now, mut ticks) = (seen, begins, Vec::new());
    for _ in 0..3 {
        let plan = decide(
            &seen,
            &Facts {
                now,
                ..facts("2026-01-01T00:00:00Z", &[])
            },
        );
        ticks.extend(plan.make.map(|tick| tick.due.to_string()));
        let Next::At(next) = plan.next else {
            panic!("{:?}", plan.next)
        };
        assert_eq!(next.duration_since(now), SignedDuration::from_hours(1));
        (seen, now) = (plan.wanted, next);
    }
    assert_eq!(
        ticks,
        ["2026-01-01T09:00:00Z", "2026-01-01T10:00:00Z", "2026-01-01T11:00:00Z"]
    );
}

#[test]
fn a_backup_that_is_late_costs_the_next_tick_nothing() {
    let seen = schedule(&json!({
        "metadata": {"annotations": {"velero.io/schedule-jitter": "1h"}},
        "spec": {"schedule": "0 * * * *"}, "status": {"lastBackup": "2026-01-01T08:00:00Z"},
    }));
    let facts = |now: Timestamp| Facts {
        now,
        ..facts("2026-01-01T00:00:00Z", &[])
    };
    let Next::At(begins) = decide(&seen, &facts(at("2026-01-01T08:01:00Z"))).next else {
        panic!()
    };
    // So late that the next one is due already, but does not begin yet.
    let late = at("2026-01-01T10:00:00Z");
    assert!(begins < late);
    let plan = decide(&seen, &facts(late));
    assert_eq!(outcome(&plan), "make 2026-01-01T09:00:00Z");
    assert!(plan.wanted.status.last_backup.as_ref().unwrap().0 < late);
    let Next::At(next) = plan.next else {
        panic!("{:?}", plan.next)
    };
    assert_eq!(next.duration_since(begins), SignedDuration::from_hours(1));
    assert_eq!(
        outcome(&decide(&plan.wanted, &facts(next))),
        "make 2026-01-01T10:00:00Z"
    );
}

#[test]
fn jitter_that_is_no_duration_is_ignored_and_said() {
    for (given, why) in [
        ("soon", "time: invalid duration \"soon\""),
        ("-5m", "`-5m` is negative"),
        ("10", "time: missing unit in duration \"10\""),
    ] {
        let seen = schedule(&json!({"metadata": {"annotations": {"velero.io/schedule-jitter": given}}}));
        let plan = decide(&seen, &facts("2026-01-01T12:00:00Z", &[]));
        assert_eq!(plan.next, Next::At(at("2026-01-02T01:00:00Z")));
        let text = format!("the annotation velero.io/schedule-jitter is ignored: {why}; give a duration such as 30m");
        assert_eq!(
            message(&plan, SCHEDULED),
            format!("the next backup is due at 2026-01-02T01:00:00Z; {text}")
        );
        assert_eq!(
            (plan.complaints[0].reason.as_str(), &plan.complaints[0].note),
            ("JitterIgnored", &text)
        );
    }
}

#[test]
fn a_tick_that_is_made_in_time_takes_back_what_was_missed() {
    let seen = schedule(&json!({"status": {"lastBackup": "2026-01-01T01:00:00Z"}}));
    let late = decide(&seen, &facts("2026-01-05T09:00:00Z", &[]));
    let missed = condition::find(&late.wanted.status.conditions, MISSED).unwrap();
    assert_eq!(
        (&missed.status, missed.reason.as_str()),
        (&ConditionStatus::True, "ServerAway")
    );
    assert_eq!(late.events.len(), 1);
    let plan = decide(&late.wanted, &facts("2026-01-06T01:00:00Z", &[]));
    let missed = condition::find(&plan.wanted.status.conditions, MISSED).unwrap();
    assert_eq!(
        (&missed.status, missed.reason.as_str()),
        (&ConditionStatus::False, "NoneMissed")
    );
}

#[test]
fn two_backups_that_another_postpones_are_named_by_the_first() {
    let backups = [unfinished("daily-a"), unfinished("daily-b")];
    let plan = decide(&schedule(&json!({})), &facts("2026-01-02T01:00:00Z", &backups));
    assert!(message(&plan, SCHEDULED).contains("`daily-a`"));
}

#[test]
fn a_tick_in_the_future_does_not_count_and_brings_none_of_the_past_back() {
    let made = |name: &str, tick: &str| Made {
        name: name.to_owned(),
        tick: Some(at(tick)),
        is_unfinished: false,
    };
    let backups = [
        made("daily-20260102010000", "2026-01-02T01:00:00Z"),
        made("daily-20990101000000", "2099-01-01T00:00:00Z"),
    ];
    let plan = decide(&schedule(&json!({})), &facts("2026-01-02T09:00:00Z", &backups));
    assert_eq!(outcome(&plan), "Waiting");
    let last = plan.wanted.status.last_backup.unwrap();
    assert_eq!(last.0, at("2026-01-02T01:00:00Z"));
}
