//! Why a pass over an object that waits for operations failed.

use crate::controllers::location::LocationError;
use crate::controllers::run::record::RecordError;
use crate::controllers::write::WriteError;
use crate::runtime::{Class, Classify};

use super::file::FileError;

/// A pass failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The status was not written.
    #[error("writing the progress of item operations into the status failed: {0}")]
    StatusNotWritten(#[from] WriteError),
    /// The location cannot be opened.
    #[error("reading the item operations failed: {0}")]
    LocationUnusable(#[from] LocationError),
    /// The file of operations could not be read or written.
    #[error("keeping the item operations in the storage location failed: {0}")]
    BucketUnreadable(#[from] FileError),
    /// Since when it waits for its location could not be read or written.
    #[error(transparent)]
    RecordUnreadable(#[from] RecordError),
}

impl Classify for Error {
    crate::runtime::reasons!(StatusNotWritten, LocationUnusable, BucketUnreadable, RecordUnreadable);

    fn class(&self) -> Class {
        match self {
            Self::StatusNotWritten(WriteError::NotLeading(_)) | Self::RecordUnreadable(RecordError::NotLeading(_)) => {
                Class::Lost
            }
            _ => Class::Transient,
        }
    }
}
