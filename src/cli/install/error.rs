//! The errors of `velero install` before anything is created.

use std::path::PathBuf;

use crate::api::Quantity;
use crate::cli::flag::RepeatedKey;
use crate::store::StoreError;

/// The label of a namespace with the pod security level that it enforces.
pub(super) const POD_SECURITY: &str = "pod-security.kubernetes.io/enforce";

/// Flags that are missing, invalid or contradict each other.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// A check with the message of Velero.
    #[error("{0}")]
    Flags(String),
    /// There is no default image.
    #[error("--image is required: name the image of this server; upstream's default image is another program")]
    Image,
    /// A filesystem location without a volume.
    #[error(
        "provider velero.io/fs stores backups on a volume: set --filesystem-claim NAME (a PersistentVolumeClaim in Velero's namespace), or for a demonstration --filesystem-host-path DIR --node NODE"
    )]
    NoVolume,
    /// A volume for a provider that uses none.
    #[error("--filesystem-claim and --filesystem-host-path need the provider velero.io/fs, not {0:?}")]
    VolumeOfOther(String),
    /// Two volumes.
    #[error("--filesystem-claim and --filesystem-host-path are mutually exclusive")]
    TwoVolumes,
    /// A host path without a node, or a node without a host path.
    #[error("--filesystem-host-path and --node must be set together")]
    HalfHostPath,
    /// A node that does not exist.
    #[error("--node: node {0:?} does not exist; check `kubectl get nodes`")]
    NoSuchNode(String),
    /// A hostPath volume that the namespace does not admit.
    #[error(
        "--filesystem-host-path: namespace {namespace:?} enforces the pod security level {level:?} (label {label}), which forbids hostPath volumes; use --filesystem-claim, or another namespace",
        label = POD_SECURITY
    )]
    HostPathForbidden {
        /// The namespace to install into.
        namespace: String,
        /// The level that it enforces.
        level: String,
    },
    /// This release has no node agent.
    #[error(
        "--use-node-agent: this release has no node agent yet, so volume data is not backed up; omit the flag to back up and restore Kubernetes objects"
    )]
    NoNodeAgent,
    /// A key with two values.
    #[error(transparent)]
    Repeated(#[from] RepeatedKey),
    /// A location that this server cannot use.
    #[error("invalid backup storage location: {0}")]
    Location(#[from] StoreError),
    /// A request above its limit.
    #[error("{what} request {request} must be less than or equal to {what} limit {limit}")]
    Resources {
        /// Which resource of which pod.
        what: &'static str,
        /// The request.
        request: Quantity,
        /// The limit.
        limit: Quantity,
    },
    /// The file of a flag cannot be read.
    #[error("read `{0}`: {1}")]
    File(PathBuf, #[source] std::io::Error),
}

/// An error with this message.
pub(super) fn invalid<T>(text: impl Into<String>) -> Result<T, InstallError> {
    Err(InstallError::Flags(text.into()))
}
