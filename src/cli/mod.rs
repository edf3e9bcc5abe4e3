//! The `velero` command: one file a command.

pub mod build_info;
pub mod config;
pub mod connect;
pub mod context;
pub mod failure;
pub mod flag;
pub mod objects;
pub mod output;
pub mod terminal;
pub mod usage;
