//! `velero restore get`.

use crate::api::v1::Restore;
use crate::cli::context::Context;
use crate::cli::flag::Selector;
use crate::cli::output::{self, Format, OutputArgs};
use crate::cli::terminal;

/// Get restores
#[derive(Clone, Debug, clap::Args)]
pub struct Get {
    /// The restores to show; all if none is named.
    names: Vec<String>,
    /// Only show items matching this label selector.
    #[arg(short = 'l', long, action = clap::ArgAction::Append)]
    selector: Vec<Selector>,
    #[command(flatten)]
    output: OutputArgs,
}

impl Get {
    /// Shows the restores.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        let format = self.output.format()?.unwrap_or(Format::Table);
        let restores = context.objects::<Restore>().await?;
        let mut listing = restores
            .named_or_listed(&self.names, Selector::all(&self.selector).as_ref())
            .await?;
        listing.items.iter_mut().for_each(mark_deleting);
        Ok(terminal::print(&output::list(
            listing,
            format,
            &self.output,
            &context.view(),
        )?)?)
    }
}

/// A restore that is being deleted says so in its phase, in every format, as upstream.
fn mark_deleting(restore: &mut Restore) {
    if restore.metadata.deletion_timestamp.is_some() {
        let phase = restore.status.phase.as_ref().map_or("", |phase| phase.as_str());
        restore.status.phase = Some(format!("{phase} (Deleting)").as_str().into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restore_on_its_way_out_says_so_in_its_phase() {
        let mut restore = Restore::new("velero", "r");
        restore.status.phase = Some("Completed".into());
        mark_deleting(&mut restore);
        assert_eq!(restore.status.phase().as_str(), "Completed");
        restore.metadata.deletion_timestamp = Some(crate::api::time(jiff::Timestamp::UNIX_EPOCH));
        mark_deleting(&mut restore);
        assert_eq!(restore.status.phase().as_str(), "Completed (Deleting)");
    }
}
