//! Commands as spans (decision 51). A command exports its span where the environment names a collector, and is part of the trace of what
//! called it where that gives one in `TRACEPARENT`.

use std::future::Future;

use tracing::{Instrument, info_span};

use crate::telemetry::process::Telemetry;
use crate::telemetry::run_spans::RunSpans;
use crate::telemetry::trace::{TraceParent, fail};

use super::terminal;

/// The environment variable with the trace context of the caller, as other programs take it.
const TRACEPARENT: &str = "TRACEPARENT";

/// Commands with telemetry of their own, or without anything to trace.
const UNTRACED: [&str; 3] = ["server", "node-agent", "completion"];

/// Runs the command with this path, such as `velero backup create`. Without a collector it is only run.
pub(super) async fn run(path: &[&str], command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    if path.get(1).is_none_or(|name| UNTRACED.contains(name)) {
        return command.await;
    }
    let telemetry = match Telemetry::of_command("velero-cli") {
        Ok(Some(telemetry)) => telemetry,
        Ok(None) => return command.await,
        Err(error) => {
            terminal::eprintln(&format!("Warning: the command is not traced: {error}"));
            return command.await;
        }
    };
    let span = info_span!(parent: None, "command", otel.name = path.join(" "), otel.kind = "client");
    RunSpans::begin(&span, of_caller());
    let result = command.instrument(span.clone()).await;
    if result.is_err() {
        fail(&span, "command", "");
    }
    drop(span);
    telemetry.shutdown().await;
    result
}

fn of_caller() -> Option<TraceParent> {
    TraceParent::parse(&std::env::var(TRACEPARENT).ok()?)
}

/// What an object that this command creates belongs to: the span of the command, or what the caller gives.
pub(super) fn parent_of_objects() -> Option<TraceParent> {
    TraceParent::current().or_else(of_caller)
}
