//! The `velero` command: one file a command.

pub mod config;
pub mod failure;
pub mod flag;
pub mod output;
pub mod terminal;
pub mod usage;
