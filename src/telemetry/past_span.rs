//! Spans that are made when they are over (decision 51): their times are known, and there was nothing to enter.
//!
//! One is the span of an attempt whose process died. A span is exported when it ends, so the process took it with it, and the spans below it
//! would have no parent. The process that takes over exports it under its own id.

use std::borrow::Cow;
use std::cell::Cell;

use jiff::Timestamp;
use opentelemetry::trace::{Span as _, SpanBuilder, SpanId, SpanKind, Status, TraceId, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue, Value, global};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};

use super::trace::TraceParent;

thread_local! {
    /// The id of the next span that this thread makes.
    static NEXT: Cell<Option<SpanId>> = const { Cell::new(None) };
}

/// Random ids, save for a span that has one already.
#[derive(Debug, Default)]
pub(super) struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        self.0.new_trace_id()
    }

    fn new_span_id(&self) -> SpanId {
        NEXT.take().unwrap_or_else(|| self.0.new_span_id())
    }
}

/// A span that is over.
#[derive(Debug)]
#[must_use = "it is exported by `export`"]
pub struct PastSpan {
    builder: SpanBuilder,
    parent: Context,
    id: Option<SpanId>,
    ended: Timestamp,
    failure: Option<Cow<'static, str>>,
}

impl PastSpan {
    /// The first span of a trace.
    pub fn new(name: impl Into<Cow<'static, str>>, began: Timestamp, ended: Timestamp) -> Self {
        Self {
            builder: SpanBuilder::from_name(name).with_start_time(began).with_attributes([]),
            parent: Context::new(),
            id: None,
            ended,
            failure: None,
        }
    }

    /// Below another span.
    pub fn below(mut self, parent: &TraceParent) -> Self {
        self.parent = parent.context();
        self
    }

    /// With the id that it had.
    pub fn known_as(mut self, itself: &TraceParent) -> Self {
        self.id = Some(itself.span_context().span_id());
        self
    }

    /// A request to another process.
    pub fn client(mut self) -> Self {
        self.builder = self.builder.with_kind(SpanKind::Client);
        self
    }

    /// With an attribute.
    pub fn with(mut self, key: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Self {
        let attributes = self.builder.attributes.get_or_insert_default();
        attributes.push(KeyValue::new(key.into(), value));
        self
    }

    /// Failed. `error_type` has few values, so that spans can be counted by it.
    pub fn failed(self, error_type: impl Into<Cow<'static, str>>, why: impl Into<Cow<'static, str>>) -> Self {
        let failure = Some(why.into());
        let failed = self.with("error.type", error_type.into());
        Self { failure, ..failed }
    }

    /// Exports it, and returns what later spans need to be below it. `None` without an exporter.
    pub fn export(self) -> Option<TraceParent> {
        self.export_by(&global::tracer_provider())
    }

    fn export_by<P: TracerProvider>(self, provider: &P) -> Option<TraceParent> {
        NEXT.set(self.id);
        let mut span = provider.tracer("velero").build_with_context(self.builder, &self.parent);
        // Without an exporter it has asked for no id.
        NEXT.take();
        if let Some(why) = self.failure {
            span.set_status(Status::error(why));
        }
        span.end_with_timestamp(self.ended.into());
        TraceParent::valid(span.span_context())
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};

    use super::*;

    #[test]
    fn a_lost_span_gets_back_its_own_id_and_the_next_one_another() {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_id_generator(Ids::default())
            .with_simple_exporter(exporter.clone())
            .build();
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-";
        let parent = TraceParent::parse(&format!("{trace}00f067aa0ba902b7-01")).unwrap();
        let itself = TraceParent::parse(&format!("{trace}1111111111111111-01")).unwrap();
        let began: Timestamp = "2026-11-30T01:02:03Z".parse().unwrap();
        let ended = began + SignedDuration::from_secs(3);
        let lost = PastSpan::new("backup attempt", began, ended)
            .below(&parent)
            .known_as(&itself)
            .with("velero.backup.name", "nightly")
            .failed("process_died", "the process died");
        assert_eq!(lost.export_by(&provider), Some(itself.clone()));
        let another = PastSpan::new("another", began, ended).export_by(&provider).unwrap();
        assert_ne!(another.span_id(), itself.span_id());

        let spans = exporter.get_finished_spans().unwrap();
        assert_eq!(spans[0].parent_span_id.to_string(), parent.span_id());
        assert_eq!((spans[0].start_time, spans[0].end_time), (began.into(), ended.into()));
        assert_eq!(spans[0].attributes.len(), 2);
        assert_eq!(spans[1].parent_span_id, SpanId::INVALID);
    }

    #[test]
    fn without_an_exporter_nothing_is_below_it() {
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(PastSpan::new("request", now, now).export(), None);
    }
}
