//! Which schedule a backup is of.

use crate::api::labels;
use crate::api::v1::Backup;

/// The name of its schedule, for the label of metrics; empty without one.
pub(super) fn schedule_of(backup: &Backup) -> &str {
    backup
        .metadata
        .labels
        .as_ref()
        .and_then(|l| l.get(labels::SCHEDULE_NAME))
        .map_or("", String::as_str)
}
