//! `velero snapshot-location …`.

mod create;
mod get;
mod set;

pub use create::Create;
pub use get::Get;
pub use set::Set;

use super::Commands;
use super::context::Context;

/// Commands that work with volume snapshot locations.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Create a volume snapshot location
    Create(Create),
    /// Get snapshot locations
    Get(Get),
    /// Set specific features for a snapshot location
    Set(Set),
}

impl Commands for Command {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Self::Create(create) => create.run(context).await,
            Self::Get(get) => get.run(context).await,
            Self::Set(set) => set.run(context).await,
        }
    }
}
