//! Why a pass over a deletion failed.

use crate::controllers::backup::name_lock::NameLockError;
use crate::controllers::location::LocationError;
use crate::controllers::write::WriteError;
use crate::runtime::{Class, Classify};
use crate::store::{self, StoreError};

use super::external::ReadError;

/// A pass failed. The deletion stays open, and is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request or the Backup was not written.
    #[error("writing the state of the deletion failed: {0}")]
    StatusNotWritten(#[from] WriteError),
    /// The Backup could not be read.
    #[error("reading the backup to be deleted failed: {0}; check that the API server is reachable")]
    BackupNotRead(#[source] kube::Error),
    /// Its location could not be read.
    #[error(
        "reading storage location `{location}` of the backup to be deleted failed: {source}; check `kubectl get backupstoragelocation {location}`"
    )]
    LocationNotRead {
        /// The location.
        location: String,
        /// Why not.
        #[source]
        source: kube::Error,
    },
    /// An object of the backup was not removed.
    #[error("deleting {what} failed: {source}; check the rights of the server")]
    ObjectNotRemoved {
        /// Which one.
        what: String,
        /// Why not.
        #[source]
        source: WriteError,
    },
    /// The location cannot be opened.
    #[error("opening the storage location of the backup failed: {0}")]
    LocationUnusable(#[from] LocationError),
    /// What the backup consists of is not known.
    #[error("reading the contents of the backup failed: {0}")]
    BucketUnreadable(#[from] ReadError),
    /// A remover failed.
    #[error("removing {what} failed: {reason}")]
    DataNotRemoved {
        /// What.
        what: String,
        /// Why not.
        reason: String,
    },
    /// Files remain.
    #[error("removing the files of the backup failed: {0}")]
    FilesNotRemoved(#[from] NameLockError),
    /// What is left behind could not be noted.
    #[error("writing what the deletion leaves behind to the storage location failed: {0}")]
    LeftoversNotNoted(#[source] StoreError),
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::BucketUnreadable(error.into())
    }
}

impl Classify for Error {
    crate::runtime::reasons!(
        StatusNotWritten,
        BackupNotRead,
        LocationNotRead,
        ObjectNotRemoved,
        LocationUnusable,
        BucketUnreadable,
        DataNotRemoved,
        FilesNotRemoved,
        LeftoversNotNoted
    );

    fn class(&self) -> Class {
        let lost = |error: &StoreError| error.class() == store::Class::Lost;
        let is_lost = match self {
            Self::StatusNotWritten(error) | Self::ObjectNotRemoved { source: error, .. } => {
                matches!(error, WriteError::NotLeading(_))
            }
            Self::FilesNotRemoved(NameLockError::Store(error))
            | Self::LeftoversNotNoted(error)
            | Self::BucketUnreadable(ReadError::Store(error)) => lost(error),
            _ => false,
        };
        if is_lost { Class::Lost } else { Class::Transient }
    }
}
