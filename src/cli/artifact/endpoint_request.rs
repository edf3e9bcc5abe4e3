//! A request to the artifact endpoint, and the errors of the connections to it.

use bytes::Bytes;
use http::{Method, StatusCode};

/// A request to the endpoint.
pub(super) struct EndpointRequest {
    pub(super) method: Method,
    pub(super) path: String,
    /// JSON, or nothing.
    pub(super) body: Bytes,
}

/// The error of one connection.
pub(super) enum OpenError {
    /// The server has no such file. Other connections would have the same answer.
    NotFound,
    /// The server rejected the request. Other connections would have the same answer.
    Rejected(StatusCode, String),
    /// The server was not reached.
    Unreachable(String),
}

/// The error of a connection for which the user lacks the permission.
pub(super) fn not_allowed(verbs: &[&str], resource: &str, namespace: &str) -> OpenError {
    OpenError::Unreachable(format!(
        "missing permission to {} {resource} in namespace {namespace:?}",
        verbs.join(" and ")
    ))
}

/// Whether this status is the endpoint's rejection of a request.
pub(super) fn is_rejection(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 408 | 409 | 413 | 422 | 429)
}
