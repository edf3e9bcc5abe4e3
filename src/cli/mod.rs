//! The `velero` command: one file a command.

pub mod artifact;
pub mod build_info;
pub mod config;
pub mod connect;
pub mod context;
pub mod failure;
pub mod flag;
pub mod objects;
pub mod output;
pub mod server;
pub mod server_status;
pub mod terminal;
pub mod usage;
