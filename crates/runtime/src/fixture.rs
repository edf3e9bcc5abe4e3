//! What the framework's own tests are made of: a kind, scripted events, a reconciler that does as it is told.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::client::Body;
use kube::core::Status;
use kube::{Client, ResourceExt};
use kube_runtime::watcher::{self, Event};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::UnboundedReceiverStream;

use super::backoff::Policy;
use super::controller::Controller;
use super::metrics::Metrics;
use super::object::{ObjectRef, Uid};
use super::reconciler::{Class, Classify, Next, Reconciler};
use super::report::Reporter;
use super::task::{self, Group, Task};
use super::watch::{Guarded, SharedWatch};
use crate::metrics::registry::Registry;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn object(name: &str, uid: &str, version: u64) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.into()),
            namespace: Some("ns".into()),
            uid: Some(uid.into()),
            resource_version: Some(version.to_string()),
            ..ObjectMeta::default()
        },
        ..ConfigMap::default()
    }
}

pub(crate) fn labelled(mut object: ConfigMap, key: &str, value: &str) -> ConfigMap {
    object.metadata.labels = Some(BTreeMap::from([(key.into(), value.into())]));
    object
}

pub(crate) fn key(name: &str) -> ObjectRef<ConfigMap> {
    ObjectRef::new(name).within("ns")
}

pub(crate) fn unreadable(name: &str, uid: &str) -> Guarded<ConfigMap> {
    Guarded::Broken {
        metadata: Box::new(object(name, uid, 1).metadata),
        error: "invalid type: integer `5`, expected a map".into(),
    }
}

pub(crate) fn refused(code: u16) -> kube::Error {
    kube::Error::Api(Box::new(Status::failure("refused", "Refused").with_code(code)))
}

/// Plays the API server of one watch.
pub(crate) struct Script(mpsc::UnboundedSender<watcher::Result<Event<Guarded<ConfigMap>>>>);

impl Script {
    pub(crate) fn new() -> (
        Self,
        UnboundedReceiverStream<watcher::Result<Event<Guarded<ConfigMap>>>>,
    ) {
        let (send, events) = mpsc::unbounded_channel();
        (Self(send), UnboundedReceiverStream::new(events))
    }

    pub(crate) fn event(&self, event: Event<Guarded<ConfigMap>>) {
        let _ = self.0.send(Ok(event));
    }

    pub(crate) fn fails(&self, error: watcher::Error) {
        let _ = self.0.send(Err(error));
    }

    pub(crate) fn list(&self, objects: impl IntoIterator<Item = ConfigMap>) {
        self.event(Event::Init);
        for object in objects {
            self.event(Event::InitApply(Guarded::Good(object)));
        }
        self.event(Event::InitDone);
    }

    pub(crate) fn apply(&self, object: ConfigMap) {
        self.event(Event::Apply(Guarded::Good(object)));
    }

    pub(crate) fn delete(&self, object: ConfigMap) {
        self.event(Event::Delete(Guarded::Good(object)));
    }
}

/// A watch that follows a script, driven until the task is dropped.
pub(crate) fn scripted() -> (Script, SharedWatch<ConfigMap>, Task<()>) {
    let (script, events) = Script::new();
    let (watch, drive) = SharedWatch::from_events(events);
    (script, watch, task::spawn("drive", drive))
}

#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Oops {
    #[error("the other side did not answer")]
    NoAnswer,
    #[error("the spec makes no sense")]
    Nonsense,
    #[error("not leading")]
    NotLeading,
}

impl Classify for Oops {
    fn class(&self) -> Class {
        match self {
            Self::NoAnswer => Class::Transient,
            Self::Nonsense => Class::Invalid,
            Self::NotLeading => Class::Lost,
        }
    }
}

pub(crate) type Answer = Result<Next, Oops>;

/// Something that a reconciler was asked, in the order in which it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    Pass { name: String, uid: String, version: String },
    Gone { name: String, uid: String },
}

pub(crate) fn pass(name: &str, uid: &str, version: u64) -> Call {
    Call::Pass {
        name: name.into(),
        uid: uid.into(),
        version: version.to_string(),
    }
}

pub(crate) fn gone(name: &str, uid: &str) -> Call {
    Call::Gone {
        name: name.into(),
        uid: uid.into(),
    }
}

type Behaviour = Box<dyn Fn(Arc<ConfigMap>) -> BoxFuture<'static, Answer> + Send + Sync>;

/// A reconciler that tells of each call and answers as it is told to.
pub(crate) struct Probe {
    calls: mpsc::UnboundedSender<(Instant, Call)>,
    behaviour: Behaviour,
}

/// What a [`Probe`] was asked.
pub(crate) struct Calls {
    start: Instant,
    calls: mpsc::UnboundedReceiver<(Instant, Call)>,
}

impl Probe {
    pub(crate) fn new<F>(behaviour: impl Fn(Arc<ConfigMap>) -> F + Send + Sync + 'static) -> (Self, Calls)
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let (send, calls) = mpsc::unbounded_channel();
        let probe = Self {
            calls: send,
            behaviour: Box::new(move |object| behaviour(object).boxed()),
        };
        (
            probe,
            Calls {
                start: Instant::now(),
                calls,
            },
        )
    }
}

impl Reconciler for Probe {
    type Kind = ConfigMap;
    type Error = Oops;
    const NAME: &'static str = "probe";
    const RESYNC: Duration = Duration::from_secs(1000);

    async fn reconcile(&self, object: Arc<ConfigMap>) -> Answer {
        let call = Call::Pass {
            name: object.name_any(),
            uid: object.uid().unwrap_or_default(),
            version: object.resource_version().unwrap_or_default(),
        };
        let _ = self.calls.send((Instant::now(), call));
        (self.behaviour)(object).await
    }

    fn gone(&self, key: &ObjectRef<ConfigMap>, uid: &Uid) {
        let _ = self.calls.send((Instant::now(), gone(&key.name, uid.as_str())));
    }
}

impl Calls {
    /// The next call, however long it takes.
    pub(crate) async fn next(&mut self) -> Call {
        self.next_at().await.1
    }

    /// The next call and how many tenths of a second after the start it came.
    pub(crate) async fn next_at(&mut self) -> (u128, Call) {
        let (at, call) = self.calls.recv().await.expect("the probe is still there");
        ((at - self.start).as_millis() / 100, call)
    }

    /// Whether the probe is dropped without having told more.
    pub(crate) async fn is_over(&mut self) -> bool {
        self.calls.recv().await.is_none()
    }

    /// Asserts that nothing comes for this long.
    pub(crate) async fn none_for(&mut self, time: Duration) {
        if let Ok(call) = tokio::time::timeout(time, self.next()).await {
            panic!("{call:?} came unexpectedly");
        }
    }
}

/// Waits that double from one second, without jitter.
pub(crate) const EXACT: Policy = Policy::doubling(SECOND, Duration::from_mins(5)).exact();

/// A controller that runs until it is dropped or stopped.
pub(crate) struct Stage {
    pub(crate) group: Group,
    pub(crate) registry: Registry,
    pub(crate) running: Task<()>,
}

impl Stage {
    pub(crate) fn run<R: Reconciler>(controller: Controller<R>) -> Self {
        let (registry, group) = (Registry::new(), Group::new());
        let metrics = Metrics::new(&registry).unwrap();
        let (reporter, _) = Reporter::new(metrics.events_dropped());
        let running = task::spawn("controller", {
            let group = group.clone();
            async move { controller.run(&group, &metrics, &reporter).await }
        });
        Self {
            group,
            registry,
            running,
        }
    }

    pub(crate) async fn stop(self) {
        self.group.stop().cancel();
        self.running.await.unwrap();
    }

    /// The value of a series as it is written.
    pub(crate) fn metric(&self, series: &str) -> String {
        let text = self.registry.text().unwrap();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{series} is missing in\n{text}"))
            .to_owned()
    }
}

/// An API server that has one Lease and nothing else.
#[derive(Clone, Default)]
pub(crate) struct LeaseServer(Arc<Mutex<LeaseState>>);

#[derive(Default)]
struct LeaseState {
    lease: Option<Value>,
    version: u64,
    /// Clients that get no answer.
    cut_off: Vec<String>,
}

impl LeaseServer {
    pub(crate) fn client(&self, who: &str) -> Client {
        let (server, who) = (self.clone(), who.to_owned());
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let (server, who) = (server.clone(), who.clone());
            async move { Ok::<_, std::convert::Infallible>(server.answer(&who, request).await) }
        });
        Client::new(service, "default")
    }

    /// From now on this client's requests are never answered.
    pub(crate) fn cut_off(&self, who: &str) {
        self.0.lock().unwrap().cut_off.push(who.into());
    }

    /// Everybody is answered again.
    pub(crate) fn mend(&self) {
        self.0.lock().unwrap().cut_off.clear();
    }

    pub(crate) fn spec(&self) -> Value {
        self.0
            .lock()
            .unwrap()
            .lease
            .clone()
            .map_or(Value::Null, |mut lease| lease["spec"].take())
    }

    pub(crate) fn holder(&self) -> String {
        self.spec()["holderIdentity"].as_str().unwrap_or_default().into()
    }

    /// Somebody else writes the lease.
    pub(crate) fn put(&self, spec: &Value) {
        let mut state = self.0.lock().unwrap();
        state.write(json!({"metadata": {"name": "lease", "namespace": "ns"}, "spec": spec}));
    }

    /// Somebody deletes the lease.
    pub(crate) fn delete(&self) {
        self.0.lock().unwrap().lease = None;
    }

    async fn answer(&self, who: &str, request: http::Request<Body>) -> http::Response<Body> {
        if self.0.lock().unwrap().cut_off.iter().any(|other| other == who) {
            std::future::pending::<()>().await;
        }
        let (parts, body) = request.into_parts();
        let body: Value = serde_json::from_slice(&body.collect_bytes().await.unwrap()).unwrap_or_default();
        let (code, answer) = self.0.lock().unwrap().serve(&parts.method, body);
        http::Response::builder()
            .status(code)
            .body(Body::from(answer.to_string().into_bytes()))
            .unwrap()
    }
}

impl LeaseState {
    fn serve(&mut self, method: &http::Method, body: Value) -> (u16, Value) {
        let version = self
            .lease
            .as_ref()
            .map(|lease| lease["metadata"]["resourceVersion"].clone());
        match (method.as_str(), version) {
            ("GET", Some(_)) => (200, self.lease.clone().unwrap()),
            ("POST", None) => (201, self.write(body)),
            ("POST", Some(_)) => failure(409, "AlreadyExists"),
            ("PUT", Some(version)) if version == body["metadata"]["resourceVersion"] => (200, self.write(body)),
            ("PUT", Some(_)) => failure(409, "Conflict"),
            _ => failure(404, "NotFound"),
        }
    }

    fn write(&mut self, mut lease: Value) -> Value {
        self.version += 1;
        lease["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.lease.insert(lease).clone()
    }
}

pub(crate) fn failure(code: u16, reason: &str) -> (u16, Value) {
    (
        code,
        json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": reason}),
    )
}
