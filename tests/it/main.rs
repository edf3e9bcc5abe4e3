//! Integration tests against a real API server, one module a feature. `make test` starts what they need.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking and shows what the server said"
)]

mod backup_restore;
mod harness;
mod policies;
mod survival;
