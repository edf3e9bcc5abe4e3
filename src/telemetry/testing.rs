//! Spans as tests see them.

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tracing_subscriber::layer::SubscriberExt;

/// The spans that ended during a test, as an exporter gets them.
pub struct Recorded {
    /// In the order in which they ended.
    pub spans: Vec<SpanData>,
}

impl Recorded {
    /// Those of this code.
    pub fn of(code: impl FnOnce()) -> Self {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(exporter.clone())
            .build();
        let layer = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("test"))
            .with_context_activation(false);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), code);
        Self {
            spans: exporter.get_finished_spans().unwrap(),
        }
    }

    /// The one with this name.
    pub fn span(&self, name: &str) -> &SpanData {
        self.spans.iter().find(|span| span.name == name).unwrap()
    }

    /// An attribute of a span, as text.
    pub fn attribute(&self, span: &str, key: &str) -> Option<String> {
        let attributes = &self.span(span).attributes;
        let found = attributes.iter().find(|attribute| attribute.key.as_str() == key);
        found.map(|attribute| attribute.value.to_string())
    }
}
