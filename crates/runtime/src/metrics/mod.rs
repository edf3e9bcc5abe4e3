//! The framework's metrics, under the names of Go's controller-runtime, so that its dashboards work.

#[cfg(feature = "metrics")]
pub mod registry;
#[cfg(not(feature = "metrics"))]
mod silent;

/// Metrics that are not kept.
#[cfg(not(feature = "metrics"))]
pub mod registry {
    pub use super::silent::*;
}

use std::time::Duration;

pub use self::registry::{MetricError, Registry};

use self::registry::{Gauge, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec};

/// The families; one set for each registry.
#[derive(Debug, Clone)]
pub struct Metrics {
    reconcile_total: IntCounterVec,
    reconcile_errors: IntCounterVec,
    reconcile_terminal_errors: IntCounterVec,
    reconcile_panics: IntCounterVec,
    failures: IntCounterVec,
    reconcile_time: HistogramVec,
    max_concurrent: GaugeVec,
    active_workers: GaugeVec,
    depth: GaugeVec,
    adds: IntCounterVec,
    retries: IntCounterVec,
    queue_duration: HistogramVec,
    work_duration: HistogramVec,
    unfinished: GaugeVec,
    longest_running: GaugeVec,
    leader: GaugeVec,
    watch_errors: IntCounterVec,
    unreadable: GaugeVec,
    events_dropped: IntCounter,
}

impl Metrics {
    /// Registers all families.
    ///
    /// # Errors
    /// One of the names is already taken in this registry.
    pub fn new(registry: &Registry) -> Result<Self, MetricError> {
        let reconcile_buckets: Vec<f64> = [
            0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25,
            1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0,
            60.0,
        ]
        .into();
        let queue_buckets: Vec<f64> = vec![1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1000.0];
        let queue = ["name", "controller"];
        Ok(Self {
            reconcile_total: registry.counter_vec(
                "controller_runtime_reconcile_total",
                "Total number of reconciliations per controller",
                &["controller", "result"],
            )?,
            reconcile_errors: registry.counter_vec(
                "controller_runtime_reconcile_errors_total",
                "Total number of reconciliation errors per controller",
                &["controller"],
            )?,
            reconcile_terminal_errors: registry.counter_vec(
                "controller_runtime_terminal_reconcile_errors_total",
                "Total number of terminal reconciliation errors per controller",
                &["controller"],
            )?,
            reconcile_panics: registry.counter_vec(
                "controller_runtime_reconcile_panics_total",
                "Total number of reconciliation panics per controller",
                &["controller"],
            )?,
            failures: registry.counter_vec(
                "controller_reconcile_failures_total",
                "Total number of passes that did not succeed, by the name of their error",
                &["controller", "reason"],
            )?,
            reconcile_time: registry.histogram_vec(
                "controller_runtime_reconcile_time_seconds",
                "Length of time per reconciliation per controller",
                &["controller"],
                &reconcile_buckets,
            )?,
            max_concurrent: registry.gauge_vec(
                "controller_runtime_max_concurrent_reconciles",
                "Maximum number of concurrent reconciles per controller",
                &["controller"],
            )?,
            active_workers: registry.gauge_vec(
                "controller_runtime_active_workers",
                "Number of currently used workers per controller",
                &["controller"],
            )?,
            depth: registry.gauge_vec(
                "workqueue_depth",
                "Current depth of workqueue by name and controller",
                &queue,
            )?,
            adds: registry.counter_vec(
                "workqueue_adds_total",
                "Total number of adds handled by workqueue",
                &queue,
            )?,
            retries: registry.counter_vec(
                "workqueue_retries_total",
                "Total number of retries handled by workqueue",
                &queue,
            )?,
            queue_duration: registry.histogram_vec(
                "workqueue_queue_duration_seconds",
                "How long in seconds an item stays in workqueue before being requested",
                &queue,
                &queue_buckets,
            )?,
            work_duration: registry.histogram_vec(
                "workqueue_work_duration_seconds",
                "How long in seconds processing an item from workqueue takes.",
                &queue,
                &queue_buckets,
            )?,
            unfinished: registry.gauge_vec(
                "workqueue_unfinished_work_seconds",
                "How many seconds of work has been done that is in progress and hasn't been observed by work_duration",
                &queue,
            )?,
            longest_running: registry.gauge_vec(
                "workqueue_longest_running_processor_seconds",
                "How many seconds has the longest running processor for workqueue been running",
                &queue,
            )?,
            leader: registry.gauge_vec(
                "leader_election_master_status",
                "Whether this process leads: 1 if it does, 0 if it stands by",
                &["name"],
            )?,
            watch_errors: registry.counter_vec(
                "controller_watch_errors_total",
                "Total number of times a watch failed and was tried again, per watch",
                &["kind", "namespace"],
            )?,
            unreadable: registry.gauge_vec(
                "controller_watch_unreadable_objects",
                "Number of objects that could not be parsed and are left alone, per watch",
                &["kind", "namespace"],
            )?,
            events_dropped: registry.counter(
                "controller_events_dropped_total",
                "Total number of Kubernetes events that were dropped because the API server took too long",
            )?,
        })
    }

    /// The series of one controller, made at once so that they show with 0 before the first pass.
    pub(crate) fn controller(&self, name: &str) -> ControllerMetrics {
        let one = [name];
        let two = [name, name];
        let total = |result| self.reconcile_total.with_label_values(&[name, result]);
        ControllerMetrics {
            name: name.into(),
            failures: self.failures.clone(),
            errors: total("error"),
            requeued: total("requeue"),
            requeued_after: total("requeue_after"),
            successes: total("success"),
            reconcile_errors: self.reconcile_errors.with_label_values(&one),
            terminal_errors: self.reconcile_terminal_errors.with_label_values(&one),
            panics: self.reconcile_panics.with_label_values(&one),
            time: self.reconcile_time.with_label_values(&one),
            max_concurrent: self.max_concurrent.with_label_values(&one),
            active: self.active_workers.with_label_values(&one),
            depth: self.depth.with_label_values(&two),
            adds: self.adds.with_label_values(&two),
            retries: self.retries.with_label_values(&two),
            queue_duration: self.queue_duration.with_label_values(&two),
            work_duration: self.work_duration.with_label_values(&two),
            unfinished: self.unfinished.with_label_values(&two),
            longest_running: self.longest_running.with_label_values(&two),
        }
    }

    /// The series of one watch; everywhere is the empty namespace.
    pub(crate) fn watch(&self, kind: &str, namespace: Option<&str>) -> WatchMetrics {
        let labels = [kind, namespace.unwrap_or_default()];
        WatchMetrics {
            errors: self.watch_errors.with_label_values(&labels),
            unreadable: self.unreadable.with_label_values(&labels),
        }
    }

    /// Whether this process leads the election of this name.
    pub(crate) fn leader(&self, name: &str) -> Gauge {
        self.leader.with_label_values(&[name])
    }

    pub(crate) fn events_dropped(&self) -> IntCounter {
        self.events_dropped.clone()
    }
}

/// The result of a pass, for the label `result`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PassResult {
    Success,
    RequeueAfter,
    Invalid,
    Error,
    Panic,
    /// Not a failure: the leader repeats it.
    Lost,
}

#[derive(Debug, Clone)]
pub(crate) struct ControllerMetrics {
    name: String,
    failures: IntCounterVec,
    errors: IntCounter,
    requeued: IntCounter,
    requeued_after: IntCounter,
    successes: IntCounter,
    reconcile_errors: IntCounter,
    terminal_errors: IntCounter,
    panics: IntCounter,
    time: Histogram,
    pub(crate) max_concurrent: Gauge,
    pub(crate) active: Gauge,
    pub(crate) depth: Gauge,
    pub(crate) adds: IntCounter,
    pub(crate) retries: IntCounter,
    pub(crate) queue_duration: Histogram,
    work_duration: Histogram,
    pub(crate) unfinished: Gauge,
    pub(crate) longest_running: Gauge,
}

impl ControllerMetrics {
    pub(crate) fn failure(&self, reason: &str) {
        self.failures.with_label_values(&[self.name.as_str(), reason]).inc();
    }

    pub(crate) fn pass(&self, result: PassResult, took: Duration) {
        self.time.observe(took.as_secs_f64());
        self.work_duration.observe(took.as_secs_f64());
        match result {
            PassResult::Success => self.successes.inc(),
            PassResult::RequeueAfter => self.requeued_after.inc(),
            PassResult::Lost => self.requeued.inc(),
            PassResult::Invalid | PassResult::Error | PassResult::Panic => {
                self.errors.inc();
                self.reconcile_errors.inc();
            }
        }
        match result {
            PassResult::Invalid => self.terminal_errors.inc(),
            PassResult::Panic => self.panics.inc(),
            PassResult::Success | PassResult::RequeueAfter | PassResult::Error | PassResult::Lost => {}
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct WatchMetrics {
    pub(crate) errors: IntCounter,
    pub(crate) unreadable: Gauge,
}
