//! Hooks: commands that people want run in the containers of their pods around a backup, as a rule to bring an application
//! to rest and to wake it again (spec backup 10, spec api 5).
//!
//! ```text
//!   command      one hook: which command, where, for how long, and what if it fails
//!   annotation   hooks a pod asks for by itself
//!   spec         hooks of a spec, and the pods they are for
//!   pod          the hooks of one pod: annotations first
//!   standing     which containers of a pod run, as its status says
//!   runner       runs them, and knows what is frozen; tally counts
//!   freeze       what a successor must know to thaw a frozen application
//! ```
//!
//! What must never happen is an application that stays frozen. So a freeze is written down before the first command that
//! may bring it about ([`Journal`]), and it is ended whatever becomes of the backup: [`Runner::settle`] runs what is left
//! of the post hooks after a run that failed, was cancelled or whose process died.

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
