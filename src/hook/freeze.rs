//! What a server needs to thaw a frozen application.

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::command::Hook;
use crate::cluster::exec::ExecError;

/// An application that pre hooks may have frozen. It holds everything that thaws it, because the pod's annotations and the
/// backup's spec may have changed, or be gone, by then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Freeze {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The post hooks, in their order.
    pub thaw: Vec<Hook>,
}

/// Where the open freezes of a run are recorded, so that they outlive it.
pub trait Journal: Send {
    /// Records the freezes that are open now. They are durable when it returns without an error.
    fn record<'a>(&'a mut self, open: &'a [Freeze]) -> BoxFuture<'a, Result<(), JournalError>>;
}

/// The freezes could not be recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record which pods are frozen: {0}")]
pub struct JournalError(pub String);

/// A freeze that could not be ended, because its pod could not be reached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "pod {namespace}/{pod} may still be frozen: its post hooks could not be run: {error}; they are retried until the pod is reached or gone"
)]
pub struct Unthawed {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The error.
    pub error: ExecError,
}
