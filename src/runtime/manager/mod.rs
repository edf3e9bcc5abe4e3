//! Owns lifetimes.

use std::{error::Error, future::Future, net::SocketAddr, time::Duration};

use kube::Client;
use tokio_util::sync::CancellationToken;

use super::{
    controller::Controller,
    health::Health,
    lease::{LeaseConfig, WriteGate},
    metrics::Metrics,
    object::Kind,
    reconciler::Reconciler,
    report::Reporter,
    task,
    watch::{SharedWatch, Watch},
};
use crate::telemetry::metrics::{MetricError, Registry};

/// Starts everything in order and stops it in the mirror of that order.
#[derive(Debug)]
pub struct Manager {
    _todo: (),
}

/// When a task runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// From when the stores are ready until the end, whoever leads.
    Always,
    /// While this process leads; again each time that it does.
    Leading,
}

/// Why a manager ended, if not because it was told to.
#[derive(Debug, thiserror::Error)]
pub enum ManagerError {
    /// An address could not be listened on.
    #[error("listening on {address} for health and metrics: {source}; check that nothing else uses the port")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// Stores were not filled in time.
    #[error("the lists of {} were not complete after {after:?}; check that these kinds are served and that we may list and watch them", kinds.join(", "))]
    StoresNotReady {
        /// The kinds that were missing, with what the watch last said.
        kinds: Vec<String>,
        /// How long was waited.
        after: Duration,
    },
    /// A task ended before it was told to.
    #[error("task `{name}` ended early: {reason}")]
    EndedEarly {
        /// The task.
        name: String,
        /// Its error, its panic, or that it just returned.
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
    #[error("a second signal came while stopping: abandoned {}", names.join(", "))]
    Forced {
        /// The tasks.
        names: Vec<String>,
    },
    /// Signals cannot be waited for.
    #[error("waiting for signals: {0}")]
    Signals(#[source] std::io::Error),
}

impl Manager {
    /// A manager of nothing. `program` names it in events and logs.
    ///
    /// # Errors
    /// The framework's metrics are already registered there.
    pub fn new(program: &str, registry: &Registry) -> Result<Self, MetricError> {
        let _ = (program, registry);
        todo!()
    }

    /// Serves `/healthz`, `/readyz` and `/metrics` on this address. May be called more than once.
    #[must_use]
    pub fn listen(self, address: SocketAddr) -> Self {
        let _ = address;
        self
    }

    /// Controllers and tasks that say so run only while this process holds the lease. Without it, always.
    #[must_use]
    pub fn lease(self, lease: LeaseConfig) -> Self {
        let _ = lease;
        self
    }

    /// Errors of reconcilers become Kubernetes events, written through this client.
    #[must_use]
    pub fn events(self, client: Client) -> Self {
        let _ = client;
        self
    }

    /// How long stopping may take, instead of half a minute.
    #[must_use]
    pub fn grace(self, grace: Duration) -> Self {
        let _ = grace;
        self
    }

    /// How long the first lists may take, instead of two minutes.
    #[must_use]
    pub fn sync_limit(self, limit: Duration) -> Self {
        let _ = limit;
        self
    }

    /// Watches a kind; the first list must be complete before controllers start.
    pub fn watch<K: Kind>(&mut self, watch: Watch<K>) -> SharedWatch<K> {
        let _ = watch;
        todo!()
    }

    /// Runs a controller while this process leads.
    pub fn control<R: Reconciler>(&mut self, controller: Controller<R>) {
        let _ = controller;
        todo!()
    }

    /// Runs a task. It must go on until the group's [`stop`](task::Group::stop) fires; one that ends earlier ends the manager with an error.
    /// What it spawns in turn belongs into the group it is given.
    pub fn task<F, E>(&mut self, when: When, name: &str, work: impl Fn(task::Group) -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let _ = (when, name, work);
        todo!()
    }

    /// What must be asked before a write.
    pub fn gate(&self) -> WriteGate {
        todo!()
    }

    /// Publishes events about objects.
    pub fn reporter(&self) -> Reporter {
        todo!()
    }

    /// Readiness; others may add components.
    pub fn health(&self) -> Health {
        todo!()
    }

    /// The framework's metrics.
    pub fn metrics(&self) -> Metrics {
        todo!()
    }

    /// Runs until SIGTERM or SIGINT; a second one abandons what has not stopped.
    ///
    /// # Errors
    /// See [`ManagerError`].
    pub async fn run(self) -> Result<(), ManagerError> {
        todo!()
    }

    /// Runs until the token fires; listens to no signals.
    ///
    /// # Errors
    /// See [`ManagerError`].
    pub async fn run_until(self, stop: CancellationToken) -> Result<(), ManagerError> {
        let _ = stop;
        todo!()
    }
}
