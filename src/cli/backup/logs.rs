//! `velero backup logs`.

use std::io;

use anyhow::bail;

use crate::api::GoDuration;
use crate::api::v1::{Backup, DownloadTargetKind};
use crate::cli::artifact::availability::Availability;
use crate::cli::artifact::{ArtifactError, Artifacts, DownloadArgs, lookup, timeout};
use crate::cli::context::Context;
use crate::cli::objects::Objects;
use crate::cli::terminal;

/// Get backup logs
#[derive(Clone, Debug, clap::Args)]
pub struct Logs {
    /// The name of the backup.
    name: String,
    /// How long to wait to receive logs.
    #[arg(long, default_value = "1m")]
    timeout: GoDuration,
    #[command(flatten)]
    download: DownloadArgs,
}

impl Logs {
    /// Prints the log.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        let client = context.client().await?;
        let name = &self.name;
        let backup = match Objects::<Backup>::new(&client, &context.namespace).get(name).await {
            Ok(backup) => backup,
            Err(error) if error.is_not_found() => bail!("backup {name:?} does not exist"),
            Err(error) => bail!("error checking for backup {name:?}: {error}"),
        };
        let files = lookup::backup_files(&client, &context.namespace, &backup).await;
        let so_far = files.availability(&DownloadTargetKind::BackupLog) == Availability::LogSoFar;
        if so_far {
            terminal::eprintln(&format!("backup {name:?} is still running, this is its log so far:"));
        }
        let options = self.download.options(timeout(&self.timeout), context);
        let artifacts = Artifacts::new(client, &context.namespace, options);
        let copied = artifacts
            .copy(&files, &DownloadTargetKind::BackupLog, &mut io::stdout())
            .await;
        match copied {
            // A Go server has no log of a run in progress.
            Err(ArtifactError::Missing) if so_far => bail!(
                "logs for backup {name:?} are not available until it's finished processing, please wait until the backup has a phase of Completed or Failed and try again"
            ),
            Err(ArtifactError::Write(error)) => Err(error.into()),
            other => Ok(other?),
        }
    }
}
