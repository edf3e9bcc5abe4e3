//! `velero client config set`.

use crate::cli::config::{self, Config};
use crate::cli::terminal;

/// Set client configuration file values
#[derive(Clone, Debug, clap::Args)]
pub struct Set {
    /// What to set; an empty value removes the key.
    #[arg(value_name = "KEY=VALUE", required = true)]
    pairs: Vec<String>,
}

impl Set {
    /// Writes the values.
    pub fn run(self) -> anyhow::Result<()> {
        let path = config::path();
        let mut config = Config::load(&path)?;
        for pair in &self.pairs {
            match pair.split_once('=') {
                Some((key, value)) => config.set(key, value),
                None => terminal::complain(&format!("WARNING: invalid KEY=VALUE: {pair:?}")),
            }
        }
        Ok(config.save(&path)?)
    }
}
