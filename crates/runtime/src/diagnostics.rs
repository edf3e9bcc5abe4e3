//! The current state of watches and queues, for debugging a controller.

use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::Instant;

/// Reads the state of every watch and controller of a manager. Clones are the same.
#[derive(Clone, Default)]
pub struct Diagnostics {
    watches: Arc<Mutex<Vec<Arc<dyn InspectWatch>>>>,
    controllers: Arc<Mutex<Vec<Arc<dyn InspectController>>>>,
}

/// The state of a manager's watches and controllers at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Snapshot {
    /// In the order in which they were added.
    pub watches: Vec<WatchSnapshot>,
    /// In the order in which they were added.
    pub controllers: Vec<ControllerSnapshot>,
}

/// The state of a watch.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WatchSnapshot {
    /// The kind, and the namespace if it is not every one.
    pub name: String,
    /// Whether the first list is complete.
    pub ready: bool,
    /// Objects in the store.
    pub objects: usize,
    /// Objects that exist and cannot be read.
    pub unreadable: usize,
    /// Why the watch does not work, if it does not.
    pub last_error: Option<String>,
    /// For how long nothing was sent to the API server or received from it.
    pub silent_seconds: Option<u64>,
}

/// The state of a controller.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ControllerSnapshot {
    /// Its name.
    pub name: String,
    /// Whether it runs; on a standby it does not.
    pub running: bool,
    /// Passes that may run at once.
    pub workers: usize,
    /// Passes that run.
    pub passes: Vec<PassSnapshot>,
    /// Objects that wait for a worker.
    pub ready: usize,
    /// Objects that wait for their time.
    pub waiting: usize,
    /// When the first of them is due.
    pub next_in_seconds: Option<u64>,
    /// Objects with a failed last pass.
    pub failing: usize,
    /// Operations that run.
    pub operations: usize,
}

/// A pass that runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PassSnapshot {
    /// The namespace and name of its object.
    pub object: String,
    /// For how long it has run.
    pub seconds: u64,
}

/// A watch of whatever kind.
pub(crate) trait InspectWatch: Send + Sync {
    fn snapshot(&self, now: Instant) -> WatchSnapshot;
}

/// A controller of whatever kind.
pub(crate) trait InspectController: Send + Sync {
    fn snapshot(&self, now: Instant) -> ControllerSnapshot;

    /// Why it does not go on, if it does not.
    fn stuck(&self, now: Instant) -> Option<String>;
}

impl Diagnostics {
    /// The state now.
    pub fn snapshot(&self) -> Snapshot {
        let now = Instant::now();
        let watches = self.watches.lock().clone();
        let controllers = self.controllers.lock().clone();
        Snapshot {
            watches: watches.iter().map(|watch| watch.snapshot(now)).collect(),
            controllers: controllers.iter().map(|controller| controller.snapshot(now)).collect(),
        }
    }

    pub(crate) fn add_watch(&self, watch: Arc<dyn InspectWatch>) {
        self.watches.lock().push(watch);
    }

    pub(crate) fn add_controller(&self, controller: Arc<dyn InspectController>) {
        self.controllers.lock().push(controller);
    }
}

impl std::fmt::Debug for Diagnostics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Diagnostics").finish_non_exhaustive()
    }
}
