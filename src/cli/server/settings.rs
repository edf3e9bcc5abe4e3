//! From flags to the settings of the controllers.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::api::constants::FEATURE_API_GROUP_VERSIONS;
use crate::controllers::context::Settings;
use crate::controllers::schedule::cron::zone;
use crate::restore::request::RestoreOptions;

use super::flags::ServerArgs;
use super::scratch;

/// The settings of a server with these flags, in a cluster of this version: text, major, minor.
pub(super) fn settings(
    args: &ServerArgs,
    features: &BTreeSet<String>,
    kubernetes: (String, String, String),
    runs_backups: bool,
) -> Settings {
    let minute = Duration::from_mins(1);
    Settings {
        default_location: args.default_backup_storage_location.clone(),
        default_ttl: args.default_backup_ttl,
        item_operation_timeout: args.default_item_operation_timeout,
        resource_timeout: args.resource_timeout,
        terminating_timeout: args.terminating_resource_timeout,
        validation_frequency: args.store_validation_frequency,
        sync_period: or_default(args.backup_sync_period, minute),
        gc_frequency: or_default(args.garbage_collection_frequency, Duration::from_hours(1)),
        item_operation_frequency: or_default(args.item_operation_sync_frequency, Duration::from_secs(10)),
        skip_immediately: args.schedule_skip_immediately,
        zone: zone::local(std::env::var("TZ").ok().as_deref()),
        volume_group_label: args.volume_group_snapshot_label_key.clone(),
        default_volumes_to_fs_backup: args.default_volumes_to_fs_backup,
        default_snapshot_move_data: args.default_snapshot_move_data,
        concurrent_backups: args.concurrent_backups.max(1),
        every_version: features.contains(FEATURE_API_GROUP_VERSIONS),
        item_block_workers: args.item_block_worker_count.max(1),
        restore: RestoreOptions {
            priorities: args.restore_resource_priorities.clone(),
            resource_timeout: args.resource_timeout,
            terminating_timeout: args.terminating_resource_timeout,
            managed_fields: args.restore_managed_fields,
            ..RestoreOptions::default()
        },
        restore_spool_limit: args
            .restore_spool_limit
            .unwrap_or_else(|| scratch::spool_limit(&args.scratch_dir)),
        log_level: args.log_level,
        log_format: args.log_format,
        kubernetes,
        runs_backups,
    }
}

/// A period as upstream reads its flag: zero, which negative values are too, is the default.
fn or_default(given: Duration, default: Duration) -> Duration {
    if given.is_zero() { default } else { given }
}
