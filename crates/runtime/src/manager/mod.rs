//! Owns lifetimes: the order of start and stop, and the reaction to a task that ends early.
//!
//! ```text
//!   endpoints -> watches -> first lists complete -> always -> leadership -> leading      start
//!   endpoints <- watches <---------------------- always <- lease back <- leading         stop, within one grace period
//! ```
//!
//! Every task has a name. A task that ends before it is stopped ends the manager: a controller that stops without notice is the
//! worst outcome.

#[cfg(feature = "endpoints")]
mod endpoints;
mod error;
mod run;
mod signals;
mod stage;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use kube::Client;
use tokio::time::Instant;

pub use self::error::ManagerError;

use super::controller::Controller;
use super::diagnostics::{Diagnostics, InspectController, InspectWatch, WatchSnapshot};
use super::health::Health;
use super::lease::{self, LeaseConfig, WriteGate};
use super::liveness::Liveness;
use super::metrics::Metrics;
use super::object::AnyKind;
use super::reconciler::Reconciler;
use super::report::{EventRecorder, Publisher};
use super::task::Group;
use super::watch::{SharedWatch, Watch};
use crate::metrics::registry::{MetricError, Registry};

/// Default time for stopping, see [`Manager::grace`]. The pod's own grace period must be longer.
pub const GRACE: Duration = Duration::from_secs(30);

/// How long the first lists may take.
const SYNC_LIMIT: Duration = Duration::from_mins(2);

/// How long a watch may send and receive nothing. A working watch sends a request every five minutes, one without a reachable API server
/// twice a minute, one of an optional kind that is not served every five minutes.
const SILENCE: Duration = Duration::from_mins(15);

#[cfg_attr(not(feature = "endpoints"), allow(dead_code, reason = "the endpoints read from it"))]
/// Starts everything in order and stops it in the mirror of that order. Assemble it, then [`run`](Self::run) it.
pub struct Manager {
    program: String,
    reports: Reports,
    gate: WriteGate,
    recorder: EventRecorder,
    publisher: Option<Publisher>,
    addresses: Vec<SocketAddr>,
    lease: Option<LeaseConfig>,
    grace: Duration,
    sync_limit: Duration,
    tasks: Tasks,
}

/// What the endpoints show.
#[cfg_attr(not(feature = "endpoints"), allow(dead_code, reason = "the endpoints read from it"))]
struct Reports {
    registry: Registry,
    metrics: Metrics,
    health: Health,
    liveness: Liveness,
    diagnostics: Diagnostics,
    serve_diagnostics: bool,
}

/// What is started, in the order of its start.
#[derive(Default)]
struct Tasks {
    watches: Vec<WatchTask>,
    always: Vec<Always>,
    leading: Vec<Leading>,
}

/// When a task runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// From when the stores are ready until the end, on every replica.
    Always,
    /// While this process leads; again each time that it does.
    Leading,
}

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

struct Always {
    name: String,
    work: Box<dyn FnOnce(Group) -> BoxFuture<'static, Outcome> + Send>,
}

struct Leading {
    name: String,
    work: Box<dyn Fn(Group) -> BoxFuture<'static, Outcome> + Send + Sync>,
}

struct WatchTask {
    name: String,
    drive: BoxFuture<'static, ()>,
    status: Arc<dyn WatchStatus>,
}

/// A watch of whatever kind, as far as the start waits for it.
trait WatchStatus: Send + Sync {
    fn ready(&self) -> BoxFuture<'_, ()>;
    fn is_ready(&self) -> bool;
    fn last_error(&self) -> String;
}

/// A watch with its name for users.
struct NamedWatch<K: AnyKind> {
    name: String,
    watch: SharedWatch<K>,
}

impl<K: AnyKind> InspectWatch for NamedWatch<K> {
    fn snapshot(&self, _: Instant) -> WatchSnapshot {
        WatchSnapshot {
            name: self.name.clone(),
            ready: self.watch.is_ready(),
            objects: self.watch.len(),
            unreadable: self.watch.unreadable_count(),
            last_error: self.watch.last_error(),
            silent_seconds: self.watch.silent_for().map(|silent| silent.as_secs()),
        }
    }
}

impl<K: AnyKind> WatchStatus for SharedWatch<K> {
    fn ready(&self) -> BoxFuture<'_, ()> {
        SharedWatch::ready(self).boxed()
    }

    fn is_ready(&self) -> bool {
        SharedWatch::is_ready(self)
    }

    fn last_error(&self) -> String {
        SharedWatch::last_error(self).unwrap_or_else(|| "the API server has not answered".into())
    }
}

impl Manager {
    /// An empty manager. `program` names it in events and logs.
    ///
    /// # Errors
    /// The framework's metrics are already registered there.
    pub fn new(program: &str, registry: &Registry) -> Result<Self, MetricError> {
        let metrics = Metrics::new(registry)?;
        let (recorder, publisher) = EventRecorder::new(metrics.events_dropped());
        Ok(Self {
            program: program.into(),
            reports: Reports {
                registry: registry.clone(),
                metrics,
                health: Health::new(),
                liveness: Liveness::new(),
                diagnostics: Diagnostics::default(),
                serve_diagnostics: false,
            },
            gate: WriteGate::open(),
            recorder,
            publisher: Some(publisher),
            addresses: Vec::new(),
            lease: None,
            grace: GRACE,
            sync_limit: SYNC_LIMIT,
            tasks: Tasks::default(),
        })
    }

    /// Serves `/healthz`, `/readyz` and `/metrics` on this address. May be called more than once.
    ///
    /// `/healthz` fails if only a restart helps: a check of [`liveness`](Self::liveness) fails, a watch has neither sent nor received anything
    /// for a quarter of an hour, the loop of a controller does not turn, or a pass has outlasted its
    /// [limit](Controller::stuck_after).
    #[cfg(feature = "endpoints")]
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.addresses.push(address);
        self
    }

    /// Serves the [diagnostics](Self::diagnostics) as JSON under `/debug/manager` where health and metrics are served. They name objects.
    #[cfg(feature = "endpoints")]
    #[must_use]
    pub fn serve_diagnostics(mut self) -> Self {
        self.reports.serve_diagnostics = true;
        self
    }

    /// Controllers and tasks with [`When::Leading`] run only while this process holds the lease. Without it, always.
    #[must_use]
    pub fn lease(self, lease: LeaseConfig) -> Self {
        // A gate that was handed out before is the same one.
        self.gate.close();
        Self {
            lease: Some(lease),
            ..self
        }
    }

    /// Errors of reconcilers, and what is given to the [`recorder`](Self::recorder), become Kubernetes events, written through this client.
    #[must_use]
    pub fn events(mut self, client: Client) -> Self {
        if let Some(publisher) = self.publisher.take() {
            let program = self.program.clone();
            let work = move |group: Group| {
                async move {
                    publisher.run(client, &program, group.stop().clone()).await;
                    Ok(())
                }
                .boxed()
            };
            self.tasks.always.push(Always {
                name: "events".into(),
                work: Box::new(work),
            });
        }
        self
    }

    /// How long stopping may take, instead of half a minute.
    #[must_use]
    pub fn grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// How long the first lists may take, instead of two minutes.
    #[must_use]
    pub fn sync_limit(self, sync_limit: Duration) -> Self {
        Self { sync_limit, ..self }
    }

    /// Watches a kind; the first list must be complete before anything but the endpoints starts.
    pub fn watch<K: AnyKind>(&mut self, watch: Watch<K>) -> SharedWatch<K> {
        let name = watch.describe();
        let component = self.reports.health.component(format!("watch {name}"));
        let (watch, drive) = SharedWatch::start(watch, &self.reports.metrics, Some(component));
        self.add_watch(name, &watch, drive);
        watch
    }

    fn add_watch<K: AnyKind>(
        &mut self,
        name: String,
        watch: &SharedWatch<K>,
        drive: impl Future<Output = ()> + Send + 'static,
    ) {
        self.reports.diagnostics.add_watch(Arc::new(NamedWatch {
            name: name.clone(),
            watch: watch.clone(),
        }));
        let checked = watch.clone();
        self.reports
            .liveness
            .check(format!("watch {name}"), move || match checked.silent_for() {
                Some(silent) if silent > SILENCE => Err(format!("nothing was sent or received for {silent:?}")),
                _ => Ok(()),
            });
        self.tasks.watches.push(WatchTask {
            name,
            drive: drive.boxed(),
            status: Arc::new(watch.clone()),
        });
    }

    /// Runs a controller while this process leads.
    pub fn control<R: Reconciler>(&mut self, controller: Controller<R>) {
        self.control_when(When::Leading, controller);
    }

    /// Runs a controller, on request on every replica: with [`When::Always`] it also runs on a standby. What it writes must be harmless
    /// if all replicas write it, and does not go through the [gated client](Self::client).
    pub fn control_when<R: Reconciler>(&mut self, when: When, controller: Controller<R>) {
        let controller = Arc::new(controller);
        self.reports.diagnostics.add_controller(controller.clone());
        let checked = controller.clone();
        self.reports.liveness.check(format!("controller {}", R::NAME), move || {
            checked.stuck(Instant::now()).map_or(Ok(()), Err)
        });
        let (metrics, recorder) = (self.reports.metrics.clone(), self.recorder.clone());
        self.task(when, &format!("controller {}", R::NAME), move |group| {
            let (controller, metrics, recorder) = (controller.clone(), metrics.clone(), recorder.clone());
            async move {
                controller.run(&group, &metrics, &recorder).await;
                Ok::<_, Infallible>(())
            }
        });
    }

    /// Runs a task. It must run until the group's [`stop`](Group::stop) fires; a task that ends earlier ends the manager with an error. Tasks that
    /// it spawns belong into the group that it gets.
    pub fn task<F, E>(&mut self, when: When, name: &str, work: impl Fn(Group) -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let name = name.into();
        let work = move |group| work(group).map(|done| done.map_err(Into::into)).boxed();
        match when {
            When::Always => self.tasks.always.push(Always {
                name,
                work: Box::new(work),
            }),
            When::Leading => self.tasks.leading.push(Leading {
                name,
                work: Box::new(work),
            }),
        }
    }

    /// The same connection, through which nothing is written unless this process leads: the one to give to reconcilers. Without an
    /// election it writes always. What a reconciler does outside of the API server goes through the [`gate`](Self::gate).
    pub fn client(&self, client: &Client) -> Client {
        lease::gated(client, self.gate())
    }

    /// The gate for writes that do not go through the [`client`](Self::client).
    pub fn gate(&self) -> WriteGate {
        self.gate.clone()
    }

    /// Publishes events about objects, if [`events`](Self::events) are wanted.
    pub fn recorder(&self) -> EventRecorder {
        self.recorder.clone()
    }

    /// Readiness; others may add components.
    pub fn health(&self) -> Health {
        self.reports.health.clone()
    }

    /// Whether the process can still work; others may add checks.
    pub fn liveness(&self) -> Liveness {
        self.reports.liveness.clone()
    }

    /// The current state of watches and queues.
    pub fn diagnostics(&self) -> Diagnostics {
        self.reports.diagnostics.clone()
    }

    /// The framework's metrics.
    pub fn metrics(&self) -> Metrics {
        self.reports.metrics.clone()
    }
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |tasks: &mut dyn Iterator<Item = &String>| tasks.cloned().collect::<Vec<_>>();
        f.debug_struct("Manager")
            .field("program", &self.program)
            .field("watches", &names(&mut self.tasks.watches.iter().map(|task| &task.name)))
            .field("always", &names(&mut self.tasks.always.iter().map(|task| &task.name)))
            .field("leading", &names(&mut self.tasks.leading.iter().map(|task| &task.name)))
            .finish_non_exhaustive()
    }
}
