//! What is to be done about the backups of a schedule with rules: pure.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::v1::Backup;
use crate::runtime::clock::later;

use super::plan::{Verdict, is_counted, plan};
use super::rules::Rules;

/// The life of a kept backup is prolonged so long before it ends, or when half of a shorter TTL is left.
const AHEAD: Duration = Duration::from_hours(24);

/// It is prolonged by its TTL, and at least by this: the bucket is not rewritten all the time.
const AT_LEAST: Duration = Duration::from_hours(1);

/// The steps of one pass.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Steps {
    /// Kept backups whose life is to be prolonged until then.
    pub(super) prolong: Vec<(Arc<Backup>, Timestamp)>,
    /// Backups that end now, each with a newer one that is kept.
    pub(super) end: Vec<(Arc<Backup>, String)>,
    /// When the next life is to be prolonged.
    pub(super) next: Option<Timestamp>,
}

/// The steps for these backups of a schedule. Those in a location that is not `usable` are left alone, and those in it count all the same.
pub(super) fn steps(rules: &Rules, backups: &[Arc<Backup>], usable: &dyn Fn(&str) -> bool, now: Timestamp) -> Steps {
    of_verdicts(plan(rules, backups), usable, now)
}

/// The steps while the rules cannot be followed: what they could keep is kept, so that a typing error costs no data where another server
/// reads the bucket.
pub(super) fn holding(backups: &[Arc<Backup>], usable: &dyn Fn(&str) -> bool, now: Timestamp) -> Steps {
    let held = backups.iter().filter(|backup| is_counted(backup)).cloned();
    of_verdicts(held.map(|backup| (backup, Verdict::Kept(Vec::new()))), usable, now)
}

fn of_verdicts(
    verdicts: impl IntoIterator<Item = (Arc<Backup>, Verdict)>,
    usable: &dyn Fn(&str) -> bool,
    now: Timestamp,
) -> Steps {
    let mut steps = Steps::default();
    for (backup, verdict) in verdicts {
        if !usable(&backup.spec.storage_location) {
            continue;
        }
        match verdict {
            Verdict::Kept(_) => match prolonging(&backup) {
                Some(due) if due <= now => {
                    let by = backup.spec.ttl.positive().unwrap_or_default().max(AT_LEAST);
                    steps.prolong.push((backup, later(now, by)));
                }
                due => steps.next = [steps.next, due].into_iter().flatten().min(),
            },
            Verdict::Ends { newer } => steps.end.push((backup, newer)),
            Verdict::ByTtl(_) => {}
        }
    }
    steps
}

/// When the life of a kept backup is to be prolonged; never if it has no end.
fn prolonging(backup: &Backup) -> Option<Timestamp> {
    let expiration = backup.status.expiration.as_ref()?.0;
    let half = backup.spec.ttl.positive().unwrap_or_default() / 2;
    let ahead = i64::try_from(AHEAD.min(half).as_secs()).unwrap_or(i64::MAX);
    let due = expiration.as_second().saturating_sub(ahead);
    Some(Timestamp::from_second(due).unwrap_or(Timestamp::MIN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::v1::BackupPhase;
    use crate::api::{GoDuration, time};

    const DAY: i64 = 24 * 3600;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Taken at this time with a TTL of so many seconds.
    fn backup(name: &str, taken: i64, ttl: i64, location: &str) -> Arc<Backup> {
        let mut backup = Backup::new("velero", name);
        backup.status.phase = Some(BackupPhase::Completed);
        backup.status.start_timestamp = Some(time(at(taken)));
        backup.status.expiration = Some(time(at(taken + ttl)));
        backup.spec.ttl = GoDuration::from_secs(ttl);
        location.clone_into(&mut backup.spec.storage_location);
        Arc::new(backup)
    }

    fn run(backups: &[Arc<Backup>], now: i64) -> (Vec<(String, i64)>, Vec<String>, Option<i64>) {
        let rules = Rules::parse(&[("velero.io/keep-last".to_owned(), "1".to_owned())].into());
        let steps = steps(
            &rules.unwrap().unwrap(),
            backups,
            &|location| location == "default",
            at(now),
        );
        let name = |backup: &Arc<Backup>| backup.metadata.name.clone().unwrap();
        (
            steps
                .prolong
                .iter()
                .map(|(b, until)| (name(b), until.as_second()))
                .collect(),
            steps.end.iter().map(|(b, _)| name(b)).collect(),
            steps.next.map(Timestamp::as_second),
        )
    }

    #[test]
    fn a_kept_backup_is_prolonged_a_day_before_its_end_and_others_end_at_once() {
        let backups = [
            backup("a", 0, 30 * DAY, "default"),
            backup("b", 10, 30 * DAY, "default"),
        ];
        let due = 29 * DAY + 10;
        assert_eq!(run(&backups, 20), (vec![], vec!["a".to_owned()], Some(due)));
        assert_eq!(run(&backups[1..], due - 1), (vec![], vec![], Some(due)));
        let prolonged = vec![("b".to_owned(), due + 30 * DAY)];
        assert_eq!(run(&backups[1..], due), (prolonged, vec![], None));
    }

    #[test]
    fn a_short_life_is_prolonged_when_half_of_it_is_left_and_by_an_hour_at_least() {
        let backups = [backup("a", 0, 600, "default")];
        assert_eq!(run(&backups, 299), (vec![], vec![], Some(300)));
        assert_eq!(run(&backups, 300), (vec![("a".to_owned(), 300 + 3600)], vec![], None));
    }

    #[test]
    fn a_life_that_is_over_while_the_server_was_away_is_prolonged_from_now() {
        let backups = [backup("a", 0, 2 * DAY, "default")];
        assert_eq!(run(&backups, 100 * DAY).0, [("a".to_owned(), 102 * DAY)]);
    }

    #[test]
    fn what_lies_in_a_location_that_cannot_be_changed_is_left_alone() {
        let backups = [backup("a", 0, DAY, "archive"), backup("b", 10, DAY, "archive")];
        assert_eq!(run(&backups, 50 * DAY), (vec![], vec![], None));
    }

    #[test]
    fn while_rules_cannot_be_followed_every_life_is_prolonged_and_none_ends() {
        let mut failed = (*backup("c", 20, 600, "default")).clone();
        failed.status.phase = Some(BackupPhase::Failed);
        let backups = [
            backup("a", 0, 600, "default"),
            backup("b", 10, 600, "archive"),
            Arc::new(failed),
        ];
        let steps = holding(&backups, &|location| location == "default", at(400));
        assert_eq!(steps.prolong, [(backups[0].clone(), at(400 + 3600))]);
        assert!(steps.end.is_empty());
    }

    #[test]
    fn a_backup_without_an_end_needs_no_prolonging() {
        let mut endless = (*backup("a", 0, 600, "default")).clone();
        endless.status.expiration = None;
        assert_eq!(run(&[Arc::new(endless)], 50 * DAY), (vec![], vec![], None));
        let negative = [backup("a", 0, -600, "default")];
        assert_eq!(run(&negative, 0).0, [("a".to_owned(), 3600)]);
    }
}
