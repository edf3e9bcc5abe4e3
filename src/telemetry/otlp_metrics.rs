//! The metrics of the registry as OTLP, beside the page that Prometheus reads (decision 51).

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tonic::metadata::{MetadataKey, MetadataMap, MetadataValue};
use tonic::transport::{Channel, Endpoint};

use crate::runtime::clock::{Clock as _, System};

use super::causes;
use super::export::{ExportError, Route, Signal, resource, variable};
use super::metrics::{Family, Registry, Series, Value};

/// How often metrics are sent, unless `OTEL_METRIC_EXPORT_INTERVAL` says otherwise.
const INTERVAL: Duration = Duration::from_mins(1);

/// How long one transfer may take, unless `OTEL_EXPORTER_OTLP_TIMEOUT` says otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long the last transfer of a process may take.
const LAST: Duration = Duration::from_secs(2);

/// Sends the metrics of a registry to a collector.
pub struct MetricExporter {
    registry: Registry,
    resource: Resource,
    began: Timestamp,
    interval: Duration,
    transport: Transport,
}

enum Transport {
    Grpc(MetricsServiceClient<Channel>, MetadataMap),
    Http(reqwest::Client, String, HashMap<String, String>),
}

/// A transfer failed.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("{0}")]
    Grpc(String),
    #[error("{0}")]
    Http(String),
}

impl MetricExporter {
    /// An exporter, if the environment asks for one (see [`export`](super::export)).
    ///
    /// # Errors
    /// See [`ExportError`].
    pub fn of_environment(service: &'static str, registry: &Registry) -> Result<Option<Self>, ExportError> {
        let signal = Signal::Metrics;
        let Some(route) = signal.route()? else { return Ok(None) };
        let setting = |name: &str| signal.setting(name, &variable);
        let timeout = setting("TIMEOUT").and_then(|text| text.parse().ok());
        let timeout = timeout.map_or(TIMEOUT, Duration::from_millis);
        let headers = headers(&setting("HEADERS").unwrap_or_default());
        let grpc = |tls| {
            let address = setting("ENDPOINT").unwrap_or_else(|| "http://localhost:4317".to_owned());
            let mut endpoint = Endpoint::from_shared(address)?
                .timeout(timeout)
                .connect_timeout(timeout);
            if let Some(tls) = tls {
                endpoint = endpoint.tls_config(tls)?;
            }
            Ok::<_, tonic::transport::Error>(MetricsServiceClient::new(endpoint.connect_lazy()))
        };
        let transport = match route {
            Route::Grpc => Transport::Grpc(
                grpc(None).map_err(|error| signal.not_built(&error))?,
                metadata(&headers),
            ),
            Route::GrpcOverTls(tls) => {
                let client = grpc(Some(tls)).map_err(|error| signal.not_built(&error))?;
                Transport::Grpc(client, metadata(&headers))
            }
            Route::Http => {
                let client = reqwest::Client::builder().timeout(timeout).build();
                let client = client.map_err(|error| signal.not_built(&error))?;
                Transport::Http(client, http_address(&variable), headers)
            }
        };
        let interval = variable("OTEL_METRIC_EXPORT_INTERVAL").and_then(|text| text.parse().ok());
        // A timer has no interval of nothing.
        let interval = interval.filter(|milliseconds| *milliseconds > 0);
        let known = resource(service);
        Ok(Some(Self {
            registry: registry.clone(),
            resource: Resource {
                attributes: known
                    .iter()
                    .map(|(key, value)| attribute(key.as_str(), &value.to_string()))
                    .collect(),
                ..Resource::default()
            },
            began: System.now(),
            interval: interval.map_or(INTERVAL, Duration::from_millis),
            transport,
        }))
    }

    /// Sends them again and again until it is stopped, and then once more.
    pub async fn run(&self, stop: &CancellationToken) {
        let mut ticks = interval(self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failed = false;
        loop {
            let stopped = tokio::select! {
                () = stop.cancelled() => true,
                _ = ticks.tick() => false,
            };
            // A collector that does not answer must not delay the end of the process.
            let limit = if stopped { LAST } else { Duration::MAX };
            let Ok(sent) = timeout(limit, self.send()).await else {
                return;
            };
            match sent {
                Ok(()) => failed = false,
                // One line for as long as the collector is not there.
                Err(error) if !failed => {
                    failed = true;
                    tracing::warn!(%error, "metrics could not be exported; check the collector and the `OTEL_EXPORTER_OTLP_…` variables");
                }
                Err(_) => {}
            }
            if stopped {
                return;
            }
        }
    }

    async fn send(&self) -> Result<(), SendError> {
        let message = self.message(System.now());
        match &self.transport {
            Transport::Grpc(client, headers) => {
                let mut request = tonic::Request::new(message);
                *request.metadata_mut() = headers.clone();
                let answer = client.clone().export(request).await;
                let _: ExportMetricsServiceResponse = answer
                    .map_err(|status| SendError::Grpc(causes::in_line(&status)))?
                    .into_inner();
                Ok(())
            }
            Transport::Http(client, address, headers) => {
                let mut request = client
                    .post(address)
                    .header(http::header::CONTENT_TYPE, "application/x-protobuf")
                    .body(message.encode_to_vec());
                for (name, value) in headers {
                    request = request.header(name, value);
                }
                let answer = request.send().await.and_then(reqwest::Response::error_for_status);
                // An address may hold a key.
                answer.map_err(|error| SendError::Http(causes::in_line(&error.without_url())))?;
                Ok(())
            }
        }
    }

    fn message(&self, now: Timestamp) -> ExportMetricsServiceRequest {
        let metrics = self.registry.families();
        ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                resource: Some(self.resource.clone()),
                scope_metrics: vec![ScopeMetrics {
                    scope: Some(InstrumentationScope {
                        name: "velero".to_owned(),
                        ..InstrumentationScope::default()
                    }),
                    metrics: metrics
                        .into_iter()
                        .filter_map(|family| metric(family, self.began, now))
                        .collect(),
                    ..ScopeMetrics::default()
                }],
                ..ResourceMetrics::default()
            }],
        }
    }
}

/// A metric as OTLP has it, counted since `began`; `None` without a series.
fn metric(family: Family, began: Timestamp, now: Timestamp) -> Option<Metric> {
    let points = Points {
        began: nanoseconds(began),
        now: nanoseconds(now),
    };
    let data = match family.series.first()?.value {
        Value::Gauge(_) => metric::Data::Gauge(Gauge {
            data_points: family.series.iter().map(|series| points.number(series)).collect(),
        }),
        Value::Counter(_) => metric::Data::Sum(Sum {
            data_points: family.series.iter().map(|series| points.number(series)).collect(),
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
            is_monotonic: true,
        }),
        Value::Histogram { .. } => metric::Data::Histogram(Histogram {
            data_points: family.series.iter().map(|series| points.distribution(series)).collect(),
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
        }),
    };
    Some(Metric {
        name: family.name,
        description: family.help,
        data: Some(data),
        ..Metric::default()
    })
}

struct Points {
    began: u64,
    now: u64,
}

impl Points {
    fn number(&self, series: &Series) -> NumberDataPoint {
        let (Value::Counter(value) | Value::Gauge(value)) = series.value else {
            return NumberDataPoint::default();
        };
        NumberDataPoint {
            attributes: attributes(&series.labels),
            start_time_unix_nano: self.began,
            time_unix_nano: self.now,
            value: Some(number_data_point::Value::AsDouble(value)),
            ..NumberDataPoint::default()
        }
    }

    fn distribution(&self, series: &Series) -> HistogramDataPoint {
        let Value::Histogram { count, sum, buckets } = &series.value else {
            return HistogramDataPoint::default();
        };
        // Prometheus counts what is not above a bound; OTLP what is between two bounds.
        let mut below = 0;
        let mut between: Vec<u64> = Vec::with_capacity(buckets.len() + 1);
        for (_, not_above) in buckets {
            between.push(not_above.saturating_sub(below));
            below = *not_above;
        }
        between.push(count.saturating_sub(below));
        HistogramDataPoint {
            attributes: attributes(&series.labels),
            start_time_unix_nano: self.began,
            time_unix_nano: self.now,
            count: *count,
            sum: Some(*sum),
            bucket_counts: between,
            explicit_bounds: buckets.iter().map(|(bound, _)| *bound).collect(),
            ..HistogramDataPoint::default()
        }
    }
}

fn nanoseconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_nanosecond()).unwrap_or_default()
}

fn attributes(labels: &[(String, String)]) -> Vec<KeyValue> {
    labels.iter().map(|(key, value)| attribute(key, value)).collect()
}

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(any_value::Value::StringValue(value.to_owned())),
        }),
        ..KeyValue::default()
    }
}

/// The address for metrics over HTTP: the signal's own is taken as it is, the common one is a base.
fn http_address(variable: &dyn Fn(&str) -> Option<String>) -> String {
    variable("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT").unwrap_or_else(|| {
        let base = variable("OTEL_EXPORTER_OTLP_ENDPOINT").unwrap_or_else(|| "http://localhost:4318".to_owned());
        format!("{}/v1/metrics", base.trim_end_matches('/'))
    })
}

/// `key1=value1,key2=value2`, values percent-encoded, as the variable has them. What is no pair is left out.
fn headers(text: &str) -> HashMap<String, String> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let value = percent_encoding::percent_decode_str(value.trim()).decode_utf8().ok()?;
        Some((name.trim().to_owned(), value.into_owned()))
    };
    text.split(',').filter_map(pair).collect()
}

fn metadata(headers: &HashMap<String, String>) -> MetadataMap {
    let mut map = MetadataMap::new();
    for (name, value) in headers {
        let name = MetadataKey::from_bytes(name.to_lowercase().as_bytes());
        if let (Ok(name), Ok(value)) = (name, MetadataValue::try_from(value.as_str())) {
            map.insert(name, value);
        }
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family(value: Value) -> Family {
        Family {
            name: "velero_x".to_owned(),
            help: "what it is".to_owned(),
            series: vec![Series {
                labels: vec![("schedule".to_owned(), "daily".to_owned())],
                value,
            }],
        }
    }

    #[test]
    fn a_metric_keeps_its_name_its_labels_and_its_kind() {
        let (began, now) = (Timestamp::UNIX_EPOCH, "1970-01-01T00:00:05Z".parse().unwrap());
        let counter = metric(family(Value::Counter(3.0)), began, now).unwrap();
        assert_eq!(
            (counter.name.as_str(), counter.description.as_str()),
            ("velero_x", "what it is")
        );
        let Some(metric::Data::Sum(sum)) = counter.data else {
            panic!("{counter:?}")
        };
        assert!(sum.is_monotonic);
        let point = &sum.data_points[0];
        assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (0, 5_000_000_000));
        assert_eq!(point.value, Some(number_data_point::Value::AsDouble(3.0)));
        assert_eq!(point.attributes, [attribute("schedule", "daily")]);
        let gauge = metric(family(Value::Gauge(-1.0)), began, now).unwrap();
        assert!(matches!(gauge.data, Some(metric::Data::Gauge(_))));
    }

    #[test]
    fn a_distribution_counts_between_its_bounds() {
        let value = Value::Histogram {
            count: 7,
            sum: 9.5,
            buckets: vec![(1.0, 2), (2.0, 2), (5.0, 6)],
        };
        let now = Timestamp::UNIX_EPOCH;
        let Some(metric::Data::Histogram(histogram)) = metric(family(value), now, now).unwrap().data else {
            panic!("no histogram")
        };
        let point = &histogram.data_points[0];
        assert_eq!(point.bucket_counts, [2, 0, 4, 1]);
        assert_eq!(
            (point.explicit_bounds.as_slice(), point.count),
            (&[1.0, 2.0, 5.0][..], 7)
        );
    }

    #[test]
    fn headers_are_read_as_the_specification_has_them() {
        let read = headers("api-key=abc%3D1, x-tenant = t,nonsense");
        assert_eq!(read.len(), 2);
        assert_eq!((read["api-key"].as_str(), read["x-tenant"].as_str()), ("abc=1", "t"));
        assert_eq!(metadata(&read).get("api-key").unwrap(), "abc=1");
    }

    #[test]
    fn the_common_address_is_a_base_and_the_own_one_is_whole() {
        for (variables, address) in [
            (vec![], "http://localhost:4318/v1/metrics"),
            (
                vec![("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:1/")],
                "http://c:1/v1/metrics",
            ),
            (
                vec![("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://c:1/in")],
                "http://c:1/in",
            ),
        ] {
            let set: HashMap<_, _> = variables.into_iter().collect();
            let variable = |name: &str| set.get(name).map(|value| (*value).to_owned());
            assert_eq!(http_address(&variable), address);
        }
    }
}
