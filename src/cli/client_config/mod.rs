//! `velero client config …`.

mod get;
mod set;

/// Commands about this program.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Get and set client configuration file values
    Config {
        #[command(subcommand)]
        command: Option<ConfigCommand>,
    },
}

/// Commands that work with the config file.
#[derive(Debug, clap::Subcommand)]
pub enum ConfigCommand {
    /// Get client configuration file values
    Get(get::Get),
    /// Set client configuration file values
    Set(set::Set),
}

impl ConfigCommand {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Get(get) => get.run(),
            Self::Set(set) => set.run(),
        }
    }
}
