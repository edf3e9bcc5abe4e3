//! Commands in pods, while this process leads.

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::cluster::Cluster;
use crate::cluster::exec::{self, Exec, ExecError, Ran};
use crate::hook::{Executor, Standing};
use crate::runtime::lease::WriteGate;

/// Runs commands through the API server. None begins, and none is waited for, when the lease is over: the next leader thaws what this one
/// froze, and a late command must not follow.
#[derive(Debug)]
pub struct PodExec {
    cluster: Cluster,
    gate: WriteGate,
}

impl PodExec {
    /// Through this connection, which must not repeat requests by itself: the first request may have begun the command.
    pub fn new(cluster: Cluster, gate: WriteGate) -> Self {
        Self { cluster, gate }
    }
}

impl Executor for PodExec {
    fn execute<'a>(&'a self, exec: &'a Exec) -> BoxFuture<'a, Ran> {
        async {
            let ran = self.gate.write(exec::run(&self.cluster, exec)).await;
            ran.unwrap_or_else(|stopped| Ran::failed(ExecError::NoAnswer(stopped.to_string())))
        }
        .boxed()
    }

    fn look<'a>(&'a self, namespace: &'a str, pod: &'a str) -> BoxFuture<'a, Result<Option<Standing>, ExecError>> {
        async move {
            let pod = exec::look(&self.cluster, namespace, pod).await?;
            Ok(pod.as_ref().map(Standing::of))
        }
        .boxed()
    }
}
