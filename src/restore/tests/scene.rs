//! A restore that is about to run: an archive, a spec, a cluster.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use futures::future::BoxFuture;
use http::Request as HttpRequest;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::api::v1::RestoreSpec;
use crate::archive::spool::Spool;
use crate::cluster::Cluster;
use crate::restore::actions::{RestoreItemAction, built_in};
use crate::restore::engine::{EngineDeps, Fatal, run};
use crate::restore::ledger::Ledger;
use crate::restore::ledger_sink::{LedgerSink, SinkError};
use crate::restore::object::volume::KeptVolumes;
use crate::restore::progress::Progress;
use crate::restore::report::Report;
use crate::restore::request::{Request, RestoreOptions};
use crate::restore::testing::archive_of;
use crate::telemetry::logrus::{Format, Level};
use crate::telemetry::run_log::RunLog;
use crate::testing::fake_api::FakeApi;

/// Before the creation times that the fake server writes.
pub(super) const STARTED: &str = "2029-12-31T23:59:00Z";

/// By method, path, and the name in the body.
type Delay = Arc<dyn Fn(&str, &str, &str) -> Duration + Send + Sync>;

/// One request as it went over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SentRequest {
    /// Method and path.
    pub(super) what: String,
    /// Name in the body of a creation.
    pub(super) name: String,
    /// Serial numbers of its beginning and end among all beginnings and ends.
    pub(super) begin: usize,
    pub(super) end: usize,
    /// When it began and when it was answered.
    pub(super) began: Instant,
    pub(super) ended: Instant,
    pub(super) code: u16,
}

impl SentRequest {
    /// `pods/a/one` if it created something.
    pub(super) fn created(&self) -> Option<String> {
        let path = self.what.strip_prefix("POST ")?;
        let parts: Vec<&str> = path
            .split('/')
            .skip(if path.starts_with("/api/") { 3 } else { 4 })
            .collect();
        match (self.code, parts.as_slice()) {
            (201, ["namespaces", namespace, plural]) => Some(format!("{plural}/{namespace}/{}", self.name)),
            (201, [plural]) => Some(format!("{plural}/{}", self.name)),
            _ => None,
        }
    }
}

/// A restore that is about to run.
pub(super) struct Scene {
    pub(super) api: FakeApi,
    pub(super) archive: Arc<Spool>,
    pub(super) spec: RestoreSpec,
    pub(super) options: RestoreOptions,
    pub(super) kept: KeptVolumes,
    pub(super) actions: Vec<Arc<dyn RestoreItemAction>>,
    pub(super) name: String,
    pub(super) sent_requests: Arc<Mutex<Vec<SentRequest>>>,
    pub(super) progress: Mutex<Vec<Progress>>,
    /// The log of the last attempt that ended.
    pub(super) log: Mutex<String>,
    pub(super) most_at_once: Arc<AtomicUsize>,
    /// The logical clock: counts the beginnings and ends of requests, and other events of a test.
    pub(super) serial: Arc<AtomicUsize>,
    delay: Delay,
}

impl Scene {
    pub(super) fn of(objects: &[(&str, Value)]) -> Self {
        Self::over(archive_of(objects))
    }

    pub(super) fn over(archive: Spool) -> Self {
        Self {
            api: FakeApi::new(),
            archive: Arc::new(archive),
            spec: RestoreSpec {
                backup_name: "b".to_owned(),
                ..RestoreSpec::default()
            },
            options: RestoreOptions::default(),
            kept: KeptVolumes::default(),
            actions: built_in(),
            name: "r".to_owned(),
            sent_requests: Arc::default(),
            progress: Mutex::default(),
            log: Mutex::default(),
            most_at_once: Arc::default(),
            serial: Arc::default(),
            delay: Arc::new(|_, _, _| Duration::ZERO),
        }
    }

    pub(super) fn with_spec(mut self, spec: Value) -> Self {
        let mut spec: RestoreSpec = serde_json::from_value(spec).unwrap();
        spec.backup_name = "b".to_owned();
        self.spec = spec;
        self
    }

    /// Delays every request: by its method and path.
    pub(super) fn delayed(self, delay: impl Fn(&str, &str) -> Duration + Send + Sync + 'static) -> Self {
        self.delayed_each(move |method, path, _| delay(method, path))
    }

    /// Delays every request: by its method, its path and the name in its body.
    pub(super) fn delayed_each(mut self, delay: impl Fn(&str, &str, &str) -> Duration + Send + Sync + 'static) -> Self {
        self.delay = Arc::new(delay);
        self
    }

    pub(super) fn request(&self) -> Request {
        Request {
            name: self.name.clone(),
            namespace: "velero".to_owned(),
            uid: "u".to_owned(),
            spec: self.spec.clone(),
            started: STARTED.parse().unwrap(),
            archive: Arc::clone(&self.archive),
            kept_volumes: self.kept.clone(),
            options: self.options.clone(),
        }
    }

    pub(super) fn cluster(&self) -> Cluster {
        let (inner, delay, sent_requests) = (
            self.api.client(),
            Arc::clone(&self.delay),
            Arc::clone(&self.sent_requests),
        );
        let (at_once, most, serial) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::clone(&self.most_at_once),
            Arc::clone(&self.serial),
        );
        let service = tower::service_fn(move |request: HttpRequest<Body>| {
            let (inner, delay, sent_requests) = (inner.clone(), Arc::clone(&delay), Arc::clone(&sent_requests));
            let (at_once, most, serial) = (Arc::clone(&at_once), Arc::clone(&most), Arc::clone(&serial));
            async move {
                let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
                let (head, body) = request.into_parts();
                let body = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
                let sent: Value = serde_json::from_slice(&body).unwrap_or_default();
                let request = HttpRequest::from_parts(head, Body::from(body.to_vec()));
                let name = sent["metadata"]["name"].as_str().unwrap_or_default().to_owned();
                let (begin, began) = (serial.fetch_add(1, Ordering::SeqCst), Instant::now());
                most.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(delay(&method, &path, &name)).await;
                let response = inner.send(request).await;
                at_once.fetch_sub(1, Ordering::SeqCst);
                let end = serial.fetch_add(1, Ordering::SeqCst);
                let code = response.as_ref().map_or(0, |response| response.status().as_u16());
                sent_requests.lock().unwrap().push(SentRequest {
                    what: format!("{method} {path}"),
                    name,
                    begin,
                    end,
                    began,
                    ended: Instant::now(),
                    code,
                });
                response
            }
        });
        Cluster::from_client(kube::Client::new(service, "default"))
    }

    pub(super) async fn attempt(
        &self,
        ledger: Ledger,
        sink: &dyn LedgerSink,
        cancel: &CancellationToken,
    ) -> Result<Report, Fatal> {
        let log = log();
        let deps = EngineDeps {
            cluster: self.cluster(),
            actions: self.actions.clone(),
            log: log.clone(),
            sink,
        };
        let on_progress = |progress: Progress| self.progress.lock().unwrap().push(progress);
        let ended = run(&self.request(), &deps, ledger, &on_progress, cancel).await;
        *self.log.lock().unwrap() = std::io::read_to_string(MultiGzDecoder::new(log.snapshot().unwrap())).unwrap();
        ended
    }

    /// The lines of the log that contain this.
    pub(super) fn log_lines(&self, text: &str) -> Vec<String> {
        let log = self.log.lock().unwrap();
        log.lines()
            .filter(|line| line.contains(text))
            .map(String::from)
            .collect()
    }

    /// Runs it to its end.
    pub(super) async fn run(&self) -> Report {
        let sink = Kept::default();
        self.attempt(Ledger::new(&self.archive), &sink, &CancellationToken::new())
            .await
            .unwrap()
    }

    /// What was created, in the order of the answers.
    pub(super) fn created(&self) -> Vec<String> {
        self.sent_requests
            .lock()
            .unwrap()
            .iter()
            .filter_map(SentRequest::created)
            .collect()
    }

    /// Every write, in the order of the answers.
    pub(super) fn writes(&self) -> Vec<String> {
        let sent_requests = self.sent_requests.lock().unwrap();
        sent_requests
            .iter()
            .filter(|sent| !sent.what.starts_with("GET"))
            .map(|sent| sent.what.clone())
            .collect()
    }

    pub(super) fn forget(&self) {
        self.sent_requests.lock().unwrap().clear();
        self.api.forget_seen();
    }
}

pub(super) fn log() -> RunLog {
    let now = Arc::new(|| STARTED.parse().unwrap());
    RunLog::create(
        tempfile::tempfile().unwrap(),
        Format::Text,
        Level::Info,
        Vec::new(),
        now,
    )
}

/// Stores the newest record.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) record: Mutex<Option<Bytes>>,
    pub(super) times: AtomicUsize,
}

impl LedgerSink for Kept {
    fn store(&self, record: Bytes) -> BoxFuture<'_, Result<(), SinkError>> {
        *self.record.lock().unwrap() = Some(record);
        self.times.fetch_add(1, Ordering::SeqCst);
        Box::pin(futures::future::ready(Ok(())))
    }
}

/// An object with only this field.
pub(super) fn object(api_version: &str, kind: &str, namespace: &str, name: &str) -> Value {
    let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "uid": "old", "resourceVersion": "7"}});
    if !namespace.is_empty() {
        object["metadata"]["namespace"] = json!(namespace);
    }
    object
}

pub(super) fn config(namespace: &str, name: &str) -> (&'static str, Value) {
    let mut object = object("v1", "ConfigMap", namespace, name);
    object["data"] = json!({"key": name});
    ("configmaps", object)
}

pub(super) fn secret(namespace: &str, name: &str) -> (&'static str, Value) {
    ("secrets", object("v1", "Secret", namespace, name))
}

pub(super) fn pod(namespace: &str, name: &str, claims: &[&str]) -> (&'static str, Value) {
    let mut object = object("v1", "Pod", namespace, name);
    let volumes: Vec<Value> = claims
        .iter()
        .map(|claim| json!({"name": claim, "persistentVolumeClaim": {"claimName": claim}}))
        .collect();
    object["spec"] = json!({"volumes": volumes, "containers": []});
    object["status"] = json!({"phase": "Running"});
    ("pods", object)
}

pub(super) fn claim(namespace: &str, name: &str, volume: &str) -> (&'static str, Value) {
    let mut object = object("v1", "PersistentVolumeClaim", namespace, name);
    object["spec"] = json!({"volumeName": volume});
    object["status"] = json!({"phase": "Bound"});
    ("persistentvolumeclaims", object)
}

pub(super) fn volume(name: &str, policy: &str, claim: (&str, &str)) -> (&'static str, Value) {
    let mut object = object("v1", "PersistentVolume", "", name);
    let claim = json!({"namespace": claim.0, "name": claim.1, "uid": "old", "resourceVersion": "1"});
    object["spec"] = json!({"persistentVolumeReclaimPolicy": policy, "claimRef": claim});
    ("persistentvolumes", object)
}

pub(super) fn crd(plural: &str, kind: &str) -> (&'static str, Value) {
    let mut object = object(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "",
        &format!("{plural}.example.com"),
    );
    object["spec"] = json!({
        "group": "example.com", "scope": "Namespaced",
        "names": {"plural": plural, "kind": kind, "singular": kind.to_lowercase()},
        "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}}}],
    });
    (crate::restore::priorities::CRDS, object)
}

pub(super) fn widget(namespace: &str, name: &str) -> (&'static str, Value) {
    (
        "widgets.example.com",
        object("example.com/v1", "Widget", namespace, name),
    )
}

/// All errors, or warnings, of a report as one text.
pub(super) fn texts(set: &crate::api::artifact::MessageSet) -> String {
    serde_json::to_string(set).unwrap()
}
