#![doc = include_str!("../README.md")]
//!
//! # Where to look
//!
//! - [`reconciler`]: the contract.
//! - [`watch`]: one watch a kind; the store and its changes.
//! - [`controller`]: the queue, workers, retries, triggers. [`enqueue`]: asking for a pass.
//! - [`operation`]: long work, its progress and its outcome.
//! - [`manager`]: the order of start and stop. [`lease`]: which process leads, and the gate that writes go through.
//! - [`report`], [`metrics`], [`health`], [`liveness`], [`diagnostics`]: what is visible from outside.
//! - [`predicate`], [`rate`]: which changes lead to a pass, and how many passes begin.
//! - `testing`: the kit for tests of reconcilers.
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
