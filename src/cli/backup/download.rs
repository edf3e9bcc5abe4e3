//! `velero backup download`.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::api::GoDuration;
use crate::api::v1::{Backup, DownloadTargetKind};
use crate::cli::artifact::{Artifacts, DownloadArgs, lookup, timeout};
use crate::cli::context::Context;
use crate::cli::flag::go_bool;
use crate::cli::objects::Objects;
use crate::cli::terminal;

/// Download all Kubernetes manifests for a backup
#[derive(Clone, Debug, clap::Args)]
pub struct Download {
    /// The name of the backup.
    name: String,
    /// Path to output file. Defaults to <NAME>-data.tar.gz in the current directory.
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// Forces the download and will overwrite file if it exists already.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    force: bool,
    /// Maximum time to wait to process download request, and for the next data of the transfer.
    #[arg(long, default_value = "1m")]
    timeout: GoDuration,
    #[command(flatten)]
    transfer: DownloadArgs,
}

impl Download {
    /// Downloads the archive into a file.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        let client = context.client().await?;
        let backup = Objects::<Backup>::new(&client, &context.namespace)
            .get(&self.name)
            .await?;
        let files = lookup::backup_files(&client, &context.namespace, &backup).await;
        // Checked before the file is created.
        if let Some(why) = files.refusal(&DownloadTargetKind::BackupContents) {
            anyhow::bail!(why);
        }
        let path = match self.output {
            Some(path) if !path.as_os_str().is_empty() => path,
            _ => env::current_dir()
                .context("error getting current directory")?
                .join(format!("{}-data.tar.gz", self.name)),
        };
        let mut file = create(&path, self.force).with_context(|| {
            format!(
                "create the file `{}`; use --force to overwrite an existing file",
                path.display()
            )
        })?;
        let options = self.transfer.options(timeout(&self.timeout), context);
        let artifacts = Artifacts::new(client, &context.namespace, options);
        let copied = artifacts
            .copy(&files, &DownloadTargetKind::BackupContents, &mut file)
            .await;
        if copied.is_err() {
            // An incomplete archive cannot be used, and would make the next attempt fail.
            let _ = fs::remove_file(&path);
        }
        copied?;
        Ok(terminal::println(&format!(
            "Backup {} has been successfully downloaded to {}",
            self.name,
            path.display()
        ))?)
    }
}

/// A new file that only its owner can read, because archives contain Secrets.
fn create(path: &Path, overwrite: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true);
    if overwrite {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_private_and_overwritten_only_with_force() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x-data.tar.gz");
        create(&path, false).unwrap();
        assert_eq!(create(&path, false).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        create(&path, true).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
