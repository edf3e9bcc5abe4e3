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
use super::way::{Ask, Miss, is_refusal, not_allowed};
use crate::controllers::artifact::base::{PORT, SERVICE};
use crate::controllers::artifact::token::HEADER;

/// An answer that says why not is short.
const MAX_REFUSAL: usize = 64 * 1024;

pub(super) async fn open(client: &Client, namespace: &str, ask: &Ask, token: &str) -> Result<Body, Miss> {
    let path = &ask.path;
    let request = Request::builder()
        .method(ask.method.clone())
        .uri(format!(
            "/api/v1/namespaces/{namespace}/services/https:{SERVICE}:{PORT}/proxy{path}"
        ))
        .header(HEADER, token)
        .header(CONTENT_TYPE, "application/json")
        .body(KubeBody::from(ask.body.to_vec()))
        .map_err(|error| Miss::Closed(error.to_string()))?;
    let response = client
        .send(request)
        .await
        .map_err(|error| Miss::Closed(error.to_string()))?;
    if response.status().is_success() {
        return Ok(Box::pin(
            response.into_body().into_data_stream().map_err(io::Error::other),
        ));
    }
    let verb = if ask.method == Method::GET { "get" } else { "create" };
    Err(refusal(response, verb, namespace).await)
}

/// Tells whether the endpoint said no or the API server: the latter answers with an object of kind Status.
async fn refusal(response: Response<KubeBody>, verb: &str, namespace: &str) -> Miss {
    let code = response.status();
    let body = Limited::new(response.into_body(), MAX_REFUSAL).collect().await;
    let text = body
        .map(|body| String::from_utf8_lossy(&body.to_bytes()).trim().to_owned())
        .unwrap_or_default();
    let status = serde_json::from_str::<Value>(&text)
        .ok()
        .filter(|status| status["kind"] == "Status");
    match status {
        Some(_) if code == StatusCode::FORBIDDEN => not_allowed(&[verb], "services/proxy", namespace),
        Some(status) => Miss::Closed(status["message"].as_str().unwrap_or("refused").to_owned()),
        None if code == StatusCode::NOT_FOUND => Miss::Absent,
        None if is_refusal(code) => Miss::Refused(code, text),
        None => Miss::Closed(format!("{code}: {text}")),
    }
}
