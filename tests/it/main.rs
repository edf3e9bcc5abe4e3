//! Integration tests against a real API server, one module a feature. `make test` starts what they need.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking and shows what the server said"
)]

mod backup_restore;
mod disaster;
#[allow(
    dead_code,
    unused_imports,
    reason = "it also serves the tests of bad input, which come from another branch; goes when they are here"
)]
mod harness;
mod leadership;
mod survival;
