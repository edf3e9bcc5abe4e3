//! How a command ends: what is said and with which exit code (spec server-cli 1.7).

use std::io;
use std::process::ExitCode;

use super::terminal;

/// Ends that are not `An error occurred: …`.
#[derive(Debug, thiserror::Error)]
pub enum Ending {
    /// This text alone on standard error, exit code 1.
    #[error("{0}")]
    Message(String),
    /// Nothing is said, exit code 1.
    #[error("ended")]
    Silent,
}

/// Says what went wrong and gives the exit code.
pub fn report(error: &anyhow::Error) -> ExitCode {
    match error.downcast_ref::<Ending>() {
        Some(Ending::Message(message)) => terminal::eprintln(message),
        Some(Ending::Silent) => {}
        None if is_broken_pipe(error) => {}
        None => terminal::eprintln(&format!("An error occurred: {}", chain(error))),
    }
    ExitCode::FAILURE
}

/// The reader of our output went away, as `head` does: there is nobody to tell.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

/// The error with its causes, each said once: many libraries repeat the cause in their own text.
fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        // The crate's own text of an answer is a dump of the whole answer.
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
    fn each_cause_is_said_once() {
        let error = Err::<(), _>(anyhow!("connection refused"))
            .context("list backups: connection refused")
            .context("look");
        assert_eq!(chain(&error.unwrap_err()), "look: list backups: connection refused");
    }

    #[test]
    fn an_answer_of_the_api_server_is_told_in_its_own_words() {
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
    fn a_reader_that_went_away_is_recognised_below_other_errors() {
        let error = anyhow::Error::from(io::Error::from(io::ErrorKind::BrokenPipe)).context("print the log");
        assert!(is_broken_pipe(&error));
        assert!(!is_broken_pipe(&anyhow!("x")));
    }
}
