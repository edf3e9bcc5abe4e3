//! Why a list could not be read to its end.

use crate::cluster::ApiError;
use crate::cluster::error::Class;

/// A list that could not be read to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// The server refused, or could not be reached after repeated tries.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The answer is not a list.
    #[error("{attempt}: the answer is not a list: {reason}")]
    NotAList {
        /// What was attempted.
        attempt: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The list had to start over too often.
    #[error("{attempt}: started over {restarts} times, the last time after: {last}")]
    Restarts {
        /// What was attempted.
        attempt: String,
        /// How often.
        restarts: u32,
        /// The last cause.
        last: Box<ApiError>,
    },
}

impl ListError {
    /// Whether the error is transient: the same list may succeed later without any change.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Api(error) => is_transient(error, true),
            Self::Restarts { .. } => true,
            Self::NotAList { .. } => false,
        }
    }
}

/// Whether a retry may succeed. `continued`: it was a page after the first, with a token that can expire.
pub(super) fn is_transient(error: &ApiError, continued: bool) -> bool {
    match error.class {
        Class::Transport | Class::Timeout => true,
        Class::Answered => error.code == 429 || error.code >= 500 || (error.code == 410 && continued),
        Class::Unsent | Class::Unreadable => false,
    }
}
