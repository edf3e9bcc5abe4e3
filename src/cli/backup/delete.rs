//! `velero backup delete`.

use kube::ResourceExt;

use crate::api::v1::{Backup, DeleteBackupRequest};
use crate::cli::context::Context;
use crate::cli::deletion::{self, Chosen};
use crate::cli::objects::Objects;
use crate::cli::terminal;
use crate::controllers::gc::plan;

/// Delete backups
#[derive(Clone, Debug, clap::Args)]
pub struct Delete {
    #[command(flatten)]
    chosen: Chosen,
}

impl Delete {
    /// Asks the server to delete the backups, after a confirmation.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        if !self.chosen.confirmed("backup")? {
            return Ok(());
        }
        let client = context.client().await?;
        let backups = Objects::<Backup>::new(&client, &context.namespace);
        let requests = Objects::<DeleteBackupRequest>::new(&client, &context.namespace);
        let mut found = self.chosen.find(&backups).await?;
        if found.objects.is_empty() && found.errors.is_empty() {
            return Ok(terminal::println("No backups found")?);
        }
        for backup in found.objects {
            let name = backup.name_any();
            let uid = backup.metadata.uid.as_deref().unwrap_or_default();
            let request = plan::request(&context.namespace, &name, uid);
            match requests.begin(&request).await {
                Ok(_) => terminal::println(&format!(
                    "Request to delete backup {name:?} submitted successfully.\nThe backup will be fully deleted after all associated data (disk snapshots, backup files, restores) are removed."
                ))?,
                Err(error) => found.errors.push(error.to_string()),
            }
        }
        deletion::end(&found.errors)
    }
}
