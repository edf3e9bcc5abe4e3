//! `velero schedule retention`: which backups of a schedule are kept, by which rule, and when they end (decision 53). Velero has no such
//! command.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::bail;

use crate::api::v1::{Backup, BackupStorageLocation, Schedule};
use crate::api::{labels, names};
use crate::cli::context::Context;
use crate::cli::output::json;
use crate::cli::output::retention::{self, Scene};
use crate::cli::terminal;

/// Show which backups of a schedule are kept, and when they end
#[derive(Clone, Debug, clap::Args)]
pub struct Retention {
    /// The name of the schedule.
    name: String,
    /// Output display format. Valid formats are 'plaintext, json'.
    #[arg(short, long, default_value = "plaintext")]
    output: String,
}

impl Retention {
    /// Prints the schedule's rules and what they say about each of its backups.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        let as_json = match self.output.as_str() {
            "plaintext" => false,
            "json" => true,
            other => bail!("invalid output format '{other}'. valid value are 'plaintext, json'"),
        };
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
        let view = context.view();
        if as_json {
            return Ok(terminal::println(&json::render(
                &retention::json(&scene, view.now),
                2,
            )?)?);
        }
        Ok(terminal::print(&retention::text(&scene, &view))?)
    }
}
