//! Ages and remaining times as kubectl prints them.

use jiff::{SignedDuration, Timestamp};

/// The time between `when` and `now`: `29d` in the future, `3d ago` in the past, `n/a` if unknown.
pub fn from_now(when: Option<Timestamp>, now: Timestamp) -> String {
    match when {
        None => "n/a".to_owned(),
        Some(when) if when >= now => short(when.duration_since(now)),
        Some(when) => format!("{} ago", short(now.duration_since(when))),
    }
}

/// A duration in its largest whole unit, rounded down. As in kubectl, a negative duration of one second is `0s`, because clocks of
/// two machines differ.
pub fn short(length: SignedDuration) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    const YEAR: i64 = 365 * DAY;
    match length.as_secs() {
        ..-1 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        seconds @ ..MINUTE => format!("{seconds}s"),
        seconds @ ..HOUR => format!("{}m", seconds / MINUTE),
        seconds @ ..DAY => format!("{}h", seconds / HOUR),
        seconds @ ..YEAR => format!("{}d", seconds / DAY),
        seconds => format!("{}y", seconds / YEAR),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_rounded_down_to_its_largest_unit() {
        let cases = [
            (-5, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3599, "59m"),
            (3600, "1h"),
            (86_399, "23h"),
            (86_400, "1d"),
            (30 * 86_400 - 1, "29d"),
            (365 * 86_400, "1y"),
        ];
        for (seconds, want) in cases {
            assert_eq!(short(SignedDuration::from_secs(seconds)), want, "{seconds}");
        }
    }

    #[test]
    fn past_and_unknown_times_are_marked() {
        let now: Timestamp = "2026-11-23T19:22:17Z".parse().unwrap();
        assert_eq!(from_now(None, now), "n/a");
        assert_eq!(from_now(Some(now - SignedDuration::from_hours(73)), now), "3d ago");
        assert_eq!(from_now(Some(now + SignedDuration::from_hours(5)), now), "5h");
    }
}
