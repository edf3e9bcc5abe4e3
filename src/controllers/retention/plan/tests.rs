use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::api::time;

fn rules(text: &str) -> Rules {
    let rules = text.split(' ').map(|rule| {
        let (rule, count) = rule.split_once('=').unwrap();
        (format!("velero.io/keep-{rule}"), count.to_owned())
    });
    Rules::parse(&rules.collect()).unwrap().unwrap()
}

fn backup(name: &str, at: &str, phase: &str, location: &str) -> Arc<Backup> {
    let mut backup = Backup::new("velero", name);
    backup.status.start_timestamp = Some(time(at.parse().unwrap()));
    backup.status.phase = Some(BackupPhase::from(phase));
    location.clone_into(&mut backup.spec.storage_location);
    Arc::new(backup)
}

fn verdicts(rules_text: &str, backups: &[Arc<Backup>]) -> BTreeMap<String, String> {
    let shown = |(backup, verdict): (Arc<Backup>, Verdict)| {
        let verdict = match verdict {
            Verdict::Kept(reasons) => reasons.iter().map(Reason::to_string).collect::<Vec<_>>().join(", "),
            Verdict::Ends { newer } => format!("ends, {newer} is kept"),
            Verdict::ByTtl(why) => format!("{why:?}"),
        };
        (backup.metadata.name.clone().unwrap(), verdict)
    };
    plan(&rules(rules_text), backups).into_iter().map(shown).collect()
}

#[test]
fn rules_keep_what_restic_keeps() {
    let recorded = include_str!("../../../../tests/data/retention/forget.tsv");
    let times: Vec<&str> = include_str!("../../../../tests/data/retention/times.txt")
        .lines()
        .collect();
    let backups: Vec<_> = times.iter().map(|at| backup(at, at, "Completed", "default")).collect();
    assert!(recorded.lines().count() > 150);
    for line in recorded.lines() {
        let (policy, expected) = line.split_once('\t').unwrap();
        let words: Vec<&str> = policy.split(' ').collect();
        let annotations = words
            .chunks(2)
            .map(|flag| (flag[0].replace("--", "velero.io/"), flag[1].to_owned()));
        let rules = Rules::parse(&annotations.collect()).unwrap().unwrap();
        let kept: BTreeSet<String> = plan(&rules, &backups)
            .into_iter()
            .filter(|(_, verdict)| matches!(verdict, Verdict::Kept(_)))
            .map(|(backup, _)| backup.metadata.name.clone().unwrap())
            .collect();
        let expected: BTreeSet<String> = expected.split(' ').map(str::to_owned).collect();
        assert_eq!(kept, expected, "{policy}");
    }
}

#[test]
fn completed_and_partially_failed_backups_count_apart_and_each_location_for_itself() {
    let backups = [
        backup("a", "2030-01-01T00:00:00Z", "Completed", "default"),
        backup("b", "2030-01-02T00:00:00Z", "PartiallyFailed", "default"),
        backup("c", "2030-01-03T00:00:00Z", "Completed", "other"),
        backup("d", "2030-01-04T00:00:00Z", "Completed", "default"),
        backup("e", "2030-01-05T00:00:00Z", "PartiallyFailed", "default"),
        backup("f", "2030-01-06T00:00:00Z", "Failed", "default"),
        backup("g", "2030-01-07T00:00:00Z", "InProgress", "default"),
        backup("h", "2030-01-08T00:00:00Z", "Deleting", "default"),
    ];
    let expected = [
        ("a", "ends, d is kept"),
        ("b", "ends, d is kept"),
        ("c", "keep-last"),
        ("d", "keep-last"),
        ("e", "keep-last"),
        ("f", "Phase"),
        ("g", "Phase"),
        ("h", "Phase"),
    ];
    let expected = expected.map(|(name, verdict)| (name.to_owned(), verdict.to_owned()));
    assert_eq!(verdicts("last=1", &backups), expected.into());
}

#[test]
fn a_backup_without_a_newer_completed_one_that_is_kept_ends_by_its_ttl() {
    let day = |number: u32, phase: &str| {
        let at = format!("2030-01-{number:02}T00:00:00Z");
        backup(&format!("b{number}"), &at, phase, "default")
    };
    // Weeks without a Completed backup: the last good one outlives every rule but its own count.
    let backups: Vec<_> = [
        day(1, "Completed"),
        day(2, "Completed"),
        day(3, "PartiallyFailed"),
        day(4, "PartiallyFailed"),
        day(5, "PartiallyFailed"),
    ]
    .into();
    let found = verdicts("last-successful=1", &backups);
    let expected = [
        ("b1", "ends, b2 is kept"),
        ("b2", "keep-last-successful"),
        ("b3", "NoNewer"),
        ("b4", "NoNewer"),
        ("b5", "NoNewer"),
    ];
    let expected: BTreeMap<_, _> = expected
        .map(|(name, verdict)| (name.to_owned(), verdict.to_owned()))
        .into();
    assert_eq!(found, expected);
    let found = verdicts("last=2", &backups[2..]);
    assert_eq!(
        found["b3"], "NoNewer",
        "two newer ones are kept, and none of them is Completed"
    );
}

#[test]
fn a_backup_that_is_being_deleted_counts_no_more() {
    let mut deleted = (*backup("b", "2030-01-02T00:00:00Z", "Completed", "default")).clone();
    deleted.metadata.deletion_timestamp = Some(time("2030-01-03T00:00:00Z".parse().unwrap()));
    let backups = [
        backup("a", "2030-01-01T00:00:00Z", "Completed", "default"),
        Arc::new(deleted),
    ];
    assert_eq!(verdicts("last=1", &backups)["a"], "keep-last");
}

#[test]
fn days_and_weeks_are_those_of_utc_and_iso() {
    let backups = [
        backup("friday", "2027-01-01T12:00:00Z", "Completed", "default"),
        backup("thursday", "2026-12-31T12:00:00Z", "Completed", "default"),
        backup("monday", "2026-12-28T00:00:00Z", "Completed", "default"),
        backup("sunday", "2026-12-27T23:59:59Z", "Completed", "default"),
    ];
    let found = verdicts("weekly=2", &backups);
    assert_eq!(found["friday"], "keep-weekly");
    assert_eq!(
        found["thursday"], "ends, friday is kept",
        "the same ISO week, in another year"
    );
    assert_eq!(found["monday"], "ends, friday is kept");
    assert_eq!(found["sunday"], "keep-weekly");
}
