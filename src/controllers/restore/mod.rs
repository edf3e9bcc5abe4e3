//! Restore: each phase has exactly one owner (decision 3).
//!
//! | Phase | Owner |
//! | --- | --- |
//! | New, InProgress | [`reconcile`] (`restore`) |
//! | WaitingForPluginOperations* | [`waiting`](super::item_operations::waiting) (`restore-operations`) |
//! | Finalizing* | [`finalizer`](super::item_operations::finalizer) (`restore-finalizer`) |
//! | Completed, PartiallyFailed, Failed, FailedValidation | final |

mod cancel;
pub mod download;
pub mod dry_run;
mod error;
mod files;
mod ledger_record;
mod leftovers;
mod operated;
mod phase;
pub mod reconcile;
pub mod run;
pub mod source;
pub mod validate;
pub mod volumes;
