//! Logs, traces and metrics.
//!
//! - [`causes`]: the text of an error with its causes, in one line.
//! - [`logrus`]: the line format of Velero's logs (spec backup 16.6), which scripts and users read.
//! - [`log_line`]: events of the process in that format.
//! - [`process`]: the process's own log on standard output, and its exporters.
//! - [`export`]: which exporters the environment asks for.
//! - [`otlp_metrics`]: the metrics of the registry for a collector.
//! - [`run_log`]: the log of one backup or restore, which goes to the bucket, and the counts and results made from it.
//! - [`trace`]: the context of a span as it crosses processes and restarts.
//! - [`run_spans`]: the spans of one run, a limited number.
//! - [`past_span`]: spans that are made when they are over.
//! - [`metrics`]: the registry behind `/metrics`, which is the framework's.
//! - [`velero`]: Velero's own metrics under upstream's names.

pub mod causes;
pub mod export;
pub mod log_line;
pub mod logrus;
pub mod otlp_metrics;
pub mod past_span;
pub mod process;
pub mod run_log;
pub mod run_spans;
#[cfg(test)]
pub(crate) mod testing;
pub mod trace;
pub mod velero;

use std::sync::LazyLock;

pub use crate::runtime::metrics::registry as metrics;

/// The id of this process among all that ever ran, in exported spans and in run records.
pub fn instance() -> &'static str {
    static INSTANCE: LazyLock<String> = LazyLock::new(|| uuid::Uuid::new_v4().to_string());
    &INSTANCE
}
