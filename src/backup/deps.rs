//! The dependencies of a run.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::actions::BackupItemAction;
use crate::cluster::Cluster;
use crate::cluster::discovery::Discovery;
use crate::hook::Runner;
use crate::telemetry::run_log::RunLog;

/// The dependencies of a run.
pub struct EngineDeps<'a> {
    /// The cluster to back up. Its client has no retry layer: each step retries its own requests.
    pub cluster: &'a Cluster,
    /// What the cluster serves.
    pub discovery: &'a Discovery,
    /// A directory for temporary files. They have no names, so nothing is left behind by any end of the run.
    pub scratch: &'a Path,
    /// The backup's log; its warnings and errors are the run's.
    pub log: &'a RunLog,
    /// Runs the hooks of pods. When the run has ended, some pods may still be frozen: the caller of the run must settle the
    /// runner.
    pub hooks: &'a Runner,
    /// The time of the archive's entries.
    pub now: Timestamp,
    /// Actions besides the built-in ones (plugins), in their order.
    pub actions: Vec<Arc<dyn BackupItemAction>>,
}
