//! The whole system: the server as `velero install` deploys it, in a pod on a real node, applications in pods beside it.
//! Needs root and Debian; `make test` starts what else is needed, and there can be one node on a machine.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking and shows the cluster's output"
)]

#[path = "../it/harness/api.rs"]
#[expect(
    dead_code,
    reason = "nothing here asks for all that is served, or creates without kubectl"
)]
mod api;
mod compare;
mod installation;
mod node;
mod shop;

mod applications;
mod death;
mod downloads;
mod hooks;
mod killed_node;
mod round_trip;
mod schedules;
mod uninstall;

use std::time::{Duration, Instant};

/// How long a test waits for something that should be quick.
const SOON: Duration = Duration::from_mins(1);

/// Waits until `look` returns something, or fails with the awaited condition.
#[track_caller]
fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < SOON, "waited {SOON:?} without success for: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A field by its JSON pointer, as text; empty if it is not there.
fn text(object: &serde_json::Value, pointer: &str) -> String {
    object
        .pointer(pointer)
        .map_or_else(String::new, |v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
}
