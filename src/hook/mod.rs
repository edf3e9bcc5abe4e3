//! Hooks: commands that run in containers of pods around their backup, usually to freeze an application and to thaw it
//! (spec backup 10, spec api 5).
//!
//! ```text
//!   command      one hook: its command, container, timeout and error mode
//!   annotation   hooks in the annotations of a pod
//!   spec         hooks of a spec, and the pods they are for
//!   pod          the hooks of one pod: annotations first
//!   standing     which containers of a pod run, by its status
//!   runner       runs them and tracks what is frozen; tally counts
//!   freeze       what the next server needs to thaw a frozen application
//! ```
//!
//! An application must never stay frozen. So a freeze is recorded before the first command that may cause it ([`Journal`]), and
//! it ends with every outcome of the backup: [`Runner::settle`] runs the remaining post hooks after a run that failed, was
//! cancelled or died with its process.

mod annotation;
mod command;
mod freeze;
mod pod;
mod runner;
mod spec;
mod standing;
mod tally;

pub use annotation::asked;
pub use command::{Hook, OnError, Phase, Source};
pub use freeze::{Freeze, Journal, JournalError, Unthawed};
pub use pod::PodHooks;
pub use runner::{Executor, Frozen, Runner};
pub use spec::{SpecHooks, check};
pub use standing::Standing;
pub use tally::Tally;
