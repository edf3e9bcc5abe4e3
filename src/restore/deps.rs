//! The dependencies of a restore.

use std::sync::Arc;

use crate::cluster::Cluster;
use crate::restore::actions::RestoreItemAction;
use crate::restore::ledger_sink::LedgerSink;
use crate::telemetry::run_log::RunLog;

/// The dependencies of a run.
pub struct EngineDeps<'a> {
    /// The cluster to restore into. Its client has no retry layer: the engine handles a 429 itself (decision 9).
    pub cluster: Cluster,
    /// The restore item actions, in order: the built-in ones and those of plugins.
    pub actions: Vec<Arc<dyn RestoreItemAction>>,
    /// The restore's log.
    pub log: RunLog,
    /// Where the ledger is stored.
    pub sink: &'a dyn LedgerSink,
}
