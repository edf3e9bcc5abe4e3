//! The table of backups.

use std::cmp::Reverse;

use jiff::{SignedDuration, Timestamp};

use super::{Columns, name};
use crate::api::v1::Backup;
use crate::cli::output::{View, age, selector};

impl Columns for Backup {
    const HEADERS: &'static [&'static str] = &[
        "Name",
        "Status",
        "Errors",
        "Warnings",
        "Created",
        "Expires",
        "Storage Location",
        "Queue Position",
        "Selector",
    ];

    fn cells(&self, view: &View) -> Vec<String> {
        let status = &self.status;
        let phase = if self.metadata.deletion_timestamp.is_some() {
            "Deleting"
        } else {
            status.phase().as_str()
        };
        let position = status.queue_position;
        vec![
            name(self),
            phase.to_owned(),
            status.errors.to_string(),
            status.warnings.to_string(),
            view.time_or_nil(status.start_timestamp.as_ref()),
            age::from_now(expiration(self), view.now),
            self.spec.storage_location.clone(),
            if position == 0 {
                String::new()
            } else {
                position.to_string()
            },
            selector::text(self.spec.label_selector.as_ref()),
        ]
    }

    /// By name. Backups of one schedule, whose names differ only in the time at the end, newest first.
    fn sort(list: &mut [Self]) {
        list.sort_by_cached_key(|backup| {
            let name = name(backup);
            match timestamp_suffix(&name) {
                Some((stem, digits)) => (stem.to_owned(), Reverse(digits.to_owned())),
                None => (name, Reverse(String::new())),
            }
        });
    }
}

/// The expiration of the status. A backup that was not prepared yet expires its TTL after its creation.
fn expiration(backup: &Backup) -> Option<Timestamp> {
    let set = backup.status.expiration.as_ref().map(|time| time.0);
    set.or_else(|| {
        let ttl = SignedDuration::try_from(backup.spec.ttl.positive()?).ok()?;
        backup.metadata.creation_timestamp.as_ref()?.0.checked_add(ttl).ok()
    })
}

/// `daily-` and `20261123010000` of `daily-20261123010000`.
fn timestamp_suffix(name: &str) -> Option<(&str, &str)> {
    let (stem, digits) = name.split_at_checked(name.len().checked_sub(14)?)?;
    (stem.ends_with('-') && digits.bytes().all(|b| b.is_ascii_digit())).then_some((stem, digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backups_of_a_schedule_are_sorted_newest_first() {
        let names = [
            "b",
            "daily-20261122010000",
            "daily-20261123010000",
            "a",
            "daily",
            "daily-2026",
        ];
        let mut list: Vec<Backup> = names.iter().map(|name| Backup::new("velero", *name)).collect();
        Backup::sort(&mut list);
        let names: Vec<String> = list.iter().map(name).collect();
        assert_eq!(
            names,
            [
                "a",
                "b",
                "daily",
                "daily-20261123010000",
                "daily-20261122010000",
                "daily-2026"
            ]
        );
    }
}
