//! The table of schedules.

use super::{Columns, name};
use crate::api::v1::Schedule;
use crate::cli::output::{View, age, describe, selector};

impl Columns for Schedule {
    const HEADERS: &'static [&'static str] = &[
        "Name",
        "Status",
        "Created",
        "Schedule",
        "Backup TTL",
        "Last Backup",
        "Selector",
        "Paused",
    ];

    fn cells(&self, view: &View) -> Vec<String> {
        let (spec, status) = (&self.spec, &self.status);
        vec![
            name(self),
            status.phase().to_string(),
            view.time_or_nil(self.metadata.creation_timestamp.as_ref()),
            spec.schedule.clone(),
            describe::duration(&spec.template.ttl),
            age::from_now(status.last_backup.as_ref().map(|time| time.0), view.now),
            selector::text(spec.template.label_selector.as_ref()),
            spec.paused.to_string(),
        ]
    }
}
