//! One hook.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::api::GoDuration;
use crate::api::constants::HOOK_TIMEOUT;
use crate::cluster::exec::Exec;

/// A command to run in a container of a pod, before or after it is backed up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// Where it was asked for.
    pub source: Source,
    /// The name in the log.
    pub name: String,
    /// When it runs.
    pub phase: Phase,
    /// The container; if empty, the first one of the pod.
    pub container: String,
    /// The command with its arguments; no shell is involved.
    pub command: Vec<String>,
    /// What happens when it fails.
    pub on_error: OnError,
    /// The timeout.
    pub timeout: Duration,
}

/// When a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Before anything of the pod's block is saved.
    Pre,
    /// After everything of the pod's block, the data of its volumes included.
    Post,
}

/// Where a hook comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// The pod's annotations.
    Annotation,
    /// The backup's spec.
    Spec,
}

/// What happens when a hook fails. The default is `Fail`, as documented (decision 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnError {
    /// The error is noted and the next hook runs.
    Continue,
    /// The pod's further hooks of the phase do not run; after a pre hook the pod is not saved.
    #[default]
    Fail,
}

impl Hook {
    /// Its command in a pod.
    pub(super) fn exec(&self, namespace: &str, pod: &str) -> Exec {
        Exec {
            namespace: namespace.to_owned(),
            pod: pod.to_owned(),
            container: self.container.clone(),
            command: self.command.clone(),
            timeout: self.timeout,
        }
    }
}

impl Phase {
    /// The text in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pre => "pre",
            Self::Post => "post",
        }
    }
}

impl Source {
    /// The text in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Annotation => "annotation",
            Self::Spec => "spec",
        }
    }
}

impl OnError {
    /// The value in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Continue => "Continue",
            Self::Fail => "Fail",
        }
    }
}

/// The timeout of a hook, half a minute by default. With a negative one upstream stops waiting at once; here it is an error.
pub(super) fn timeout_of(written: &GoDuration) -> Result<Duration, String> {
    match written.positive() {
        Some(timeout) => Ok(timeout),
        None if written.is_zero() => Ok(HOOK_TIMEOUT),
        None => Err(match written.value() {
            Ok(_) => format!("{} is negative", written.text()),
            Err(error) => error.to_string(),
        }),
    }
}
