//! `velero schedule pause` and `velero schedule unpause`.

use kube::ResourceExt;
use serde_json::json;

use super::select::{Select, ended};
use crate::api::v1::Schedule;
use crate::cli::context::Context;
use crate::cli::flag::OptionalBool;
use crate::cli::terminal;

/// Pause schedules
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = PAUSE_EXAMPLES)]
pub struct Pause {
    #[command(flatten)]
    change: Change,
}

/// Unpause schedules
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = UNPAUSE_EXAMPLES)]
pub struct Unpause {
    #[command(flatten)]
    change: Change,
}

#[derive(Clone, Debug, clap::Args)]
struct Change {
    #[command(flatten)]
    select: Select,
    /// Skip the next scheduled backup immediately.
    #[arg(long, require_equals = true, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    skip_immediately: Option<OptionalBool>,
}

const PAUSE_EXAMPLES: &str = "Examples:
  # Pause a schedule named \"schedule-1\".
  velero schedule pause schedule-1

  # Pause schedules named \"schedule-1\" and \"schedule-2\".
  velero schedule pause schedule-1 schedule-2

  # Pause all schedules labelled with \"foo=bar\".
  velero schedule pause --selector foo=bar

  # Pause all schedules.
  velero schedule pause --all";

const UNPAUSE_EXAMPLES: &str = "Examples:
  # Unpause a schedule named \"schedule-1\".
  velero schedule unpause schedule-1

  # Unpause schedules named \"schedule-1\" and \"schedule-2\".
  velero schedule unpause schedule-1 schedule-2

  # Unpause all schedules labelled with \"foo=bar\".
  velero schedule unpause --selector foo=bar

  # Unpause all schedules, and make no backups for the times that have passed.
  velero schedule unpause --all --skip-immediately";

impl Pause {
    /// Pauses the schedules.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        self.change.run(context, true).await
    }
}

impl Unpause {
    /// Lets the schedules go on.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        self.change.run(context, false).await
    }
}

impl Change {
    async fn run(self, context: &Context, paused: bool) -> anyhow::Result<()> {
        self.select.check()?;
        let objects = context.objects::<Schedule>().await?;
        let mut chosen = self.select.chosen(&objects).await?;
        if chosen.is_empty() {
            return Ok(terminal::println("No schedules found")?);
        }
        let done = if paused { "paused" } else { "unpaused" };
        // Only what is to change: upstream takes back a `skipImmediately` that was not given.
        let mut patch = json!({"spec": {"paused": paused}});
        if let Some(skip) = OptionalBool::of(self.skip_immediately) {
            patch["spec"]["skipImmediately"] = json!(skip);
        }
        for schedule in &chosen.schedules {
            let name = schedule.name_any();
            if schedule.spec.paused == paused {
                terminal::println(&format!("Schedule {name} is already {done}, skip"))?;
                continue;
            }
            match objects.patch(&name, &patch).await {
                Ok(_) => terminal::println(&format!("Schedule {name} {done} successfully"))?,
                Err(error) => chosen.errors.push(format!("failed to update schedule {name}: {error}")),
            }
        }
        ended(&chosen.errors)
    }
}
