//! The life of a run, the same for every kind: a record that outlives the process, uploads that the next attempt can clean up, a log that
//! can be read while it is written, and what becomes of an attempt that fails.
//!
//! ```text
//!   reconciler --Driver--> carry_out: log -> attempt: record -> uploads -> the kind's own files -> end      the record goes after it
//!                                       \-> failed: log and results
//! ```
//!
//! A kind implements [`Run`](crate::runtime::operation::Run) for its passes, [`Attempt`] for its work, and [`Recorded`] for what it leaves
//! behind when its object is deleted.

mod attempt;
pub mod cancel;
pub mod cancelling;
mod error;
pub mod fetch;
mod files;
mod id;
pub mod json_gz;
pub mod leftovers;
pub mod live_log;
mod log;
pub mod record;
mod recorded;
pub mod results;
pub mod trace;
pub mod uploads;

pub use attempt::{Attempt, carry_out};
pub(crate) use error::run_error;
pub use error::{Retry, Retryable, RunError};
pub use files::put_log_and_results;
pub use id::RunId;
pub use log::open as open_log;
pub use recorded::{Recorded, RunState};
