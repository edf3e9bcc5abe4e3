//! The due times of a schedule ("ticks"), and how late each begins: pure.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::cron::Expression;
use crate::api::names::sha256_hex;

/// Missed ticks are counted up to here: a schedule of minutes whose server was away for a year has half a million.
const COUNTED: usize = 100;

/// A due time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tick {
    /// What the expression says. The name of the Backup has this time.
    pub(super) due: Timestamp,
    /// When the backup is to begin: later with jitter.
    pub(super) begins: Timestamp,
}

/// The latest tick that has passed, and those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passed {
    pub(super) tick: Tick,
    /// The ticks that were missed, at most [`COUNTED`].
    pub(super) missed: usize,
    /// The first of all.
    pub(super) first: Timestamp,
}

/// How far the backups of a schedule begin after their ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Jitter {
    seconds: u64,
    hash: u64,
}

impl Jitter {
    /// An offset below `most` that is always the same for this uid.
    pub(super) fn new(most: Duration, uid: &str) -> Self {
        let hash = u64::from_str_radix(&sha256_hex(uid)[..16], 16).unwrap_or_default();
        Self {
            seconds: most.as_secs(),
            hash,
        }
    }

    /// The offset of a tick whose next one is so many seconds later: it begins before that.
    fn offset(self, interval: u64) -> SignedDuration {
        let seconds = self.hash.checked_rem(self.seconds.min(interval)).unwrap_or_default();
        SignedDuration::from_secs(i64::try_from(seconds).unwrap_or_default())
    }
}

/// The ticks of an expression.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticks<'a> {
    pub(super) expression: &'a Expression,
    /// The zone of an expression that names none.
    pub(super) zone: &'a TimeZone,
    pub(super) jitter: Jitter,
}

impl Ticks<'_> {
    /// The first tick after a time.
    pub(super) fn after(&self, base: Timestamp) -> Option<Tick> {
        self.next(base).map(|due| self.tick(due))
    }

    /// The latest tick after `base` whose backup was to begin by now.
    pub(super) fn passed(&self, base: Timestamp, now: Timestamp) -> Option<Passed> {
        let first = self.next(base)?;
        let mut tick = self.tick(self.latest(base, now)?);
        if tick.begins > now {
            // The one before it began before this one was due.
            let before = tick.due.checked_sub(SignedDuration::from_secs(1)).ok()?;
            tick = self.tick(self.latest(base, before)?);
        }
        let missed = self.count(first, tick.due);
        Some(Passed { tick, missed, first })
    }

    /// The time between the next two ticks.
    pub(super) fn interval(&self, now: Timestamp) -> Option<Duration> {
        let next = self.next(now)?;
        let second = self.next(next)?;
        Duration::try_from(second.duration_since(next)).ok()
    }

    fn next(&self, after: Timestamp) -> Option<Timestamp> {
        self.expression.next(after, self.zone)
    }

    fn tick(&self, due: Timestamp) -> Tick {
        let interval = self.next(due).map_or(0, |next| next.duration_since(due).as_secs());
        let offset = self.jitter.offset(interval.unsigned_abs());
        Tick {
            due,
            begins: due.checked_add(offset).unwrap_or(due),
        }
    }

    /// The last tick of those after `base` up to `end`.
    fn latest(&self, base: Timestamp, end: Timestamp) -> Option<Timestamp> {
        let first = self.next(base).filter(|first| *first <= end)?;
        if let Some(seconds) = self.expression.every() {
            let more = end.duration_since(first).as_secs() / seconds;
            return first.checked_add(SignedDuration::from_secs(more * seconds)).ok();
        }
        // The last second with a tick after it and up to the end.
        let (mut low, mut high) = (first.as_second(), end.as_second());
        let mut latest = first;
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let next = Timestamp::from_second(middle).ok().and_then(|middle| self.next(middle));
            match next.filter(|next| *next <= end) {
                Some(next) => (low, latest) = (middle, latest.max(next)),
                None => high = middle,
            }
        }
        while let Some(next) = self.next(latest).filter(|next| *next <= end) {
            latest = next;
        }
        Some(latest)
    }

    /// How many ticks there are from `first` on before `end`.
    fn count(&self, first: Timestamp, end: Timestamp) -> usize {
        let ticks = std::iter::successors(Some(first), |tick| self.next(*tick));
        ticks.take_while(|tick| *tick < end).take(COUNTED).count()
    }
}

/// A number of ticks for users.
pub(super) fn times(count: usize) -> String {
    match count {
        1 => "1 due time".to_owned(),
        COUNTED => format!("{COUNTED} or more due times"),
        count => format!("{count} due times"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn passed(expression: &str, jitter: Jitter, base: &str, now: &str) -> Option<(String, String, usize)> {
        let expression = Expression::parse(expression).unwrap();
        let ticks = Ticks {
            expression: &expression,
            zone: &TimeZone::UTC,
            jitter,
        };
        let passed = ticks.passed(at(base), at(now))?;
        Some((
            passed.tick.due.to_string(),
            passed.tick.begins.to_string(),
            passed.missed,
        ))
    }

    #[test]
    fn of_all_missed_ticks_the_latest_counts() {
        for (expression, base, now, expected) in [
            ("0 1 * * *", "2026-01-01T01:00:00Z", "2026-01-02T00:59:59Z", None),
            (
                "0 1 * * *",
                "2026-01-01T01:00:00Z",
                "2026-01-02T01:00:00Z",
                Some(("2026-01-02T01:00:00Z", 0)),
            ),
            (
                "0 1 * * *",
                "2026-01-01T01:00:00Z",
                "2026-01-05T12:00:00Z",
                Some(("2026-01-05T01:00:00Z", 3)),
            ),
            (
                "* * * * *",
                "2020-01-01T00:00:00Z",
                "2026-01-05T12:00:30Z",
                Some(("2026-01-05T12:00:00Z", 100)),
            ),
            (
                "0 0 29 2 *",
                "2001-01-01T00:00:00Z",
                "2026-01-05T12:00:00Z",
                Some(("2024-02-29T00:00:00Z", 5)),
            ),
            (
                "* * * 1 *",
                "2025-01-31T23:58:00Z",
                "2025-12-31T00:00:00Z",
                Some(("2025-01-31T23:59:00Z", 0)),
            ),
            ("@every 2h", "2026-01-01T00:30:00Z", "2026-01-01T02:29:59Z", None),
            (
                "@every 2h",
                "2026-01-01T00:30:00Z",
                "2026-01-01T09:00:00Z",
                Some(("2026-01-01T08:30:00Z", 3)),
            ),
        ] {
            let found = passed(expression, Jitter::default(), base, now);
            let found = found.as_ref().map(|(due, _, missed)| (&**due, *missed));
            assert_eq!(found, expected, "{expression} after {base} at {now}");
        }
    }

    #[test]
    fn a_backup_begins_later_with_jitter_and_before_the_next_tick() {
        let jitter = |seconds, hash| Jitter { seconds, hash };
        for (jitter, now, expected) in [
            (
                jitter(600, 120),
                "2026-01-01T10:01:59Z",
                Some(("2026-01-01T09:00:00Z", "2026-01-01T09:02:00Z", 0)),
            ),
            (
                jitter(600, 120),
                "2026-01-01T10:02:00Z",
                Some(("2026-01-01T10:00:00Z", "2026-01-01T10:02:00Z", 1)),
            ),
            // More than an hour of jitter is an hour.
            (
                jitter(86_400, 3_601),
                "2026-01-01T10:00:00Z",
                Some(("2026-01-01T09:00:00Z", "2026-01-01T09:00:01Z", 0)),
            ),
            (jitter(86_400, 3_599), "2026-01-01T09:59:58Z", None),
            (
                jitter(86_400, 3_599),
                "2026-01-01T09:59:59Z",
                Some(("2026-01-01T09:00:00Z", "2026-01-01T09:59:59Z", 0)),
            ),
        ] {
            let found = passed("0 * * * *", jitter, "2026-01-01T08:30:00Z", now);
            let found = found.as_ref().map(|(due, begins, missed)| (&**due, &**begins, *missed));
            assert_eq!(found, expected, "{jitter:?} at {now}");
        }
    }

    #[test]
    fn the_offset_of_a_uid_stays_and_offsets_spread() {
        let hour = Duration::from_hours(1);
        let offset = |uid: &str| Jitter::new(hour, uid).offset(86_400).as_secs();
        assert_eq!(offset("a"), offset("a"));
        let offsets: Vec<i64> = (0..100).map(|number| offset(&format!("uid-{number}"))).collect();
        assert!(offsets.iter().all(|offset| (0..3600).contains(offset)));
        for quarter in 0..4 {
            let within = offsets.iter().filter(|offset| **offset / 900 == quarter).count();
            assert!((10..45).contains(&within), "{within} of 100 in a quarter");
        }
        assert_eq!(Jitter::new(Duration::ZERO, "a").offset(60), SignedDuration::ZERO);
    }
}
