//! The logs of runs under way in this process: until a run ends, its log is served from here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::telemetry::run_log::RunLog;

use super::file::Artifact;

/// The logs of runs under way in this process, by the kind and name that a download asks for.
#[derive(Clone, Default)]
pub struct Running(Arc<Mutex<HashMap<String, RunLog>>>);

impl Running {
    /// Makes a run's log readable until the guard is dropped.
    #[must_use = "the log is readable as long as the guard lives"]
    pub fn add(&self, artifact: &Artifact, log: RunLog) -> RunningGuard {
        let key = artifact.key();
        self.lock().insert(key.clone(), log);
        RunningGuard {
            running: self.clone(),
            key,
        }
    }

    pub(super) fn log(&self, key: &str) -> Option<RunLog> {
        self.lock().get(key).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, RunLog>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a log readable.
pub struct RunningGuard {
    running: Running,
    key: String,
}

impl Drop for RunningGuard {
    fn drop(&mut self) {
        self.running.lock().remove(&self.key);
    }
}
