//! One trace across passes, processes and restarts. An operation outlives the pass that began it and may outlive the
//! process, so its trace context is stored in an annotation of the object it belongs to.

use std::collections::HashMap;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The key under which W3C trace context travels, in headers and maps.
const TRACEPARENT: &str = "traceparent";

/// The `traceparent` text of a span, or `None` when it is not recorded (no exporter is set up, or sampled out).
pub fn traceparent(span: &Span) -> Option<String> {
    let context = span.context();
    if !context.span().span_context().is_valid() {
        return None;
    }
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&context, &mut carrier);
    carrier.remove(TRACEPARENT)
}

/// Makes `span` a child of the trace named by a `traceparent` text. Must be called before the span is entered; a text
/// that cannot be parsed leaves the span as a root.
pub fn adopt(span: &Span, traceparent: &str) {
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    let context = TraceContextPropagator::new().extract(&carrier);
    if context.span().span_context().is_valid() {
        let _ = span.set_parent(context);
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn a_later_process_continues_the_trace_that_an_annotation_names() {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(exporter.clone())
            .build();
        let subscriber =
            tracing_subscriber::registry().with(tracing_opentelemetry::layer().with_tracer(provider.tracer("test")));
        tracing::subscriber::with_default(subscriber, || {
            let text = traceparent(&tracing::info_span!("first")).unwrap();
            let second = tracing::info_span!("second");
            adopt(&second, &text);
            second.in_scope(|| ());
        });
        let spans = exporter.get_finished_spans().unwrap();
        assert_eq!(spans.len(), 2);
        assert_eq!(spans[0].span_context.trace_id(), spans[1].span_context.trace_id());
    }

    #[test]
    fn without_an_exporter_there_is_no_traceparent() {
        let span = tracing::info_span!("alone");
        assert_eq!(traceparent(&span), None);
        adopt(&span, "garbage");
    }
}
