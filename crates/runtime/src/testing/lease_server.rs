//! An election without an API server.

use std::sync::Arc;

use http::StatusCode;
use kube::Client;
use kube::client::Body;
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Value, json};

/// An API server in this process that has one Lease, `lease` in `ns`, and nothing else. Clones are the same server.
#[derive(Clone, Debug, Default)]
pub struct LeaseServer(Arc<Mutex<LeaseState>>);

#[derive(Debug, Default)]
struct LeaseState {
    lease: Option<Value>,
    version: u64,
    /// Clients that get no answer.
    cut_off: Vec<String>,
}

impl LeaseServer {
    /// A connection of a process of this name.
    pub fn client(&self, process: &str) -> Client {
        let (server, process) = (self.clone(), process.to_owned());
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let (server, process) = (server.clone(), process.clone());
            async move { Ok::<_, std::convert::Infallible>(server.answer(&process, request).await) }
        });
        Client::new(service, "default")
    }

    /// From now on this process's requests are never answered.
    pub fn cut_off(&self, process: &str) {
        self.state().cut_off.push(process.into());
    }

    /// Every process is answered again.
    pub fn mend(&self) {
        self.state().cut_off.clear();
    }

    /// The spec of the Lease, null without one.
    pub fn spec(&self) -> Value {
        self.state()
            .lease
            .clone()
            .map_or(Value::Null, |mut lease| lease["spec"].take())
    }

    /// The holder of the Lease, empty without one.
    pub fn holder(&self) -> String {
        self.spec()["holderIdentity"].as_str().unwrap_or_default().into()
    }

    /// The Lease is written from outside.
    pub fn put(&self, spec: &Value) {
        let mut state = self.state();
        state.write(json!({"metadata": {"name": "lease", "namespace": "ns"}, "spec": spec}));
    }

    /// The Lease is deleted from outside.
    pub fn delete(&self) {
        self.state().lease = None;
    }

    fn state(&self) -> MutexGuard<'_, LeaseState> {
        self.0.lock()
    }

    async fn answer(&self, process: &str, request: http::Request<Body>) -> http::Response<Body> {
        if self.state().cut_off.iter().any(|other| other == process) {
            std::future::pending::<()>().await;
        }
        let (parts, body) = request.into_parts();
        let body: Value = serde_json::from_slice(&body.collect_bytes().await.unwrap_or_default()).unwrap_or_default();
        let (code, answer) = self.state().serve(&parts.method, body);
        let mut response = http::Response::new(Body::from(answer.to_string().into_bytes()));
        *response.status_mut() = code;
        response
    }
}

impl LeaseState {
    fn serve(&mut self, method: &http::Method, body: Value) -> (StatusCode, Value) {
        let version = self
            .lease
            .as_ref()
            .map(|lease| lease["metadata"]["resourceVersion"].clone());
        match (method.as_str(), version) {
            ("GET", Some(_)) => (StatusCode::OK, self.lease.clone().unwrap_or_default()),
            ("POST", None) => (StatusCode::CREATED, self.write(body)),
            ("POST", Some(_)) => failure(StatusCode::CONFLICT, "AlreadyExists"),
            ("PUT", Some(version)) if version == body["metadata"]["resourceVersion"] => {
                (StatusCode::OK, self.write(body))
            }
            ("PUT", Some(_)) => failure(StatusCode::CONFLICT, "Conflict"),
            _ => failure(StatusCode::NOT_FOUND, "NotFound"),
        }
    }

    fn write(&mut self, mut lease: Value) -> Value {
        self.version += 1;
        lease["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.lease.insert(lease).clone()
    }
}

fn failure(code: StatusCode, reason: &str) -> (StatusCode, Value) {
    let status = json!({
        "kind": "Status", "status": "Failure", "code": code.as_u16(), "reason": reason, "message": reason,
    });
    (code, status)
}
