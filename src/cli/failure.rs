//! The message and exit code of a command that failed (spec server-cli 1.7).

use std::io;
use std::process::ExitCode;

use super::terminal;

/// Failures whose message is not `An error occurred: …`.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Prints only this text to standard error, exit code 1.
    #[error("{0}")]
    Message(String),
    /// Prints nothing, exit code 1.
    #[error("failed")]
    Silent,
}

/// Prints the error and returns the exit code.
pub fn report(error: &anyhow::Error) -> ExitCode {
    match error.downcast_ref::<Failure>() {
        Some(Failure::Message(message)) => terminal::eprintln(message),
        Some(Failure::Silent) => {}
        None if is_broken_pipe(error) => {}
        None => terminal::eprintln(&format!("An error occurred: {}", chain(error))),
    }
    ExitCode::FAILURE
}

/// Whether the reader of standard output closed the pipe, as `head` does. That is not an error to report.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

/// The error with its causes. Many libraries repeat the cause in their own text, so each text is added once.
fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        // kube's own text is a dump of the whole response.
        if let Some(kube::Error::Api(status)) = cause.downcast_ref() {
            return match text.as_str() {
                "" => status.message.clone(),
                text => format!("{text}: {}", status.message),
            };
        }
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::*;

    #[test]
    fn each_cause_is_printed_once() {
        let error = Err::<(), _>(anyhow!("connection refused"))
            .context("list backups: connection refused")
            .context("get");
        assert_eq!(chain(&error.unwrap_err()), "get: list backups: connection refused");
    }

    #[test]
    fn an_error_of_the_api_server_is_printed_with_its_own_message() {
        let status = kube::core::Status {
            code: 403,
            message: "namespaces \"velero\" is forbidden".to_owned(),
            reason: "Forbidden".to_owned(),
            ..kube::core::Status::default()
        };
        let refused = || kube::Error::Api(Box::new(status.clone()));
        assert_eq!(chain(&refused().into()), "namespaces \"velero\" is forbidden");
        assert_eq!(
            chain(&anyhow::Error::from(refused()).context("find the namespace")),
            "find the namespace: namespaces \"velero\" is forbidden"
        );
    }

    #[test]
    fn a_closed_pipe_is_found_among_the_causes() {
        let error = anyhow::Error::from(io::Error::from(io::ErrorKind::BrokenPipe)).context("print the log");
        assert!(is_broken_pipe(&error));
        assert!(!is_broken_pipe(&anyhow!("x")));
    }
}
