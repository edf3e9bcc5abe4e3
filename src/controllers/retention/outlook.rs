//! When the backups of a schedule will end if every later run completes: pure, for `velero schedule retention`.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::api::time;
use crate::api::v1::{Backup, BackupPhase};

use super::plan::{Verdict, plan};
use super::rules::Rules;

/// The time at which each backup will end, by name, if a backup completes in this location at each of the coming runs.
/// One that these runs do not end is not in it. Each run costs a plan, so the caller bounds their number.
pub fn outlook(
    rules: &Rules,
    backups: &[Arc<Backup>],
    location: &str,
    runs: impl Iterator<Item = Timestamp>,
) -> BTreeMap<String, Timestamp> {
    let mut ends = BTreeMap::new();
    let mut present = backups.to_vec();
    for run in runs {
        // Those of the coming runs have no name.
        if !present.iter().any(|backup| backup.metadata.name.is_some()) {
            break;
        }
        present.push(Arc::new(coming(location, run)));
        for (backup, verdict) in plan(rules, &present) {
            if matches!(verdict, Verdict::Ends { .. }) {
                present.retain(|other| !Arc::ptr_eq(other, &backup));
                if let Some(name) = backup.metadata.name.clone() {
                    ends.insert(name, run);
                }
            }
        }
    }
    ends
}

/// A backup of a coming run, which has no name yet.
fn coming(location: &str, run: Timestamp) -> Backup {
    let mut backup = Backup::default();
    backup.status.phase = Some(BackupPhase::Completed);
    backup.status.start_timestamp = Some(time(run));
    location.clone_into(&mut backup.spec.storage_location);
    backup
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 3600;

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(day * DAY + 7200).unwrap()
    }

    fn backup(name: &str, day: i64, phase: &str) -> Arc<Backup> {
        let mut backup = coming("default", at(day));
        backup.metadata.name = Some(name.to_owned());
        backup.status.phase = Some(phase.into());
        Arc::new(backup)
    }

    fn ends(rule: &str, count: &str, backups: &[Arc<Backup>], runs: i64) -> BTreeMap<String, Timestamp> {
        let rules = Rules::parse(&[(format!("velero.io/keep-{rule}"), count.to_owned())].into());
        outlook(&rules.unwrap().unwrap(), backups, "default", (10..10 + runs).map(at))
    }

    #[test]
    fn each_backup_ends_when_as_many_newer_ones_are_there() {
        let backups = [
            backup("a", 7, "Completed"),
            backup("b", 8, "Completed"),
            backup("c", 9, "Completed"),
        ];
        let found = ends("daily", "3", &backups, 100);
        let expected = [("a", 10), ("b", 11), ("c", 12)].map(|(name, day)| (name.to_owned(), at(day)));
        assert_eq!(found, expected.into());
    }

    #[test]
    fn what_the_coming_runs_do_not_end_is_not_named() {
        let backups = [backup("a", 8, "Completed"), backup("b", 9, "PartiallyFailed")];
        assert_eq!(ends("last", "5", &backups, 3), BTreeMap::new());
        let found = ends("last-successful", "1", &backups, 3);
        assert_eq!(found.len(), 2, "{found:?}");
    }
}
