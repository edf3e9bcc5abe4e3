//! The `velero` command: one file a command.
//!
//! ```text
//!   [`run`]      arguments -> clap -> a command -> its `run(&Context)` -> exit code
//!   context      flags, config file, environment
//!   flag         the values of flags, as upstream parses them
//!   output       objects -> tables, pages, JSON, YAML; pure
//!   objects      Velero's kinds in one namespace, with the API server's error messages
//!   artifact     the files of a run, over the first connection that works
//!   get          `velero … get` of every kind
//!   describe     `velero … describe` of every kind
//!   cancel       `velero … cancel` of every kind of run
//! ```

pub mod artifact;
pub mod backup;
pub mod backup_location;
pub mod build_info;
pub mod cancel;
pub mod client_config;
pub mod completion;
pub mod config;
pub mod context;
pub mod deletion;
pub mod describe;
pub mod failure;
pub mod flag;
pub mod get;
mod group;
pub mod install;
pub mod node_agent;
pub mod objects;
pub mod output;
pub mod restore;
pub mod schedule;
pub mod server;
mod server_lease;
pub mod server_status;
pub mod snapshot_location;
pub mod terminal;
mod traced;
pub mod uninstall;
pub mod usage;
pub mod verbs;
pub mod version;
pub mod wait;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{ArgAction, ArgMatches, CommandFactory, FromArgMatches, Parser};

use context::{Context, Globals};
use failure::Failure;
pub use group::{Commands, Group};
use usage::ParseOutcome;

/// Back up and restore Kubernetes cluster resources.
#[derive(Debug, Parser)]
#[command(name = "velero", about, long_about = LONG, max_term_width = 120)]
pub struct Root {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Option<Command>,
}

const LONG: &str = "Velero is a tool for managing disaster recovery, specifically for Kubernetes
cluster resources. It provides a simple, configurable, and operationally robust
way to back up your application state and associated data.

If you're familiar with kubectl, Velero supports a similar model, allowing you to
execute commands such as 'velero get backup' and 'velero create restore'. The same
operations can also be performed as 'velero backup get' and 'velero restore create'.";

/// All commands.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Work with backups
    Backup(Group<backup::Command>),
    /// Work with backup storage locations
    BackupLocation(Group<backup_location::Command>),
    /// Cancel runs that have not finished
    Cancel(Group<verbs::Cancel>),
    /// Velero client related commands
    Client(Group<client_config::Command>),
    /// Generate completion script
    Completion(completion::Completion),
    /// Create velero resources
    Create(Group<verbs::Create>),
    /// Delete velero resources
    Delete(Group<verbs::Delete>),
    /// Describe velero resources
    Describe(Group<verbs::Describe>),
    /// Get velero resources
    Get(Group<verbs::Get>),
    /// Install Velero
    Install(Box<install::Install>),
    /// Work with the node agent
    #[command(hide = true)]
    NodeAgent(node_agent::NodeAgent),
    /// Work with restores
    Restore(Group<restore::Command>),
    /// Work with schedules
    Schedule(Group<schedule::Command>),
    /// Run the velero server
    #[command(hide = true)]
    Server(Box<server::flags::ServerArgs>),
    /// Work with snapshot locations
    SnapshotLocation(Group<snapshot_location::Command>),
    /// Uninstall Velero
    Uninstall(uninstall::Uninstall),
    /// Print the velero version and associated image
    Version(version::Version),
}

/// The command line. As in the Go release, the last of repeated flags counts, and a flag with a value takes the next argument
/// even if it begins with a dash (spec server-cli 8.8).
pub fn command() -> clap::Command {
    takes_any_value(Root::command().args_override_self(true))
}

fn takes_any_value(command: clap::Command) -> clap::Command {
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    let command = names
        .into_iter()
        .fold(command, |command, name| command.mut_subcommand(name, takes_any_value));
    command.mut_args(|arg| {
        let takes_next_word = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
            && !arg.is_positional()
            && !arg.is_require_equals_set();
        if takes_next_word {
            arg.allow_hyphen_values(true)
        } else {
            arg
        }
    })
}

/// The program: runs the command of its arguments.
pub fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            terminal::eprintln(&format!("An error occurred: start the runtime: {error}"));
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(run(std::env::args_os()))
}

/// Runs the command of these arguments; the first one is the program.
pub async fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let parsed = command().try_get_matches_from(arguments).and_then(|matches| {
        let root = Root::from_arg_matches(&matches)?;
        Ok((root, matches))
    });
    let result = match parsed {
        Ok((root, matches)) => traced::run(&path(&matches), Box::pin(root.run())).await,
        Err(error) => report_usage(&error),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}

/// The names of a command, as `velero`, `backup`, `create`.
fn path(matches: &ArgMatches) -> Vec<&str> {
    let below = std::iter::successors(matches.subcommand(), |(_, below)| below.subcommand());
    std::iter::once("velero").chain(below.map(|(name, _)| name)).collect()
}

fn report_usage(error: &clap::Error) -> anyhow::Result<()> {
    match usage::classify(error) {
        ParseOutcome::Help(text) => Ok(terminal::print(&text)?),
        ParseOutcome::Invalid { message, usage } => {
            terminal::eprintln(&format!("An error occurred: {message}"));
            if !usage.is_empty() {
                terminal::eprintln(&usage);
            }
            Err(Failure::Silent.into())
        }
    }
}

/// Prints the help of a group of commands.
fn help(path: &[&str]) -> anyhow::Result<()> {
    Ok(terminal::print(&help_text(path))?)
}

fn help_text(path: &[&str]) -> String {
    let mut root = command();
    root.build();
    let group = path
        .iter()
        .try_fold(&mut root, |command, name| command.find_subcommand_mut(name));
    group
        .map(|command| command.render_long_help().to_string())
        .unwrap_or_default()
}

impl Root {
    async fn run(self) -> anyhow::Result<()> {
        let Some(command) = self.command else { return help(&[]) };
        let context = Context::new(&self.globals, help);
        context.check_namespace()?;
        match command {
            Command::Backup(group) => Box::pin(group.run(&["backup"], &context)).await,
            Command::BackupLocation(group) => group.run(&["backup-location"], &context).await,
            Command::Cancel(group) => group.run(&["cancel"], &context).await,
            Command::Client(group) => group.run(&["client"], &context).await,
            Command::Completion(completion) => completion.run(self::command()),
            Command::Create(group) => Box::pin(group.run(&["create"], &context)).await,
            Command::Delete(group) => group.run(&["delete"], &context).await,
            Command::Describe(group) => Box::pin(group.run(&["describe"], &context)).await,
            Command::Get(group) => group.run(&["get"], &context).await,
            Command::Install(install) => install.run(&context).await,
            Command::NodeAgent(agent) => agent.run(),
            Command::Restore(group) => Box::pin(group.run(&["restore"], &context)).await,
            Command::Schedule(group) => group.run(&["schedule"], &context).await,
            Command::SnapshotLocation(group) => group.run(&["snapshot-location"], &context).await,
            Command::Server(args) => {
                let connection = context.connection(args.limit()?).await?;
                server::run(*args, context.features, connection).await
            }
            Command::Uninstall(uninstall) => uninstall.run(&context).await,
            Command::Version(version) => version.run(&context).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Root, clap::Error> {
        let words = std::iter::once("velero").chain(line.split_whitespace());
        command()
            .try_get_matches_from(words)
            .and_then(|matches| Root::from_arg_matches(&matches))
    }

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn verbs_come_first_or_last_with_singular_or_plural() {
        let lines = [
            "get backups",
            "get backup x y",
            "backup get",
            "get restore",
            "get backup-locations",
            "get schedules",
            "describe backup x",
            "describe restores",
            "create backup x",
            "create restore --from-backup b",
            "create backup-location l",
            "delete backup-location l",
            "delete backup-locations l",
            "delete backup b --confirm",
            "delete backups --all",
            "backup delete b c -l a=b",
            "restore delete r --confirm=false",
            "delete restores -l a=b -l c=d",
            "delete restore r",
            "create schedule s --schedule=@daily",
            "delete schedule s",
            "delete schedules --all --confirm",
            "schedule pause s",
            "schedule retention s",
            "schedule unpause s --skip-immediately",
            "restore describe x --details",
            "client config get",
            "client config set a=b",
            "completion bash",
            "backup",
            "client",
            "",
        ];
        for line in lines {
            parsed(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    #[test]
    fn commands_that_do_not_exist_yet_are_unknown() {
        for line in ["schedule retire s", "plugin get", "debug"] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }

    #[tokio::test]
    async fn the_node_agent_of_another_daemonset_is_refused_in_one_sentence() {
        for line in [
            "node-agent",
            "node-agent server",
            "node-agent server --features=EnableCSI --data-mover-prepare-timeout=30m --log-level debug --log-format=json",
            "node-agent server --unknown x --node-agent-configmap y",
        ] {
            let root = parsed(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            let error = Box::pin(root.run()).await.unwrap_err().to_string();
            assert!(error.starts_with("this release has no node agent"), "{line}: {error}");
        }
    }

    #[test]
    fn flags_are_parsed_as_in_the_go_release() {
        let lines = [
            "-nv backup get",
            "-n=v backup get",
            "backup get -n v",
            "backup create --wait x",
            "backup create x -w=true --wait=false",
            "backup create x --ttl 1h --ttl=2h",
            "backup create x --data-mover -odd",
            "backup create -- -odd",
            "backup create x --colorized false",
            "backup create x --snapshot-volumes=",
            "--v 4 -v4 --logtostderr=false --alsologtostderr get backups",
            "get backups --features EnableCSI,B --kubecontext c --kubeconfig k",
            "uninstall --force --namespace staging",
        ];
        for line in lines {
            parsed(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    #[test]
    fn global_flags_are_accepted_in_any_position() {
        for line in ["-n x backup get", "backup -n x get", "backup get -n x"] {
            assert_eq!(parsed(line).unwrap().globals.namespace.as_deref(), Some("x"), "{line}");
        }
    }

    #[test]
    fn groups_have_a_help() {
        assert!(help_text(&[]).contains("Usage: velero [OPTIONS] [COMMAND]"));
        assert!(help_text(&["client", "config"]).contains("Usage: velero client config"));
    }
}
