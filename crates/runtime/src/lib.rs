//! A small controller-runtime on kube-runtime: level-triggered reconcilers under one manager.
//!
//! You write a [`Reconciler`]: one pass for one object, which looks at the world, acts, and says when to look again. The rest is here.
//! Stores are shared and complete before anything starts. A pass that fails or panics is retried, each object by its own backoff, and its
//! error becomes a log line, an event and a metric. An object that is deleted is announced. Long work is supervised beside the passes.
//! One replica leads and the others stand by. What starts first stops last, within one grace period, and what did not stop is named.
//!
//! ```no_run
//! use std::{sync::Arc, time::Duration};
//!
//! use k8s_openapi::api::core::v1::ConfigMap;
//! use kube::{Api, Client, ResourceExt, api::{Patch, PatchParams}};
//! use kube_manager::{Class, Classify, Controller, Manager, Next, Reconciler, Watch, lease::{LeaseConfig, NotLeading, WriteGate}};
//! use kube_manager::metrics::Registry;
//!
//! /// Greets every ConfigMap that has no greeting yet.
//! struct Greeter {
//!     api: Api<ConfigMap>,
//!     gate: WriteGate,
//! }
//!
//! #[derive(Debug, thiserror::Error)]
//! enum Error {
//!     #[error(transparent)]
//!     NotLeading(#[from] NotLeading),
//!     #[error("writing the greeting: {0}")]
//!     NotGreeted(#[from] kube::Error),
//! }
//!
//! impl Classify for Error {
//!     fn class(&self) -> Class {
//!         match self {
//!             Self::NotLeading(_) => Class::Lost,
//!             Self::NotGreeted(_) => Class::Transient,
//!         }
//!     }
//! }
//!
//! impl Reconciler for Greeter {
//!     type Kind = ConfigMap;
//!     type Error = Error;
//!     const NAME: &'static str = "greeter";
//!     const RESYNC: Duration = Duration::from_secs(600);
//!
//!     async fn reconcile(&self, seen: Arc<ConfigMap>) -> Result<Next, Error> {
//!         if !seen.annotations().contains_key("greeting") {
//!             let hello = serde_json::json!({"metadata": {"annotations": {"greeting": "hello"}}});
//!             let (name, params, patch) = (seen.name_any(), PatchParams::default(), Patch::Merge(hello));
//!             self.gate.write(self.api.patch(&name, &params, &patch)).await??;
//!         }
//!         Ok(Next::Resync)
//!     }
//! }
//!
//! # async fn start(client: Client) -> Result<(), Box<dyn std::error::Error>> {
//! let mut manager = Manager::new("greeter", &Registry::new())?
//!     .listen(([0, 0, 0, 0], 8085).into())
//!     .events(client.clone())
//!     .lease(LeaseConfig::new(client.clone(), "default", "greeter", "pod-uid/greeter"));
//! let api: Api<ConfigMap> = Api::namespaced(client, "default");
//! let greeter = Greeter { api: api.clone(), gate: manager.gate() };
//! let config_maps = manager.watch(Watch::of(api));
//! manager.control(Controller::new(greeter, &config_maps).workers(4));
//! manager.run().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Where to look:
//!
//! - [`reconciler`]: the contract.
//! - [`watch`]: one watch a kind; the store and its changes.
//! - [`controller`]: the queue, workers, retries, triggers. [`enqueue`]: asking for a pass.
//! - [`operation`]: long work, its progress and its outcome.
//! - [`manager`]: what starts and stops when. [`lease`]: who leads, and the gate that writes go through.
//! - [`report`], [`metrics`], [`health`]: what others see.
//! - [`testing`]: what tests of reconcilers are made of.
//! - [`task`], [`clock`], [`backoff`]: spawning, wall time and waiting each have one home.

pub mod backoff;
pub mod clock;
pub mod controller;
pub mod diagnostics;
pub mod enqueue;
#[cfg(test)]
mod fixture;
pub mod health;
pub mod lease;
pub mod liveness;
pub mod manager;
pub mod metrics;
pub mod object;
pub mod operation;
pub mod predicate;
pub mod rate;
pub mod reconciler;
pub mod report;
pub mod task;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod watch;

pub use controller::Controller;
pub use enqueue::Enqueuer;
pub use manager::{Manager, ManagerError, When};
pub use object::{AnyKind, Kind, ObjectRef, Uid, uid_of};
pub use operation::Operations;
pub use predicate::Predicate;
pub use rate::RateLimit;
pub use reconciler::{Class, Classify, Next, Reconciler};
pub use watch::{SharedWatch, Watch};
