//! The logs of runs under way in this process: until a run ends, its log is served from here.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::telemetry::run_log::RunLog;

/// The logs of runs under way in this process, by their keys in the bucket. Clones are the same.
#[derive(Clone, Default)]
pub struct LiveLogs(Arc<Mutex<HashMap<String, RunLog>>>);

impl LiveLogs {
    /// Makes a run's log readable until the guard is dropped.
    #[must_use = "the log is readable as long as the guard lives"]
    pub fn add(&self, key: String, log: RunLog) -> LiveLog {
        self.0.lock().insert(key.clone(), log);
        LiveLog {
            logs: self.clone(),
            key,
        }
    }

    /// The log that will have this key.
    pub fn get(&self, key: &str) -> Option<RunLog> {
        self.0.lock().get(key).cloned()
    }
}

/// Keeps a log readable.
pub struct LiveLog {
    logs: LiveLogs,
    key: String,
}

impl Drop for LiveLog {
    fn drop(&mut self) {
        self.logs.0.lock().remove(&self.key);
    }
}
