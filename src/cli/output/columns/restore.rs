//! The table of restores.

use super::{Columns, name};
use crate::api::v1::Restore;
use crate::cli::output::{View, selector};

impl Columns for Restore {
    const HEADERS: &'static [&'static str] = &[
        "Name",
        "Backup",
        "Status",
        "Started",
        "Completed",
        "Errors",
        "Warnings",
        "Created",
        "Selector",
    ];

    fn cells(&self, view: &View) -> Vec<String> {
        let status = &self.status;
        vec![
            name(self),
            self.spec.backup_name.clone(),
            status.phase().to_string(),
            view.time_or_nil(status.start_timestamp.as_ref()),
            view.time_or_nil(status.completion_timestamp.as_ref()),
            status.errors.to_string(),
            status.warnings.to_string(),
            view.time_or_nil(self.metadata.creation_timestamp.as_ref()),
            selector::text(self.spec.label_selector.as_ref()),
        ]
    }
}
