//! Groups of commands: `velero backup` without a command prints the help of the group.

use clap::Subcommand;

use super::context::Context;

/// The commands of a group.
pub trait Commands: Subcommand {
    /// Runs the command.
    fn run(self, context: &Context) -> impl Future<Output = anyhow::Result<()>>;
}

/// The arguments of a group.
#[derive(Debug, clap::Args)]
pub struct Group<C: Commands> {
    /// The command, if there is one.
    #[command(subcommand)]
    command: Option<C>,
}

impl<C: Commands> Group<C> {
    /// Runs the command, or prints the help of the group at `path`.
    pub async fn run(self, path: &[&str], context: &Context) -> anyhow::Result<()> {
        match self.command {
            Some(command) => command.run(context).await,
            None => context.help(path),
        }
    }
}
