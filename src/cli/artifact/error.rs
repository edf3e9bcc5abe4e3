//! Why a file was not fetched.

use std::io;

use crate::cli::objects::RequestError;

/// A file that could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// There is no such file.
    #[error("file not found")]
    Missing,
    /// There is no such file, as the run itself or its location says.
    #[error("{0}")]
    Refused(String),
    /// There is no such file, and the run has failed.
    #[error("file not found: {0}")]
    Failed(String),
    /// What was known beforehand spoke against it, and the file did not come.
    #[error("{why}; the file could not be read: {error}")]
    Doubtful {
        /// What was known.
        why: String,
        /// How the attempt ended.
        error: Box<Self>,
    },
    /// There is no server.
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
    /// No way led to the file.
    #[error("no way to the server is open: {}; check that the velero pod is ready and that one of these ways is allowed", .0.join("; "))]
    Unreachable(Vec<String>),
    /// The transfer broke off.
    #[error("read the file: {0}")]
    Transfer(#[source] io::Error),
    /// The file is not what it should be.
    #[error("decompress the file: {0}; it may have been cut short on the way")]
    Gzip(#[source] io::Error),
    /// The file is longer than a person can read.
    #[error("the file has more than {0} bytes; fetch it from the bucket")]
    TooLong(usize),
    /// Where the file is written to takes no more.
    #[error("write the file: {0}")]
    Write(#[source] io::Error),
}

impl ArtifactError {
    /// Whether the file was waited for in vain, so that others of the run would be, too.
    pub(super) fn is_silence(&self) -> bool {
        match self {
            Self::Unanswered => true,
            Self::Doubtful { error, .. } => error.is_silence(),
            _ => false,
        }
    }
}
