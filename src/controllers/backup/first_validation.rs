//! A backup that begins before its location was validated: pure.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::prepare::default_location;
use crate::api::v1::{Backup, BackupStorageLocation};
use crate::controllers::context::Settings;
use crate::runtime::clock::later;

/// How long a backup waits for the first validation of its location.
const FIRST_VALIDATION: Duration = Duration::from_mins(5);

/// Until when a backup waits for the first validation of its location; `None` where it need not. Upstream refuses it (spec api 15 row 14).
pub(super) fn waits_until(
    seen: &Backup,
    settings: &Settings,
    locations: &[Arc<BackupStorageLocation>],
) -> Option<Timestamp> {
    let name = match seen.spec.storage_location.as_str() {
        "" => default_location(settings, locations),
        named => named.to_owned(),
    };
    let location = locations.iter().find(|l| l.metadata.name.as_ref() == Some(&name))?;
    let created = seen.metadata.creation_timestamp.as_ref()?.0;
    let is_new = location.status.phase.is_none() && location.status.last_validation_time.is_none();
    (is_new && !location.is_read_only()).then(|| later(created, FIRST_VALIDATION))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::time;
    use crate::controllers::testing::settings;

    #[test]
    fn a_backup_waits_for_the_first_validation_of_its_location_for_a_while() {
        let created = |name: &str, phase: Option<&str>| {
            let mut location = BackupStorageLocation::new("velero", name);
            location.status.phase = phase.map(Into::into);
            location
        };
        let mut read_only = created("read-only", None);
        read_only.spec.access_mode = Some(crate::api::v1::AccessMode::ReadOnly);
        let mut locations = vec![created("new", None), created("good", Some("Available")), read_only];
        locations.push(created("bad", Some("Unavailable")));
        locations[0].spec.default = true;
        let locations: Vec<_> = locations.into_iter().map(Arc::new).collect();
        for (named, waits) in [
            ("new", true),
            ("", true),
            ("good", false),
            ("bad", false),
            ("read-only", false),
            ("missing", false),
        ] {
            let mut backup = Backup::new("velero", "b");
            backup.metadata.creation_timestamp = Some(time(Timestamp::UNIX_EPOCH));
            backup.spec.storage_location = named.to_owned();
            let until = waits_until(&backup, &settings(), &locations);
            let expected = waits.then(|| later(Timestamp::UNIX_EPOCH, FIRST_VALIDATION));
            assert_eq!(until, expected, "{named}");
        }
    }
}
