//! The process's own log: lines on standard output in logrus' form, and spans to an OTLP collector if the standard
//! variables `OTEL_EXPORTER_OTLP_*` name one.

use std::fmt;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tonic::transport::ClientTlsConfig;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, fmt as fmt_layer};

use super::logrus::{Format, Level, write_line};
use super::run_log::Now;

/// The environment variables that turn the exporter on.
const OTLP_ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// Setting up telemetry failed.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The filter text cannot be read.
    #[error("reading the log filter failed: {0}; check `VELERO_LOG`")]
    Filter(#[from] ParseError),
    /// The exporter cannot be built.
    #[error("setting up the trace exporter failed: {0}; check the `OTEL_EXPORTER_OTLP_…` variables")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    /// A subscriber was set up before.
    #[error("setting up the log failed: {0}")]
    Subscriber(#[from] TryInitError),
}

/// Holds the exporter; [`Telemetry::shutdown`] sends the remaining spans.
#[must_use = "spans are lost unless `shutdown` is called"]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Sets up the process's log and, where a collector is named, the exporter. Must be called once, inside a Tokio
    /// runtime. `VELERO_LOG` refines `level` with directives such as `velero=debug,kube_manager=debug` (the framework).
    ///
    /// # Errors
    /// See [`InitError`].
    pub fn init(service: &'static str, level: Level, format: Format, now: Now) -> Result<Self, InitError> {
        let word = match level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warning => "warn",
            Level::Error => "error",
        };
        // The client logs every retried 5xx as an error of its own, and the transport's spans are noise.
        let quiet = "hyper=warn,h2=warn,tonic=warn,tower=warn,reqwest=warn,rustls=warn,\
             kube_client::client::builder=off,opentelemetry=warn,opentelemetry_sdk=warn";
        let asked = std::env::var("VELERO_LOG").unwrap_or_default();
        let filter = EnvFilter::builder().parse(format!("{word},{quiet},{asked}").trim_end_matches(','))?;
        let provider = exporter()?.map(|exporter| {
            SdkTracerProvider::builder()
                .with_resource(resource(service))
                .with_batch_exporter(exporter)
                .build()
        });
        let spans = provider.as_ref().map(|provider| {
            tracing_opentelemetry::layer()
                .with_tracer(provider.tracer("velero"))
                .with_location(false)
                .with_threads(false)
                .with_tracked_inactivity(false)
                .with_filter(EnvFilter::new("off,velero=info,kube_manager=info"))
        });
        tracing_subscriber::registry()
            .with(
                fmt_layer::layer()
                    .event_format(LogrusLine { format, now })
                    .with_filter(filter),
            )
            .with(spans)
            .try_init()?;
        Ok(Self { provider })
    }

    /// Sends the remaining spans and ends the exporter; waits for the collector a few seconds at most.
    pub async fn shutdown(self) {
        if let Some(provider) = self.provider {
            // This blocks, and a collector that does not answer must not delay the end of the process.
            let _ = tokio::task::spawn_blocking(move || provider.shutdown()).await;
        }
    }
}

fn resource(service: &'static str) -> Resource {
    let builder = Resource::builder();
    // `with_service_name` would override the user's environment.
    if std::env::var_os("OTEL_SERVICE_NAME").is_some() {
        builder.build()
    } else {
        builder.with_service_name(service).build()
    }
}

fn exporter() -> Result<Option<SpanExporter>, opentelemetry_otlp::ExporterBuildError> {
    let Some(endpoint) = OTLP_ENDPOINTS
        .iter()
        .find_map(|name| std::env::var(name).ok())
        .filter(|e| !e.is_empty())
    else {
        return Ok(None);
    };
    let builder = SpanExporter::builder().with_tonic();
    let builder = if endpoint.starts_with("https://") {
        builder.with_tls_config(ClientTlsConfig::new().with_enabled_roots())
    } else {
        builder
    };
    builder.build().map(Some)
}

/// Formats a tracing event as a logrus line, with the fields of its spans.
struct LogrusLine {
    format: Format,
    now: Now,
}

#[derive(Default)]
struct Fields {
    message: String,
    rest: Vec<(String, String)>,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.to_owned());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, value.to_string());
    }
}

impl Fields {
    fn put(&mut self, field: &Field, text: String) {
        if field.name() == "message" {
            self.message = text;
        } else {
            self.rest.push((field.name().to_owned(), text));
        }
    }
}

impl<S, N> FormatEvent<S, N> for LogrusLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        // A line of a run's log is already formatted.
        if event.metadata().target() == "velero::run" {
            return writeln!(writer, "{}", fields.message);
        }
        let level = match *event.metadata().level() {
            tracing::Level::ERROR => Level::Error,
            tracing::Level::WARN => Level::Warning,
            tracing::Level::INFO => Level::Info,
            _ => Level::Debug,
        };
        let source = match (event.metadata().file(), event.metadata().line()) {
            (Some(file), Some(line)) => format!("{file}:{line}"),
            _ => event.metadata().target().to_owned(),
        };
        let mut pairs: Vec<(&str, &str)> = fields.rest.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        pairs.push(("logSource", &source));
        let mut out = String::new();
        write_line(&mut out, self.format, (self.now)(), level, &fields.message, &mut pairs);
        writer.write_str(&out)
    }
}
