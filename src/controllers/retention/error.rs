//! Why a pass over the backups of a schedule failed.

use std::io;

use crate::controllers::gc::request::RequestError;
use crate::controllers::location::LocationError;
use crate::controllers::write::WriteError;
use crate::runtime::{Class, Classify};

/// A pass failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The new expiration was not written into the object.
    #[error("prolonging the life of backup `{backup}` failed: {source}")]
    StatusNotWritten {
        /// The backup.
        backup: String,
        /// Why not.
        #[source]
        source: WriteError,
    },
    /// The backup could not be read.
    #[error(
        "reading backup `{backup}`, which a retention rule keeps, failed: {source}; check that the API server is reachable"
    )]
    BackupNotRead {
        /// The backup.
        backup: String,
        /// Why not.
        #[source]
        source: kube::Error,
    },
    /// What there is now could not be read before a deletion.
    #[error(
        "reading the schedule and its backups before a deletion failed: {0}; check that the API server is reachable"
    )]
    NotRead(#[source] kube::Error),
    /// The location cannot be opened.
    #[error("opening the storage location of backup `{backup}`, which a retention rule keeps, failed: {source}")]
    LocationUnusable {
        /// The backup.
        backup: String,
        /// Why not.
        #[source]
        source: LocationError,
    },
    /// The new expiration was not written into the bucket.
    #[error("writing the longer life of backup `{backup}` into its storage location failed: {source}")]
    ExpirationNotStored {
        /// The backup.
        backup: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The deletion of a backup was not requested.
    #[error(transparent)]
    RequestNotMade(#[from] RequestError),
}

impl Classify for Error {
    crate::runtime::reasons!(
        StatusNotWritten,
        BackupNotRead,
        NotRead = "BackupsNotListed",
        LocationUnusable,
        ExpirationNotStored,
        RequestNotMade
    );

    fn class(&self) -> Class {
        match self {
            Self::StatusNotWritten {
                source: WriteError::NotLeading(_),
                ..
            }
            | Self::RequestNotMade(RequestError::NotLeading(_)) => Class::Lost,
            _ => Class::Transient,
        }
    }
}
