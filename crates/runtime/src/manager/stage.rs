//! Tasks that start together and stop together.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::task::{Group, TaskError};

/// Time for tasks that were aborted, or that are stopped after the deadline: enough to reach their next await. Only a task that
/// blocks its thread needs longer.
const VANISH: Duration = Duration::from_millis(200);

/// One step of the start, and in the mirror of the order one of the stop.
pub(super) struct Stage {
    name: &'static str,
    group: Group,
    tasks: FuturesUnordered<BoxFuture<'static, EndedTask>>,
}

/// A task that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EndedTask {
    pub(super) name: String,
    /// The reason, if there is one.
    pub(super) reason: Option<String>,
}

impl EndedTask {
    /// The reason for the log and the error.
    pub(super) fn reason(self) -> String {
        self.reason
            .unwrap_or_else(|| "it returned before it was stopped".into())
    }
}

/// When a stop must be over.
#[derive(Debug, Clone)]
pub(super) struct Deadline {
    pub(super) at: Instant,
    /// Ends it early.
    pub(super) force: CancellationToken,
}

impl Deadline {
    async fn over(&self) {
        sleep(VANISH).await;
        tokio::select! {
            () = sleep_until(self.at) => {}
            () = self.force.cancelled() => {}
        }
    }
}

impl Stage {
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            group: Group::new(),
            tasks: FuturesUnordered::new(),
        }
    }

    pub(super) fn group(&self) -> &Group {
        &self.group
    }

    pub(super) fn start<F, E>(&mut self, name: &str, work: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>> + Send + 'static,
    {
        tracing::debug!(stage = self.name, task = name, "task started");
        let task = self.group.spawn(name, work);
        let ended = async move {
            let name = task.name().to_owned();
            let reason = match task.await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.into().to_string()),
                Err(TaskError::Panicked { message, .. }) => Some(format!("it panicked: {message}")),
                Err(TaskError::Aborted { .. }) => Some("it was aborted".into()),
            };
            EndedTask { name, reason }
        };
        self.tasks.push(ended.boxed());
    }

    /// Returns the first task that ends. Never, if there are none.
    pub(super) async fn ended(&mut self) -> EndedTask {
        match self.tasks.next().await {
            Some(ended) => ended,
            None => std::future::pending().await,
        }
    }

    /// Stops all tasks and waits for them. Returns the names of those that were still there at the deadline; they are aborted.
    pub(super) async fn stop(&mut self, deadline: &Deadline) -> Vec<String> {
        if self.group.alive().is_empty() {
            return Vec::new();
        }
        tracing::info!(stage = self.name, "stopping");
        self.group.stop().cancel();
        let stopped = tokio::select! {
            biased;
            () = self.group.empty() => true,
            () = deadline.over() => false,
        };
        let abandoned = if stopped { Vec::new() } else { self.abandon().await };
        while let Some(Some(ended)) = self.tasks.next().now_or_never() {
            if let EndedTask {
                name,
                reason: Some(reason),
            } = ended
                && stopped
            {
                tracing::warn!(
                    stage = self.name,
                    task = name,
                    error = reason,
                    "task failed while stopping"
                );
            }
        }
        abandoned
    }

    /// Aborts the tasks that are still there and returns their names.
    async fn abandon(&mut self) -> Vec<String> {
        let names = self.group.alive();
        tracing::warn!(
            stage = self.name,
            tasks = names.join(", "),
            "tasks did not stop in time and are abandoned"
        );
        self.group.abort();
        let _ = timeout(VANISH, self.group.empty()).await;
        names
    }

    /// For a stage that must have ended at some time: stops all tasks, aborts those that still run at `abort_at`, and returns the names of those that
    /// still run at the end.
    pub(super) async fn vacate(&mut self, abort_at: Instant, end: Instant) -> Vec<String> {
        self.group.stop().cancel();
        tokio::select! {
            biased;
            () = self.group.empty() => return Vec::new(),
            () = sleep_until(abort_at) => {}
        }
        tracing::warn!(
            stage = self.name,
            tasks = self.group.alive().join(", "),
            "tasks have not stopped and are broken off"
        );
        self.group.abort();
        tokio::select! {
            biased;
            () = self.group.empty() => Vec::new(),
            () = sleep_until(end) => self.group.alive(),
        }
    }
}
