//! The kit for tests of reconcilers (feature `testing`).
//!
//! - [`scripted`]: a watch with events of the test; [`SharedWatch::fixed`](crate::SharedWatch::fixed) is one that never changes.
//! - [`Probe`]: a reconciler that records its calls, and answers, panics or hangs.
//! - [`Stage`]: a controller that runs alone.
//! - [`LeaseServer`]: an election without an API server, with processes that are cut off from it.
//! - [`death`]: kill points at every write.
//! - [`clock::Manual`](crate::clock::Manual): a wall clock that stands still. Durations are tokio's: with
//!   `#[tokio::test(start_paused = true)]` they pass at once, in order.
//!
//! ```
//! use k8s_openapi::api::core::v1::ConfigMap;
//! use kube_manager::testing::{Probe, Stage, pass, scripted};
//! use kube_manager::{Controller, Next};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! let (script, watch, _drive) = scripted::<ConfigMap>();
//! let (probe, mut calls) = Probe::answering(Ok(Next::Resync));
//! let stage = Stage::run(Controller::new(probe, &watch));
//!
//! let mut object = ConfigMap::default();
//! object.metadata.name = Some("a".into());
//! object.metadata.uid = Some("1".into());
//! object.metadata.resource_version = Some("7".into());
//! script.list([object]);
//! assert_eq!(calls.next().await, pass("a", "1", 7));
//! stage.stop().await;
//! # }
//! ```

pub mod death;
mod lease_server;
mod probe;
mod script;
mod stage;

pub use lease_server::LeaseServer;
pub use probe::{Answer, Call, Calls, Oops, Probe, gone, pass};
pub use script::{Events, Script, scripted, scripted_of};
pub use stage::Stage;
