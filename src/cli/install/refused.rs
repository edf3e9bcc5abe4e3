//! Why `velero install` installs nothing.

use std::path::PathBuf;

use crate::api::Quantity;
use crate::cli::flag::RepeatedKey;
use crate::store::StoreError;

/// Which pods a namespace admits.
pub(super) const POD_SECURITY: &str = "pod-security.kubernetes.io/enforce";

/// Flags that do not go together, or do not suffice.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Upstream's own checks, in its words.
    #[error("{0}")]
    Flags(String),
    /// There is no image to fall back on.
    #[error("--image is required: name the image of this server; upstream's default image is another program")]
    Image,
    /// A filesystem location without a volume.
    #[error(
        "provider velero.io/fs stores in a volume: name one with --filesystem-claim NAME (a PersistentVolumeClaim in Velero's namespace), or for a demonstration with --filesystem-host-path DIR --node NODE"
    )]
    NoVolume,
    /// A volume, and a provider that does not store there.
    #[error("--filesystem-claim and --filesystem-host-path need the provider velero.io/fs, not {0:?}")]
    VolumeOfOther(String),
    /// Two volumes.
    #[error("--filesystem-claim and --filesystem-host-path exclude one another")]
    TwoVolumes,
    /// Half of what a host path needs.
    #[error("--filesystem-host-path and --node need one another")]
    HalfHostPath,
    /// A node that the cluster has not.
    #[error("--node: the cluster has no node {0:?}; `kubectl get nodes` names those it has")]
    NoSuchNode(String),
    /// A volume that the namespace forbids.
    #[error(
        "--filesystem-host-path: namespace {namespace:?} admits pods of the pod security level {level:?} only (label {label}), and those may not use a directory of a node; use --filesystem-claim, or another namespace",
        label = POD_SECURITY
    )]
    HostPathForbidden {
        /// The namespace to install into.
        namespace: String,
        /// What it admits.
        level: String,
    },
    /// The node agent does not exist yet.
    #[error(
        "--use-node-agent: this release has no node agent yet, so the data of volumes is not backed up; leave the flag out to back up and restore Kubernetes objects"
    )]
    NoNodeAgent,
    /// A key with two values.
    #[error(transparent)]
    Repeated(#[from] RepeatedKey),
    /// A location that this server cannot use.
    #[error("the backup storage location could not be used: {0}")]
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
    /// A file that a flag names cannot be read.
    #[error("read `{0}`: {1}")]
    File(PathBuf, #[source] std::io::Error),
}
