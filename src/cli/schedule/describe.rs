//! `velero schedule describe`.

use crate::api::v1::Schedule;
use crate::cli::context::Context;
use crate::cli::flag::Selector;
use crate::cli::output::describe;
use crate::cli::terminal;

/// Describe schedules
#[derive(Clone, Debug, clap::Args)]
pub struct Describe {
    /// The schedules to describe; all if none is named.
    names: Vec<String>,
    /// Only show items matching this label selector.
    #[arg(short = 'l', long, action = clap::ArgAction::Append)]
    selector: Vec<Selector>,
}

impl Describe {
    /// Shows all that is known of the schedules.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        let schedules = context.objects::<Schedule>().await?;
        let listing = schedules
            .named_or_listed(&self.names, Selector::all(&self.selector).as_ref())
            .await?;
        for (number, schedule) in listing.items.iter().enumerate() {
            let gap = if number > 0 { "\n\n" } else { "" };
            terminal::print(&format!("{gap}{}", describe::schedule::text(schedule, &context.view())))?;
        }
        Ok(())
    }
}
