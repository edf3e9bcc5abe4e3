//! The error of a file that was not fetched.

use std::io;

use crate::cli::objects::RequestError;

/// A file that could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// There is no such file.
    #[error("file not found")]
    Missing,
    /// The run or its location shows that there is no such file.
    #[error("{0}")]
    Refused(String),
    /// There is no such file: the run has failed.
    #[error("file not found: {0}")]
    Failed(String),
    /// The location was unavailable before the request, and the file was not read.
    #[error("{why}; the file could not be read: {error}")]
    Doubtful {
        /// The state of the location.
        why: String,
        /// The error of the attempt.
        error: Box<Self>,
    },
    /// The server does not run.
    #[error("{0}")]
    NoServer(String),
    /// The server did not answer in time.
    #[error(
        "download request download url timeout, check velero server logs for errors. backup storage location may not be available"
    )]
    Unanswered,
    /// The request could not be made or watched.
    #[error("{0}")]
    Request(#[from] RequestError),
    /// Every connection to the server failed.
    #[error("cannot reach the Velero server: {}; check that the velero pod is ready and that you may use one of these connections", .0.join("; "))]
    Unreachable(Vec<String>),
    /// The transfer failed.
    #[error("read the file: {0}")]
    Transfer(#[source] io::Error),
    /// The file is not valid gzip.
    #[error("decompress the file: {0}; the transfer may have been interrupted")]
    Gzip(#[source] io::Error),
    /// The file is too large to be read into memory.
    #[error("the file has more than {0} bytes; get it from the bucket")]
    TooLong(usize),
    /// The sink failed.
    #[error("write the file: {0}")]
    Write(#[source] io::Error),
}

impl ArtifactError {
    /// Whether the server did not answer in time. It would not answer for the next file of the run either.
    pub(super) fn is_timeout(&self) -> bool {
        match self {
            Self::Unanswered => true,
            Self::Doubtful { error, .. } => error.is_timeout(),
            _ => false,
        }
    }
}
