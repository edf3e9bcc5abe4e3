//! Velero's server side, written anew in Rust: Kubernetes clusters are backed up to and restored from object storage by
//! level-triggered reconcilers under one manager.
//!
//! The rooms, from top to bottom; imports go downwards only (`tests/layers` holds that):
//!
//! ```text
//!   cli            the `velero` command: clients' commands, the server, install
//!   controllers    one reconciler a kind; the only writers of status
//!   backup         engine: select -> collect -> items -> archive
//!   restore        engine: plan -> waves -> items
//!   archive        the tarball: reader, writer, layout
//!   store          object storage
//!   hook           commands that people want run in their pods around a backup
//!   runtime        the framework (crates/runtime): manager, watch, controller, operation, lease
//!   cluster        talking to an API server
//!   select         pure rules: includes and excludes, wildcards, selectors
//!   api            the custom resources as they are on the wire
//!   telemetry      logs, traces, metrics
//! ```

pub mod api;
pub mod archive;
pub mod backup;
pub mod cli;
pub mod cluster;
pub mod controllers;
pub mod hook;
pub mod restore;
pub mod select;
pub mod store;
pub mod telemetry;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use kube_manager as runtime;
