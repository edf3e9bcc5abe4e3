//! Why a manager ended.

use std::net::SocketAddr;
use std::time::Duration;

/// Why a manager ended, if not because it was stopped.
#[derive(Debug, thiserror::Error)]
pub enum ManagerError {
    /// An address could not be listened on.
    #[error("listening on {address} for health and metrics failed: {source}; check that nothing else uses the port")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// Stores were not filled in time.
    #[error(
        "the first lists were not complete after {after:?}: {}; check that these kinds are served and that we may list and watch them",
        kinds.join(", ")
    )]
    StoresNotReady {
        /// The missing kinds, with their watch's last error.
        kinds: Vec<String>,
        /// How long the wait was.
        after: Duration,
    },
    /// A task ended before it was stopped.
    #[error("task `{name}` ended early: {reason}")]
    EndedEarly {
        /// The task.
        name: String,
        /// Its error, its panic, or that it returned.
        reason: String,
    },
    /// Tasks did not stop within the grace period and were abandoned.
    #[error("not stopped within {grace:?} and abandoned: {}", names.join(", "))]
    Abandoned {
        /// The grace period.
        grace: Duration,
        /// The tasks.
        names: Vec<String>,
    },
    /// A second signal came while stopping.
    #[error("stopped by a second signal; abandoned: {}", names.join(", "))]
    Forced {
        /// The tasks.
        names: Vec<String>,
    },
    /// Tasks of a leader still ran when the lease was over, and [`LeaseConfig::on_overrun`](crate::lease::LeaseConfig) did not end the process.
    #[error("still there although the lease is over: {}", names.join(", "))]
    Overrun {
        /// The tasks.
        names: Vec<String>,
    },
    /// Signals cannot be waited for.
    #[error("waiting for signals failed: {0}")]
    Signals(#[source] std::io::Error),
}
