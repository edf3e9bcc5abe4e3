//! Groups of commands: `velero backup` without a command shows the group's help.

use clap::Subcommand;

use super::context::Context;

/// The commands of a group.
pub trait Commands: Subcommand {
    /// Runs the command.
    fn run(self, context: &Context) -> impl Future<Output = anyhow::Result<()>>;
}

/// A group.
#[derive(Debug, clap::Args)]
pub struct Group<C: Commands> {
    /// The command, if one was named.
    #[command(subcommand)]
    command: Option<C>,
}

impl<C: Commands> Group<C> {
    /// Runs the command, or shows the help of the group at `path`.
    pub async fn run(self, path: &[&str], context: &Context) -> anyhow::Result<()> {
        match self.command {
            Some(command) => command.run(context).await,
            None => context.help(path),
        }
    }
}
