//! Backup: several controllers look at it, each phase has exactly one owner (decision 3).
//!
//! | Phase | Owner |
//! | --- | --- |
//! | New, Queued | [`queue`] (`backup-queue`) |
//! | ReadyToStart, InProgress | [`reconcile`] (`backup`) |
//! | Completed, PartiallyFailed, Failed, FailedValidation | final |
//! | Deleting | [`backup_deletion`](super::backup_deletion) |
//!
//! `WaitingForPluginOperations*` and `Finalizing*` come with the operations and plugins; this server
//! never writes them, and leaves an object alone that another release left in one.

mod cancel;
pub mod end;
mod error;
mod files;
mod leftovers;
pub(in crate::controllers) mod name_lock;
pub mod policies;
pub mod prepare;
pub mod queue;
pub mod reconcile;
pub mod run;
mod schedule;
pub(in crate::controllers) mod seal;
