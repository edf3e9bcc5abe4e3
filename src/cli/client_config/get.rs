//! `velero client config get`.

use crate::cli::config::{self, Config};
use crate::cli::terminal;

/// Get client configuration file values
#[derive(Clone, Debug, clap::Args)]
pub struct Get {
    /// The keys to show; all if none is named.
    #[arg(value_name = "KEY")]
    keys: Vec<String>,
}

impl Get {
    /// Prints the values.
    pub fn run(self) -> anyhow::Result<()> {
        let config = Config::load(&config::path())?;
        let keys = if self.keys.is_empty() {
            config.keys().map(str::to_owned).collect()
        } else {
            self.keys
        };
        for key in keys {
            let value = config.display(&key).unwrap_or_else(|| "<NOT SET>".to_owned());
            terminal::println(&format!("{key}: {value}"))?;
        }
        Ok(())
    }
}
