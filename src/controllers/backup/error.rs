//! Why an attempt at a backup failed.

use crate::archive::rewrite::RewriteError;
use crate::backup::Fatal;
use crate::cluster::discovery::DiscoveryError;
use crate::controllers::run::{Retry, Retryable, RunError, run_error};
use crate::store::StoreError;

use super::name_lock::NameLockError;
use super::policies::PoliciesError;

/// An attempt failed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A step that every run has.
    #[error(transparent)]
    Run(#[from] RunError),
    /// What the API server serves could not be read.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// The collection of objects ended early.
    #[error(transparent)]
    Engine(#[from] Fatal),
    /// The resource policies cannot be used.
    #[error(transparent)]
    Policies(#[from] PoliciesError),
    /// A backup of this name is in the location.
    #[error(
        "backup already exists in object storage: `{key}` is there already; use another name, or delete the backup that holds it"
    )]
    NameTaken {
        /// The key of its metadata.
        key: String,
    },
    /// Another run holds the name.
    #[error("{0}")]
    NameHeld(NameLockError),
    /// A deleted backup of this cluster had the name.
    #[error("what an earlier backup of this name left in object storage is still being put in order (run `{uid}`)")]
    LeftoversInTheWay {
        /// The uid of that backup.
        uid: String,
    },
    /// The archive was changed after it was written.
    #[error(
        "the archive in object storage is not as it was written ({written} bytes then, {found} now); check what else writes to the bucket"
    )]
    NotAsWritten {
        /// Bytes that were written.
        written: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// The backup is not in the bucket any more.
    #[error(
        "the backup cannot be finalized: `{key}` is not in object storage any more; check what removes files from the bucket"
    )]
    SealGone {
        /// The key of its metadata.
        key: String,
    },
    /// A file beside the archive is not what Velero writes.
    #[error("the backup cannot be finalized: `{key}` cannot be read: {source}; check what wrote to the bucket")]
    Unreadable {
        /// Its key.
        key: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The items that were collected again did not get into the archive.
    #[error("completing the backup archive failed: {0}")]
    NotRewritten(#[from] RewriteError),
    /// The thread that writes the archive died.
    #[error("completing the backup archive panicked: {0}; please report this with the archive's member list")]
    RewritePanicked(String),
}

run_error!(BackupError);

impl From<NameLockError> for BackupError {
    fn from(error: NameLockError) -> Self {
        match error {
            NameLockError::Store(error) => error.into(),
            held @ (NameLockError::Held { .. } | NameLockError::UnknownVersion { .. }) => Self::NameHeld(held),
        }
    }
}

impl Retryable for BackupError {
    fn retry(&self) -> Retry {
        let later = |retry: bool| if retry { Retry::Later } else { Retry::Never };
        match self {
            Self::Run(error) => error.retry(),
            Self::Policies(error) => later(error.is_transient()),
            Self::Discovery(_) | Self::LeftoversInTheWay { .. } => Retry::Later,
            Self::Engine(fatal) => match fatal {
                Fatal::Cancelled | Fatal::NoNamespaces => Retry::Later,
                Fatal::Namespaces(error) => later(error.is_transient()),
                // The upload's error about its store.
                Fatal::Sink(error) if error.downcast_ref().is_some_and(StoreError::is_transient) => {
                    Retry::StoreUnavailable
                }
                Fatal::Sink(_) | Fatal::Selector(_) | Fatal::Hooks(_) | Fatal::Scratch(_) | Fatal::Archive(_) => {
                    Retry::Never
                }
            },
            Self::NameTaken { .. }
            | Self::NameHeld(_)
            | Self::NotAsWritten { .. }
            | Self::SealGone { .. }
            | Self::Unreadable { .. }
            | Self::NotRewritten(_)
            | Self::RewritePanicked(_) => Retry::Never,
        }
    }
}
