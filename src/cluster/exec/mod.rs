//! Running a command in a container of a pod, over the exec protocol (WebSocket, `v5.channel.k8s.io`).
//!
//! The protocol cannot end a remote command: after the timeout the client stops waiting, and the error says so. Both outputs
//! are read to their ends at the same time, because the connection stalls while one of them is not read; only a bounded part of
//! them is kept.

mod output;
#[cfg(test)]
mod tests;

use std::pin::pin;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::Api;
use kube::api::{ApiResource, AttachParams, AttachedProcess, DynamicObject};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{sleep, timeout};

use super::Cluster;
use super::upgrade::missing_verb;

pub use output::{Captured, Output};

/// Bytes between the connection and the reader of an output.
const PIPE: usize = 64 << 10;

/// The wait after a 429 without a `Retry-After`.
const PUSHED_BACK: Duration = Duration::from_secs(1);

/// A command to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exec {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// The command with its arguments; no shell is involved.
    pub command: Vec<String>,
    /// The timeout.
    pub timeout: Duration,
}

/// The outcome of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Its exit code, or the error.
    pub outcome: Result<i32, ExecError>,
    /// The output that was received.
    pub output: Output,
}

impl Ran {
    /// It did not run, or its outcome is unknown.
    pub fn failed(error: ExecError) -> Self {
        Self {
            outcome: Err(error),
            output: Output::default(),
        }
    }
}

/// Why a command has no exit code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExecError {
    /// The API server refused; nothing was run.
    #[error("the API server refused to run the command: {message}")]
    Refused {
        /// The HTTP status code.
        code: u16,
        /// The machine-readable reason.
        reason: String,
        /// The message.
        message: String,
    },
    /// There was no answer. The command may still have been started.
    #[error("the API server could not be asked to run the command: {0}; check that it is reachable")]
    NoAnswer(String),
    /// The connection ended before the command did.
    #[error(
        "the connection to the command broke before its end: it may have been carried out, in part or whole; check the kubelet of the pod's node"
    )]
    Lost,
    /// The timeout passed.
    #[error(
        "the command did not end within {0:?} and was given up: the connection is closed, but the command may still be running in the container; raise the hook's timeout or make the command faster"
    )]
    TimedOut(Duration),
    /// The container was not running, so nothing was run.
    #[error("the container does not run: {0}; check the state of the pod's containers")]
    Stopped(String),
    /// The container could not start it.
    #[error("the container could not run the command: {0}; check that the program is in the container's image")]
    NotRun(String),
}

impl ExecError {
    /// The pod, or something else that the request needs, does not exist.
    pub fn is_pod_gone(&self) -> bool {
        matches!(self, Self::Refused { code: 404, reason, .. } if reason == "NotFound")
    }

    /// The pod's Node object does not exist, so nothing can be run in the pod: the API server finds kubelets by it. Only the text of
    /// the answer names what was not found.
    pub fn is_node_gone(&self) -> bool {
        self.is_pod_gone() && matches!(self, Self::Refused { message, .. } if message.starts_with("nodes \""))
    }

    /// The pod has ended, so nothing runs in it. The API server has no reason of its own for this.
    pub fn is_pod_ended(&self) -> bool {
        matches!(self, Self::Refused { code: 400, message, .. } if message.contains("completed pod"))
    }

    /// Whether the command was certainly not begun, because the pod or its container refused it.
    pub fn was_not_begun(&self) -> bool {
        match self {
            Self::Stopped(_) => true,
            Self::Refused { code, .. } => *code < 500 && *code != 429,
            _ => false,
        }
    }

    /// Whether the command may have had an effect, or may still have one.
    pub fn may_have_run(&self) -> bool {
        matches!(self, Self::NoAnswer(_) | Self::Lost | Self::TimedOut(_))
    }

    /// Whether the connection to the container failed, so that a retry may succeed.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NoAnswer(_) | Self::Lost => true,
            Self::Refused { code, .. } => *code == 429 || *code >= 500,
            Self::TimedOut(_) | Self::Stopped(_) | Self::NotRun(_) => false,
        }
    }
}

/// A pod as it is now, or `None` when it is not there.
///
/// # Errors
/// The request to the API server failed.
pub async fn look(cluster: &Cluster, namespace: &str, pod: &str) -> Result<Option<Value>, ExecError> {
    let pods: Api<DynamicObject> =
        Api::namespaced_with(cluster.client().clone(), namespace, &ApiResource::erase::<Pod>(&()));
    let failed = |error: &dyn std::fmt::Display| ExecError::NoAnswer(error.to_string());
    let found = pods.get_opt(pod).await.map_err(|error| failed(&error))?;
    found
        .map(|pod| serde_json::to_value(pod).map_err(|error| failed(&error)))
        .transpose()
}

/// Runs a command to its end, or until its timeout. Only a 429 is retried: any other error may have started the command.
/// Dropping this closes the connection; the remote command continues.
pub async fn run(cluster: &Cluster, exec: &Exec) -> Ran {
    let mut output = Output::default();
    let outcome = timeout(exec.timeout, attempt(cluster, exec, &mut output)).await;
    Ran {
        outcome: outcome.unwrap_or(Err(ExecError::TimedOut(exec.timeout))),
        output,
    }
}

async fn attempt(cluster: &Cluster, exec: &Exec, output: &mut Output) -> Result<i32, ExecError> {
    let mut process = connect(cluster, exec).await?;
    let status = process.take_status();
    let (stdout, stderr) = (process.stdout(), process.stderr());
    let mut status = pin!(async {
        match status {
            Some(status) => status.await,
            None => None,
        }
    });
    let mut reading =
        pin!(async { tokio::join!(drain(stdout, &mut output.stdout), drain(stderr, &mut output.stderr)) });
    let status = tokio::select! {
        status = &mut status => {
            // A status comes last: the outputs end with it. Where the connection broke they never end.
            if status.is_some() {
                reading.await;
            }
            status
        }
        _ = &mut reading => status.await,
    };
    verdict(&status.ok_or(ExecError::Lost)?)
}

async fn connect(cluster: &Cluster, exec: &Exec) -> Result<AttachedProcess, ExecError> {
    let pods: Api<Pod> = Api::namespaced(cluster.client().clone(), &exec.namespace);
    let params = AttachParams::default()
        .stdin(false)
        .container(&exec.container)
        .max_stdout_buf_size(PIPE)
        .max_stderr_buf_size(PIPE);
    loop {
        match pods.exec(&exec.pod, exec.command.clone(), &params).await {
            Ok(process) => return Ok(process),
            Err(kube::Error::Api(status)) if status.code == 429 => {
                let asked = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
                sleep(Duration::from_secs(asked.into()).max(PUSHED_BACK)).await;
            }
            Err(kube::Error::Api(status)) => {
                return Err(ExecError::Refused {
                    code: status.code,
                    reason: status.reason.clone(),
                    message: explained(status.code, &status.message),
                });
            }
            Err(error) => return Err(ExecError::NoAnswer(error.to_string())),
        }
    }
}

/// The API server's message, with both verbs: it misses one at a time.
fn explained(code: u16, message: &str) -> String {
    match missing_verb(message).filter(|_| code == 403) {
        Some(verb) => format!(
            "{}; {verb} on pods/exec is missing: the server's account needs both get and create on it in the pod's namespace",
            message.trim_end().trim_end_matches(':')
        ),
        None => message.to_owned(),
    }
}

/// Reads to the end, keeping what is kept. A pipe within this process does not fail.
async fn drain(from: Option<impl AsyncRead + Unpin>, kept: &mut Captured) {
    let Some(mut from) = from else { return };
    let mut piece = vec![0; PIPE];
    while let Ok(read @ 1..) = from.read(&mut piece).await {
        kept.take(&piece[..read]);
    }
}

/// The exit code in a status.
fn verdict(status: &Status) -> Result<i32, ExecError> {
    if status.status.as_deref() == Some("Success") {
        return Ok(0);
    }
    let causes = status.details.as_ref().and_then(|details| details.causes.as_ref());
    let code = causes
        .into_iter()
        .flatten()
        .find(|cause| cause.reason.as_deref() == Some("ExitCode"))
        .and_then(|cause| cause.message.as_deref()?.parse().ok());
    code.ok_or_else(|| {
        let message = status.message.clone().unwrap_or_default();
        if is_about_a_stopped_container(&message) {
            ExecError::Stopped(message)
        } else {
            ExecError::NotRun(message)
        }
    })
}

/// Whether a kubelet, or its container runtime, reports that the container was not running. None of them has a
/// reason of its own for this.
fn is_about_a_stopped_container(message: &str) -> bool {
    const TEXTS: [&str; 6] = [
        // The kubelet, which searches the running ones.
        "container not found (",
        // containerd
        "container is in CONTAINER_",
        "no running task found",
        // CRI-O
        "container is not created or running",
        // cri-dockerd
        "container not running",
        // runc
        "cannot exec in a stopped container",
    ];
    TEXTS.iter().any(|text| message.contains(text))
}
