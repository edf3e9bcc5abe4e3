//! `velero restore logs`.

use std::io;

use crate::api::GoDuration;
use crate::api::v1::{DownloadTargetKind, Restore};
use crate::cli::artifact::availability::Availability;
use crate::cli::artifact::{ArtifactError, Artifacts, DownloadArgs, lookup, timeout};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::objects::Objects;
use crate::cli::terminal;

/// Get restore logs
#[derive(Clone, Debug, clap::Args)]
pub struct Logs {
    /// The name of the restore.
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
        let restore = match Objects::<Restore>::new(&client, &context.namespace).get(name).await {
            Ok(restore) => restore,
            Err(error) if error.is_not_found() => {
                return Err(Failure::Message(format!("Restore {name:?} does not exist.")).into());
            }
            Err(error) => return Err(Failure::Message(format!("Error checking for restore {name:?}: {error}")).into()),
        };
        let files = lookup::restore_files(&client, &context.namespace, &restore).await;
        let so_far = files.availability(&DownloadTargetKind::RestoreLog) == Availability::LogSoFar;
        if so_far {
            terminal::eprintln(&format!("restore {name:?} is still running, this is its log so far:"));
        }
        let options = self.download.options(timeout(&self.timeout), context);
        let artifacts = Artifacts::new(client, &context.namespace, options);
        let copied = artifacts
            .copy(&files, &DownloadTargetKind::RestoreLog, &mut io::stdout())
            .await;
        match copied {
            // A Go server has no log of a run in progress.
            Err(ArtifactError::Missing) if so_far => Err(Failure::Message(format!(
                "Logs for restore {name:?} are not available until it's finished processing. Please wait until the restore has a phase of Completed or Failed and try again."
            ))
            .into()),
            Err(ArtifactError::Write(error)) => Err(error.into()),
            other => Ok(other?),
        }
    }
}
