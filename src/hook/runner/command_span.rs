//! The span of a command in a container (decision 51). Its words and its output are not in it: they may be secrets.

use tracing::{Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::cluster::exec::{Exec, ExecError, Ran};
use crate::hook::command::Phase;
use crate::telemetry::run_spans::{Sort, limited};
use crate::telemetry::trace::fail;

/// It is about to run.
pub(super) fn begin(exec: &Exec, phase: Phase) -> Span {
    limited(Sort::Command, || {
        info_span!(
            "exec",
            otel.kind = "client",
            k8s.namespace.name = exec.namespace,
            k8s.pod.name = exec.pod,
            k8s.container.name = exec.container,
            velero.hook.phase = match phase {
                Phase::Pre => "pre",
                Phase::Post => "post",
            },
        )
    })
}

/// It ran, or could not.
pub(super) fn end(span: &Span, ran: &Ran) {
    match &ran.outcome {
        Ok(code) => {
            span.set_attribute("process.exit.code", i64::from(*code));
            if *code != 0 {
                fail(span, "exit_code", "");
            }
        }
        Err(error) => fail(
            span,
            if ExecError::is_transient(error) {
                "connection"
            } else {
                "exec"
            },
            "",
        ),
    }
}
