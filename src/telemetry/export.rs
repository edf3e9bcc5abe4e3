//! Exporters of traces, metrics and logs, as the standard variables of OpenTelemetry ask for them (decision 51).
//!
//! | Variable | Here |
//! | --- | --- |
//! | `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, `…_METRICS_…`, `…_LOGS_…` | turns exporters on |
//! | `OTEL_TRACES_EXPORTER`, `OTEL_METRICS_EXPORTER`, `OTEL_LOGS_EXPORTER` | `otlp` turns it on at the default endpoint, `none` off |
//! | `OTEL_SDK_DISABLED` | `true` turns everything off |
//! | `OTEL_EXPORTER_OTLP_PROTOCOL`, `…_HEADERS`, `…_TIMEOUT`, `OTEL_TRACES_SAMPLER`, `OTEL_BSP_…`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_SERVICE_NAME` | as the SDK reads them; the protocol is `grpc` unless it is given |

use opentelemetry::KeyValue;
use opentelemetry_otlp::{ExporterBuildError, LogExporter, SpanExporter, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tonic::transport::ClientTlsConfig;

use super::past_span::Ids;

/// An exporter could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// It cannot be built.
    #[error("setting up the exporter of {signal} failed: {why}; check the `OTEL_EXPORTER_OTLP_…` variables")]
    NotBuilt {
        /// Of what.
        signal: &'static str,
        /// Why not.
        why: String,
    },
    /// There is no such exporter.
    #[error("setting up the exporter of {signal} failed: `{variable}` is `{value}`; use `otlp` or `none`")]
    Unknown {
        /// Of what.
        signal: &'static str,
        /// The variable.
        variable: String,
        /// Its value.
        value: String,
    },
}

/// What can be exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    Traces,
    Metrics,
    Logs,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }

    /// The variable that chooses the exporter.
    fn chooser(self) -> String {
        format!("OTEL_{}_EXPORTER", self.name().to_uppercase())
    }

    /// A setting of the OTLP exporter: the signal's own, or that of all signals.
    pub(super) fn setting(self, name: &str, variable: &dyn Fn(&str) -> Option<String>) -> Option<String> {
        let own = format!("OTEL_EXPORTER_OTLP_{}_{name}", self.name().to_uppercase());
        variable(&own).or_else(|| variable(&format!("OTEL_EXPORTER_OTLP_{name}")))
    }

    /// Whether it is to be exported.
    fn is_wanted(self, variable: &dyn Fn(&str) -> Option<String>) -> Result<bool, ExportError> {
        if variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(false);
        }
        let Some(chosen) = variable(&self.chooser()) else {
            return Ok(self.setting("ENDPOINT", variable).is_some());
        };
        // A list. `prometheus` is the page of metrics, which is always there.
        let known = ["otlp", "none", "prometheus"];
        let mut chosen = chosen.split(',').map(str::trim);
        let found: Result<Vec<&str>, &str> = chosen.try_fold(Vec::new(), |mut found, name| {
            found.push(name);
            if known.contains(&name) { Ok(found) } else { Err(name) }
        });
        match found {
            Ok(found) => Ok(found.contains(&"otlp")),
            Err(value) => Err(ExportError::Unknown {
                signal: self.name(),
                variable: self.chooser(),
                value: value.to_owned(),
            }),
        }
    }

    pub(super) fn not_built(self, why: &dyn std::fmt::Display) -> ExportError {
        ExportError::NotBuilt {
            signal: self.name(),
            why: why.to_string(),
        }
    }

    /// How it is exported; `None` if it is not.
    pub(super) fn route(self) -> Result<Option<Route>, ExportError> {
        if !self.is_wanted(&variable)? {
            return Ok(None);
        }
        // An exporter may be the first of this process to need it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let grpc = self
            .setting("PROTOCOL", &variable)
            .is_none_or(|protocol| protocol == "grpc");
        let endpoint = self.setting("ENDPOINT", &variable);
        Ok(Some(if !grpc {
            Route::Http
        } else if endpoint.is_some_and(|endpoint| endpoint.starts_with("https://")) {
            Route::GrpcOverTls(ClientTlsConfig::new().with_enabled_roots())
        } else {
            Route::Grpc
        }))
    }
}

/// How a signal goes to the collector.
pub(super) enum Route {
    Grpc,
    GrpcOverTls(ClientTlsConfig),
    Http,
}

/// A variable of the environment; one that is empty is not set, as the specification says.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The provider that exports spans, if the environment asks for it.
pub(super) fn tracer_provider(service: &'static str) -> Result<Option<SdkTracerProvider>, ExportError> {
    let signal = Signal::Traces;
    let Some(route) = signal.route()? else { return Ok(None) };
    let exporter = match route {
        Route::Grpc => SpanExporter::builder().with_tonic().build(),
        Route::GrpcOverTls(tls) => SpanExporter::builder().with_tonic().with_tls_config(tls).build(),
        Route::Http => SpanExporter::builder().build(),
    };
    let exporter = exporter.map_err(|error: ExporterBuildError| signal.not_built(&error))?;
    let provider = SdkTracerProvider::builder()
        .with_resource(resource(service))
        .with_id_generator(Ids::default())
        .with_batch_exporter(exporter)
        .build();
    Ok(Some(provider))
}

/// The provider that exports log lines, if the environment asks for it.
pub(super) fn logger_provider(service: &'static str) -> Result<Option<SdkLoggerProvider>, ExportError> {
    let signal = Signal::Logs;
    let Some(route) = signal.route()? else { return Ok(None) };
    let exporter = match route {
        Route::Grpc => LogExporter::builder().with_tonic().build(),
        Route::GrpcOverTls(tls) => LogExporter::builder().with_tonic().with_tls_config(tls).build(),
        Route::Http => LogExporter::builder().build(),
    };
    let exporter = exporter.map_err(|error: ExporterBuildError| signal.not_built(&error))?;
    let provider = SdkLoggerProvider::builder()
        .with_resource(resource(service))
        .with_batch_exporter(exporter)
        .build();
    Ok(Some(provider))
}

/// What is known of this process.
pub(super) fn resource(service: &'static str) -> Resource {
    let builder = Resource::builder()
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("service.instance.id", super::instance()));
    // `with_service_name` would override the user's environment.
    if std::env::var_os("OTEL_SERVICE_NAME").is_some() {
        builder.build()
    } else {
        builder.with_service_name(service).build()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn the_standard_variables_turn_exporters_on_and_off() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317");
        let of_traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://collector:4317");
        // variables; traces, metrics, logs
        for (variables, wanted) in [
            (vec![], "false false false"),
            (vec![endpoint], "true true true"),
            (vec![of_traces], "true false false"),
            (vec![endpoint, ("OTEL_TRACES_EXPORTER", "none")], "false true true"),
            (vec![("OTEL_METRICS_EXPORTER", "prometheus, otlp")], "false true false"),
            (
                vec![endpoint, ("OTEL_METRICS_EXPORTER", "prometheus")],
                "true false true",
            ),
            (vec![endpoint, ("OTEL_SDK_DISABLED", "True")], "false false false"),
            (
                vec![("OTEL_LOGS_EXPORTER", "syslog")],
                "false false setting up the exporter of logs failed: `OTEL_LOGS_EXPORTER` is `syslog`; use `otlp` or `none`",
            ),
        ] {
            let set: HashMap<_, _> = variables.iter().copied().collect();
            let variable = |name: &str| set.get(name).map(|value| (*value).to_owned());
            let found =
                [Signal::Traces, Signal::Metrics, Signal::Logs].map(|signal| match signal.is_wanted(&variable) {
                    Ok(wanted) => wanted.to_string(),
                    Err(error) => error.to_string(),
                });
            assert_eq!(found.join(" "), wanted, "{variables:?}");
        }
    }

    #[test]
    fn a_signals_own_setting_comes_first() {
        let variable = |name: &str| match name {
            "OTEL_EXPORTER_OTLP_METRICS_HEADERS" => Some("own".to_owned()),
            "OTEL_EXPORTER_OTLP_HEADERS" => Some("common".to_owned()),
            _ => None,
        };
        assert_eq!(Signal::Metrics.setting("HEADERS", &variable).as_deref(), Some("own"));
        assert_eq!(Signal::Logs.setting("HEADERS", &variable).as_deref(), Some("common"));
    }
}
