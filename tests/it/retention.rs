//! Retention rules with the real process on a real API server and a real bucket (decision 53).

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Plane, Server, eventually, phase, text, within};
use crate::s3::fill;

const LIMIT: Duration = Duration::from_mins(1);

/// The Backups by name and phase.
fn backups(server: &Server<'_>) -> Vec<(String, String)> {
    let all = server.objects("backup").into_iter();
    all.map(|(name, backup)| (name, phase(&backup))).collect()
}

/// The directories of backups in the bucket.
fn directories(server: &Server<'_>) -> BTreeSet<String> {
    let entries = fs::read_dir(server.bucket().join("backups")).expect("the bucket has backups");
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.collect()
}

fn rows(server: &Server<'_>) -> Vec<Vec<String>> {
    let page = server.velero(&["schedule", "retention", "often"]);
    let table = page.lines().skip_while(|line| !line.starts_with("NAME")).skip(1);
    table
        .map(|line| {
            line.split("   ")
                .filter(|cell| !cell.is_empty())
                .map(|cell| cell.trim().to_owned())
                .collect()
        })
        .collect()
}

fn condition(server: &Server<'_>) -> String {
    let schedule = server.object("schedule", "often");
    let conditions = schedule["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.iter().find(|condition| condition["type"] == "Retention");
    found
        .map(|found| format!("{} {}", text(found, "/status"), text(found, "/reason")))
        .unwrap_or_default()
}

#[test]
fn a_schedule_keeps_what_its_rules_say_in_the_cluster_and_in_the_bucket() {
    let plane = Plane::start();
    let server = Server::start(&plane, "velero");
    fill(&plane, "a");
    // A TTL that is over at once, so that only the rule keeps them.
    server.velero(&[
        "schedule",
        "create",
        "often",
        "--schedule=@every 2s",
        "--include-namespaces=a",
        "--ttl=1s",
        "--annotations=velero.io/keep-last=2",
    ]);
    let mut seen = BTreeSet::new();
    within(LIMIT, "five backups, of which the first ones have gone", || {
        let now: BTreeSet<String> = backups(&server).into_iter().map(|(name, _)| name).collect();
        seen.extend(now.iter().cloned());
        (seen.len() >= 5 && now.len() < seen.len()).then_some(())
    });
    server.velero(&["schedule", "pause", "often"]);
    let left = within(LIMIT, "two backups", || {
        let left = backups(&server);
        let all_ended = left.iter().all(|(_, phase)| phase == "Completed");
        (left.len() == 2 && all_ended && directories(&server).len() == 2).then_some(left)
    });
    let newest: Vec<&String> = seen.iter().rev().collect();
    let left: BTreeSet<String> = left.into_iter().map(|(name, _)| name).collect();
    assert!(left.iter().all(|name| name >= newest[1]), "{left:?} of {seen:?}");
    assert_eq!(directories(&server), left);
    assert_eq!(condition(&server), "True RulesValid");

    // The life of both was prolonged in the bucket too.
    for name in &left {
        let file = server.bucket().join(format!("backups/{name}/velero-backup.json"));
        let stored: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        let object = server.object("backup", name);
        assert!(
            text(&stored, "/status/expiration") >= text(&object, "/status/expiration"),
            "{stored}"
        );
        assert!(text(&object, "/status/expiration") > text(&object, "/status/completionTimestamp"));
    }
    for (row, name) in rows(&server).iter().zip(left.iter().rev()) {
        assert_eq!(
            (&row[0], &row[1], row.last().unwrap().as_str()),
            (name, &"Completed".to_owned(), "keep-last"),
            "{row:?}"
        );
    }

    // A typing error deletes nothing, and says so.
    plane.kubectl(&[
        "annotate",
        "-n",
        "velero",
        "--overwrite",
        "schedule.velero.io/often",
        "velero.io/keep-last=tow",
    ]);
    eventually("the condition of a rule that is not valid", || {
        (condition(&server) == "False RulesInvalid").then_some(())
    });
    let page = server.velero(&["schedule", "retention", "often"]);
    assert!(page.contains("annotation `velero.io/keep-last` is `tow`"), "{page}");
    assert_eq!(rows(&server).len(), 2);

    // One rule less: one backup less.
    plane.kubectl(&[
        "annotate",
        "-n",
        "velero",
        "--overwrite",
        "schedule.velero.io/often",
        "velero.io/keep-last=1",
    ]);
    within(LIMIT, "one backup", || {
        (backups(&server).len() == 1 && directories(&server).len() == 1).then_some(())
    });
    // Without rules the TTL counts, which was prolonged by an hour.
    plane.kubectl(&[
        "annotate",
        "-n",
        "velero",
        "schedule.velero.io/often",
        "velero.io/keep-last-",
    ]);
    eventually("the condition without rules", || {
        (condition(&server) == "False NoRules").then_some(())
    });
    assert_eq!(backups(&server).len(), 1);
    server.was_well(&[]);
}
