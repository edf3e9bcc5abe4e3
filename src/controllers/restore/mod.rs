//! Restore: one controller carries it from New to its end (decision 3).
//!
//! | Phase | Owner |
//! | --- | --- |
//! | New, InProgress | [`reconcile`] (`restore`) |
//! | Completed, PartiallyFailed, Failed, FailedValidation | final |
//!
//! `WaitingForPluginOperations*` and `Finalizing*` come with plugins' operations and volumes; this server never writes them.

mod cancel;
pub mod download;
pub mod dry_run;
mod error;
mod files;
mod ledger_record;
mod leftovers;
pub mod reconcile;
pub mod run;
pub mod source;
pub mod validate;
pub mod volumes;
