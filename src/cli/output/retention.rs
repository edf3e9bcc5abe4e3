//! The page of `velero schedule retention`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::iter;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::View;
use super::table::{self, LabelColumns, Row};
use crate::api::time;
use crate::api::v1::{Backup, Schedule};
use crate::controllers::retention::keeper::schedule_uid;
use crate::controllers::retention::outlook::outlook;
use crate::controllers::retention::plan::{ByTtl, Reason, Verdict, plan};
use crate::controllers::retention::rules::Rules;
use crate::controllers::schedule::cron::Expression;

/// Coming runs that are looked at. A yearly rule needs more of them, and its backups have no end in sight.
const RUNS: usize = 1000;

/// What the page is made of.
pub struct Scene<'a> {
    /// The schedule.
    pub schedule: &'a Schedule,
    /// The backups with its label.
    pub backups: &'a [Arc<Backup>],
    /// Where its backups go unless its template says otherwise.
    pub default_location: String,
    /// The locations in which backups can be changed and deleted.
    pub usable: BTreeSet<String>,
}

/// The page.
pub fn text(scene: &Scene<'_>, view: &View) -> String {
    let schedule = scene.schedule;
    let name = schedule.metadata.name.as_deref().unwrap_or_default();
    let annotations = schedule.metadata.annotations.clone().unwrap_or_default();
    let rules = Rules::parse(&annotations);
    let shown = match &rules {
        Ok(Some(rules)) => rules.to_string(),
        Ok(None) => "none; backups end by their TTL".to_owned(),
        Err(error) => view.red(&format!("not valid: {error}")),
    };
    let mut page = format!("Schedule:  {name}\nRules:     {shown}\n\n");
    let (own, foreign): (Vec<_>, Vec<_>) = scene.backups.iter().cloned().partition(|backup| {
        let uid = schedule_uid(backup);
        uid.is_some() && uid == schedule.metadata.uid.as_deref()
    });
    let mut rows: Vec<(Arc<Backup>, String, String)> = match &rules {
        Ok(Some(rules)) => judged(scene, rules, &own, view),
        Ok(None) => own.into_iter().map(|backup| by_ttl(backup, "its TTL", view)).collect(),
        Err(_) => own
            .into_iter()
            .map(|backup| (backup, "-".to_owned(), "kept until the rules are corrected".to_owned()))
            .collect(),
    };
    let made_elsewhere = "its TTL: it does not say that this Schedule made it";
    rows.extend(foreign.into_iter().map(|backup| by_ttl(backup, made_elsewhere, view)));
    if rows.is_empty() {
        let _ = writeln!(page, "No backups found.");
        return page;
    }
    let rows: Vec<Row> = rows
        .into_iter()
        .map(|(backup, ends, why)| row(&backup, ends, why, view))
        .collect();
    page.push_str(&table::render(
        &["Name", "Status", "Started", "Ends", "Why"],
        &rows,
        &LabelColumns::default(),
    ));
    page
}

fn judged(scene: &Scene<'_>, rules: &Rules, own: &[Arc<Backup>], view: &View) -> Vec<(Arc<Backup>, String, String)> {
    let ends = ends(scene, rules, own, view.now);
    let shown = |(backup, verdict): (Arc<Backup>, Verdict)| {
        let location = &backup.spec.storage_location;
        if !scene.usable.contains(location) {
            let why =
                format!("nothing is deleted in storage location `{location}` while it is read-only or unavailable");
            return (backup, "-".to_owned(), why);
        }
        match verdict {
            Verdict::Kept(reasons) => {
                let name = backup.metadata.name.as_deref().unwrap_or_default();
                let end = ends
                    .get(name)
                    .map_or_else(|| "-".to_owned(), |end| view.time(&time(*end)));
                let reasons: Vec<_> = reasons.iter().map(Reason::to_string).collect();
                (backup, end, reasons.join(", "))
            }
            Verdict::Ends { newer } => (
                backup,
                "now".to_owned(),
                format!("no rule keeps it, and `{newer}` is newer"),
            ),
            Verdict::ByTtl(ByTtl::Phase) => by_ttl(backup, "its TTL", view),
            Verdict::ByTtl(ByTtl::NoNewer) => by_ttl(
                backup,
                "its TTL: no rule keeps it, and no newer Completed backup is kept",
                view,
            ),
        }
    };
    plan(rules, own).into_iter().map(shown).collect()
}

/// When each backup ends if every coming run completes.
fn ends(scene: &Scene<'_>, rules: &Rules, own: &[Arc<Backup>], now: Timestamp) -> BTreeMap<String, Timestamp> {
    let spec = &scene.schedule.spec;
    let Some(expression) = Expression::parse(&spec.schedule).ok().filter(|_| !spec.paused) else {
        return BTreeMap::new();
    };
    let location = match spec.template.storage_location.as_str() {
        "" => &scene.default_location,
        location => location,
    };
    // The zone of the server is not known here; in its image it is UTC.
    let next = |after: &Timestamp| expression.next(*after, &TimeZone::UTC);
    outlook(rules, own, location, iter::successors(next(&now), next).take(RUNS))
}

fn by_ttl(backup: Arc<Backup>, why: &str, view: &View) -> (Arc<Backup>, String, String) {
    let end = view.time_or_nil(backup.status.expiration.as_ref());
    (backup, end, why.to_owned())
}

fn row(backup: &Backup, ends: String, why: String, view: &View) -> Row {
    let started = view.time_or_nil(backup.status.start_timestamp.as_ref());
    let name = backup.metadata.name.clone().unwrap_or_default();
    Row {
        cells: vec![name, backup.status.phase().to_string(), started, ends, why],
        labels: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn schedule(annotations: &Value) -> Schedule {
        let metadata = json!({"name": "daily", "namespace": "velero", "uid": "u", "annotations": annotations});
        let object = json!({"apiVersion": "velero.io/v1", "kind": "Schedule", "metadata": metadata,
            "spec": {"schedule": "0 2 * * *", "template": {}}});
        serde_json::from_value(object).unwrap()
    }

    fn backup(day: u32, phase: &str, uid: &str) -> Arc<Backup> {
        let at = |day: u32| format!("2030-01-{day:02}T02:00:00Z");
        let metadata = json!({"name": format!("daily-{day}"), "annotations": {"velero.io/schedule-uid": uid}});
        let status = json!({"phase": phase, "startTimestamp": at(day), "expiration": at(day + 20)});
        let object = json!({"apiVersion": "velero.io/v1", "kind": "Backup", "metadata": metadata,
            "spec": {"storageLocation": "default"}, "status": status});
        Arc::new(serde_json::from_value(object).unwrap())
    }

    fn page(annotations: &Value, usable: &[&str]) -> String {
        let schedule = schedule(annotations);
        let scene = Scene {
            schedule: &schedule,
            backups: &[
                backup(1, "Completed", "u"),
                backup(2, "Completed", "u"),
                backup(3, "PartiallyFailed", "u"),
                backup(4, "Failed", "u"),
                backup(5, "Completed", "of-an-older-schedule"),
            ],
            default_location: "default".to_owned(),
            usable: usable.iter().map(ToString::to_string).collect(),
        };
        let view = View {
            now: "2030-01-06T00:00:00Z".parse().unwrap(),
            zone: TimeZone::UTC,
            colour: false,
        };
        text(&scene, &view)
    }

    #[test]
    fn the_page_says_what_is_kept_by_which_rule_and_what_ends_when() {
        let expected = "\
Schedule:  daily
Rules:     keep-last-successful=1

NAME      STATUS            STARTED                         ENDS                            WHY
daily-4   Failed            2030-01-04 02:00:00 +0000 UTC   2030-01-24 02:00:00 +0000 UTC   its TTL
daily-3   PartiallyFailed   2030-01-03 02:00:00 +0000 UTC   2030-01-23 02:00:00 +0000 UTC   its TTL: no rule keeps it, and no newer Completed backup is kept
daily-2   Completed         2030-01-02 02:00:00 +0000 UTC   2030-01-06 02:00:00 +0000 UTC   keep-last-successful
daily-1   Completed         2030-01-01 02:00:00 +0000 UTC   now                             no rule keeps it, and `daily-2` is newer
daily-5   Completed         2030-01-05 02:00:00 +0000 UTC   2030-01-25 02:00:00 +0000 UTC   its TTL: it does not say that this Schedule made it
";
        assert_eq!(
            page(&json!({"velero.io/keep-last-successful": "1"}), &["default"]),
            expected
        );
    }

    #[test]
    fn without_rules_every_backup_ends_by_its_ttl() {
        let page = page(&json!({}), &["default"]);
        assert!(page.contains("Rules:     none; backups end by their TTL\n"), "{page}");
        assert!(page.contains("2030-01-21 02:00:00 +0000 UTC   its TTL\n"), "{page}");
    }

    #[test]
    fn rules_that_are_not_valid_and_locations_that_cannot_be_changed_keep_everything() {
        let invalid = page(&json!({"velero.io/keep-last": "x"}), &["default"]);
        assert!(
            invalid.contains("Rules:     not valid: annotation `velero.io/keep-last` is `x`"),
            "{invalid}"
        );
        assert_eq!(
            invalid.matches("kept until the rules are corrected").count(),
            4,
            "{invalid}"
        );
        let read_only = page(&json!({"velero.io/keep-last": "1"}), &[]);
        assert_eq!(
            read_only
                .matches("nothing is deleted in storage location `default`")
                .count(),
            4,
            "{read_only}"
        );
    }
}
