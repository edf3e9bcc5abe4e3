//! Time zones of the database that is part of the program.

use std::sync::LazyLock;

use jiff::tz::{TimeZone, TimeZoneDatabase};

static BUNDLED: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The zone of this name, written exactly so: Go's names have upper and lower case.
pub(super) fn named(name: &str) -> Option<TimeZone> {
    let zone = BUNDLED.get(name).ok()?;
    (zone.iana_name() == Some(name)).then_some(zone)
}

/// The zone of a process whose environment has this `TZ`, as Go's `time.Local`: UTC where it is empty or names no zone. Without one,
/// that of the machine, which in the image is UTC.
pub fn local(tz: Option<&str>) -> TimeZone {
    match tz {
        None => TimeZone::try_system().unwrap_or(TimeZone::UTC),
        Some(name) => named(name.strip_prefix(':').unwrap_or(name)).unwrap_or(TimeZone::UTC),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zone_of_the_server_is_that_of_its_environment() {
        for (tz, expected) in [
            ("Europe/Berlin", Some("Europe/Berlin")),
            (":Asia/Kolkata", Some("Asia/Kolkata")),
            ("", Some("UTC")),
            ("Nowhere/Land", Some("UTC")),
            ("europe/berlin", Some("UTC")),
        ] {
            assert_eq!(local(Some(tz)).iana_name(), expected, "{tz}");
        }
    }
}
