//! Asking the server how it is.

use std::time::Duration;

use kube::Client;

use super::objects::{Objects, RequestError};
use crate::api::v1::{ServerStatusRequest, ServerStatusRequestPhase, ServerStatusRequestStatus};

/// The server did not say how it is.
#[derive(Debug, thiserror::Error)]
pub enum ServerStatusError {
    /// The request could not be made or watched.
    #[error("{0}")]
    Request(#[from] RequestError),
    /// No answer came in time.
    #[error("timed out waiting for the server's answer; check that the velero deployment is running")]
    Unanswered,
}

/// The server's answer, waited for at most `timeout` long.
pub async fn server_status(
    client: &Client,
    namespace: &str,
    timeout: Duration,
) -> Result<ServerStatusRequestStatus, ServerStatusError> {
    let requests = Objects::<ServerStatusRequest>::new(client, namespace);
    let mut request = ServerStatusRequest::default();
    request.metadata.generate_name = Some("velero-cli-".to_owned());
    let asked = async {
        let name = requests.create(&request).await?.metadata.name.unwrap_or_default();
        let processed = |request: &ServerStatusRequest| *request.status.phase() == ServerStatusRequestPhase::Processed;
        requests.wait_until(&name, timeout, processed).await
    };
    let answered = tokio::time::timeout(timeout, asked)
        .await
        .map_err(|_| ServerStatusError::Unanswered)??;
    answered
        .map(|request| request.status)
        .ok_or(ServerStatusError::Unanswered)
}
