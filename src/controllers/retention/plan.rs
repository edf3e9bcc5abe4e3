//! Which backups of a schedule its rules keep: pure. The rules are those of `restic forget`, recorded in `tests/data/retention`.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::api::v1::{Backup, BackupPhase};

use super::rules::{Count, Rule, Rules};

/// What the rules say about a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// These rules keep it.
    Kept(Vec<Reason>),
    /// No rule keeps it.
    Ends {
        /// A newer Completed backup that is kept.
        newer: String,
    },
    /// Its TTL decides.
    ByTtl(ByTtl),
}

/// Why the rules do not decide about a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByTtl {
    /// It is not over, or it is none that rules count.
    Phase,
    /// No rule keeps it, but no newer Completed backup is kept either.
    NoNewer,
}

/// A rule that keeps a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The rule.
    pub rule: Rule,
    /// The rule could keep more than there are, so it keeps the oldest as well.
    pub oldest: bool,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let oldest = if self.oldest { " (oldest)" } else { "" };
        write!(f, "{}{oldest}", self.rule)
    }
}

/// A verdict for each of these backups, which are all of one schedule, newest first. They count for each location by themselves, and
/// Completed ones apart from PartiallyFailed ones.
pub fn plan(rules: &Rules, backups: &[Arc<Backup>]) -> Vec<(Arc<Backup>, Verdict)> {
    let mut sorted = backups.to_vec();
    sorted.sort_by(|a, b| order(b).cmp(&order(a)));
    let mut groups: BTreeMap<(&str, bool), Vec<usize>> = BTreeMap::new();
    for (at, backup) in sorted.iter().enumerate() {
        if let Some(is_completed) = counts(backup) {
            let location = backup.spec.storage_location.as_str();
            groups.entry((location, is_completed)).or_default().push(at);
        }
    }
    let mut kept: Vec<Vec<Reason>> = vec![Vec::new(); sorted.len()];
    for ((_, is_completed), members) in &groups {
        let times: Vec<_> = members.iter().map(|at| taken(&sorted[*at])).collect();
        for (at, reasons) in members.iter().zip(keep(rules, &times, *is_completed)) {
            kept[*at] = reasons;
        }
    }
    // From the newest on: the Completed backup seen last that is kept, by location.
    let mut newer: BTreeMap<String, String> = BTreeMap::new();
    let mut verdicts = Vec::with_capacity(sorted.len());
    for (backup, reasons) in sorted.into_iter().zip(kept) {
        let location = backup.spec.storage_location.clone();
        let counted = counts(&backup);
        let verdict = match (counted, newer.get(&location)) {
            (None, _) => Verdict::ByTtl(ByTtl::Phase),
            _ if !reasons.is_empty() => Verdict::Kept(reasons),
            (_, Some(newer)) => Verdict::Ends { newer: newer.clone() },
            (_, None) => Verdict::ByTtl(ByTtl::NoNewer),
        };
        if counted == Some(true) && matches!(verdict, Verdict::Kept(_)) {
            newer.insert(location, backup.metadata.name.clone().unwrap_or_default());
        }
        verdicts.push((backup, verdict));
    }
    verdicts
}

/// Whether rules count it.
pub(super) fn is_counted(backup: &Backup) -> bool {
    counts(backup).is_some()
}

/// Whether it is Completed, of the backups that rules count.
fn counts(backup: &Backup) -> Option<bool> {
    if backup.metadata.deletion_timestamp.is_some() {
        return None;
    }
    match backup.status.phase() {
        BackupPhase::Completed => Some(true),
        BackupPhase::PartiallyFailed => Some(false),
        _ => None,
    }
}

/// When it was taken.
pub(super) fn taken(backup: &Backup) -> Timestamp {
    let created = backup.metadata.creation_timestamp.as_ref();
    let started = backup.status.start_timestamp.as_ref();
    started.or(created).map_or(Timestamp::UNIX_EPOCH, |time| time.0)
}

fn order(backup: &Backup) -> (Timestamp, Option<&str>) {
    (taken(backup), backup.metadata.name.as_deref())
}

/// The rules that keep each of the backups that were taken at these times, newest first.
fn keep(rules: &Rules, times: &[Timestamp], is_completed: bool) -> Vec<Vec<Reason>> {
    let mut kept = vec![Vec::new(); times.len()];
    for (rule, count) in rules.iter() {
        if rule == Rule::LastSuccessful && !is_completed {
            continue;
        }
        let mut left = count;
        let mut last = None;
        for (number, (time, reasons)) in times.iter().zip(&mut kept).enumerate() {
            if left == Count::Of(0) {
                break;
            }
            let span = span(rule, *time, number);
            let is_new = last.is_none_or(|last| last != span);
            // With counts left the oldest is kept too, so that the history is as long as it can be.
            let oldest = !is_new && number + 1 == times.len();
            if is_new || oldest {
                reasons.push(Reason { rule, oldest });
                last = Some(span);
                if let Count::Of(count) = &mut left {
                    *count -= 1;
                }
            }
        }
    }
    kept
}

/// The hour, day and so on that a time lies in, in UTC; of several in one a rule keeps the newest.
fn span(rule: Rule, time: Timestamp, number: usize) -> [i64; 4] {
    let at = time.to_zoned(TimeZone::UTC);
    let (year, month, day) = (i64::from(at.year()), i64::from(at.month()), i64::from(at.day()));
    match rule {
        Rule::Last | Rule::LastSuccessful => [i64::try_from(number).unwrap_or(i64::MAX), 0, 0, 0],
        Rule::Hourly => [year, month, day, i64::from(at.hour())],
        Rule::Daily => [year, month, day, 0],
        Rule::Weekly => {
            let week = at.date().iso_week_date();
            [i64::from(week.year()), i64::from(week.week()), 0, 0]
        }
        Rule::Monthly => [year, month, 0, 0],
        Rule::Yearly => [year, 0, 0, 0],
    }
}

#[cfg(test)]
mod tests;
