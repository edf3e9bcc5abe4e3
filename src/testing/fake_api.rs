//! A small stateful API server in this process: discovery, lists in pages, get, create, replace, patch, delete.
//!
//! It answers a [`kube::Client`] directly, without a socket, and remembers every request. Changes that a real API
//! server makes to objects, and that our tests depend on, are made here too: uid, resourceVersion, creationTimestamp, the finalizer rules,
//! the status subresource, list items without `apiVersion` and `kind`. Admission, defaulting and watches are missing.
//!
//! Faults are scripted with [`FakeApi::fault`]: tests use this fake only for what a real API server cannot be
//! made to do.

mod kinds;
mod routes;
mod selectors;
mod state;

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use kube::client::Body;
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Value, json};

pub use kinds::FakeKind;
use state::State;

/// A fake API server; clones share one state.
#[derive(Clone)]
pub struct FakeApi {
    state: Arc<Mutex<State>>,
}

/// One recorded request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The method, e.g. `GET`.
    pub method: Method,
    /// The path without its query.
    pub path: String,
    /// The decoded query, in the order sent.
    pub query: Vec<(String, String)>,
    /// The body, empty for reads.
    pub body: Bytes,
}

impl Seen {
    /// The value of a query parameter.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// An answer that replaces the normal one for matching requests.
pub struct Fault {
    /// Which requests.
    pub matches: Box<dyn Fn(&Seen) -> bool + Send>,
    /// How many of them; the fault is gone afterwards.
    pub times: usize,
    /// The HTTP status.
    pub status: StatusCode,
    /// The body; a `Status` object is what an API server sends.
    pub body: Value,
    /// A `Retry-After` header in seconds.
    pub retry_after: Option<u64>,
    /// Whether the request takes effect all the same (an answer that got lost).
    pub applied: bool,
}

impl Fault {
    /// A fault for `times` requests with a `Status` body of this code and reason.
    pub fn new(times: usize, code: u16, reason: &str, matches: impl Fn(&Seen) -> bool + Send + 'static) -> Self {
        Self {
            matches: Box::new(matches),
            times,
            status: StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            body: status_body(code, reason, "scripted by the test"),
            retry_after: None,
            applied: false,
        }
    }

    /// The same with another message.
    #[must_use]
    pub fn message(mut self, message: &str) -> Self {
        self.body["message"] = json!(message);
        self
    }

    /// The same with a `Retry-After` header.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

impl Default for FakeApi {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeApi {
    /// A server that serves the usual kinds of Kubernetes and holds the namespace `default`.
    pub fn new() -> Self {
        Self::serving(kinds::kubernetes())
    }

    /// A server that serves exactly these kinds, in this order, and holds the namespace `default` if it can.
    pub fn serving(kinds: Vec<FakeKind>) -> Self {
        let api = Self {
            state: Arc::new(Mutex::new(State::new(kinds))),
        };
        if api.lock().kind_named("v1", "Namespace").is_some() {
            api.insert(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}));
        }
        api
    }

    /// A client of this server. It has no retry layer. Needs a tokio runtime.
    pub fn client(&self) -> kube::Client {
        let api = self.clone();
        kube::Client::new(
            tower::service_fn(move |request: Request<Body>| {
                let api = api.clone();
                async move { Ok::<_, Infallible>(api.answer(request).await) }
            }),
            "default",
        )
    }

    /// Serves one more kind. A CustomResourceDefinition that is inserted or created does this by itself.
    pub fn serve(&self, kind: FakeKind) {
        self.lock().serve(kind);
    }

    /// Inserts an object as if it had been created long ago: its uid, resourceVersion, status and deletionTimestamp are kept,
    /// missing ones are filled in.
    ///
    /// # Panics
    /// If its kind is not served or it has no name.
    pub fn insert(&self, object: Value) {
        self.lock().insert(object);
    }

    /// Inserts every document of a list of objects.
    pub fn insert_all(&self, objects: impl IntoIterator<Item = Value>) {
        let mut state = self.lock();
        for object in objects {
            state.insert(object);
        }
    }

    /// Removes an object at once, finalizers or not; true if it was there.
    pub fn remove(&self, api_version: &str, kind: &str, namespace: Option<&str>, name: &str) -> bool {
        self.lock().remove(api_version, kind, namespace, name)
    }

    /// The object as a GET would return it.
    pub fn get(&self, api_version: &str, kind: &str, namespace: Option<&str>, name: &str) -> Option<Value> {
        self.lock().get(api_version, kind, namespace, name)
    }

    /// All objects of a kind, ordered by namespace and name.
    pub fn all(&self, api_version: &str, kind: &str) -> Vec<Value> {
        self.lock().all(api_version, kind)
    }

    /// All objects of all kinds.
    pub fn everything(&self) -> Vec<Value> {
        self.lock().everything()
    }

    /// Scripts a fault. Faults are tried in the order they were scripted.
    pub fn fault(&self, fault: Fault) {
        self.lock().faults.push(fault);
    }

    /// Calls `effect` once, just before the first request that `matches` is answered (a change by another client
    /// during a run).
    pub fn before(
        &self,
        matches: impl Fn(&Seen) -> bool + Send + 'static,
        effect: impl FnOnce(&FakeApi) + Send + 'static,
    ) {
        self.lock().before.push((Box::new(matches), Box::new(effect)));
    }

    /// All requests so far, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.lock().seen.clone()
    }

    /// Forgets the requests so far.
    pub fn forget_seen(&self) {
        self.lock().seen.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    async fn answer(&self, request: Request<Body>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let body = match body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return respond(&Answer::error(400, "BadRequest", &error.to_string()), None),
        };
        let seen = Seen {
            method: head.method.clone(),
            path: head.uri.path().to_owned(),
            query: routes::query_of(&head.uri),
            body,
        };
        // Taken out first: the effect locks the state itself.
        let effects = self.lock().due(&seen);
        for effect in effects {
            effect(self);
        }
        let mut state = self.lock();
        state.seen.push(seen.clone());
        if let Some(fault) = state.fault_for(&seen) {
            if fault.applied {
                let _ = routes::answer(&mut state, &seen, &head.headers);
            }
            return respond(
                &Answer {
                    status: fault.status,
                    body: fault.body,
                },
                fault.retry_after,
            );
        }
        respond(&routes::answer(&mut state, &seen, &head.headers), None)
    }
}

/// The server's answer to one request.
struct Answer {
    status: StatusCode,
    body: Value,
}

impl Answer {
    fn ok(body: Value) -> Self {
        Self {
            status: StatusCode::OK,
            body,
        }
    }

    fn created(body: Value) -> Self {
        Self {
            status: StatusCode::CREATED,
            body,
        }
    }

    fn error(code: u16, reason: &str, message: &str) -> Self {
        Self {
            status: StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            body: status_body(code, reason, message),
        }
    }
}

fn status_body(code: u16, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    })
}

fn respond(answer: &Answer, retry_after: Option<u64>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(answer.body.to_string())));
    *response.status_mut() = answer.status;
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/json"),
    );
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(http::header::RETRY_AFTER, seconds.into());
    }
    response
}

#[cfg(test)]
mod tests;
