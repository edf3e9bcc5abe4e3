//! The release of the API server.

use super::request::Request;
use super::{ApiError, Cluster};

/// The version of the API server.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServerVersion {
    /// `v1.35.4`
    pub git_version: String,
    /// `1`
    pub major: String,
    /// `35`
    pub minor: String,
}

impl Cluster {
    /// The server's version.
    ///
    /// # Errors
    /// The server refused, or was not reached.
    pub async fn server_version(&self) -> Result<ServerVersion, ApiError> {
        let request = Request::get("/version", "read the API server's version");
        let answer = request.send(self).await?;
        serde_json::from_slice(&answer).map_err(|e| request.unreadable(&e))
    }
}
