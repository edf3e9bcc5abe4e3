//! The table of backup storage locations.

use super::{Columns, name};
use crate::api::v1::{AccessMode, BackupStorageLocation};
use crate::cli::output::View;

impl Columns for BackupStorageLocation {
    const HEADERS: &'static [&'static str] = &[
        "Name",
        "Provider",
        "Bucket/Prefix",
        "Phase",
        "Last Validated",
        "Access Mode",
        "Default",
    ];

    fn cells(&self, view: &View) -> Vec<String> {
        let bucket = self.spec.object_storage.as_ref().map(|storage| {
            if storage.prefix.is_empty() {
                storage.bucket.clone()
            } else {
                format!("{}/{}", storage.bucket, storage.prefix)
            }
        });
        vec![
            name(self),
            self.spec.provider.clone(),
            bucket.unwrap_or_default(),
            self.status
                .phase
                .as_ref()
                .map_or_else(|| "Unknown".to_owned(), ToString::to_string),
            self.status
                .last_validation_time
                .as_ref()
                .map_or_else(|| "Unknown".to_owned(), |time| view.time(time)),
            self.spec
                .access_mode
                .as_ref()
                .unwrap_or(&AccessMode::ReadWrite)
                .to_string(),
            if self.spec.default {
                "true".to_owned()
            } else {
                String::new()
            },
        ]
    }
}
