//! `velero backup-location delete`.

use anyhow::bail;
use kube::ResourceExt;

use crate::api::labels;
use crate::api::v1::{Backup, BackupRepository, BackupStorageLocation};
use crate::cli::context::Context;
use crate::cli::flag::{Selector, go_bool};
use crate::cli::objects::{Kind, Objects, RequestError};
use crate::cli::terminal;

/// Delete backup storage locations
#[derive(Clone, Debug, clap::Args)]
pub struct Delete {
    /// The names of the locations.
    names: Vec<String>,
    /// Delete all backup-locations.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    all: bool,
    /// Delete all backup-locations matching this label selector.
    #[arg(short = 'l', long, action = clap::ArgAction::Append)]
    selector: Vec<Selector>,
    /// Confirm deletion without a prompt.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    confirm: bool,
}

impl Delete {
    /// Deletes the locations after a confirmation.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        if [!self.names.is_empty(), self.all, !self.selector.is_empty()]
            .iter()
            .filter(|given| **given)
            .count()
            != 1
        {
            bail!(
                "you must specify exactly one of: specific backup-location name(s), the --all flag, or the --selector flag"
            );
        }
        if !self.confirm && !terminal::confirm("--confirm")? {
            return Ok(());
        }
        let client = context.client().await?;
        let locations = Objects::<BackupStorageLocation>::new(&client, &context.namespace);
        let (names, mut errors) = self.chosen(&locations).await?;
        if names.is_empty() && errors.is_empty() {
            return Ok(terminal::println("No backup-locations found")?);
        }
        let backups = Objects::<Backup>::new(&client, &context.namespace);
        let repositories = Objects::<BackupRepository>::new(&client, &context.namespace);
        for name in names {
            if let Err(error) = locations.delete(&name).await {
                errors.push(error.to_string());
                continue;
            }
            terminal::println(&format!("Backup storage location {name:?} deleted successfully."))?;
            errors.extend(delete_stored_in(&backups, &name, "Backup").await?);
            errors.extend(delete_stored_in(&repositories, &name, "Backup repository").await?);
        }
        if errors.is_empty() {
            Ok(())
        } else {
            bail!("{}", errors.join("; "))
        }
    }

    /// The names of the locations to delete, and the errors of those that were not found.
    async fn chosen(
        &self,
        locations: &Objects<BackupStorageLocation>,
    ) -> Result<(Vec<String>, Vec<String>), RequestError> {
        let mut errors = Vec::new();
        let mut found = Vec::new();
        for name in &self.names {
            match locations.get(name).await {
                Ok(_) => found.push(name.clone()),
                Err(error) => errors.push(error.to_string()),
            }
        }
        if self.names.is_empty() {
            let listing = locations.list(Selector::all(&self.selector).as_ref()).await?;
            found.extend(listing.items.iter().map(ResourceExt::name_any));
        }
        Ok((found, errors))
    }
}

/// Deletes the objects labelled with the location and returns the errors.
async fn delete_stored_in<K: Kind>(objects: &Objects<K>, location: &str, noun: &str) -> anyhow::Result<Vec<String>> {
    let stored = match objects
        .labelled(labels::STORAGE_LOCATION, &crate::api::names::label_value(location))
        .await
    {
        Ok(stored) => stored,
        Err(error) => {
            return Ok(vec![format!(
                "find {} objects of location {location:?}: {error}",
                noun.to_lowercase()
            )]);
        }
    };
    let mut errors = Vec::new();
    for object in stored {
        let name = object.name_any();
        match objects.delete(&name).await {
            Ok(()) => terminal::println(&format!(
                "{noun} associated with deleted BSL(s) {name:?} deleted successfully."
            ))?,
            Err(error) => {
                errors.push(format!(
                    "delete {} {name:?} associated with deleted BSL: {error}",
                    noun.to_lowercase()
                ));
            }
        }
    }
    Ok(errors)
}
