//! Schedules with the real process on a real API server (spec backup 18). Decisions have their tables beside the code.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use velero::runtime::clock::{Clock, System};

use crate::harness::{Fault, Plane, Server, eventually, phase, text, within};
use crate::s3::{create, fill, proxied, s3_of};

/// The Backups of a schedule by name.
fn backups(server: &Server<'_>, schedule: &str) -> BTreeMap<String, Value> {
    let mut backups = server.objects("backup");
    backups.retain(|_, backup| text(backup, "/metadata/labels/velero.io~1schedule-name") == schedule);
    backups
}

fn ticks(server: &Server<'_>, schedule: &str) -> Vec<String> {
    let tick = |backup: &Value| text(backup, "/metadata/annotations/velero.io~1schedule-tick");
    let mut ticks: Vec<String> = backups(server, schedule).values().map(tick).collect();
    ticks.sort();
    ticks
}

/// The reason of a condition.
fn reason(server: &Server<'_>, schedule: &str, kind: &str) -> String {
    let schedule = server.object("schedule", schedule);
    let conditions = schedule["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.iter().find(|condition| condition["type"] == kind);
    found.map(|found| text(found, "/reason")).unwrap_or_default()
}

#[track_caller]
fn until_event(server: &Server<'_>, schedule: &str, reason: &str) -> String {
    eventually(&format!("an event {reason} of {schedule}"), || {
        let events = server.plane.list(&server.namespace, "events");
        let found = events
            .iter()
            .find(|event| event["reason"] == reason && event["involvedObject"]["name"] == schedule);
        found.map(|found| text(found, "/message"))
    })
}

#[test]
fn a_schedule_makes_backups_until_it_is_paused_and_skips_what_it_is_to_skip() {
    let plane = Plane::start();
    let mut server = Server::start(&plane, "velero");
    fill(&plane, "a");
    let every = [
        "schedule",
        "create",
        "often",
        "--schedule=@every 2s",
        "--include-namespaces=a",
        "--annotations=note=x",
        "--labels=team=web",
    ];
    assert_eq!(server.velero(&every), "Schedule \"often\" created successfully.\n");
    within(Duration::from_secs(30), "three backups of the schedule", || {
        let done = backups(&server, "often")
            .into_values()
            .filter(|backup| phase(backup) == "Completed");
        (done.count() >= 3).then_some(())
    });
    for (name, backup) in backups(&server, "often") {
        let tick = text(&backup, "/metadata/annotations/velero.io~1schedule-tick");
        let digits: String = tick.chars().filter(char::is_ascii_digit).collect();
        assert_eq!(name, format!("often-{digits}"));
        assert_eq!(backup["spec"]["includedNamespaces"], json!(["a"]));
        assert_eq!(text(&backup, "/metadata/annotations/note"), "x");
        assert_eq!(text(&backup, "/metadata/labels/team"), "web");
        let uid = text(&server.object("schedule", "often"), "/metadata/uid");
        assert_eq!(text(&backup, "/metadata/annotations/velero.io~1schedule-uid"), uid);
    }
    assert!(until_event(&server, "often", "BackupCreated").contains("created backup `often-"));

    assert_eq!(
        server.velero(&["schedule", "pause", "often"]),
        "Schedule often paused successfully\n"
    );
    assert_eq!(
        server.velero(&["schedule", "pause", "--all"]),
        "Schedule often is already paused, skip\n"
    );
    plane.kubectl(&[
        "wait",
        "-n",
        "velero",
        "--for=condition=Scheduled=False",
        "--timeout=30s",
        "schedule.velero.io/often",
    ]);
    assert_eq!(reason(&server, "often", "Scheduled"), "Paused");
    // One pass more shows that nothing is made: that of the next process.
    server.restart();
    let before = ticks(&server, "often");
    let last: Timestamp = before.last().expect("a tick").parse().expect("a time");
    eventually("a due time to pass", || {
        (System.now().duration_since(last) > SignedDuration::from_secs(5)).then_some(())
    });
    let unpause = ["schedule", "unpause", "-l", "team=web", "--skip-immediately"];
    assert_eq!(server.velero(&unpause), "Schedule often unpaused successfully\n");
    let skipped = eventually("what was due to be skipped", || {
        let schedule = server.object("schedule", "often");
        let skipped = text(&schedule, "/status/lastSkipped");
        (!skipped.is_empty() && text(&schedule, "/spec/skipImmediately") == "false").then_some(skipped)
    });
    let after = within(Duration::from_secs(30), "the next backup", || {
        let ticks = ticks(&server, "often");
        (ticks.len() > before.len()).then_some(ticks)
    });
    assert!(after[before.len()] > skipped, "{after:?} {skipped}");
    assert!(until_event(&server, "often", "TicksMissed").contains("spec.skipImmediately"));

    let delete = ["schedule", "delete", "often", "--confirm"];
    assert_eq!(server.velero(&delete), "Schedule deleted: often\n");
    let (ok, out, err) = server.try_velero(&["schedule", "delete", "often", "--confirm"]);
    assert_eq!((ok, out.as_str()), (false, ""));
    assert!(err.contains("schedules.velero.io \"often\" not found"), "{err}");
    assert_eq!(
        server.velero(&["delete", "schedules", "--all", "--confirm"]),
        "No schedules found\n"
    );
    assert!(
        !backups(&server, "often").is_empty(),
        "without owner references the backups stay"
    );
    server.was_well(&[]);
}

#[test]
fn a_bad_expression_is_refused_in_robfigs_words_and_can_be_corrected() {
    let plane = Plane::start();
    let server = Server::start(&plane, "velero");
    fill(&plane, "a");
    for (name, expression, error) in [
        (
            "sunday",
            "0 0 * * 7",
            "invalid schedule: end of range (7) above maximum (6): 7",
        ),
        (
            "words",
            "rubbish",
            "invalid schedule: expected exactly 5 fields, found 1: [rubbish]",
        ),
        (
            "zone",
            "TZ=Nowhere/Land 0 0 * * *",
            "invalid schedule: provided bad location Nowhere/Land: unknown time zone Nowhere/Land",
        ),
        (
            "never",
            "0 0 30 2 *",
            "invalid schedule: it is never due: no time of the next five years matches 0 0 30 2 *",
        ),
    ] {
        let flag = format!("--schedule={expression}");
        server.velero(&["create", "schedule", name, &flag, "--include-namespaces=a"]);
        eventually(&format!("schedule {name} to be refused"), || {
            (phase(&server.object("schedule", name)) == "FailedValidation").then_some(())
        });
        let schedule = server.object("schedule", name);
        assert_eq!(schedule["status"]["validationErrors"], json!([error]));
        assert_eq!(until_event(&server, name, "FailedValidation"), error);
        let described = server.velero(&["schedule", "describe", name]);
        assert!(described.contains(error), "{described}");
    }
    assert_eq!(server.objects("backup").len(), 0);
    let patch = r#"{"spec": {"schedule": "@every 1s"}}"#;
    plane.kubectl(&[
        "patch",
        "schedule.velero.io",
        "sunday",
        "-n",
        "velero",
        "--type=merge",
        "-p",
        patch,
    ]);
    eventually("a backup of the corrected schedule", || {
        (!backups(&server, "sunday").is_empty()).then_some(())
    });
    // The Backup is created before that is written down.
    let schedule = eventually("schedule sunday to be enabled", || {
        Some(server.object("schedule", "sunday")).filter(|schedule| phase(schedule) == "Enabled")
    });
    assert_eq!(schedule["status"].get("validationErrors"), None);
    server.was_well(&[]);
}

#[test]
fn a_backup_from_a_schedule_is_what_the_schedule_would_make() {
    let plane = Plane::start();
    let server = Server::start(&plane, "velero");
    fill(&plane, "a");
    plane.create(
        r#"{"apiVersion": "velero.io/v1", "kind": "Schedule",
            "metadata": {"name": "yearly", "namespace": "velero", "labels": {"team": "web"},
                         "annotations": {"note": "x", "velero.io/schedule-jitter": "5m", "velero.io/keep-last": "3"}},
            "spec": {"schedule": "0 0 1 1 *", "useOwnerReferencesInBackup": true, "template": {"includedNamespaces": ["a"]}}}"#,
    );
    let out = server.velero(&[
        "backup",
        "create",
        "mine",
        "--from-schedule",
        "yearly",
        "--labels=by=hand",
        "--wait",
    ]);
    assert!(
        out.starts_with("Creating backup from schedule, all other filters are ignored.\n"),
        "{out}"
    );
    let (backup, schedule) = (server.object("backup", "mine"), server.object("schedule", "yearly"));
    assert_eq!(phase(&backup), "Completed");
    let labels = &backup["metadata"]["labels"];
    for (key, value) in [("team", "web"), ("by", "hand"), ("velero.io/schedule-name", "yearly")] {
        assert_eq!(labels[key], value);
    }
    let noted = &backup["metadata"]["annotations"];
    assert_eq!(
        (&noted["note"], &noted["velero.io/schedule-uid"]),
        (&json!("x"), &schedule["metadata"]["uid"])
    );
    for key in [
        "velero.io/schedule-jitter",
        "velero.io/keep-last",
        "velero.io/schedule-tick",
    ] {
        assert_eq!(noted.get(key), None);
    }
    assert_eq!(
        backup["metadata"]["ownerReferences"][0]["uid"],
        schedule["metadata"]["uid"]
    );
    assert_eq!(schedule["status"].get("lastBackup"), None, "no tick was made");
    server.was_well(&[]);
}

/// The aim of issue 12: however many are due at once, and whatever their location does meanwhile.
#[test]
fn a_hundred_schedules_due_at_once_make_one_backup_each_though_the_location_is_away() {
    let plane = Plane::start();
    let server = Server::start_with(&plane, "velero", &["--concurrent-backups=8"]);
    let s3 = s3_of(&server);
    let proxy = proxied(&server, &s3, "far");
    let mut namespaces = String::new();
    for number in 0..100 {
        let _ = write!(
            namespaces,
            "---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: n{number}}}\n"
        );
    }
    plane.create(&namespaces);
    // Each was due a moment ago and is due again in an hour.
    let last = System.now() - SignedDuration::from_mins(61);
    create(
        &plane,
        (0..100).map(|number| {
            json!({
                "apiVersion": "velero.io/v1", "kind": "Schedule",
                "metadata": {"name": format!("s{number}"), "namespace": "velero"},
                "spec": {
                    "schedule": "@every 1h",
                    "template": {"includedNamespaces": [format!("n{number}")], "storageLocation": "far"},
                },
                "status": {"lastBackup": format!("{last:.0}")},
            })
            .to_string()
        }),
    );
    eventually("some backups to be under way", || {
        let backups = server.objects("backup");
        (backups.values().filter(|backup| phase(backup) == "Completed").count() > 5).then_some(())
    });
    proxy.misbehave(|_| Some(Fault::Hangup));
    let away = std::time::Instant::now();
    within(Duration::from_secs(40), "thirty seconds to pass", || {
        (away.elapsed() > Duration::from_secs(30)).then_some(())
    });
    proxy.heal();
    let backups = within(Duration::from_mins(4), "all backups to end", || {
        let backups = server.objects("backup");
        let ended =
            |backup: &&Value| ["Completed", "PartiallyFailed", "Failed", "FailedValidation"].contains(&&*phase(backup));
        (backups.values().filter(ended).count() >= 100).then_some(backups)
    });
    let mut of: BTreeMap<String, usize> = BTreeMap::new();
    for backup in backups.values() {
        *of.entry(text(backup, "/metadata/labels/velero.io~1schedule-name"))
            .or_default() += 1;
    }
    assert_eq!((of.len(), backups.len()), (100, 100), "{of:?}");
    let completed = backups.values().filter(|backup| phase(backup) == "Completed").count();
    assert!(completed > 50, "{completed} were completed");
    server.was_well(&[]);
}
