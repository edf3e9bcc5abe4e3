//! `velero backup-location get`.

use crate::api::v1::BackupStorageLocation;
use crate::cli::context::Context;
use crate::cli::flag::go_bool;
use crate::cli::get::{self, Gettable};

impl Gettable for BackupStorageLocation {
    const PLURAL: &'static str = "locations";
}

/// Get backup storage locations
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Get {
    /// Displays the current default backup storage location.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    default: bool,
    #[command(flatten)]
    get: get::Get<BackupStorageLocation>,
}

impl Get {
    /// Prints the locations.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        let only_default = self.default;
        self.get
            .run_filtered(context, |location| location.spec.default || !only_default)
            .await
    }
}
