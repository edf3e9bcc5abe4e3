//! `velero backup …`.

mod create;
mod delete;
mod describe;
mod download;
mod logs;
mod spec;

pub use create::Create;
pub(crate) use create::{name_timestamp, non_empty};
pub use delete::Delete;
pub use download::Download;
pub use logs::Logs;
pub use spec::SpecArgs;

use super::Commands;
use super::cancel::Cancellable;
use super::context::Context;
use super::get::{self, Gettable};
use crate::api::v1::{Backup, BackupPhase};

/// `velero backup cancel`.
pub type Cancel = super::cancel::Cancel<Backup>;
/// `velero backup describe`.
pub type Describe = super::describe::Describe<Backup>;
/// `velero backup get`.
pub type Get = get::Get<Backup>;

impl Gettable for Backup {
    const PLURAL: &'static str = "backups";
}

impl Cancellable for Backup {
    const KIND: &'static str = "Backup";
    const NOUN: &'static str = "backup";

    fn phase(&self) -> &str {
        self.status.phase().as_str()
    }

    fn is_unfinished(&self) -> bool {
        let phase = self.status.phase();
        !phase.is_terminal() && *phase != BackupPhase::Deleting
    }
}

/// Commands that work with backups.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Cancel backups that have not finished
    Cancel(Cancel),
    /// Create a backup
    Create(Box<Create>),
    /// Delete backups
    Delete(Delete),
    /// Describe backups
    Describe(Describe),
    /// Download all Kubernetes manifests for a backup
    Download(Download),
    /// Get backups
    Get(Get),
    /// Get backup logs
    Logs(Logs),
}

impl Commands for Command {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Self::Cancel(cancel) => cancel.run(context).await,
            Self::Create(create) => create.run(context).await,
            Self::Delete(delete) => delete.run(context).await,
            Self::Describe(describe) => Box::pin(describe.run(context)).await,
            Self::Download(download) => download.run(context).await,
            Self::Get(get) => get.run(context).await,
            Self::Logs(logs) => logs.run(context).await,
        }
    }
}
