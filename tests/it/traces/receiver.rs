//! An OTLP receiver, as a collector has one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use parking_lot::Mutex;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::harness::within;

/// How often a process exports its spans, in milliseconds.
const EXPORT_INTERVAL: &str = "200";

/// A span as it arrived.
#[derive(Clone, Debug)]
pub struct Exported {
    /// The `service.name` of the process.
    pub service: String,
    pub name: String,
    pub trace: String,
    pub id: String,
    /// Empty for the first span of a trace.
    pub parent: String,
    pub links: Vec<String>,
    pub attributes: BTreeMap<String, String>,
    /// The names of its events.
    pub events: Vec<String>,
    pub failed: bool,
    /// Nanoseconds since 1970.
    pub began: u64,
    pub ended: u64,
}

#[derive(Clone, Default)]
struct Arrived {
    spans: Arc<Mutex<Vec<Exported>>>,
    /// Names of metrics.
    metrics: Arc<Mutex<BTreeSet<String>>>,
    /// Lines of logs, with the ids of their traces.
    lines: Arc<Mutex<Vec<(String, String)>>>,
    /// Every request, as it was on the wire.
    bytes: Arc<Mutex<Vec<u8>>>,
}

#[tonic::async_trait]
impl TraceService for Arrived {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.take_traces(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Arrived {
    fn take_traces(&self, request: ExportTraceServiceRequest) {
        self.bytes.lock().extend(request.encode_to_vec());
        for process in request.resource_spans {
            let resource = process.resource.unwrap_or_default();
            let service = texts(resource.attributes).remove("service.name").unwrap_or_default();
            let spans = process.scope_spans.into_iter().flat_map(|scope| scope.spans);
            self.spans.lock().extend(spans.map(|span| Exported {
                service: service.clone(),
                name: span.name,
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                links: span.links.iter().map(|link| hex(&link.span_id)).collect(),
                attributes: texts(span.attributes),
                events: span.events.into_iter().map(|event| event.name).collect(),
                failed: span.status.is_some_and(|status| status.code == 2),
                began: span.start_time_unix_nano,
                ended: span.end_time_unix_nano,
            }));
        }
    }

    fn take_metrics(&self, request: ExportMetricsServiceRequest) {
        self.bytes.lock().extend(request.encode_to_vec());
        let scopes = request
            .resource_metrics
            .into_iter()
            .flat_map(|process| process.scope_metrics);
        let metrics = scopes.flat_map(|scope| scope.metrics).map(|metric| metric.name);
        self.metrics.lock().extend(metrics);
    }

    fn take_lines(&self, request: ExportLogsServiceRequest) {
        self.bytes.lock().extend(request.encode_to_vec());
        let scopes = request.resource_logs.into_iter().flat_map(|process| process.scope_logs);
        let lines = scopes.flat_map(|scope| scope.log_records).map(|line| {
            let text = match line.body.and_then(|body| body.value) {
                Some(any_value::Value::StringValue(text)) => text,
                other => format!("{other:?}"),
            };
            (hex(&line.trace_id), text)
        });
        self.lines.lock().extend(lines);
    }

    /// The same over HTTP.
    fn router(self) -> Router {
        fn message<M: prost::Message + Default>(bytes: &Bytes) -> M {
            M::decode(bytes.clone()).expect("a message of OTLP")
        }
        let (traces, metrics, lines) = (self.clone(), self.clone(), self);
        Router::new()
            .route(
                "/v1/traces",
                post(async move |bytes: Bytes| traces.take_traces(message(&bytes))),
            )
            .route(
                "/v1/metrics",
                post(async move |bytes: Bytes| metrics.take_metrics(message(&bytes))),
            )
            .route(
                "/v1/logs",
                post(async move |bytes: Bytes| lines.take_lines(message(&bytes))),
            )
    }
}

#[tonic::async_trait]
impl MetricsService for Arrived {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.take_metrics(request.into_inner());
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl LogsService for Arrived {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        self.take_lines(request.into_inner());
        Ok(Response::new(ExportLogsServiceResponse::default()))
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Option<AnyValue>| match value.and_then(|value| value.value) {
        Some(any_value::Value::StringValue(text)) => text,
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        Some(any_value::Value::BoolValue(truth)) => truth.to_string(),
        other => format!("{other:?}"),
    };
    attributes
        .into_iter()
        .map(|pair| (pair.key, text(pair.value)))
        .collect()
}

/// A receiver that runs.
pub struct Receiver {
    arrived: Arrived,
    endpoint: String,
    protocol: &'static str,
    _runtime: Runtime,
}

fn listen() -> (Runtime, TcpListener, String) {
    let runtime = Runtime::new().expect("a runtime");
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    (runtime, listener, endpoint)
}

impl Receiver {
    /// One that is reached over HTTP.
    pub fn start_http() -> Self {
        let (runtime, listener, endpoint) = listen();
        let arrived = Arrived::default();
        let router = arrived.clone().router();
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self {
            arrived,
            endpoint,
            protocol: "http/protobuf",
            _runtime: runtime,
        }
    }

    /// One that is reached over gRPC.
    pub fn start() -> Self {
        let (runtime, listener, endpoint) = listen();
        let arrived = Arrived::default();
        let server = Server::builder()
            .add_service(TraceServiceServer::new(arrived.clone()))
            .add_service(MetricsServiceServer::new(arrived.clone()))
            .add_service(LogsServiceServer::new(arrived.clone()))
            .serve_with_incoming(TcpIncoming::from(listener));
        runtime.spawn(server);
        Self {
            arrived,
            endpoint,
            protocol: "grpc",
            _runtime: runtime,
        }
    }

    /// What makes a process export to it.
    pub fn environment(&self) -> Vec<(String, String)> {
        [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", self.endpoint.as_str()),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", self.protocol),
            ("OTEL_BSP_SCHEDULE_DELAY", EXPORT_INTERVAL),
            ("OTEL_METRIC_EXPORT_INTERVAL", EXPORT_INTERVAL),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// Every exported byte.
    pub fn bytes(&self) -> Vec<u8> {
        self.arrived.bytes.lock().clone()
    }

    /// The names of the metrics so far.
    pub fn metrics(&self) -> BTreeSet<String> {
        self.arrived.metrics.lock().clone()
    }

    /// Lines of logs so far, with the ids of their traces.
    pub fn lines(&self) -> Vec<(String, String)> {
        self.arrived.lines.lock().clone()
    }

    /// The spans of a trace so far.
    pub fn trace(&self, id: &str) -> Trace {
        let spans = self.arrived.spans.lock();
        Trace(spans.iter().filter(|span| span.trace == id).cloned().collect())
    }

    /// Waits until the trace has a span that `awaited` holds for.
    #[track_caller]
    pub fn trace_with(&self, id: &str, what: &str, awaited: impl Fn(&Exported) -> bool) -> Trace {
        within(std::time::Duration::from_secs(20), what, || {
            let trace = self.trace(id);
            trace.0.iter().any(&awaited).then_some(trace)
        })
    }
}

/// The spans of one trace.
pub struct Trace(pub Vec<Exported>);

impl Trace {
    /// Those with this name.
    pub fn named(&self, name: &str) -> Vec<&Exported> {
        self.0.iter().filter(|span| span.name == name).collect()
    }

    /// The only one with this name.
    #[track_caller]
    pub fn one(&self, name: &str) -> &Exported {
        let found = self.named(name);
        assert_eq!(found.len(), 1, "spans named {name} in\n{}", self.shown());
        found[0]
    }

    /// The names of the spans directly below one, each once.
    pub fn below(&self, parent: &Exported) -> BTreeSet<&str> {
        let below = self.0.iter().filter(|span| span.parent == parent.id);
        below.map(|span| span.name.as_str()).collect()
    }

    /// Fails unless there is one first span and every other one is below one of the trace, with an id of its own.
    #[track_caller]
    pub fn assert_whole(&self) {
        let ids: BTreeSet<_> = self.0.iter().map(|span| &span.id).collect();
        assert_eq!(ids.len(), self.0.len(), "every id is there once\n{}", self.shown());
        let roots = self.0.iter().filter(|span| span.parent.is_empty()).count();
        assert_eq!(roots, 1, "{}", self.shown());
        for span in self.0.iter().filter(|span| !span.parent.is_empty()) {
            assert!(
                ids.contains(&span.parent),
                "{} has no parent in\n{}",
                span.name,
                self.shown()
            );
        }
    }

    /// The tree, for people.
    pub fn shown(&self) -> String {
        let ids: BTreeSet<_> = self.0.iter().map(|span| span.id.as_str()).collect();
        let mut tops: Vec<_> = self
            .0
            .iter()
            .filter(|span| !ids.contains(span.parent.as_str()))
            .collect();
        tops.sort_by_key(|span| span.began);
        tops.into_iter().map(|span| self.shown_below(span, 0)).collect()
    }

    fn shown_below(&self, span: &Exported, depth: usize) -> String {
        let took = span.ended.saturating_sub(span.began) / 1_000_000;
        let (indent, failed) = ("  ".repeat(depth), if span.failed { " FAILED" } else { "" });
        let mut text = format!(
            "{indent}{} [{}] {took} ms{failed} {:?} links {:?} events {:?}\n",
            span.name, span.service, span.attributes, span.links, span.events
        );
        let mut below: Vec<_> = self.0.iter().filter(|other| other.parent == span.id).collect();
        below.sort_by_key(|span| span.began);
        for span in below {
            text += &self.shown_below(span, depth + 1);
        }
        text
    }
}
