//! One raw request and its answer, with a deadline, a size limit and every fact of a failure.

use std::fmt::Write;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, header};
use http_body_util::BodyExt;
use kube::client::Body;
use serde::Deserialize;

use super::error::{Cause, Class, ErrorObject};
use super::{ApiError, Cluster};
use crate::telemetry::causes;

/// The largest answer that is read as a whole: more than etcd holds in one object by far. Lists are streamed elsewhere.
const MAX_ANSWER: usize = 64 << 20;

/// The largest error answer that is read.
const MAX_ERROR: usize = 1 << 20;

/// A request, with a text of what it attempts.
#[derive(Clone, Debug)]
pub struct Request {
    method: Method,
    path: String,
    accept: &'static str,
    content_type: Option<&'static str>,
    body: Bytes,
    attempt: String,
}

impl Request {
    /// Reads `path` (with its query).
    pub fn get(path: impl Into<String>, attempt: impl Into<String>) -> Self {
        Self::new(Method::GET, path, attempt)
    }

    /// Any method without a body.
    pub fn new(method: Method, path: impl Into<String>, attempt: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            accept: "application/json",
            content_type: None,
            body: Bytes::new(),
            attempt: attempt.into(),
        }
    }

    /// With a query parameter more.
    #[must_use]
    pub fn with_query(mut self, key: &str, value: &str) -> Self {
        self.path.push(if self.path.contains('?') { '&' } else { '?' });
        self.path.push_str(key);
        self.path.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                self.path.push(char::from(byte));
            } else {
                // Writing into a string cannot fail.
                let _ = write!(self.path, "%{byte:02X}");
            }
        }
        self
    }

    /// Asks for another representation than plain JSON.
    #[must_use]
    pub fn accepting(mut self, media_types: &'static str) -> Self {
        self.accept = media_types;
        self
    }

    /// The text of what the request attempts.
    pub fn attempt(&self) -> &str {
        &self.attempt
    }

    /// With a body.
    #[must_use]
    pub fn with_body(mut self, content_type: &'static str, body: Bytes) -> Self {
        self.content_type = Some(content_type);
        self.body = body;
        self
    }

    /// Sends it and reads the whole answer.
    ///
    /// # Errors
    /// No answer, none in time, or an error.
    pub async fn send(&self, cluster: &Cluster) -> Result<Bytes, ApiError> {
        let exchange = async {
            let answer = self.open(cluster).await?;
            self.whole(answer.into_body(), MAX_ANSWER).await
        };
        match tokio::time::timeout(cluster.deadline(), exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(self.timed_out(cluster.deadline())),
        }
    }

    /// Sends it and returns the answer with its body unread. Has no deadline.
    ///
    /// # Errors
    /// No answer, or an error.
    pub async fn open(&self, cluster: &Cluster) -> Result<http::Response<Body>, ApiError> {
        let mut builder = http::Request::builder()
            .method(self.method.clone())
            .uri(&self.path)
            .header(header::ACCEPT, self.accept);
        if let Some(content_type) = self.content_type {
            builder = builder.header(header::CONTENT_TYPE, content_type);
        }
        let request = builder
            .body(Body::from(self.body.clone()))
            .map_err(|e| self.failed(Class::Unsent, format!("it is not a valid request: {e}")))?;
        let answer = cluster.client().send(request).await.map_err(|e| self.transport(&e))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let (parts, body) = answer.into_parts();
        let text = match tokio::time::timeout(cluster.deadline(), self.whole(body, MAX_ERROR)).await {
            Ok(Ok(text)) => text,
            // The code is enough.
            Ok(Err(_)) | Err(_) => Bytes::new(),
        };
        Err(self.answered(parts.status.as_u16(), &parts.headers, &text))
    }

    async fn whole(&self, mut body: Body, max: usize) -> Result<Bytes, ApiError> {
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|e| self.failed(Class::Transport, format!("the answer broke off: {e}")))?;
            if let Ok(data) = frame.into_data() {
                if whole.len() + data.len() > max {
                    return Err(self.failed(Class::Unreadable, format!("the answer has more than {max} bytes")));
                }
                whole.extend_from_slice(&data);
            }
        }
        Ok(whole.freeze())
    }

    /// The answer was a success but cannot be read.
    pub fn unreadable(&self, error: &dyn std::fmt::Display) -> ApiError {
        self.failed(Class::Unreadable, format!("the answer cannot be read: {error}"))
    }

    /// There was no answer in time.
    pub fn timed_out(&self, after: Duration) -> ApiError {
        self.failed(Class::Timeout, format!("no answer within {} s", after.as_secs()))
    }

    /// The connection failed.
    pub fn transport(&self, error: &kube::Error) -> ApiError {
        // The crate's own text adds nothing to its cause.
        let why = match error {
            kube::Error::Service(cause) => causes::in_line(&**cause),
            other => causes::in_line(other),
        };
        self.failed(
            Class::Transport,
            format!("{why}; check that the API server is reachable"),
        )
    }

    /// The body broke off.
    pub fn broken(&self, error: &dyn std::fmt::Display) -> ApiError {
        self.failed(Class::Transport, format!("the answer broke off: {error}"))
    }

    fn failed(&self, class: Class, message: String) -> ApiError {
        ApiError {
            attempt: self.attempt.clone(),
            class,
            code: 0,
            reason: String::new(),
            message,
            causes: Vec::new(),
            object: None,
            retry_after: None,
            continue_token: None,
        }
    }

    fn answered(&self, code: u16, headers: &HeaderMap, text: &[u8]) -> ApiError {
        let status: Status = serde_json::from_slice(text).unwrap_or_default();
        let message = if status.message.is_empty() {
            // Not an answer of an API server: a proxy's page, or nothing.
            let shown: String = String::from_utf8_lossy(text).chars().take(200).collect();
            format!("the server answered {code} {}", shown.trim())
                .trim_end()
                .to_owned()
        } else {
            status.message
        };
        let asked = headers
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .or_else(|| {
                status
                    .details
                    .as_ref()
                    .and_then(|d| d.retry_after_seconds)
                    .filter(|s| *s > 0)
            });
        let details = status.details.unwrap_or_default();
        let object = ErrorObject {
            group: details.group,
            kind: details.kind,
            name: details.name,
        };
        ApiError {
            code,
            reason: status.reason,
            message,
            causes: details.causes.into_iter().map(Cause::from).collect(),
            object: (object != ErrorObject::default()).then_some(object),
            retry_after: asked.map(Duration::from_secs),
            continue_token: Some(status.metadata.continue_).filter(|token| !token.is_empty()),
            ..self.failed(Class::Answered, String::new())
        }
    }
}

/// The fields of `metav1.Status` that are used; missing and null fields are defaults.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    #[serde(deserialize_with = "nil")]
    metadata: ListMeta,
    #[serde(deserialize_with = "nil")]
    message: String,
    #[serde(deserialize_with = "nil")]
    reason: String,
    details: Option<Details>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ListMeta {
    #[serde(rename = "continue")]
    continue_: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Details {
    name: String,
    group: String,
    kind: String,
    #[serde(deserialize_with = "nil")]
    causes: Vec<StatusCause>,
    retry_after_seconds: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StatusCause {
    reason: String,
    message: String,
    field: String,
}

impl From<StatusCause> for Cause {
    fn from(cause: StatusCause) -> Self {
        Self {
            reason: cause.reason,
            message: cause.message,
            field: cause.field,
        }
    }
}

fn nil<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(code: u16, headers: &[(&str, &str)], text: &str) -> ApiError {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(http::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        Request::get("/x", "read x").answered(code, &map, text.as_bytes())
    }

    #[test]
    fn an_answer_keeps_every_fact_a_retry_decision_needs() {
        let error = answered(
            429,
            &[("retry-after", "7")],
            r#"{"kind":"Status","metadata":{"continue":"t"},"message":"slow down","reason":"TooManyRequests","details":{"retryAfterSeconds":1,"causes":null}}"#,
        );
        assert!(error.is_too_many_requests());
        assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
        assert_eq!(error.continue_token.as_deref(), Some("t"));
        assert_eq!(error.to_string(), "read x: slow down");
    }

    #[test]
    fn query_values_are_encoded() {
        let request = Request::get("/x", "")
            .with_query("limit", "5")
            .with_query("labelSelector", "a in (b,c),!d=\u{fc}");
        assert_eq!(
            request.path,
            "/x?limit=5&labelSelector=a%20in%20%28b%2Cc%29%2C%21d%3D%C3%BC"
        );
    }

    #[test]
    fn causes_and_the_object_are_read() {
        let error = answered(
            403,
            &[],
            r#"{"reason":"Forbidden","message":"no","details":{"name":"a","kind":"pods","causes":[{"reason":"NamespaceTerminating","message":"m","field":"f"}]}}"#,
        );
        assert!(error.is_namespace_terminating());
        assert_eq!(error.object.unwrap().name, "a");
    }

    #[test]
    fn a_proxy_s_page_is_shown_in_part() {
        let error = answered(502, &[], &"<html>".repeat(1000));
        assert!(error.message.starts_with("the server answered 502 <html>"));
        assert!(error.message.len() < 300);
    }
}
