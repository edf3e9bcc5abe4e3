//! Why an attempt at a restore failed.

use crate::controllers::run::{Retry, Retryable, RunError, run_error};
use crate::restore::engine::Fatal;
use crate::restore::ledger::LedgerError;

use super::download::DownloadError;
use super::source::FetchError;
use super::volumes::VolumesError;

/// An attempt failed.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A step that every run has.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The restore of the items ended early.
    #[error(transparent)]
    Engine(#[from] Fatal),
    /// The backup's files could not be read.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Another release wrote the ledger.
    #[error("{0}; the restore is left alone: run the release that wrote the ledger, or delete the restore")]
    Ledger(LedgerError),
}

run_error!(RestoreError);

impl Retryable for RestoreError {
    fn retry(&self) -> Retry {
        let later = |retry: bool| if retry { Retry::Later } else { Retry::Never };
        match self {
            // A store that cannot be used blocks no other restore: it is tried for as long as the restore is there.
            Self::Run(error) => later(error.retry() != Retry::Never),
            Self::Fetch(
                FetchError::Download(DownloadError::Store(error)) | FetchError::Volumes(VolumesError::Store(error)),
            ) => later(error.is_transient()),
            Self::Engine(fatal) => later(matches!(
                fatal,
                Fatal::Discovery(_) | Fatal::LedgerNotStored(_) | Fatal::Cancelled
            )),
            Self::Ledger(_) => Retry::Later,
            Self::Fetch(_) => Retry::Never,
        }
    }
}
