//! What every controller works with: the cluster, the time, the settings, and the writer of our own objects.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::backup::actions::BackupItemAction;
use crate::cluster::Cluster;
use crate::hook::Executor;
use crate::restore::actions::RestoreItemAction;
use crate::restore::request::RestoreOptions;
use crate::runtime::clock::Clock;
use crate::runtime::lease::WriteGate;
use crate::runtime::report::EventRecorder;
use crate::telemetry::logrus::{Format, Level};
use crate::telemetry::velero::VeleroMetrics;

use super::freeze::FreezeLocks;
use super::run::cancel::Cancels;
use super::write::ObjectWriter;

/// What the controllers share. Cheap to clone behind its `Arc`.
pub struct Context {
    /// The API server, with retries of transient errors.
    pub cluster: Cluster,
    /// The API server without a retry layer: the engines answer its throttling themselves (decision 9).
    pub engine: Cluster,
    /// Runs commands in pods.
    pub exec: Arc<dyn Executor>,
    /// Which runs' freezes are being thawed in this process.
    pub freezes: FreezeLocks,
    /// Which runs are being cancelled in this process.
    pub cancels: Cancels,
    /// Open while this process leads; every write goes through it.
    pub gate: WriteGate,
    /// Writes objects of our kinds.
    pub writer: ObjectWriter,
    /// Publishes events.
    pub events: EventRecorder,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// The namespace Velero lives in.
    pub namespace: String,
    /// A local directory for what a run spools.
    pub scratch: PathBuf,
    /// The item actions besides the built-in ones.
    pub actions: ItemActions,
    /// Velero's own metrics.
    pub metrics: VeleroMetrics,
    /// The flags.
    pub settings: Settings,
}

/// Item actions besides the built-in ones, in their order. Runs execute them; they are asked for the progress of the operations that they
/// have started. Built-in actions start none.
#[derive(Clone, Default)]
pub struct ItemActions {
    /// Of backups.
    pub backup: Vec<Arc<dyn BackupItemAction>>,
    /// Of restores.
    pub restore: Vec<Arc<dyn RestoreItemAction>>,
}

/// The server's flags as the controllers need them (spec server-cli 2.1).
#[derive(Clone, Debug)]
pub struct Settings {
    /// `--default-backup-storage-location`.
    pub default_location: String,
    /// `--default-backup-ttl`.
    pub default_ttl: Duration,
    /// `--default-item-operation-timeout`.
    pub item_operation_timeout: Duration,
    /// `--resource-timeout`.
    pub resource_timeout: Duration,
    /// `--terminating-resource-timeout`.
    pub terminating_timeout: Duration,
    /// `--store-validation-frequency`; zero validates once.
    pub validation_frequency: Duration,
    /// `--backup-sync-period`.
    pub sync_period: Duration,
    /// `--garbage-collection-frequency`: the longest time between two looks at whether a backup has expired.
    pub gc_frequency: Duration,
    /// `--item-operation-sync-frequency`: the time between two questions for the progress of operations of items.
    pub item_operation_frequency: Duration,
    /// `--schedule-skip-immediately`, for schedules that do not say it themselves.
    pub skip_immediately: bool,
    /// The time zone of schedules that name none.
    pub zone: TimeZone,
    /// `--volume-group-snapshot-label-key`.
    pub volume_group_label: String,
    /// `--default-volumes-to-fs-backup`.
    pub default_volumes_to_fs_backup: bool,
    /// `--default-snapshot-move-data`.
    pub default_snapshot_move_data: bool,
    /// `--concurrent-backups`.
    pub concurrent_backups: usize,
    /// `--features EnableAPIGroupVersions`: backups hold every version of an object.
    pub every_version: bool,
    /// `--item-block-worker-count`.
    pub item_block_workers: usize,
    /// The flags of restores.
    pub restore: RestoreOptions,
    /// `--restore-spool-limit`: bytes that a restore may spool.
    pub restore_spool_limit: u64,
    /// `--log-level`, for the logs of runs too.
    pub log_level: Level,
    /// `--log-format`, for the logs of runs too.
    pub log_format: Format,
    /// The cluster's version for annotations on backups: text, major, minor.
    pub kubernetes: (String, String, String),
    /// Whether backups are carried out here (`--restore-only`, `--disable-controllers`); if not, none leaves the queue.
    pub runs_backups: bool,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}
