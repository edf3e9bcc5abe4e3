//! `velero schedule …`.

mod describe;
mod get;

pub use describe::Describe;
pub use get::Get;

use super::Commands;
use super::context::Context;

/// Commands that work with schedules.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Describe schedules
    Describe(Describe),
    /// Get schedules
    Get(Get),
}

impl Commands for Command {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Self::Describe(describe) => describe.run(context).await,
            Self::Get(get) => get.run(context).await,
        }
    }
}
