//! What must be known of a frozen application to thaw it.

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::command::Hook;
use crate::cluster::exec::ExecError;

/// An application that pre hooks may have frozen. Everything that ends it is in here: the pod's annotations and the
/// backup's spec may have changed, or be gone, when it is needed.
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

/// Where the open freezes of a run are written down, so that they outlive it.
pub trait Journal: Send {
    /// Writes down which freezes are open now. When it returns without an error they are safe.
    fn record<'a>(&'a mut self, open: &'a [Freeze]) -> BoxFuture<'a, Result<(), JournalError>>;
}

/// They could not be written down.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write down which pods are frozen: {0}")]
pub struct JournalError(pub String);

/// A freeze that could not be ended, because its pod could not be reached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "pod {namespace}/{pod} may still be frozen: its post hooks could not be run: {error}; they are tried again until the pod is reached or gone"
)]
pub struct Unthawed {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// Why.
    pub error: ExecError,
}
