//! What `registry` is without the feature `metrics`: everything can be registered and counted, and nothing is kept.

use std::convert::Infallible;

/// Nothing fails here.
pub type MetricError = Infallible;

/// A count.
#[derive(Debug, Clone, Copy, Default)]
pub struct IntCounter;

/// A value.
#[derive(Debug, Clone, Copy, Default)]
pub struct Gauge;

/// A distribution.
#[derive(Debug, Clone, Copy, Default)]
pub struct Histogram;

/// A metric for each combination of labels.
#[derive(Debug, Clone, Copy, Default)]
pub struct Labelled<M>(M);

/// A count for each combination of labels.
pub type IntCounterVec = Labelled<IntCounter>;

/// A value for each combination of labels.
pub type GaugeVec = Labelled<Gauge>;

/// A distribution for each combination of labels.
pub type HistogramVec = Labelled<Histogram>;

/// Where nothing is registered.
#[derive(Debug, Clone, Copy, Default)]
pub struct Registry;

/// The content type of [`Registry::text`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

impl IntCounter {
    /// Counts nothing.
    pub fn inc(&self) {}
}

impl Gauge {
    /// Keeps nothing.
    pub fn set(&self, _: f64) {}
}

impl Histogram {
    /// Keeps nothing.
    pub fn observe(&self, _: f64) {}
}

impl<M: Copy> Labelled<M> {
    /// The metric with these labels.
    pub fn with_label_values<V: AsRef<str>>(&self, _: &[V]) -> M {
        self.0
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the same interface as with the feature `metrics`"
)]
impl Registry {
    /// A registry.
    pub fn new() -> Self {
        Self
    }

    pub(crate) fn counter(&self, _: &str, _: &str) -> Result<IntCounter, MetricError> {
        Ok(IntCounter)
    }

    pub(crate) fn counter_vec(&self, _: &str, _: &str, _: &[&str]) -> Result<IntCounterVec, MetricError> {
        Ok(IntCounterVec::default())
    }

    pub(crate) fn gauge_vec(&self, _: &str, _: &str, _: &[&str]) -> Result<GaugeVec, MetricError> {
        Ok(GaugeVec::default())
    }

    pub(crate) fn histogram_vec(&self, _: &str, _: &str, _: &[&str], _: &[f64]) -> Result<HistogramVec, MetricError> {
        Ok(HistogramVec::default())
    }

    /// No metrics.
    ///
    /// # Errors
    /// None.
    pub fn text(&self) -> Result<String, MetricError> {
        Ok(String::new())
    }
}
