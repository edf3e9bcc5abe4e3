//! Metrics in Prometheus' text format. The only place that knows the `prometheus` crate; others use the types it hands on.
//!
//! Names go out exactly as they are given: nothing is appended to a counter's name or taken from a unit.

pub use prometheus::{
    Counter, CounterVec, Error as MetricError, Gauge, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec,
    IntGauge, IntGaugeVec,
};

use prometheus::core::Collector;
use prometheus::proto::{Metric, MetricFamily, MetricType};
use prometheus::{HistogramOpts, Opts, TextEncoder};

/// The content type of [`Registry::text`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Where metrics are registered and read. Clones are the same registry.
#[derive(Debug, Clone, Default)]
pub struct Registry(prometheus::Registry);

/// Every method that makes a metric fails if its name is not a valid one or is taken.
impl Registry {
    /// A registry with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// A count without labels. It appears with 0 at once.
    pub fn counter(&self, name: &str, help: &str) -> Result<IntCounter, MetricError> {
        self.add(IntCounter::new(name, help)?)
    }

    /// A count for each combination of labels.
    pub fn counter_vec(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, MetricError> {
        self.add(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    /// A value without labels. It appears with 0 at once.
    pub fn gauge(&self, name: &str, help: &str) -> Result<Gauge, MetricError> {
        self.add(Gauge::new(name, help)?)
    }

    /// A value for each combination of labels.
    pub fn gauge_vec(&self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec, MetricError> {
        self.add(GaugeVec::new(Opts::new(name, help), labels)?)
    }

    /// A distribution for each combination of labels; `buckets` are upper bounds in rising order.
    pub fn histogram_vec(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> Result<HistogramVec, MetricError> {
        self.add(HistogramVec::new(
            HistogramOpts::new(name, help).buckets(buckets.to_vec()),
            labels,
        )?)
    }

    /// All metrics as Prometheus reads them, by name.
    ///
    /// # Errors
    /// A metric without a name or a value, which a registered one always has.
    pub fn text(&self) -> Result<String, MetricError> {
        TextEncoder::new().encode_to_string(&self.0.gather())
    }

    /// All metrics as they are now, by name, for exporters other than the page.
    pub fn families(&self) -> Vec<Family> {
        self.0.gather().iter().filter_map(Family::read).collect()
    }

    fn add<C: Collector + Clone + 'static>(&self, metric: C) -> Result<C, MetricError> {
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }
}

/// A metric with all of its series.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// Its name.
    pub name: String,
    /// Its help.
    pub help: String,
    /// Its series, at least one.
    pub series: Vec<Series>,
}

/// One combination of labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Names and values.
    pub labels: Vec<(String, String)>,
    /// The value.
    pub value: Value,
}

/// The value of a series. All series of a metric are of one kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A count, which grows.
    Counter(f64),
    /// A value that goes up and down.
    Gauge(f64),
    /// A distribution.
    Histogram {
        /// How many values.
        count: u64,
        /// Their sum.
        sum: f64,
        /// Upper bounds in rising order, and how many values are not above each. That of infinity is left out.
        buckets: Vec<(f64, u64)>,
    },
}

impl Family {
    /// `None` for kinds that a [`Registry`] does not make.
    fn read(family: &MetricFamily) -> Option<Self> {
        let kind = family.get_field_type();
        let series: Option<Vec<Series>> = family.get_metric().iter().map(|m| Series::read(kind, m)).collect();
        Some(Self {
            name: family.name().to_owned(),
            help: family.help().to_owned(),
            series: series?,
        })
    }
}

impl Series {
    fn read(kind: MetricType, metric: &Metric) -> Option<Self> {
        let value = match kind {
            MetricType::COUNTER => Value::Counter(metric.get_counter().get_value()),
            MetricType::GAUGE => Value::Gauge(metric.get_gauge().get_value()),
            MetricType::HISTOGRAM => {
                let histogram = metric.get_histogram();
                let buckets = histogram.get_bucket().iter();
                Value::Histogram {
                    count: histogram.get_sample_count(),
                    sum: histogram.get_sample_sum(),
                    buckets: buckets
                        .map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()))
                        .filter(|(bound, _)| bound.is_finite())
                        .collect(),
                }
            }
            MetricType::SUMMARY | MetricType::UNTYPED => return None,
        };
        let labels = metric.get_label().iter();
        Some(Self {
            labels: labels
                .map(|label| (label.name().to_owned(), label.value().to_owned()))
                .collect(),
            value,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exporters_read_the_values_of_the_page() {
        let registry = Registry::new();
        registry.counter("shop_orders_total", "orders").unwrap().inc_by(2);
        let deliveries = registry.histogram_vec("shop_delivery_seconds", "how long", &["region"], &[60.0, 300.0]);
        deliveries.unwrap().with_label_values(&["north"]).observe(61.0);
        let families = registry.families();
        let [delivery, orders] = families.as_slice() else {
            panic!("{families:?}")
        };
        assert_eq!(
            (orders.name.as_str(), orders.help.as_str()),
            ("shop_orders_total", "orders")
        );
        assert_eq!(orders.series[0].value, Value::Counter(2.0));
        assert_eq!(delivery.series[0].labels, [("region".to_owned(), "north".to_owned())]);
        let buckets = vec![(60.0, 0), (300.0, 1)];
        let (count, sum) = (1, 61.0);
        assert_eq!(delivery.series[0].value, Value::Histogram { count, sum, buckets });
    }

    #[test]
    fn names_are_written_exactly_as_given() {
        let registry = Registry::new();
        registry.counter("shop_orders_total", "orders").unwrap().inc();
        registry.gauge("shop_open_orders", "open orders").unwrap().set(2.0);
        let deliveries = registry
            .histogram_vec("shop_delivery_seconds", "how long", &["region"], &[60.0, 300.0])
            .unwrap();
        deliveries.with_label_values(&["north"]).observe(61.0);
        let text = registry.text().unwrap();
        for line in [
            "shop_orders_total 1",
            "shop_open_orders 2",
            "shop_delivery_seconds_bucket{region=\"north\",le=\"60\"} 0",
            "shop_delivery_seconds_bucket{region=\"north\",le=\"300\"} 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn a_name_is_given_once() {
        let registry = Registry::new();
        registry.counter("a", "first").unwrap();
        registry.clone().counter("a", "second").unwrap_err();
    }

    #[test]
    fn a_series_that_was_removed_is_not_written() {
        let registry = Registry::new();
        let state = registry.gauge_vec("state", "by location", &["location"]).unwrap();
        state.with_label_values(&["default"]).set(1.0);
        state.remove_label_values(&["default"]).unwrap();
        assert!(!registry.text().unwrap().contains("default"));
    }
}
