//! `velero client config set`.

use crate::cli::config::{self, Config};
use crate::cli::flag::collected;
use crate::cli::terminal;

/// Set client configuration file values
#[derive(Clone, Debug, clap::Args)]
pub struct Set {
    /// The key and its value; an empty value removes the key.
    #[arg(value_name = "KEY=VALUE", required = true)]
    pairs: Vec<String>,
}

impl Set {
    /// Writes the values.
    pub fn run(self) -> anyhow::Result<()> {
        let path = config::path();
        let mut config = Config::load(&path)?;
        for pair in self.pairs.iter().filter(|pair| !pair.contains('=')) {
            terminal::eprintln(&format!("WARNING: invalid KEY=VALUE: {pair:?}"));
        }
        let pairs = self.pairs.iter().filter_map(|pair| pair.split_once('='));
        let pairs = collected(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())));
        for (key, value) in pairs.map_err(anyhow::Error::msg)? {
            config.set(&key, &value);
        }
        Ok(config.save(&path)?)
    }
}
