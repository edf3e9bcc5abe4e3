//! Logs, traces and metrics; each operation's events typed in one place.

pub mod metrics;
