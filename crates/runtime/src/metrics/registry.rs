//! Metrics in Prometheus' text format. The only place that knows the `prometheus` crate; others use the types it hands on.
//!
//! Names go out exactly as they are given: nothing is appended to a counter's name or taken from a unit.

pub use prometheus::{
    Counter, CounterVec, Error as MetricError, Gauge, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec,
    IntGauge, IntGaugeVec,
};

use prometheus::core::Collector;
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

    fn add<C: Collector + Clone + 'static>(&self, metric: C) -> Result<C, MetricError> {
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
