//! The trace of a run over its attempts (decision 51): each attempt is a span below what began the run, linked to the attempt before it.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::api::annotations;
use crate::runtime::Kind;
use crate::telemetry;
use crate::telemetry::past_span::PastSpan;
use crate::telemetry::run_spans::RunSpans;
use crate::telemetry::trace::TraceParent;

use super::RunId;

/// The trace that an object belongs to, by its annotation. One that does not parse counts as none.
pub fn of_object<K: Kind>(object: &K) -> Option<TraceParent> {
    of_meta(object.meta())
}

/// The same of its metadata.
pub fn of_meta(meta: &ObjectMeta) -> Option<TraceParent> {
    TraceParent::parse(meta.annotations.as_ref()?.get(annotations::TRACEPARENT)?)
}

/// Notes in an object the trace that it belongs to.
pub fn annotate(meta: &mut ObjectMeta, parent: &TraceParent) {
    let annotations = meta.annotations.get_or_insert_default();
    annotations.insert(annotations::TRACEPARENT.to_owned(), parent.to_string());
}

/// The message of a condition, with the id of the object's trace.
pub fn message<K: Kind>(why: &str, object: &K) -> String {
    match of_object(object).filter(TraceParent::is_sampled) {
        None => why.to_owned(),
        Some(trace) if why.is_empty() => format!("trace {}", trace.trace_id()),
        Some(trace) => format!("{why}; trace {}", trace.trace_id()),
    }
}

/// The span of an attempt, as the run record has it for the next one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptSpan {
    traceparent: String,
    began: Timestamp,
    /// The process that has it ([`telemetry::instance`]).
    process: String,
    /// Whether that process has ended it: then it was exported.
    #[serde(default)]
    pub(super) ended: bool,
}

impl AttemptSpan {
    /// Of the attempt that is under way; `None` if it is not traced.
    pub(super) fn current(now: Timestamp) -> Option<Self> {
        Some(Self {
            traceparent: RunSpans::current()?.attempt()?.to_string(),
            began: now,
            process: telemetry::instance().to_owned(),
            ended: false,
        })
    }

    /// Whether both are of the same attempt.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.traceparent == other.traceparent
    }

    /// Links the current span, that of an attempt, to this one, of the attempt before. If the process of that one died, its span is exported.
    pub(super) fn precedes_current(&self, id: &RunId, now: Timestamp) {
        let (Some(spans), Some(before)) = (RunSpans::current(), TraceParent::parse(&self.traceparent)) else {
            return;
        };
        if spans.attempt() == Some(&before) {
            return;
        }
        before.link(&Span::current());
        let Some(parent) = spans.parent() else { return };
        let is_exported = self.ended || self.process == telemetry::instance();
        if is_exported || parent.trace_id() != before.trace_id() || !before.is_sampled() {
            return;
        }
        let lost = PastSpan::new(format!("{} attempt", id.kind), self.began, now)
            .below(parent)
            .known_as(&before)
            .failed("process_died", "the process died");
        describe(lost, id).export();
    }
}

/// The span of an attempt at this run.
pub(super) fn attempt(id: &RunId, parent: Option<TraceParent>) -> Span {
    let span = tracing::info_span!(parent: None, "attempt", otel.name = format!("{} attempt", id.kind));
    RunSpans::begin(&span, parent);
    for (key, value) in attributes(id) {
        span.set_attribute(key, value);
    }
    span
}

/// The span of the end of a run whose operations have ended, in the trace of its object. No attempt: it is never exported for another process.
pub fn finalization<K: Kind>(object: &K) -> Span {
    let Some(parent) = of_object(object) else {
        return Span::none();
    };
    let span = tracing::info_span!(parent: None, "finalize");
    parent.adopt(&span);
    span
}

/// The beginning of a run: what its object waited for, and its preparation.
#[derive(Debug)]
pub struct Beginning {
    parent: Option<TraceParent>,
}

impl Beginning {
    /// Of the run of this object, in the trace that it names, or else in a new one.
    pub fn of<K: Kind>(object: &K, now: Timestamp) -> Self {
        let begin = || {
            let id = RunId::of(object);
            let root = PastSpan::new(id.kind.clone(), created(object).unwrap_or(now), now);
            describe(root, &id).export()
        };
        Self {
            parent: of_object(object).or_else(begin),
        }
    }

    /// It has waited for its turn since it was created.
    pub fn waited<K: Kind>(&self, object: &K, now: Timestamp) {
        if let (Some(parent), Some(created)) = (&self.parent, created(object)) {
            PastSpan::new("queue", created, now).below(parent).export();
        }
    }

    /// The span of the preparation.
    pub fn preparation(&self) -> Span {
        let Some(parent) = &self.parent else {
            return Span::none();
        };
        let span = tracing::info_span!(parent: None, "accept");
        parent.adopt(&span);
        span
    }

    /// Notes the trace in the object that is written.
    pub fn annotate(&self, meta: &mut ObjectMeta) {
        if let Some(parent) = &self.parent {
            annotate(meta, parent);
        }
    }
}

fn created<K: Kind>(object: &K) -> Option<Timestamp> {
    object.meta().creation_timestamp.as_ref().map(|time| time.0)
}

fn describe(span: PastSpan, id: &RunId) -> PastSpan {
    attributes(id)
        .into_iter()
        .fold(span, |span, (key, value)| span.with(key, value))
}

/// Which run it is, as attributes of a span.
fn attributes(id: &RunId) -> [(String, String); 3] {
    [
        ("k8s.namespace.name".to_owned(), id.namespace.clone()),
        (format!("velero.{}.name", id.kind), id.name.clone()),
        (format!("velero.{}.uid", id.kind), id.uid.to_string()),
    ]
}
