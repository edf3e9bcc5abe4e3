//! A year of retention in pure code: the passes of changing leaders against the rules over the full history.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::plan::{Verdict, plan};
use super::rules::{Count, Rule, Rules};
use super::steps::steps;
use crate::api::v1::{Backup, BackupPhase};
use crate::api::{GoDuration, time};
use crate::controllers::gc::End;
use crate::controllers::gc::plan::{Due, due};
use crate::controllers::schedule::cron::Expression;
use crate::runtime::clock::later;

const DAY: i64 = 24 * 3600;

/// A linear congruential generator: the same numbers in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, most: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
        i64::try_from(self.0 >> 33).unwrap() % most
    }

    fn one_in(&mut self, most: i64) -> bool {
        self.below(most) == 0
    }
}

/// A backup of the history, as it is when its run is over.
struct Made {
    name: String,
    started: i64,
    over: i64,
    /// Whether rules count it, and as Completed.
    counts: Option<bool>,
    ttl: i64,
    backup: Backup,
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// Every backup that a schedule makes in these seconds: spells of bad weeks, and one of the kind that rules count at the very end.
fn history(expression: &str, ttl: i64, from: i64, to: i64) -> Vec<Made> {
    let parsed = Expression::parse(expression).unwrap();
    let ticks = std::iter::successors(parsed.next(at(from), &TimeZone::UTC), |tick| {
        parsed.next(*tick, &TimeZone::UTC)
    });
    let ticks: Vec<i64> = ticks.map(Timestamp::as_second).take_while(|tick| *tick < to).collect();
    let mut random = Random(u64::try_from(ttl).unwrap());
    let last = ticks.len() - 1;
    let made = ticks.into_iter().enumerate().map(|(number, tick)| {
        let is_bad_spell = (tick - from) / (9 * DAY) % 4 == 2;
        let completed = match random.below(10) {
            _ if number == last => Some(true),
            0 => None,
            1 | 2 => Some(false),
            _ => Some(!is_bad_spell),
        };
        let phase = match completed {
            Some(true) => BackupPhase::Completed,
            Some(false) => BackupPhase::PartiallyFailed,
            None => BackupPhase::Failed,
        };
        let started = tick + random.below(60);
        let mut backup = Backup::new("velero", at(tick).to_string());
        backup.metadata.uid = Some(format!("uid-{number}"));
        backup.status.phase = Some(phase);
        backup.status.start_timestamp = Some(time(at(started)));
        backup.status.expiration = Some(time(at(started + ttl)));
        backup.spec.ttl = GoDuration::from_secs(ttl);
        "default".clone_into(&mut backup.spec.storage_location);
        Made {
            name: at(tick).to_string(),
            started,
            over: started + 1 + random.below(3600),
            counts: completed,
            ttl,
            backup,
        }
    });
    made.collect()
}

/// The number of the span that a time lies in, by plain arithmetic.
fn span(rule: Rule, second: i64, number: usize) -> i64 {
    let date = || at(second).to_zoned(TimeZone::UTC).date();
    match rule {
        Rule::Last | Rule::LastSuccessful => i64::try_from(number).unwrap(),
        Rule::Hourly => second.div_euclid(3600),
        Rule::Daily => second.div_euclid(DAY),
        // The first day of 1970 was a Thursday.
        Rule::Weekly => (second.div_euclid(DAY) + 3).div_euclid(7),
        Rule::Monthly => i64::from(date().year()) * 12 + i64::from(date().month()),
        Rule::Yearly => i64::from(date().year()),
    }
}

/// What the rules keep of everything that was ever made and is over by now.
fn kept(rules: &Rules, made: &[Made], now: i64) -> BTreeSet<usize> {
    let mut kept = BTreeSet::new();
    for completed in [true, false] {
        let counted = |(number, made): (usize, &Made)| {
            (made.over <= now && made.counts == Some(completed)).then_some((number, made.started))
        };
        let newest_first = || made.iter().enumerate().rev().filter_map(counted);
        for (rule, count) in rules.iter() {
            if rule == Rule::LastSuccessful && !completed {
                continue;
            }
            let most = match count {
                Count::Of(count) => usize::try_from(count).unwrap(),
                Count::All => usize::MAX,
            };
            let mut spans = BTreeMap::new();
            for (number, started) in newest_first() {
                spans.entry(-span(rule, started, number)).or_insert(number);
                if spans.len() == most {
                    break;
                }
            }
            kept.extend(spans.values());
            if spans.len() < most {
                kept.extend(newest_first().next_back().map(|(number, _)| number));
            }
        }
    }
    kept
}

/// What there is of a history, as leaders see and change it.
struct Life<'a> {
    rules: &'a Rules,
    made: &'a [Made],
    left: BTreeMap<usize, Arc<Backup>>,
    /// What was deleted less than a leader's lag ago.
    gone: Vec<(i64, usize, Arc<Backup>)>,
    begun: usize,
    /// When a leader last saw a backup that the rules kept: so long its life can have been prolonged.
    seen_kept: BTreeMap<usize, i64>,
}

/// A leader's store lags behind by no more than this.
const LAG: i64 = 2 * 3600;

impl<'a> Life<'a> {
    fn new(rules: &'a Rules, made: &'a [Made]) -> Self {
        Self {
            rules,
            made,
            left: BTreeMap::new(),
            gone: Vec::new(),
            begun: 0,
            seen_kept: BTreeMap::new(),
        }
    }

    fn begin_until(&mut self, now: i64) {
        while let Some(made) = self.made.get(self.begun).filter(|made| made.started <= now) {
            self.left.insert(self.begun, Arc::new(made.backup.clone()));
            self.begun += 1;
        }
    }

    /// The backups as a store shows them that lags so many seconds behind.
    fn view(&self, now: i64, lag: i64) -> Vec<Arc<Backup>> {
        let seen = now - lag;
        let gone = self.gone.iter().filter(|(when, ..)| *when > seen);
        let gone = gone.map(|(_, number, backup)| (number, backup));
        let shown = |(number, backup): (&usize, &Arc<Backup>)| {
            let made = &self.made[*number];
            if made.started > seen {
                return None;
            }
            let mut backup = Arc::clone(backup);
            if made.over > seen {
                Arc::make_mut(&mut backup).status.phase = Some(BackupPhase::InProgress);
            }
            Some(backup)
        };
        self.left.iter().chain(gone).filter_map(shown).collect()
    }

    fn number(backup: &Backup) -> usize {
        let uid = backup.metadata.uid.as_deref().unwrap();
        uid.trim_start_matches("uid-").parse().unwrap()
    }

    /// A deletion is of a uid. What a rule keeps now is never deleted.
    fn delete(&mut self, backup: &Backup, now: i64, kept: &BTreeSet<usize>) {
        let number = Self::number(backup);
        let name = &self.made[number].name;
        assert!(
            !kept.contains(&number),
            "{name} is kept, and was deleted at {}",
            at(now)
        );
        if let Some(backup) = self.left.remove(&number) {
            self.gone.push((now, number, backup));
        }
    }

    /// A pass of `retention` and one of `gc` for each backup, in any order; `lost` says which write its leader did not live to make.
    fn pass(&mut self, now: i64, lag: i64, is_usable: bool, gc_first: bool, lost: &mut dyn FnMut() -> bool) {
        self.begin_until(now);
        self.gone.retain(|(when, ..)| *when > now - LAG);
        let seen = kept(self.rules, &self.made[..self.begun], now - lag);
        self.seen_kept.extend(seen.into_iter().map(|number| (number, now)));
        let kept = kept(self.rules, &self.made[..self.begun], now);
        let turns = if gc_first { [true, false] } else { [false, true] };
        for is_gc in turns {
            let view = self.view(now, lag);
            if is_gc {
                self.expire(&view, now, &kept, lost);
                continue;
            }
            let steps = steps(self.rules, &view, &|_| is_usable, at(now));
            for (backup, until) in steps.prolong {
                if let Some(left) = self.left.get_mut(&Self::number(&backup)).filter(|_| !lost()) {
                    Arc::make_mut(left).status.expiration = Some(time(until));
                }
            }
            for (backup, _) in steps.end {
                if !lost() {
                    self.delete(&backup, now, &kept);
                }
            }
        }
    }

    fn expire(&mut self, view: &[Arc<Backup>], now: i64, kept: &BTreeSet<usize>, lost: &mut dyn FnMut() -> bool) {
        let is_due = |backup: &Backup| due(backup, End::of(backup), at(now)) == Due::Now;
        if !view.iter().any(|backup| is_due(backup)) {
            return;
        }
        for (backup, verdict) in plan(self.rules, view) {
            // `gc` reads a backup afresh before it deletes it.
            let Some(fresh) = self.left.get(&Self::number(&backup)) else {
                continue;
            };
            if is_due(&backup) && is_due(fresh) && !matches!(verdict, Verdict::Kept(_)) && !lost() {
                self.delete(&backup, now, kept);
            }
        }
    }

    /// What is left is what the rules keep, and what lives by its TTL.
    fn check(&self, now: i64) {
        let kept = kept(self.rules, &self.made[..self.begun], now);
        let completed =
            |(number, made): (usize, &Made)| (made.over <= now && made.counts == Some(true)).then_some(number);
        let newest = self.made.iter().enumerate().rev().find_map(completed);
        for (number, made) in self.made[..self.begun].iter().enumerate() {
            let has_newer = newest.is_some_and(|newest| newest > number);
            let is_left = self.left.contains_key(&number);
            let runs = made.over > now;
            let by_ttl = runs || made.counts.is_none() || !has_newer;
            let context = format!("{} at {}, kept: {kept:?}", made.name, at(now));
            if kept.contains(&number) || (by_ttl && made.started + made.ttl > now) {
                assert!(is_left, "gone: {context}");
            } else if !by_ttl {
                assert!(!is_left, "left though a newer one is kept: {context}");
            } else {
                let last = self.seen_kept.get(&number).copied();
                let until = last.map_or(made.started + made.ttl, |last| last + made.ttl.max(3600));
                assert!(!is_left || now < until, "left after its TTL: {context}");
            }
        }
    }
}

/// Leaders come late, are away for days, lag behind, find the location unavailable, and die before some of their writes. Each day that has a
/// leader ends with one pass of an undisturbed one.
#[test]
fn in_a_year_of_changing_leaders_what_is_left_is_what_the_rules_keep() {
    let from = "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap().as_second();
    let to = from + 365 * DAY;
    for (expression, ttl, rules) in [
        (
            "CRON_TZ=Europe/Berlin 30 2 * * *",
            10 * DAY,
            &[("last", "3"), ("daily", "7"), ("weekly", "4"), ("monthly", "6")][..],
        ),
        (
            "CRON_TZ=America/New_York 15 1,13 * * mon-fri",
            3 * DAY,
            &[("last-successful", "2"), ("weekly", "3"), ("yearly", "unlimited")],
        ),
        (
            "CRON_TZ=Australia/Lord_Howe 45 1,9,17 * * *",
            DAY / 2,
            &[("hourly", "5"), ("daily", "3")],
        ),
    ] {
        let annotations = rules
            .iter()
            .map(|(rule, count)| (format!("velero.io/keep-{rule}"), (*count).to_owned()));
        let rules = Rules::parse(&annotations.collect()).unwrap().unwrap();
        let made = history(expression, ttl, from, to);
        assert!(made.len() > 350);
        let mut ends = BTreeSet::new();
        for seed in [1, 2] {
            let (mut random, mut life) = (Random(seed), Life::new(&rules, &made));
            let mut away = 0;
            for day in 1..=365 {
                let (morning, evening) = (from + (day - 1) * DAY, from + day * DAY);
                if random.one_in(20) {
                    away = 1 + random.below(4);
                }
                away -= 1;
                if away >= 0 {
                    continue;
                }
                let mut passes = [0; 2].map(|_: i64| morning + 1 + random.below(DAY - 2));
                passes.sort_unstable();
                for now in passes {
                    let (lag, is_usable, gc_first) = (random.below(LAG), !random.one_in(5), random.one_in(2));
                    life.pass(now, lag, is_usable, gc_first, &mut || random.one_in(3));
                }
                life.pass(evening, 0, true, random.one_in(2), &mut || false);
                life.check(evening);
            }
            // All are over, and the TTL of the Failed ones as well.
            let after = later(at(to), Duration::from_hours(24 * 11)).as_second();
            life.pass(after, 0, true, false, &mut || false);
            let left: BTreeSet<usize> = life.left.keys().copied().collect();
            assert_eq!(left, kept(&rules, &made, after), "{expression}");
            ends.insert(left);
        }
        assert_eq!(ends.len(), 1, "the end depends on the order: {expression}");
    }
}
