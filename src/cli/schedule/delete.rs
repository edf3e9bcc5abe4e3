//! `velero schedule delete`.

use kube::ResourceExt;

use super::select::{Select, ended};
use crate::api::v1::Schedule;
use crate::cli::context::Context;
use crate::cli::flag::go_bool;
use crate::cli::terminal;

/// Delete schedules
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Delete {
    #[command(flatten)]
    select: Select,
    /// Confirm deletion without a prompt.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    confirm: bool,
}

const EXAMPLES: &str = "Examples:
  # Delete a schedule named \"schedule-1\".
  velero schedule delete schedule-1

  # Delete a schedule named \"schedule-1\" without prompting for confirmation.
  velero schedule delete schedule-1 --confirm

  # Delete schedules named \"schedule-1\" and \"schedule-2\".
  velero schedule delete schedule-1 schedule-2

  # Delete all schedules labelled with \"foo=bar\".
  velero schedule delete --selector foo=bar

  # Delete all schedules.
  velero schedule delete --all";

impl Delete {
    /// Deletes the schedules after a confirmation. Their backups stay, unless they have owner references.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        self.select.check()?;
        if !self.confirm && !terminal::confirm("--confirm")? {
            return Ok(());
        }
        let objects = context.objects::<Schedule>().await?;
        let mut chosen = self.select.chosen(&objects).await?;
        if chosen.is_empty() {
            return Ok(terminal::println("No schedules found")?);
        }
        for schedule in &chosen.schedules {
            let name = schedule.name_any();
            match objects.delete(&name).await {
                Ok(()) => terminal::println(&format!("Schedule deleted: {name}"))?,
                Err(error) => chosen.errors.push(error.to_string()),
            }
        }
        ended(&chosen.errors)
    }
}
