//! `velero version`.

use super::artifact::timeout;
use super::build_info::{self, major_minor};
use super::context::Context;
use super::flag::go_bool;
use super::server_status::server_status;
use super::terminal;
use crate::api::GoDuration;
use crate::controllers::version;

/// Print the velero version and associated image
#[derive(Clone, Debug, clap::Args)]
pub struct Version {
    /// Maximum time to wait for server version to be reported.
    #[arg(long, default_value = "5s")]
    timeout: GoDuration,
    /// Only get velero client version, not server version.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    client_only: bool,
}

impl Version {
    /// Prints the versions. A server that does not answer is not an error.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        if self.client_only {
            return Ok(terminal::print(&client())?);
        }
        let connection = context.client().await?;
        terminal::print(&client())?;
        let answer = server_status(&connection, &context.namespace, timeout(&self.timeout)).await;
        let text = match answer {
            Ok(status) => server(&status.server_version),
            Err(error) => format!("<error getting server version: {error}>\n"),
        };
        Ok(terminal::print(&text)?)
    }
}

fn client() -> String {
    format!(
        "Client:\n\tVersion: {}\n\tGit commit: {}\n",
        version::server(),
        build_info::GIT_COMMIT
    )
}

fn server(server: &str) -> String {
    let text = format!("Server:\n\tVersion: {server}\n");
    let (ours, theirs) = (major_minor(version::server()), major_minor(server));
    if ours == theirs {
        return text;
    }
    let update = if ours > theirs { "server" } else { "client" };
    format!("{text}# WARNING: the client version does not match the server version. Please update {update}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_of_the_same_minor_version_needs_no_warning() {
        assert_eq!(server("v1.18.9"), "Server:\n\tVersion: v1.18.9\n");
    }

    #[test]
    fn the_warning_names_the_older_side() {
        assert!(server("v1.17.0").ends_with("Please update server\n"));
        assert!(server("v1.19.0").ends_with("Please update client\n"));
        assert!(server("main").ends_with("Please update server\n"));
    }

    #[test]
    fn the_output_has_the_recorded_layout() {
        let recorded = include_str!("../../tests/data/go-1.18.1/cli/version.txt");
        let ours = client() + &server("v1.18.1");
        let ours = ours.replace(version::server(), "v1.18.1");
        assert_eq!(ours, recorded);
    }
}
