//! What the process says about itself: its log on standard output, and what goes to an OTLP collector.

use opentelemetry::global;
use opentelemetry::trace::TracerProvider;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Metadata;
use tracing_subscriber::filter::{EnvFilter, FilterFn, ParseError};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, fmt as fmt_layer};

use super::export::{self, ExportError};
use super::log_line::LogrusLine;
use super::logrus::{Format, Level};
use super::run_log::Now;

/// The target of events that are for a trace alone.
pub const TRACE_EVENT: &str = "velero::trace";

/// Setting up telemetry failed.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The filter text cannot be read.
    #[error("reading the log filter failed: {0}; check `VELERO_LOG`")]
    Filter(#[from] ParseError),
    /// An exporter cannot be built.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// A subscriber was set up before.
    #[error("setting up the log failed: {0}")]
    Subscriber(#[from] TryInitError),
}

/// Holds the exporters; [`Telemetry::shutdown`] sends what remains.
#[must_use = "spans are lost unless `shutdown` is called"]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
    logs: Option<SdkLoggerProvider>,
}

impl Telemetry {
    /// Sets up the log of a server and, where the environment asks for it, exporters (see [`export`]). An exporter that cannot be set up is
    /// a warning: a wrong variable must not keep the server from making backups. Must be called once, inside a Tokio runtime. `VELERO_LOG` refines `level` with directives such as `velero=debug,kube_manager=debug` (the framework).
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
        // Events of traces are no lines.
        let quiet = "velero::trace=off,hyper=warn,h2=warn,tonic=warn,tower=warn,reqwest=warn,rustls=warn,\
             kube_client::client::builder=off,opentelemetry=warn,opentelemetry_sdk=warn";
        let asked = std::env::var("VELERO_LOG").unwrap_or_default();
        let filter = EnvFilter::builder().parse(format!("{word},{quiet},{asked}").trim_end_matches(','))?;
        let log = fmt_layer::layer()
            .event_format(LogrusLine { format, now })
            .with_filter(filter);
        let (traces, no_traces) =
            export::tracer_provider(service).map_or_else(|e| (None, Some(e)), |found| (found, None));
        let (logs, no_logs) = export::logger_provider(service).map_or_else(|e| (None, Some(e)), |found| (found, None));
        let lines = logs.as_ref().map(|provider| {
            // The exporter's own lines would be exported in their turn.
            let own = "opentelemetry=off,opentelemetry_sdk=off,opentelemetry_otlp=off";
            let filter = EnvFilter::builder().parse_lossy(format!("{word},{quiet},{own}"));
            OpenTelemetryTracingBridge::new(provider).with_filter(filter)
        });
        tracing_subscriber::registry()
            .with(traces.as_ref().map(spans))
            .with(lines)
            .with(log)
            .try_init()?;
        for error in no_traces.iter().chain(&no_logs) {
            tracing::warn!(%error, "this signal is not exported");
        }
        Ok(Self { traces, logs })
    }

    /// The same for a command, which has no log. Without an exporter there is no telemetry at all.
    ///
    /// # Errors
    /// See [`InitError`].
    pub fn of_command(service: &'static str) -> Result<Option<Self>, InitError> {
        let Some(provider) = export::tracer_provider(service)? else {
            return Ok(None);
        };
        tracing_subscriber::registry().with(spans(&provider)).try_init()?;
        Ok(Some(Self {
            traces: Some(provider),
            logs: None,
        }))
    }

    /// Sends what remains and ends the exporters; waits for the collector a few seconds at most.
    pub async fn shutdown(self) {
        // This blocks, and a collector that does not answer must not delay the end of the process.
        let end = move || {
            let _ = self.traces.map(|provider| provider.shutdown());
            let _ = self.logs.map(|provider| provider.shutdown());
        };
        let _ = tokio::task::spawn_blocking(end).await;
    }
}

/// The layer that exports spans.
fn spans<S>(provider: &SdkTracerProvider) -> impl Layer<S> + use<S>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    // Spans that are not made of `tracing`'s take it from there.
    global::set_tracer_provider(provider.clone());
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("velero"))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false)
        .with_filter(FilterFn::new(is_exported))
}

/// Our own spans, without those of the framework's passes: a run of an hour has thousands of them. Of events, only those that are made for
/// a trace: lines of logs would fill it.
fn is_exported(metadata: &Metadata<'_>) -> bool {
    if metadata.is_span() {
        metadata.target().starts_with("velero") && *metadata.level() <= tracing::Level::INFO
    } else {
        metadata.target() == TRACE_EVENT
    }
}
