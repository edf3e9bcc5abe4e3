//! The ServerStatusRequest of `velero version`.

use std::time::Duration;

use kube::Client;

use super::objects::{Objects, RequestError};
use crate::api::v1::{ServerStatusRequest, ServerStatusRequestPhase, ServerStatusRequestStatus};

/// A server status that was not received.
#[derive(Debug, thiserror::Error)]
pub enum ServerStatusError {
    /// The request could not be made or watched.
    #[error("{0}")]
    Request(#[from] RequestError),
    /// The server did not answer in time.
    #[error("timed out waiting for the server; check that the velero deployment is running")]
    Unanswered,
}

/// The status of the server. Waits at most as long as `timeout`.
pub async fn server_status(
    client: &Client,
    namespace: &str,
    timeout: Duration,
) -> Result<ServerStatusRequestStatus, ServerStatusError> {
    let requests = Objects::<ServerStatusRequest>::new(client, namespace);
    let mut request = ServerStatusRequest::default();
    request.metadata.generate_name = Some("velero-cli-".to_owned());
    let answer = async {
        let name = requests.begin(&request).await?.metadata.name.unwrap_or_default();
        let processed = |request: &ServerStatusRequest| *request.status.phase() == ServerStatusRequestPhase::Processed;
        requests.wait_until(&name, timeout, processed).await
    };
    let answered = tokio::time::timeout(timeout, answer)
        .await
        .map_err(|_| ServerStatusError::Unanswered)??;
    answered
        .map(|request| request.status)
        .ok_or(ServerStatusError::Unanswered)
}
