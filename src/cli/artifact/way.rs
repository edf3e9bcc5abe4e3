//! What each way to the endpoint is asked, and why one does not lead to a file.

use bytes::Bytes;
use http::{Method, StatusCode};

/// What the endpoint is asked.
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) path: String,
    /// JSON, or nothing.
    pub(super) body: Bytes,
}

/// Why one way does not lead to a file.
pub(super) enum Miss {
    /// The server looked and there is no such file: no other way will find it.
    Absent,
    /// The server has understood and will not: no other way will change its mind.
    Refused(StatusCode, String),
    /// The way is closed.
    Closed(String),
}

/// A way that the API server does not let the user go.
pub(super) fn not_allowed(verbs: &[&str], resource: &str, namespace: &str) -> Miss {
    Miss::Closed(format!(
        "the right to {} {resource} in namespace {namespace:?} is missing",
        verbs.join(" and ")
    ))
}

/// Whether the endpoint has understood the request and refuses it.
pub(super) fn is_refusal(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 408 | 409 | 413 | 422 | 429)
}
