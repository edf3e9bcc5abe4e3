//! `velero schedule retention`: which backups of a schedule are kept, by which rule, and when they end (decision 53). Velero has no such
//! command.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::api::v1::{Backup, BackupStorageLocation, Schedule};
use crate::api::{labels, names};
use crate::cli::context::Context;
use crate::cli::output::retention::{Scene, text};
use crate::cli::terminal;

/// Show which backups of a schedule are kept, and when they end
#[derive(Clone, Debug, clap::Args)]
pub struct Retention {
    /// The name of the schedule.
    name: String,
}

impl Retention {
    /// Prints the schedule's rules and what they say about each of its backups.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        let schedule = context.objects::<Schedule>().await?.get(&self.name).await?;
        let backups = context.objects::<Backup>().await?;
        let label = names::label_value(&self.name);
        let backups = backups.labelled(labels::SCHEDULE_NAME, &label).await?;
        let locations = context
            .objects::<BackupStorageLocation>()
            .await?
            .list(None)
            .await?
            .items;
        let is_usable = |location: &&BackupStorageLocation| location.is_available() && !location.is_read_only();
        let name = |location: &BackupStorageLocation| location.metadata.name.clone().unwrap_or_default();
        let scene = Scene {
            schedule: &schedule,
            backups: &backups.into_iter().map(Arc::new).collect::<Vec<_>>(),
            default_location: locations.iter().find(|l| l.spec.default).map(name).unwrap_or_default(),
            usable: locations.iter().filter(is_usable).map(name).collect::<BTreeSet<_>>(),
        };
        Ok(terminal::print(&text(&scene, &context.view()))?)
    }
}
