//! `velero restore delete`.

use kube::ResourceExt;

use crate::api::v1::Restore;
use crate::cli::context::Context;
use crate::cli::deletion::{self, Chosen};
use crate::cli::objects::Objects;
use crate::cli::terminal;

/// Delete restores
#[derive(Clone, Debug, clap::Args)]
pub struct Delete {
    #[command(flatten)]
    chosen: Chosen,
}

impl Delete {
    /// Deletes the restores after a confirmation. Their files go with them, by the server.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        if !self.chosen.confirmed("restore")? {
            return Ok(());
        }
        let client = context.client().await?;
        let restores = Objects::<Restore>::new(&client, &context.namespace);
        let found = self.chosen.find(&restores).await?;
        // As in Velero, nothing is deleted if any name is wrong.
        deletion::end(&found.errors)?;
        if found.objects.is_empty() {
            return Ok(terminal::println("No restores found")?);
        }
        let mut errors = Vec::new();
        for restore in found.objects {
            let name = restore.name_any();
            match restores.delete(&name).await {
                Ok(()) => terminal::println(&format!(
                    "Request to delete restore {name:?} submitted successfully.\nThe restore will be fully deleted after all associated data (restore files in object storage) are removed."
                ))?,
                Err(error) => errors.push(error.to_string()),
            }
        }
        deletion::end(&errors)
    }
}
