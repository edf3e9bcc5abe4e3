//! The verb-first forms: `velero get backups` is `velero backup get`.

use super::Commands;
use super::context::Context;
use super::{backup, backup_location, restore, schedule, snapshot_location};

/// `velero get …`.
#[derive(Debug, clap::Subcommand)]
pub enum Get {
    /// Get backup storage locations
    #[command(alias = "backup-location")]
    BackupLocations(backup_location::Get),
    /// Get backups
    #[command(alias = "backup")]
    Backups(backup::Get),
    /// Get restores
    #[command(alias = "restore")]
    Restores(restore::Get),
    /// Get schedules
    #[command(alias = "schedule")]
    Schedules(schedule::Get),
    /// Get snapshot locations
    #[command(alias = "snapshot-location")]
    SnapshotLocations(snapshot_location::Get),
}

/// `velero cancel …`.
#[derive(Debug, clap::Subcommand)]
pub enum Cancel {
    /// Cancel backups that have not finished
    #[command(alias = "backups")]
    Backup(backup::Cancel),
    /// Cancel restores that have not finished
    #[command(alias = "restores")]
    Restore(restore::Cancel),
}

/// `velero describe …`.
#[derive(Debug, clap::Subcommand)]
pub enum Describe {
    /// Describe backups
    #[command(alias = "backup")]
    Backups(backup::Describe),
    /// Describe restores
    #[command(alias = "restore")]
    Restores(restore::Describe),
    /// Describe schedules
    #[command(alias = "schedule")]
    Schedules(schedule::Describe),
}

/// `velero create …`.
#[derive(Debug, clap::Subcommand)]
pub enum Create {
    /// Create a backup
    Backup(Box<backup::Create>),
    /// Create a backup storage location
    BackupLocation(Box<backup_location::Create>),
    /// Create a restore
    Restore(Box<restore::Create>),
    /// Create a schedule
    Schedule(Box<schedule::Create>),
    /// Create a volume snapshot location
    SnapshotLocation(snapshot_location::Create),
}

/// `velero delete …`.
#[derive(Debug, clap::Subcommand)]
pub enum Delete {
    /// Delete a backup
    #[command(alias = "backups")]
    Backup(backup::Delete),
    /// Delete backup storage locations
    #[command(alias = "backup-locations")]
    BackupLocation(backup_location::Delete),
    /// Delete a restore
    #[command(alias = "restores")]
    Restore(restore::Delete),
    /// Delete schedules
    #[command(alias = "schedules")]
    Schedule(schedule::Delete),
}

impl Commands for Get {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Self::BackupLocations(get) => get.run(context).await,
            Self::Backups(get) => get.run(context).await,
            Self::Restores(get) => get.run(context).await,
            Self::Schedules(get) => get.run(context).await,
            Self::SnapshotLocations(get) => get.run(context).await,
        }
    }
}

impl Commands for Cancel {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Self::Backup(cancel) => cancel.run(context).await,
            Self::Restore(cancel) => cancel.run(context).await,
        }
    }
}

impl Commands for Describe {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Self::Backups(describe) => Box::pin(describe.run(context)).await,
            Self::Restores(describe) => Box::pin(describe.run(context)).await,
            Self::Schedules(describe) => describe.run(context).await,
        }
    }
}

impl Commands for Create {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Self::Backup(create) => create.run(context).await,
            Self::BackupLocation(create) => create.run(context).await,
            Self::Restore(create) => create.run(context).await,
            Self::Schedule(create) => create.run(context).await,
            Self::SnapshotLocation(create) => create.run(context).await,
        }
    }
}

impl Commands for Delete {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Self::Backup(delete) => delete.run(context).await,
            Self::BackupLocation(delete) => delete.run(context).await,
            Self::Restore(delete) => delete.run(context).await,
            Self::Schedule(delete) => delete.run(context).await,
        }
    }
}
