//! Backup: several controllers look at it, each phase has exactly one owner (decision 3).
//!
//! | Phase | Owner |
//! | --- | --- |
//! | New, Queued | [`queue`] (`backup-queue`) |
//! | ReadyToStart, InProgress | [`reconcile`] (`backup`) |
//! | WaitingForPluginOperations* | [`waiting`](super::item_operations::waiting) (`backup-operations`) |
//! | Finalizing* | [`finalizer`](super::item_operations::finalizer) (`backup-finalizer`), with [`finalize`] |
//! | Completed, PartiallyFailed, Failed, FailedValidation | final |
//! | Deleting | [`backup_deletion`](super::backup_deletion) |
//!

mod cancel;
pub mod end;
mod error;
mod files;
mod finalize;
mod first_validation;
mod leftovers;
pub(in crate::controllers) mod name_lock;
mod operated;
pub mod phase;
pub mod policies;
pub mod prepare;
pub mod queue;
pub mod reconcile;
pub mod run;
pub(in crate::controllers) mod seal;
mod sealing;
