//! What tests of the controllers' decisions begin from.

pub(super) mod store;
pub(super) mod world;

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::api::v1::{BackupStorageLocation, LocationPhase};
use crate::restore::request::RestoreOptions;
use crate::telemetry::logrus::{Format, Level};

use crate::controllers::context::Settings;

/// The flags' defaults.
pub(super) fn settings() -> Settings {
    Settings {
        default_location: "default".to_owned(),
        default_ttl: Duration::from_hours(720),
        item_operation_timeout: Duration::from_hours(4),
        resource_timeout: Duration::from_mins(10),
        terminating_timeout: Duration::from_mins(10),
        validation_frequency: Duration::from_mins(1),
        sync_period: Duration::from_mins(1),
        gc_frequency: Duration::from_hours(1),
        item_operation_frequency: Duration::from_secs(10),
        skip_immediately: false,
        zone: TimeZone::UTC,
        volume_group_label: "velero.io/volume-group".to_owned(),
        default_volumes_to_fs_backup: false,
        default_snapshot_move_data: false,
        concurrent_backups: 1,
        every_version: false,
        item_block_workers: 1,
        restore: RestoreOptions::default(),
        restore_spool_limit: u64::MAX,
        log_level: Level::Info,
        log_format: Format::Text,
        kubernetes: ("v1.35.4".to_owned(), "1".to_owned(), "35".to_owned()),
        runs_backups: true,
    }
}

/// A location that can be used.
pub(super) fn available(name: &str) -> Arc<BackupStorageLocation> {
    let mut location = BackupStorageLocation::new("velero", name);
    location.status.phase = Some(LocationPhase::Available);
    Arc::new(location)
}
