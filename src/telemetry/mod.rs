//! Logs, traces and metrics.
//!
//! - [`causes`]: the text of an error with its causes, in one line.
//! - [`logrus`]: the line format of Velero's logs (spec backup 16.6), which scripts and users read.
//! - [`process`]: the process's own log on standard output, and the exporter of traces.
//! - [`run_log`]: the log of one backup or restore, which goes to the bucket, and the counts and results made from it.
//! - [`trace`]: one trace across passes, processes and restarts.
//! - [`metrics`]: the registry behind `/metrics`, which is the framework's.
//! - [`velero`]: Velero's own metrics under upstream's names.

pub mod causes;
pub mod logrus;
pub mod process;
pub mod run_log;
pub mod trace;
pub mod velero;

pub use crate::runtime::metrics::registry as metrics;
