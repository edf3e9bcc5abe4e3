//! Start and stop.

use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::error::ManagerError;
use super::signals::Signals;
use super::stage::{Deadline, EndedTask, Stage};
use super::{Always, Leading, Manager, WatchTask};
use crate::lease::Elector;
use crate::task;

/// Why it ends.
enum Cause {
    Stopped,
    TaskEnded(EndedTask),
    Failed(ManagerError),
}

/// How a term of leadership ended.
enum Term {
    Over(Cause),
    Lost(String),
}

impl Manager {
    /// Runs until SIGTERM or SIGINT; a second one abandons what has not stopped.
    ///
    /// # Errors
    /// See [`ManagerError`].
    pub async fn run(self) -> Result<(), ManagerError> {
        let mut signals = Signals::new().map_err(ManagerError::Signals)?;
        let (stop, force) = (CancellationToken::new(), CancellationToken::new());
        let _listening = task::spawn("signals", {
            let (stop, force) = (stop.clone(), force.clone());
            async move {
                let signal = signals.next().await;
                tracing::info!(signal, "received a signal, stopping");
                stop.cancel();
                let signal = signals.next().await;
                tracing::warn!(signal, "received a second signal, stopping at once");
                force.cancel();
            }
        });
        run(self, stop, force).await
    }

    /// Runs until the token fires; listens to no signals.
    ///
    /// # Errors
    /// See [`ManagerError`].
    pub async fn run_until(self, stop: CancellationToken) -> Result<(), ManagerError> {
        run(self, stop, CancellationToken::new()).await
    }
}

pub(super) async fn run(
    manager: Manager,
    stop: CancellationToken,
    force: CancellationToken,
) -> Result<(), ManagerError> {
    let grace = manager.grace;
    let listeners = bind(&manager.addresses).await?;
    let mut running = Running::new(manager, listeners, stop, force.clone());
    let cause = running.up().await;
    let abandoned = running.down(&cause).await;
    match cause {
        Cause::Failed(error) => Err(error),
        Cause::TaskEnded(ended) => Err(ManagerError::EndedEarly {
            name: ended.name.clone(),
            reason: ended.reason(),
        }),
        Cause::Stopped if abandoned.is_empty() => Ok(()),
        Cause::Stopped if force.is_cancelled() => Err(ManagerError::Forced { names: abandoned }),
        Cause::Stopped => Err(ManagerError::Abandoned {
            grace,
            names: abandoned,
        }),
    }
}

async fn bind(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, ManagerError> {
    let mut listeners = Vec::new();
    for &address in addresses {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| ManagerError::Listen { address, source })?;
        listeners.push(listener);
    }
    Ok(listeners)
}

#[cfg(feature = "endpoints")]
fn serve_endpoints(manager: &Manager, listeners: Vec<TcpListener>) -> Stage {
    let sources = super::endpoints::Sources {
        health: manager.reports.health.clone(),
        liveness: manager.reports.liveness.clone(),
        registry: manager.reports.registry.clone(),
        diagnostics: manager
            .reports
            .serve_diagnostics
            .then(|| manager.reports.diagnostics.clone()),
    };
    let mut stage = Stage::new("endpoints");
    for listener in listeners {
        let address = listener
            .local_addr()
            .map_or_else(|_| "unknown".into(), |address| address.to_string());
        tracing::info!(address, "serving health and metrics");
        let stop = stage.group().stop().clone();
        let serve = super::endpoints::serve(listener, sources.clone(), stop);
        stage.start(&format!("endpoints on {address}"), serve);
    }
    stage
}

#[cfg(not(feature = "endpoints"))]
fn serve_endpoints(_: &Manager, _: Vec<TcpListener>) -> Stage {
    Stage::new("endpoints")
}

/// A running manager.
struct Running {
    endpoints: Stage,
    watches: Stage,
    always: Stage,
    leading: Stage,
    elector: Option<Elector>,
    pending_watches: Vec<WatchTask>,
    pending_always: Vec<Always>,
    leaders: Vec<Leading>,
    sync_limit: Duration,
    grace: Duration,
    stop: CancellationToken,
    force: CancellationToken,
}

impl Running {
    fn new(manager: Manager, listeners: Vec<TcpListener>, stop: CancellationToken, force: CancellationToken) -> Self {
        let endpoints = serve_endpoints(&manager, listeners);
        let elector = manager.lease.map(|lease| {
            let leading = manager.reports.metrics.leader(&lease.name);
            Elector::new(lease, manager.gate, manager.reports.health.component("leader"), leading)
        });
        Self {
            endpoints,
            watches: Stage::new("watches"),
            always: Stage::new("always"),
            leading: Stage::new("leading"),
            elector,
            pending_watches: manager.tasks.watches,
            pending_always: manager.tasks.always,
            leaders: manager.tasks.leading,
            sync_limit: manager.sync_limit,
            grace: manager.grace,
            stop,
            force,
        }
    }

    /// Starts everything, and returns when it is to end.
    async fn up(&mut self) -> Cause {
        if let Err(cause) = self.start_watches().await {
            return cause;
        }
        for Always { name, work } in std::mem::take(&mut self.pending_always) {
            let work = work(self.always.group().clone());
            self.always.start(&name, work);
        }
        loop {
            if let Err(cause) = self.campaign().await {
                return cause;
            }
            match self.lead().await {
                Term::Over(cause) => return cause,
                Term::Lost(reason) => {
                    tracing::warn!(reason, "leadership lost");
                    if let Err(names) = self.step_down().await {
                        return Cause::Failed(ManagerError::Overrun { names });
                    }
                }
            }
        }
    }

    async fn start_watches(&mut self) -> Result<(), Cause> {
        let mut ready = FuturesUnordered::new();
        let mut waiting = Vec::new();
        for WatchTask { name, drive, status } in std::mem::take(&mut self.pending_watches) {
            let group = self.watches.group().clone();
            self.watches.start(&format!("watch {name}"), async move {
                group.stop().run_until_cancelled(drive).await;
                Ok::<_, std::convert::Infallible>(())
            });
            ready.push({
                let status = status.clone();
                async move { status.ready().await }
            });
            waiting.push((name, status));
        }
        tracing::info!(kinds = waiting.len(), "waiting for the first lists");
        let all_ready = async { while ready.next().await.is_some() {} };
        let deadline = Instant::now() + self.sync_limit;
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Cause::Stopped),
            ended = self.endpoints.ended() => Err(Cause::TaskEnded(ended)),
            ended = self.watches.ended() => Err(Cause::TaskEnded(ended)),
            ready = timeout_at(deadline, all_ready) => ready.map_err(|_| {
                let late = waiting.iter().filter(|(_, status)| !status.is_ready());
                let kinds = late.map(|(name, status)| format!("{name} ({})", status.last_error())).collect();
                Cause::Failed(ManagerError::StoresNotReady { kinds, after: self.sync_limit })
            }),
        }
    }

    /// Waits for leadership, if there is an election.
    async fn campaign(&mut self) -> Result<(), Cause> {
        let Some(elector) = &mut self.elector else {
            return Ok(());
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Cause::Stopped),
            ended = self.endpoints.ended() => Err(Cause::TaskEnded(ended)),
            ended = self.watches.ended() => Err(Cause::TaskEnded(ended)),
            ended = self.always.ended() => Err(Cause::TaskEnded(ended)),
            () = elector.campaign() => Ok(()),
        }
    }

    /// Runs the leader's tasks.
    async fn lead(&mut self) -> Term {
        self.leading = Stage::new("leading");
        for Leading { name, work } in &self.leaders {
            let work = work(self.leading.group().clone());
            self.leading.start(name, work);
        }
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Term::Over(Cause::Stopped),
            ended = self.endpoints.ended() => Term::Over(Cause::TaskEnded(ended)),
            ended = self.watches.ended() => Term::Over(Cause::TaskEnded(ended)),
            ended = self.always.ended() => Term::Over(Cause::TaskEnded(ended)),
            ended = self.leading.ended() => Term::Over(Cause::TaskEnded(ended)),
            reason = held(self.elector.as_mut()) => Term::Lost(reason),
        }
    }

    /// Leadership is lost: the leader's tasks must have ended before another process may lead. Returns the names of those that still run.
    async fn step_down(&mut self) -> Result<(), Vec<String>> {
        let Some(elector) = &mut self.elector else {
            return Ok(());
        };
        let (now, end) = (Instant::now(), elector.end());
        // A third of the remaining time is for tasks that ignore the stop, but end at an await when aborted.
        let abort_at = now + end.saturating_duration_since(now) * 2 / 3;
        let names = self.leading.vacate(abort_at, end).await;
        elector.stand_down();
        if names.is_empty() {
            return Ok(());
        }
        (elector.config().on_overrun)(&names);
        Err(names)
    }

    /// Stops everything in reverse order of the start. Returns the names of abandoned tasks.
    async fn down(&mut self, cause: &Cause) -> Vec<String> {
        match cause {
            Cause::Stopped => tracing::info!(grace = ?self.grace, "stopping as requested"),
            Cause::TaskEnded(EndedTask { name, reason }) => {
                let reason = reason.as_deref().unwrap_or("it returned");
                tracing::error!(task = name, reason, "stopping: a task ended early");
            }
            Cause::Failed(error) => tracing::error!(%error, "stopping: failed"),
        }
        let deadline = Deadline {
            at: Instant::now() + self.grace,
            force: self.force.clone(),
        };
        let mut abandoned = self.stop_leading(&deadline).await;
        abandoned.extend(self.always.stop(&deadline).await);
        abandoned.extend(self.watches.stop(&deadline).await);
        abandoned.extend(self.endpoints.stop(&deadline).await);
        if abandoned.is_empty() {
            tracing::info!("stopped");
        }
        abandoned
    }

    /// Stops the leader's tasks while it holds the lease, and releases the lease when none is left.
    async fn stop_leading(&mut self, deadline: &Deadline) -> Vec<String> {
        let Some(elector) = &mut self.elector else {
            return self.leading.stop(deadline).await;
        };
        let stopped = {
            let stopping = self.leading.stop(deadline);
            tokio::select! {
                biased;
                abandoned = stopping => Some(abandoned),
                reason = elector.hold(), if elector.leads() => {
                    tracing::warn!(reason, "leadership lost while stopping");
                    None
                }
            }
        };
        match stopped {
            Some(abandoned) => {
                // A task that still blocks its thread may write. Then other processes must wait for the lease to end.
                if self.leading.group().alive().is_empty() {
                    elector.release().await;
                }
                abandoned
            }
            None => self.step_down().await.err().unwrap_or_default(),
        }
    }
}

/// Returns why leadership is lost. Never without an election.
async fn held(elector: Option<&mut Elector>) -> String {
    match elector {
        Some(elector) => elector.hold().await,
        None => std::future::pending().await,
    }
}
