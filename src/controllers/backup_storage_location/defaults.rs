//! Which location is the default: pure.

use std::sync::Arc;

use crate::api::v1::BackupStorageLocation;

/// Of several defaults the one that stays.
pub(super) fn newest_default(all: &[Arc<BackupStorageLocation>]) -> Option<Arc<BackupStorageLocation>> {
    let age = |l: &BackupStorageLocation| {
        let created = l.metadata.creation_timestamp.as_ref().map(|t| t.0);
        (created, l.metadata.name.clone())
    };
    let defaults = all.iter().filter(|l| l.spec.default);
    defaults.max_by_key(|l| age(l)).cloned()
}

/// Whether a location is to be the default: of several the one created last stays (the name decides between equals); where
/// there is none, the one that the flag names becomes it.
pub(super) fn wants_default(seen: &BackupStorageLocation, all: &[Arc<BackupStorageLocation>], by_flag: &str) -> bool {
    match newest_default(all) {
        Some(newest) => newest.metadata.name == seen.metadata.name,
        None => !by_flag.is_empty() && seen.metadata.name.as_deref() == Some(by_flag),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::api::time;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn location(name: &str, created: i64, default: bool) -> BackupStorageLocation {
        let mut location = BackupStorageLocation::new("velero", name);
        location.metadata.creation_timestamp = Some(time(at(created)));
        location.spec.default = default;
        location
    }

    #[test]
    fn of_several_defaults_the_newest_stays_and_without_one_the_flag_decides() {
        let all = |defaults: [bool; 2]| {
            vec![
                Arc::new(location("a", 1, defaults[0])),
                Arc::new(location("b", 2, defaults[1])),
            ]
        };
        for (defaults, flag, expected) in [
            ([true, true], "a", [false, true]),
            ([true, false], "b", [true, false]),
            ([false, false], "a", [true, false]),
            ([false, false], "", [false, false]),
            ([false, false], "c", [false, false]),
        ] {
            let all = all(defaults);
            let got = [wants_default(&all[0], &all, flag), wants_default(&all[1], &all, flag)];
            assert_eq!(got, expected, "{defaults:?} {flag}");
        }
    }
}
