//! Why a hook failed.

use crate::cluster::exec::{ExecError, Ran};
use crate::hook::command::Hook;
use crate::hook::pod::PodHooks;

/// Why a hook failed.
pub(super) struct Failure {
    pub(super) text: String,
    pub(super) error: Option<ExecError>,
    /// Whether the command may have been begun.
    pub(super) begun: bool,
}

impl Failure {
    pub(super) fn of(hook: &Hook, ran: &Ran) -> Option<Self> {
        match &ran.outcome {
            Ok(0) => None,
            Ok(code) => {
                let last_line = ran.output.stderr.last_line().or_else(|| ran.output.stdout.last_line());
                let last_line = last_line.map(|line| format!(": {line}")).unwrap_or_default();
                let program = hook.command.first().map_or("", String::as_str);
                Some(Self {
                    text: format!("`{program}` ended with exit code {code}{last_line}"),
                    error: None,
                    begun: true,
                })
            }
            Err(error) => Some(Self {
                text: error.to_string(),
                error: Some(error.clone()),
                begun: !error.was_not_begun(),
            }),
        }
    }

    /// The hook failed before its command.
    pub(super) fn before(text: String) -> Self {
        Self {
            text,
            error: None,
            begun: false,
        }
    }

    pub(super) fn is(&self, what: impl Fn(&ExecError) -> bool) -> bool {
        self.error.as_ref().is_some_and(what)
    }
}

/// Why a hook can never run, in any state of its pod.
pub(super) fn why_never(pod: &PodHooks, hook: &Hook) -> Option<String> {
    if hook.command.is_empty() {
        return Some("the command is empty: name the program to run and its arguments".to_owned());
    }
    (!pod.containers.contains(&hook.container)).then(|| {
        format!(
            "container `{}` is not in the pod; it has {}",
            hook.container,
            pod.containers.join(", ")
        )
    })
}
