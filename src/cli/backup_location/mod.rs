//! `velero backup-location …`.

mod create;
mod delete;
mod get;
mod set;
mod values;

pub use create::Create;
pub use delete::Delete;
pub use get::Get;
pub use set::Set;

use super::Commands;
use super::context::Context;

/// Commands that work with backup storage locations.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Create a backup storage location
    Create(Box<Create>),
    /// Delete backup storage locations
    Delete(Delete),
    /// Get backup storage locations
    Get(Get),
    /// Set specific features for a backup storage location
    Set(Set),
}

impl Commands for Command {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Self::Create(create) => create.run(context).await,
            Self::Delete(delete) => delete.run(context).await,
            Self::Get(get) => get.run(context).await,
            Self::Set(set) => set.run(context).await,
        }
    }
}
