//! The settings of the output besides the object: time, time zone, colours.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// The current time, the time zone and whether to print colours. Passed as data, so that output is a pure function.
#[derive(Clone, Debug)]
pub struct View {
    /// The current time.
    pub now: Timestamp,
    /// The time zone of printed times.
    pub zone: TimeZone,
    /// Whether to print terminal codes.
    pub colour: bool,
}

impl View {
    /// A time as Go prints it: `2006-01-02 15:04:05 -0700 MST`.
    pub fn time(&self, when: &Time) -> String {
        when.0
            .to_zoned(self.zone.clone())
            .strftime("%Y-%m-%d %H:%M:%S %z %Z")
            .to_string()
    }

    /// The same for a time that may be missing, printed as `<nil>`.
    pub fn time_or_nil(&self, when: Option<&Time>) -> String {
        when.map_or_else(|| "<nil>".to_owned(), |when| self.time(when))
    }

    /// `text` in bold.
    pub fn bold(&self, text: &str) -> String {
        self.code(text, "\u{1b}[1m", "\u{1b}[22m")
    }

    /// `text` in red.
    pub fn red(&self, text: &str) -> String {
        self.code(text, "\u{1b}[31m", "\u{1b}[0m")
    }

    /// `text` in green.
    pub fn green(&self, text: &str) -> String {
        self.code(text, "\u{1b}[32m", "\u{1b}[0m")
    }

    fn code(&self, text: &str, on: &str, off: &str) -> String {
        if self.colour {
            format!("{on}{text}{off}")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(zone: TimeZone) -> View {
        View {
            now: Timestamp::UNIX_EPOCH,
            zone,
            colour: false,
        }
    }

    #[test]
    fn times_are_printed_in_the_time_zone_of_the_view() {
        let when = Time("2026-11-23T19:22:17Z".parse().unwrap());
        assert_eq!(view(TimeZone::UTC).time(&when), "2026-11-23 19:22:17 +0000 UTC");
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        assert_eq!(view(berlin).time(&when), "2026-11-23 20:22:17 +0100 CET");
    }

    #[test]
    fn colours_are_printed_only_if_wanted() {
        let mut view = view(TimeZone::UTC);
        assert_eq!(view.red("Failed"), "Failed");
        view.colour = true;
        assert_eq!(view.red("Failed"), "\u{1b}[31mFailed\u{1b}[0m");
        assert_eq!(view.bold("x"), "\u{1b}[1mx\u{1b}[22m");
    }
}
