//! `velero backup-location get`.

use crate::api::v1::BackupStorageLocation;
use crate::cli::context::Context;
use crate::cli::flag::{Selector, go_bool};
use crate::cli::output::{self, Format, OutputArgs};
use crate::cli::terminal;

/// Get backup storage locations
#[derive(Clone, Debug, clap::Args)]
pub struct Get {
    /// The locations to show; all if none is named.
    names: Vec<String>,
    /// Only show the default location.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    default: bool,
    /// Only show items matching this label selector.
    #[arg(short = 'l', long, action = clap::ArgAction::Append)]
    selector: Vec<Selector>,
    #[command(flatten)]
    output: OutputArgs,
}

impl Get {
    /// Shows the locations.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        let format = self.output.format()?.unwrap_or(Format::Table);
        let locations = context.objects::<BackupStorageLocation>().await?;
        let mut listing = locations
            .named_or_listed(&self.names, Selector::all(&self.selector).as_ref())
            .await?;
        listing.items.retain(|location| location.spec.default || !self.default);
        Ok(terminal::print(&output::list(
            listing,
            format,
            &self.output,
            &context.view(),
        )?)?)
    }
}
