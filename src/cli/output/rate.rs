//! How fast a run processes its items and when it may finish, from its status and the clock of this machine.

use std::fmt::{self, Display};

use jiff::{SignedDuration, Timestamp};

use crate::api::Time;
use crate::api::condition::{self, ConditionStatus};
use crate::api::v1::{Backup, BackupPhase, Restore, RestorePhase};

/// A run prepares in its first seconds: the rate of that time says nothing about the rest.
const PREPARATION: SignedDuration = SignedDuration::from_secs(5);

/// One of so many parts has to be done before the remaining time is estimated.
const PARTS: i64 = 100;

/// The items of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ItemCount {
    /// Items that are done.
    pub done: i64,
    /// All items, as far as is known.
    pub total: i64,
}

/// The speed of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Items a second since the run started.
    pub per_second: f64,
    /// Seconds until the run may finish, where there is an estimate.
    pub seconds_left: Option<i64>,
}

/// The progress of a backup or a restore, from its status.
pub trait RunProgress {
    /// Its items, once they are counted.
    fn count(&self) -> Option<ItemCount>;

    /// When it started.
    fn started_at(&self) -> Option<&Time>;

    /// Whether its phase is `InProgress`.
    fn in_progress(&self) -> bool;

    /// The message of its condition `Blocked`, while that is true.
    fn blocked_by(&self) -> Option<&str>;

    /// Its rate while it is in progress, once enough is done. A blocked run has no estimate: how long it stays blocked is not
    /// known.
    fn rate(&self, now: Timestamp) -> Option<Rate> {
        let rate = estimate(self.started_at()?.0, self.count()?, now).filter(|_| self.in_progress())?;
        let seconds_left = rate.seconds_left.filter(|_| self.blocked_by().is_none());
        Some(Rate { seconds_left, ..rate })
    }
}

impl RunProgress for Backup {
    fn count(&self) -> Option<ItemCount> {
        self.status.progress.as_ref().map(|progress| ItemCount {
            done: progress.items_backed_up,
            total: progress.total_items,
        })
    }

    fn started_at(&self) -> Option<&Time> {
        self.status.start_timestamp.as_ref()
    }

    fn in_progress(&self) -> bool {
        *self.status.phase() == BackupPhase::InProgress
    }

    fn blocked_by(&self) -> Option<&str> {
        None
    }
}

impl RunProgress for Restore {
    fn count(&self) -> Option<ItemCount> {
        self.status.progress.as_ref().map(|progress| ItemCount {
            done: progress.items_restored,
            total: progress.total_items,
        })
    }

    fn started_at(&self) -> Option<&Time> {
        self.status.start_timestamp.as_ref()
    }

    fn in_progress(&self) -> bool {
        *self.status.phase() == RestorePhase::InProgress
    }

    fn blocked_by(&self) -> Option<&str> {
        condition::find(&self.status.conditions, "Blocked")
            .filter(|blocked| blocked.status == ConditionStatus::True)
            .map(|blocked| blocked.message.as_str())
    }
}

/// Where the clock of this machine is behind the server's, the first seconds last longer.
fn estimate(started: Timestamp, count: ItemCount, now: Timestamp) -> Option<Rate> {
    let ItemCount { done, total } = count;
    let since = now.duration_since(started);
    if since < PREPARATION || done <= 0 {
        return None;
    }
    let left = || {
        let millis = (i128::from(total) - i128::from(done)) * since.as_millis() / i128::from(done);
        i64::try_from((millis + 999) / 1000).ok()
    };
    // A total that is reached while the run goes on is about to grow.
    let has_estimate = total > done && done.saturating_mul(PARTS) >= total;
    Some(Rate {
        per_second: per_second(done, since),
        seconds_left: has_estimate.then(left).flatten(),
    })
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people; items are far below 2^53")]
fn per_second(done: i64, since: SignedDuration) -> f64 {
    done as f64 / since.as_secs_f64()
}

impl Rate {
    /// Items a second, rounded to one decimal place.
    pub fn rounded(&self) -> f64 {
        (self.per_second * 10.0).round() / 10.0
    }
}

/// `1100 items/s, about 45s left`.
impl Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = usize::from(self.per_second < 10.0);
        write!(f, "{:.digits$} items/s", self.per_second)?;
        match self.seconds_left {
            Some(left) => write!(f, ", about {} left", about(left)),
            None => Ok(()),
        }
    }
}

/// A length of time, rounded to minutes from ten minutes on.
fn about(seconds: i64) -> String {
    let minutes = (seconds + 30) / 60;
    let with = |big: i64, unit: &str, small: i64, part: &str| {
        if small == 0 {
            format!("{big}{unit}")
        } else {
            format!("{big}{unit}{small}{part}")
        }
    };
    match seconds {
        ..60 => format!("{seconds}s"),
        60..600 => with(seconds / 60, "m", seconds % 60, "s"),
        _ if minutes < 60 => format!("{minutes}m"),
        _ => with(minutes / 60, "h", minutes % 60, "m"),
    }
}

/// `12,345 of 30,000 items`.
impl Display for ItemCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} items", grouped(self.done), grouped(self.total))
    }
}

fn grouped(number: i64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn after(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    fn shown(done: i64, total: i64, seconds: i64) -> Option<String> {
        estimate(Timestamp::UNIX_EPOCH, ItemCount { done, total }, after(seconds)).map(|rate| rate.to_string())
    }

    #[test]
    fn rate_and_estimate_need_enough_finished_items() {
        let cases = [
            // The first seconds, and a clock that is behind.
            (1_000, 30_000, 0, None),
            (4_000, 30_000, 4, None),
            (4_000, 30_000, -60, None),
            // Nothing is counted or done.
            (0, 0, 60, None),
            (0, 30_000, 60, None),
            // Too little of the whole is done.
            (99, 10_000, 10, Some("9.9 items/s")),
            (100, 10_000, 10, Some("10 items/s, about 17m left")),
            // The total is behind what is done.
            (500, 0, 10, Some("50 items/s")),
            (500, 500, 10, Some("50 items/s")),
            // The usual case.
            (11_000, 60_500, 10, Some("1100 items/s, about 45s left")),
            (299_999, 300_000, 3_600, Some("83 items/s, about 1s left")),
            (3, 4, 60, Some("0.1 items/s, about 20s left")),
            (
                i64::MAX / 2,
                i64::MAX,
                10,
                Some("461168601842738816 items/s, about 10s left"),
            ),
        ];
        for (done, total, seconds, want) in cases {
            assert_eq!(
                shown(done, total, seconds).as_deref(),
                want,
                "{done} of {total} after {seconds} s"
            );
        }
    }

    #[test]
    fn only_a_run_in_progress_has_a_rate_and_a_blocked_one_no_estimate() {
        let restore = |phase: &str, blocked: &str| -> Restore {
            serde_json::from_value(json!({
                "apiVersion": "velero.io/v1", "kind": "Restore", "metadata": {"name": "r"}, "spec": {},
                "status": {
                    "phase": phase, "startTimestamp": "1970-01-01T00:00:00Z",
                    "progress": {"totalItems": 200, "itemsRestored": 100},
                    "conditions": [{"type": "Blocked", "status": blocked, "reason": "Quota", "message": "a quota is used up",
                        "lastTransitionTime": "1970-01-01T00:00:00Z"}],
                },
            }))
            .unwrap()
        };
        for (phase, blocked, want) in [
            ("InProgress", "False", Some("10 items/s, about 10s left")),
            ("InProgress", "True", Some("10 items/s")),
            ("New", "False", None),
            ("Finalizing", "False", None),
            ("Completed", "False", None),
        ] {
            let rate = restore(phase, blocked).rate(after(10)).map(|rate| rate.to_string());
            assert_eq!(rate.as_deref(), want, "{phase} {blocked}");
        }
    }

    #[test]
    fn long_times_are_rounded_to_minutes() {
        for (seconds, want) in [
            (1, "1s"),
            (59, "59s"),
            (60, "1m"),
            (150, "2m30s"),
            (599, "9m59s"),
            (600, "10m"),
            (629, "10m"),
            (630, "11m"),
            (3_569, "59m"),
            (3_570, "1h"),
            (7_500, "2h5m"),
        ] {
            assert_eq!(about(seconds), want, "{seconds}");
        }
    }

    #[test]
    fn digits_are_grouped_by_thousands() {
        for (number, want) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (12_345, "12,345"),
            (1_234_567, "1,234,567"),
            (-123, "-123"),
            (-1_234, "-1,234"),
        ] {
            assert_eq!(grouped(number), want);
        }
    }
}
