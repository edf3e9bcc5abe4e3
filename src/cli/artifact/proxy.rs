//! The artifact endpoint through the API server's proxy.

use std::io;

use futures::TryStreamExt;
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use kube::Client;
use kube::client::Body as KubeBody;
use serde_json::Value;

use super::body::Body;
use super::endpoint_request::{EndpointRequest, OpenError, is_rejection, not_allowed};
use crate::controllers::artifact::base::{PORT, SERVICE};
use crate::controllers::artifact::token::HEADER;

/// At most so many bytes of an error response are read.
const MAX_ERROR_TEXT: usize = 64 * 1024;

pub(super) async fn open(
    client: &Client,
    namespace: &str,
    sent: &EndpointRequest,
    token: &str,
) -> Result<Body, OpenError> {
    let path = &sent.path;
    let request = Request::builder()
        .method(sent.method.clone())
        .uri(format!(
            "/api/v1/namespaces/{namespace}/services/https:{SERVICE}:{PORT}/proxy{path}"
        ))
        .header(HEADER, token)
        .header(CONTENT_TYPE, "application/json")
        .body(KubeBody::from(sent.body.to_vec()))
        .map_err(|error| OpenError::Unreachable(error.to_string()))?;
    let response = client
        .send(request)
        .await
        .map_err(|error| OpenError::Unreachable(error.to_string()))?;
    if response.status().is_success() {
        return Ok(Box::pin(
            response.into_body().into_data_stream().map_err(io::Error::other),
        ));
    }
    let verb = if sent.method == Method::GET { "get" } else { "create" };
    Err(response_error(response, verb, namespace).await)
}

/// The error of a response. The API server's own errors are objects of kind Status; all others come from the endpoint.
async fn response_error(response: Response<KubeBody>, verb: &str, namespace: &str) -> OpenError {
    let code = response.status();
    let body = Limited::new(response.into_body(), MAX_ERROR_TEXT).collect().await;
    let text = body
        .map(|body| String::from_utf8_lossy(&body.to_bytes()).trim().to_owned())
        .unwrap_or_default();
    let status = serde_json::from_str::<Value>(&text)
        .ok()
        .filter(|status| status["kind"] == "Status");
    match status {
        Some(_) if code == StatusCode::FORBIDDEN => not_allowed(&[verb], "services/proxy", namespace),
        Some(status) => OpenError::Unreachable(status["message"].as_str().unwrap_or("refused").to_owned()),
        None if code == StatusCode::NOT_FOUND => OpenError::NotFound,
        None if is_rejection(code) => OpenError::Rejected(code, text),
        None => OpenError::Unreachable(format!("{code}: {text}")),
    }
}
