//! `velero client config …`.

mod get;
mod set;

use super::context::Context;
use super::{Commands, Group};

/// Commands about this program.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Get and set client configuration file values
    Config(Group<ConfigCommand>),
}

/// Commands that work with the config file.
#[derive(Debug, clap::Subcommand)]
pub enum ConfigCommand {
    /// Get client configuration file values
    Get(get::Get),
    /// Set client configuration file values
    Set(set::Set),
}

impl Commands for Command {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Self::Config(group) => group.run(&["client", "config"], context).await,
        }
    }
}

impl Commands for ConfigCommand {
    async fn run(self, _: &Context) -> anyhow::Result<()> {
        match self {
            Self::Get(get) => get.run(),
            Self::Set(set) => set.run(),
        }
    }
}
