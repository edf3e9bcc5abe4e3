//! The trace context of a span as it crosses processes and restarts (decision 51): a W3C `traceparent` in an annotation, a header or a
//! run record.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{SpanContext, Status, TraceContextExt};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing::dispatcher::get_default;
use tracing_opentelemetry::{OpenTelemetrySpanExt, get_otel_context};

/// The name of the header with the context.
pub const HEADER: &str = "traceparent";

/// A span of this or another process, by its `traceparent`.
#[derive(Clone, Debug)]
pub struct TraceParent(SpanContext);

/// The same span, whether it was made here or read.
impl PartialEq for TraceParent {
    fn eq(&self, other: &Self) -> bool {
        (self.0.trace_id(), self.0.span_id()) == (other.0.trace_id(), other.0.span_id())
    }
}

impl Eq for TraceParent {}

impl TraceParent {
    /// Reads a `traceparent`. `None` if it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let carrier = HashMap::from([(HEADER.to_owned(), text.to_owned())]);
        // Into an empty context: if the text is not one, the current span must not be taken for it.
        let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
        Self::valid(context.span().span_context())
    }

    /// Of this span. `None` without an exporter.
    pub fn of(span: &Span) -> Option<Self> {
        Self::valid(span.context().span().span_context())
    }

    /// Of the current span. `None` outside of any, and without an exporter.
    pub fn current() -> Option<Self> {
        Self::valid(current_context()?.span().span_context())
    }

    pub(super) fn valid(span: &SpanContext) -> Option<Self> {
        span.is_valid().then(|| Self(span.clone()))
    }

    /// The id of the trace, 32 hexadecimal digits.
    pub fn trace_id(&self) -> String {
        self.0.trace_id().to_string()
    }

    /// The id of the span, 16 hexadecimal digits.
    pub fn span_id(&self) -> String {
        self.0.span_id().to_string()
    }

    /// Whether spans of the trace are exported.
    pub fn is_sampled(&self) -> bool {
        self.0.is_sampled()
    }

    /// An OpenTelemetry context with this span as a remote one, for its children.
    pub(super) fn context(&self) -> Context {
        Context::new().with_remote_span_context(self.0.clone())
    }

    pub(super) fn span_context(&self) -> &SpanContext {
        &self.0
    }

    /// Makes `span` a child of this one. To be called before the span is entered.
    pub fn adopt(&self, span: &Span) {
        // The layer is missing without an exporter.
        let _ = span.set_parent(self.context());
    }

    /// Links `span` to this one.
    pub fn link(&self, span: &Span) {
        span.add_link(self.0.clone());
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trace, span, flags) = (self.0.trace_id(), self.0.span_id(), self.0.trace_flags().to_u8());
        write!(f, "00-{trace}-{span}-{flags:02x}")
    }
}

/// The OpenTelemetry context of the current span. The layer does not activate it on entry: a run enters its span at each poll, some times
/// for each object, and asks for the context some hundred times.
pub(super) fn current_context() -> Option<Context> {
    get_default(|dispatch| get_otel_context(dispatch.current_span().id()?, dispatch))
}

/// Marks a span as failed. `error_type` has few values, so that spans can be counted by it.
pub fn fail(span: &Span, error_type: &'static str, why: impl Into<Cow<'static, str>>) {
    span.set_attribute("error.type", error_type);
    span.set_status(Status::error(why));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::testing::Recorded;

    #[test]
    fn a_span_of_a_later_process_belongs_to_the_trace_that_an_annotation_names() {
        let recorded = Recorded::of(|| {
            let annotation = TraceParent::of(&tracing::info_span!("first")).unwrap().to_string();
            let second = tracing::info_span!("second");
            TraceParent::parse(&annotation).unwrap().adopt(&second);
            second.in_scope(|| ());
        });
        let (first, second) = (recorded.span("first"), recorded.span("second"));
        assert_eq!(second.parent_span_id, first.span_context.span_id());
        assert_eq!(second.span_context.trace_id(), first.span_context.trace_id());
    }

    #[test]
    fn without_an_exporter_there_is_no_context() {
        let span = tracing::info_span!("alone");
        assert_eq!(TraceParent::of(&span), None);
        assert_eq!(span.in_scope(TraceParent::current), None);
    }

    #[test]
    fn only_a_traceparent_is_one() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let parsed = TraceParent::parse(text).unwrap();
        assert_eq!((parsed.to_string(), parsed.is_sampled()), (text.to_owned(), true));
        assert_eq!(parsed.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        for text in [
            "",
            "garbage",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        ] {
            Recorded::of(|| {
                tracing::info_span!("current").in_scope(|| assert_eq!(TraceParent::parse(text), None, "{text}"));
            });
        }
    }
}
