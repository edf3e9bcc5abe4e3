//! `velero completion`.

use clap_complete::{Shell, generate};

use super::failure::Ending;
use super::terminal;

/// Generate completion script
#[derive(Clone, Debug, clap::Args)]
pub struct Completion {
    /// The shell: bash, zsh or fish.
    shell: String,
}

impl Completion {
    /// Prints the script.
    pub fn run(self) -> anyhow::Result<()> {
        let shell = match self.shell.as_str() {
            "bash" => Shell::Bash,
            "zsh" => Shell::Zsh,
            "fish" => Shell::Fish,
            other => {
                return Err(Ending::Message(format!(
                    "Invalid shell specified, specify bash, zsh, or fish: {other:?}"
                ))
                .into());
            }
        };
        let mut script = Vec::new();
        generate(shell, &mut super::command(), "velero", &mut script);
        Ok(terminal::print(&String::from_utf8_lossy(&script))?)
    }
}
