//! `velero backup logs`.

use std::io;

use anyhow::bail;

use crate::api::GoDuration;
use crate::api::v1::{Backup, BackupPhase, DownloadTargetKind};
use crate::cli::artifact::{ArtifactError, Artifacts, DownloadArgs, timeout};
use crate::cli::context::Context;
use crate::cli::objects::Objects;
use crate::cli::terminal;

/// Get backup logs
#[derive(Clone, Debug, clap::Args)]
pub struct Logs {
    /// The backup.
    name: String,
    /// How long to wait to receive logs.
    #[arg(long, default_value = "1m")]
    timeout: GoDuration,
    #[command(flatten)]
    download: DownloadArgs,
}

/// How much of a log there can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Log {
    Whole,
    /// The run is under way; our server serves what there is so far.
    SoFar,
    None,
}

fn log_of(phase: &BackupPhase) -> Log {
    match phase {
        BackupPhase::New | BackupPhase::Queued | BackupPhase::ReadyToStart | BackupPhase::FailedValidation => Log::None,
        BackupPhase::InProgress => Log::SoFar,
        _ => Log::Whole,
    }
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
        let log = log_of(backup.status.phase());
        let unavailable = || {
            anyhow::anyhow!(
                "logs for backup {name:?} are not available until it's finished processing, please wait until the backup has a phase of Completed or Failed and try again"
            )
        };
        match log {
            Log::Whole => {}
            Log::SoFar => terminal::complain(&format!("backup {name:?} is still running, this is its log so far:")),
            Log::None => return Err(unavailable()),
        }
        let options = self.download.options(timeout(&self.timeout), context);
        let artifacts = Artifacts::new(client, &context.namespace, options);
        match artifacts
            .copy(&DownloadTargetKind::BackupLog, name, &mut io::stdout())
            .await
        {
            // A Go server has no log of a run that is under way.
            Err(ArtifactError::Missing | ArtifactError::Unreachable(_)) if log == Log::SoFar => Err(unavailable()),
            Err(ArtifactError::Write(error)) => Err(error.into()),
            other => Ok(other?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_exists_as_soon_as_the_run_has_begun() {
        for (phase, log) in [
            ("New", Log::None),
            ("Queued", Log::None),
            ("FailedValidation", Log::None),
            ("InProgress", Log::SoFar),
            ("WaitingForPluginOperations", Log::Whole),
            ("Finalizing", Log::Whole),
            ("PartiallyFailed", Log::Whole),
            ("Deleting", Log::Whole),
        ] {
            assert_eq!(log_of(&phase.into()), log, "{phase}");
        }
    }
}
