//! The DownloadRequest of a file.

use std::time::Duration;

use kube::Client;
use uuid::Uuid;

use crate::api::v1::{DownloadRequest, DownloadRequestPhase, DownloadTargetKind};
use crate::cli::objects::{Objects, RequestError};
use crate::controllers::download_request::TOKEN;

/// The server's answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    /// Opens the artifact endpoint.
    pub(super) token: Option<String>,
    /// A signed URL of the object store.
    pub(super) url: Option<String>,
    /// Why there is no file.
    pub(super) failure: Option<String>,
}

/// Download requests in one namespace.
pub(super) struct Requests(Objects<DownloadRequest>);

impl Requests {
    pub(super) fn new(client: &Client, namespace: &str) -> Self {
        Self(Objects::new(client, namespace))
    }

    /// Creates the request for a file and returns its name.
    pub(super) async fn create(&self, kind: &DownloadTargetKind, name: &str) -> Result<String, RequestError> {
        let mut request = DownloadRequest::default();
        let request_name = format!("{name}-{}", Uuid::new_v4());
        request.metadata.name = Some(request_name.clone());
        request.spec.target.kind = kind.clone();
        request.spec.target.name = name.to_owned();
        self.0.begin(&request).await?;
        Ok(request_name)
    }

    /// Waits for the server's answer; `None` after the timeout.
    pub(super) async fn answer(&self, request: &str, timeout: Duration) -> Result<Option<Offer>, RequestError> {
        Ok(self
            .0
            .wait_until(request, timeout, is_answered)
            .await?
            .map(|request| offer(&request)))
    }

    /// Deletes the request. Otherwise the server deletes it some minutes later.
    pub(super) async fn remove(&self, request: &str) {
        if let Err(error) = self.0.delete(request).await {
            tracing::debug!(%error, request, "the download request stays until it expires");
        }
    }
}

fn is_answered(request: &DownloadRequest) -> bool {
    let status = &request.status;
    *status.phase() == DownloadRequestPhase::Processed || status.is_failed() || !status.download_url.is_empty()
}

fn offer(request: &DownloadRequest) -> Offer {
    let annotations = request.metadata.annotations.as_ref();
    Offer {
        token: annotations.and_then(|annotations| annotations.get(TOKEN)).cloned(),
        url: Some(request.status.download_url.clone()).filter(|url| !url.is_empty()),
        failure: request.status.is_failed().then(|| {
            let message = request.status.message().filter(|message| !message.is_empty());
            message
                .unwrap_or("download request failed, check velero server logs for errors")
                .to_owned()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_or_the_phase_processed_is_an_answer() {
        let mut request = DownloadRequest::new("velero", "x");
        assert!(!is_answered(&request));
        request.status.phase = Some(DownloadRequestPhase::Processed);
        assert!(is_answered(&request));
        let nothing = Offer {
            token: None,
            url: None,
            failure: None,
        };
        assert_eq!(offer(&request), nothing);
        request.status.phase = None;
        request.status.download_url = "https://bucket/x".into();
        assert!(is_answered(&request));
    }

    #[test]
    fn a_failed_request_is_an_answer_with_the_servers_message_or_a_general_one() {
        for (status, expected) in [
            (
                serde_json::json!({"phase": "Failed"}),
                "download request failed, check velero server logs for errors",
            ),
            (
                serde_json::json!({"phase": "Failed", "message": ""}),
                "download request failed, check velero server logs for errors",
            ),
            (serde_json::json!({"phase": "Failed", "message": "why"}), "why"),
        ] {
            let mut request = DownloadRequest::new("velero", "x");
            request.status = serde_json::from_value(status).unwrap();
            assert!(is_answered(&request));
            assert_eq!(offer(&request).failure.as_deref(), Some(expected));
        }
    }

    #[test]
    fn the_token_is_read_from_the_annotation() {
        let mut request = DownloadRequest::new("velero", "x");
        request.metadata.annotations = Some([(TOKEN.to_owned(), "t".to_owned())].into());
        assert_eq!(offer(&request).token.as_deref(), Some("t"));
    }
}
