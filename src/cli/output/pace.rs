//! How fast a run goes and when it may be through, told from its status and the viewer's clock alone.

use std::fmt::{self, Display};

use jiff::{SignedDuration, Timestamp};

use crate::api::Time;
use crate::api::condition::{self, ConditionStatus};
use crate::api::v1::{Backup, BackupPhase, Restore, RestorePhase};

/// In its first seconds a run prepares; what it did in them tells nothing of the rest.
const PREPARES: SignedDuration = SignedDuration::from_secs(5);

/// One part of so many has to be done before the rest can be told from it.
const PARTS: i64 = 100;

/// The items of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Those that are done.
    pub done: i64,
    /// Those there are, as far as is known.
    pub total: i64,
}

/// How a run goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Items a second since it began.
    pub rate: f64,
    /// Seconds until it may be through, where that can be told.
    pub left: Option<i64>,
}

/// A backup or a restore, as seen from without.
pub trait Paced {
    /// Its items, once they are counted.
    fn count(&self) -> Option<Count>;

    /// When it began.
    fn began(&self) -> Option<&Time>;

    /// Whether items are worked on.
    fn in_progress(&self) -> bool;

    /// Why it stands still, if it does.
    fn standstill(&self) -> Option<&str>;

    /// How it goes; nothing before or after it is in progress, nor while there is nothing to tell it from.
    fn pace(&self, now: Timestamp) -> Option<Pace> {
        let pace = pace(self.began()?.0, self.count()?, now).filter(|_| self.in_progress())?;
        // Nobody knows how long that will last.
        let left = pace.left.filter(|_| self.standstill().is_none());
        Some(Pace { left, ..pace })
    }
}

impl Paced for Backup {
    fn count(&self) -> Option<Count> {
        self.status.progress.as_ref().map(|progress| Count {
            done: progress.items_backed_up,
            total: progress.total_items,
        })
    }

    fn began(&self) -> Option<&Time> {
        self.status.start_timestamp.as_ref()
    }

    fn in_progress(&self) -> bool {
        *self.status.phase() == BackupPhase::InProgress
    }

    fn standstill(&self) -> Option<&str> {
        None
    }
}

impl Paced for Restore {
    fn count(&self) -> Option<Count> {
        self.status.progress.as_ref().map(|progress| Count {
            done: progress.items_restored,
            total: progress.total_items,
        })
    }

    fn began(&self) -> Option<&Time> {
        self.status.start_timestamp.as_ref()
    }

    fn in_progress(&self) -> bool {
        *self.status.phase() == RestorePhase::InProgress
    }

    fn standstill(&self) -> Option<&str> {
        condition::find(&self.status.conditions, "Blocked")
            .filter(|blocked| blocked.status == ConditionStatus::True)
            .map(|blocked| blocked.message.as_str())
    }
}

/// A viewer's clock that is behind the server's only makes the first seconds longer.
fn pace(began: Timestamp, count: Count, now: Timestamp) -> Option<Pace> {
    let Count { done, total } = count;
    let since = now.duration_since(began);
    if since < PREPARES || done <= 0 {
        return None;
    }
    let left = || {
        let millis = (i128::from(total) - i128::from(done)) * since.as_millis() / i128::from(done);
        i64::try_from((millis + 999) / 1000).ok()
    };
    // A total that is reached while the run goes on is about to grow.
    let told = total > done && done.saturating_mul(PARTS) >= total;
    Some(Pace {
        rate: rate(done, since),
        left: told.then(left).flatten(),
    })
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people; items are far below 2^53")]
fn rate(done: i64, since: SignedDuration) -> f64 {
    done as f64 / since.as_secs_f64()
}

impl Pace {
    /// The rate to one digit behind the point, for programs.
    pub fn rounded(&self) -> f64 {
        (self.rate * 10.0).round() / 10.0
    }
}

/// `1100 items/s, about 45s left`.
impl Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = usize::from(self.rate < 10.0);
        write!(f, "{:.digits$} items/s", self.rate)?;
        match self.left {
            Some(left) => write!(f, ", about {} left", about(left)),
            None => Ok(()),
        }
    }
}

/// A length of time, the rougher the longer.
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
impl Display for Count {
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
        pace(Timestamp::UNIX_EPOCH, Count { done, total }, after(seconds)).map(|pace| pace.to_string())
    }

    #[test]
    fn rate_and_estimate_are_told_only_where_there_is_something_to_tell_them_from() {
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
            // As it should be.
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
    fn only_a_run_in_progress_has_a_pace_and_one_that_stands_still_no_estimate() {
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
            let pace = restore(phase, blocked).pace(after(10)).map(|pace| pace.to_string());
            assert_eq!(pace.as_deref(), want, "{phase} {blocked}");
        }
    }

    #[test]
    fn a_length_of_time_is_the_rougher_the_longer() {
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
    fn thousands_are_set_apart() {
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
