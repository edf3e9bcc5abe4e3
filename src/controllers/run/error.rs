//! Why an attempt failed, as far as all kinds of runs have it in common.

use std::io;

use crate::controllers::location::LocationError;
use crate::store::StoreError;

use super::record::RecordError;
use super::uploads::UploadError;

/// What follows from the failure of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The run has failed.
    Never,
    /// Another attempt may succeed.
    Later,
    /// Another attempt may succeed once the object store can be used.
    StoreUnavailable,
}

/// An error of an attempt.
pub trait Retryable: std::error::Error + Send {
    /// What follows from it.
    fn retry(&self) -> Retry;
}

/// A step failed that every kind of run has.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The location cannot be opened.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// The record could not be read or written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A file could not be sent.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// The object store refused, or was not reached.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A local file could not be written.
    #[error("a file of the run could not be made: {0}; check the space in the scratch directory")]
    Scratch(#[from] io::Error),
}

impl Retryable for RunError {
    fn retry(&self) -> Retry {
        match self {
            Self::Record(_) | Self::Upload(UploadError::Record(_)) => Retry::Later,
            Self::Location(LocationError::Store(error))
            | Self::Store(error)
            | Self::Upload(UploadError::Store(error))
                if error.is_transient() =>
            {
                Retry::StoreUnavailable
            }
            Self::Location(error) if error.is_transient() => Retry::Later,
            Self::Location(_) | Self::Store(_) | Self::Upload(_) | Self::Scratch(_) => Retry::Never,
        }
    }
}

/// Lets the `?` of an attempt turn the errors of all runs' steps into the variant `Run` of a kind's own enum.
macro_rules! run_error {
    ($kind:ident) => {
        $crate::controllers::run::run_error!($kind:
            $crate::controllers::location::LocationError,
            $crate::controllers::run::record::RecordError,
            $crate::controllers::run::uploads::UploadError,
            $crate::store::StoreError,
            std::io::Error
        );
    };
    ($kind:ident: $($error:ty),+) => {
        $(impl From<$error> for $kind {
            fn from(error: $error) -> Self {
                Self::Run(error.into())
            }
        })+
    };
}
pub(crate) use run_error;
