//! Integration tests against a real API server, one module a feature. `make test` starts what they need.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking and shows the server's output"
)]

mod backup_disturbed;
mod backup_restore;
mod bad_input;
mod bad_input_archive;
mod bad_input_bucket;
mod bad_input_cluster;
mod bad_input_hooks;
mod bad_input_restore;
mod beside;
mod cancel;
mod chart;
mod compat;
mod deletion;
mod describe;
mod disaster;
mod download_url;
mod dry_run;
mod events;
mod framework;
mod go_release;
mod harness;
mod installation;
mod item_operations;
mod large;
mod leadership;
mod locations;
mod missing_names;
mod policies;
mod queue;
mod retention;
mod rights;
mod s3;
mod schedules;
mod selection;
mod survival;
mod traces;
mod user_docs;
mod waiting;
