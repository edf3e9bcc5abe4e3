//! `velero schedule get`.

use crate::api::v1::Schedule;
use crate::cli::context::Context;
use crate::cli::flag::Selector;
use crate::cli::output::{self, Format, OutputArgs};
use crate::cli::terminal;

/// Get schedules
#[derive(Clone, Debug, clap::Args)]
pub struct Get {
    /// The schedules to show; all if none is named.
    names: Vec<String>,
    /// Only show items matching this label selector.
    #[arg(short = 'l', long, action = clap::ArgAction::Append)]
    selector: Vec<Selector>,
    #[command(flatten)]
    output: OutputArgs,
}

impl Get {
    /// Shows the schedules.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        let format = self.output.format()?.unwrap_or(Format::Table);
        let schedules = context.objects::<Schedule>().await?;
        let listing = schedules
            .named_or_listed(&self.names, Selector::all(&self.selector).as_ref())
            .await?;
        Ok(terminal::print(&output::list(
            listing,
            format,
            &self.output,
            &context.view(),
        )?)?)
    }
}
