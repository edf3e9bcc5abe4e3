//! The page of `velero schedule retention`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::iter;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::View;
use super::table::{self, LabelColumns, Row};
use crate::api::time;
use crate::api::v1::{Backup, Schedule};
use crate::controllers::retention::keeper::schedule_uid;
use crate::controllers::retention::outlook::outlook;
use crate::controllers::retention::plan::{ByTtl, Reason, Verdict, plan};
use crate::controllers::retention::rules::{InvalidRules, Rules};
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

/// When a backup ends.
enum Ends {
    /// Not in sight.
    Open,
    /// At the next look of the server.
    Now,
    /// Then; the same as its expiration, which may not be known, if it ends by its TTL.
    At(Option<Timestamp>),
}

/// What is said about a backup.
struct Judgment {
    backup: Arc<Backup>,
    ends: Ends,
    kept_by: Vec<String>,
    why: String,
}

/// The page.
pub fn text(scene: &Scene<'_>, view: &View) -> String {
    let name = scene.schedule.metadata.name.as_deref().unwrap_or_default();
    let rules = scene.rules();
    let shown = match &rules {
        Ok(Some(rules)) => rules.to_string(),
        Ok(None) => "none; backups end by their TTL".to_owned(),
        Err(error) => view.red(&format!("not valid: {error}")),
    };
    let mut page = format!("Schedule:  {name}\nRules:     {shown}\n\n");
    let rows: Vec<Row> = judgments(scene, &rules, view.now)
        .into_iter()
        .map(|judgment| row(judgment, view))
        .collect();
    if rows.is_empty() {
        let _ = writeln!(page, "No backups found.");
        return page;
    }
    page.push_str(&table::render(
        &["Name", "Status", "Started", "Ends", "Why"],
        &rows,
        &LabelColumns::default(),
    ));
    page
}

/// The same for programs. `ends` is null where no end is in sight; that of a backup with `keptBy` holds if every coming run completes.
pub fn json(scene: &Scene<'_>, now: Timestamp) -> Value {
    let rules = scene.rules();
    let (shown, error) = match &rules {
        Ok(rules) => (rules.as_ref().map(ToString::to_string), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let backups: Vec<Value> = judgments(scene, &rules, now)
        .into_iter()
        .map(|judgment| {
            let (meta, status) = (&judgment.backup.metadata, &judgment.backup.status);
            let ends = match judgment.ends {
                Ends::Open => None,
                Ends::Now => Some(now),
                Ends::At(end) => end,
            };
            json!({
                "name": meta.name,
                "phase": status.phase().to_string(),
                "startTimestamp": status.start_timestamp,
                "ends": ends.map(time),
                "keptBy": judgment.kept_by,
                "why": judgment.why,
            })
        })
        .collect();
    json!({
        "schedule": scene.schedule.metadata.name,
        "rules": shown,
        "error": error,
        "backups": backups,
    })
}

impl Scene<'_> {
    fn rules(&self) -> Result<Option<Rules>, InvalidRules> {
        let annotations = self.schedule.metadata.annotations.as_ref();
        annotations.map_or(Ok(None), Rules::parse)
    }
}

fn judgments(scene: &Scene<'_>, rules: &Result<Option<Rules>, InvalidRules>, now: Timestamp) -> Vec<Judgment> {
    let (own, foreign): (Vec<_>, Vec<_>) = scene.backups.iter().cloned().partition(|backup| {
        let uid = schedule_uid(backup);
        uid.is_some() && uid == scene.schedule.metadata.uid.as_deref()
    });
    let mut judged: Vec<Judgment> = match rules {
        Ok(Some(rules)) => by_rules(scene, rules, &own, now),
        Ok(None) => own.into_iter().map(|backup| by_ttl(backup, "its TTL")).collect(),
        Err(_) => own
            .into_iter()
            .map(|backup| open(backup, "kept until the rules are corrected".to_owned()))
            .collect(),
    };
    let made_elsewhere = "its TTL: it does not say that this Schedule made it";
    judged.extend(foreign.into_iter().map(|backup| by_ttl(backup, made_elsewhere)));
    judged
}

fn by_rules(scene: &Scene<'_>, rules: &Rules, own: &[Arc<Backup>], now: Timestamp) -> Vec<Judgment> {
    let ends = ends(scene, rules, own, now);
    let judged = |(backup, verdict): (Arc<Backup>, Verdict)| {
        let location = &backup.spec.storage_location;
        if !scene.usable.contains(location) {
            let why =
                format!("nothing is deleted in storage location `{location}` while it is read-only or unavailable");
            return open(backup, why);
        }
        match verdict {
            Verdict::Kept(reasons) => {
                let name = backup.metadata.name.as_deref().unwrap_or_default();
                let kept_by: Vec<_> = reasons.iter().map(Reason::to_string).collect();
                Judgment {
                    ends: ends.get(name).map_or(Ends::Open, |end| Ends::At(Some(*end))),
                    why: kept_by.join(", "),
                    kept_by,
                    backup,
                }
            }
            Verdict::Ends { newer } => Judgment {
                ends: Ends::Now,
                kept_by: Vec::new(),
                why: format!("no rule keeps it, and `{newer}` is newer"),
                backup,
            },
            Verdict::ByTtl(ByTtl::Phase) => by_ttl(backup, "its TTL"),
            Verdict::ByTtl(ByTtl::NoNewer) => by_ttl(
                backup,
                "its TTL: no rule keeps it, and no newer Completed backup is kept",
            ),
        }
    };
    plan(rules, own).into_iter().map(judged).collect()
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

fn by_ttl(backup: Arc<Backup>, why: &str) -> Judgment {
    Judgment {
        ends: Ends::At(backup.status.expiration.as_ref().map(|end| end.0)),
        kept_by: Vec::new(),
        why: why.to_owned(),
        backup,
    }
}

fn open(backup: Arc<Backup>, why: String) -> Judgment {
    Judgment {
        backup,
        ends: Ends::Open,
        kept_by: Vec::new(),
        why,
    }
}

fn row(judgment: Judgment, view: &View) -> Row {
    let (meta, status) = (&judgment.backup.metadata, &judgment.backup.status);
    let started = view.time_or_nil(status.start_timestamp.as_ref());
    let name = meta.name.clone().unwrap_or_default();
    let ends = match judgment.ends {
        Ends::Open => "-".to_owned(),
        Ends::Now => "now".to_owned(),
        Ends::At(end) => view.time_or_nil(end.map(time).as_ref()),
    };
    Row {
        cells: vec![name, status.phase().to_string(), started, ends, judgment.why],
        labels: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
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

    fn view() -> View {
        View {
            now: "2030-01-06T00:00:00Z".parse().unwrap(),
            zone: TimeZone::UTC,
            colour: false,
        }
    }

    fn page(annotations: &Value, usable: &[&str]) -> String {
        shown(annotations, usable, |scene| text(scene, &view()))
    }

    fn shown<T>(annotations: &Value, usable: &[&str], show: impl FnOnce(&Scene<'_>) -> T) -> T {
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
        show(&scene)
    }

    #[test]
    fn programs_read_the_same_as_json() {
        let json = |rule: &str| {
            let rules = json!({"velero.io/keep-last-successful": rule});
            shown(&rules, &["default"], |scene| json(scene, view().now))
        };
        let found = json("1");
        assert_eq!(found["schedule"], "daily");
        assert_eq!(
            (&found["rules"], &found["error"]),
            (&json!("keep-last-successful=1"), &Value::Null)
        );
        let row = |at: usize| {
            let backup = &found["backups"][at];
            (backup["name"].clone(), backup["ends"].clone(), backup["keptBy"].clone())
        };
        assert_eq!(
            row(2),
            (
                json!("daily-2"),
                json!("2030-01-06T02:00:00Z"),
                json!(["keep-last-successful"])
            )
        );
        assert_eq!(row(3), (json!("daily-1"), json!("2030-01-06T00:00:00Z"), json!([])));
        assert_eq!(found["backups"][3]["why"], "no rule keeps it, and `daily-2` is newer");
        let invalid = json("x");
        assert!(
            invalid["error"]
                .as_str()
                .unwrap()
                .contains("velero.io/keep-last-successful")
        );
        assert_eq!(
            (&invalid["rules"], &invalid["backups"][0]["ends"]),
            (&Value::Null, &Value::Null)
        );
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
