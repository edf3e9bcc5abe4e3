//! `velero restore …`.

mod create;
mod delete;
mod describe;
mod dry_run;
mod get;
mod logs;

pub use create::Create;
pub use delete::Delete;
pub use logs::Logs;

use super::Commands;
use super::cancel::Cancellable;
use super::context::Context;
use crate::api::v1::Restore;

/// `velero restore cancel`.
pub type Cancel = super::cancel::Cancel<Restore>;
/// `velero restore describe`.
pub type Describe = super::describe::Describe<Restore>;
/// `velero restore get`.
pub type Get = super::get::Get<Restore>;

impl Cancellable for Restore {
    const KIND: &'static str = "Restore";
    const NOUN: &'static str = "restore";

    fn phase(&self) -> &str {
        self.status.phase().as_str()
    }

    fn is_unfinished(&self) -> bool {
        !self.status.phase().is_terminal()
    }
}

/// Commands that work with restores.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Cancel restores that have not finished
    Cancel(Cancel),
    /// Create a restore
    Create(Box<Create>),
    /// Delete restores
    Delete(Delete),
    /// Describe restores
    Describe(Describe),
    /// Get restores
    Get(Get),
    /// Get restore logs
    Logs(Logs),
}

impl Commands for Command {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Self::Cancel(cancel) => cancel.run(context).await,
            Self::Create(create) => create.run(context).await,
            Self::Delete(delete) => delete.run(context).await,
            Self::Describe(describe) => Box::pin(describe.run(context)).await,
            Self::Get(get) => get.run(context).await,
            Self::Logs(logs) => logs.run(context).await,
        }
    }
}
