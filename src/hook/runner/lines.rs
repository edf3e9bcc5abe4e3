//! The lines of a hook in the backup's log.

use super::failure::Failure;
use crate::api::GoDuration;
use crate::cluster::exec::{ExecError, Ran};
use crate::hook::command::{Hook, Phase};
use crate::hook::pod::PodHooks;
use crate::telemetry::logrus::Level;
use crate::telemetry::run_log::{Line, RunLog};

/// Writes lines about hooks to the backup's log.
pub(super) struct HookLog(pub(super) RunLog);

impl HookLog {
    pub(super) fn failed(&self, pod: &PodHooks, hook: &Hook, failure: &Failure) {
        self.line(Level::Error, &pod.namespace, &pod.name, hook)
            .field("error", failure.text.clone())
            .msg("Error executing hook");
    }

    /// The container does not run, so nothing in it can be frozen.
    pub(super) fn idle(&self, pod: &PodHooks, hook: &Hook, state: &str) {
        let container = &hook.container;
        let meaning = match hook.phase {
            Phase::Pre => "there is nothing to freeze, so the hook is not run and the pod is saved",
            Phase::Post => "there is nothing to thaw, so the hook is not run",
        };
        self.line(Level::Warning, &pod.namespace, &pod.name, hook).msg(format!(
            "Container {container:?} of the pod does not run ({state}): {meaning}"
        ));
    }

    pub(super) fn gone(&self, pod: &PodHooks, hook: &Hook, failure: &Failure) {
        self.line(Level::Warning, &pod.namespace, &pod.name, hook)
            .field("error", failure.text.clone())
            .msg(if failure.is(ExecError::is_node_gone) {
                "The node of the pod is gone, so nothing can be run in the pod: its hooks are not run"
            } else {
                "The pod has ended or is gone since it was listed: its hooks are not run"
            });
    }

    pub(super) fn about(&self, level: Level, namespace: &str, pod: &str) -> Line<'_> {
        self.0
            .line(level)
            .field("resource", "pods")
            .field("namespace", namespace)
            .field("name", pod)
    }

    /// A line about a hook, with upstream's fields (spec backup 10).
    pub(super) fn line(&self, level: Level, namespace: &str, pod: &str, hook: &Hook) -> Line<'_> {
        self.about(level, namespace, pod)
            .field("hookSource", hook.source.as_str())
            .field("hookType", "exec")
            .field("hookPhase", hook.phase.as_str())
            .field("hookName", &hook.name)
            .field("hookContainer", &hook.container)
            .field("hookCommand", format!("[{}]", hook.command.join(" ")))
            .field("hookOnError", hook.on_error.as_str())
            .field("hookTimeout", format!("{{{}}}", GoDuration::from(hook.timeout)))
    }
}

/// Logs the outputs of a command.
pub(super) fn log_output<'l>(line: &dyn Fn(Level) -> Line<'l>, ran: &Ran) {
    line(Level::Info).msg(format!("stdout: {}", ran.output.stdout));
    line(Level::Info).msg(format!("stderr: {}", ran.output.stderr));
}
