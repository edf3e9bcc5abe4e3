//! Velero's own metrics under upstream's names (spec server-cli 7.1). Controllers report transitions with the methods here; no other
//! code changes a series.

use super::metrics::{Gauge, GaugeVec, HistogramVec, IntCounterVec, MetricError, Registry};

/// Upper bounds of the duration histograms, in seconds.
const DURATIONS: [f64; 9] = [60.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 10800.0, 14400.0];

/// The result of a run, as the counters distinguish it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunResult {
    /// Everything was done.
    Completed,
    /// With errors.
    PartiallyFailed,
    /// It failed.
    Failed,
    /// It was refused before it began.
    FailedValidation,
}

/// The last results of a schedule's backups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastResults {
    /// Whether the newest backup that ended was Completed.
    pub is_good: Option<bool>,
    /// When the newest Completed backup ended, as a Unix timestamp.
    pub succeeded: Option<i64>,
}

/// All series of the server. Clones are the same series.
#[derive(Clone)]
pub struct VeleroMetrics {
    backup_total: Gauge,
    restore_total: Gauge,
    backup_attempt: IntCounterVec,
    backup_success: IntCounterVec,
    backup_partial_failure: IntCounterVec,
    backup_failure: IntCounterVec,
    backup_validation_failure: IntCounterVec,
    backup_cancelled: IntCounterVec,
    backup_deletion: [IntCounterVec; 3],
    backup_tarball_size: GaugeVec,
    backup_last_successful: GaugeVec,
    backup_last_status: GaugeVec,
    backup_items: GaugeVec,
    backup_items_errors: GaugeVec,
    backup_warning: IntCounterVec,
    backup_duration: HistogramVec,
    backup_location_status: GaugeVec,
    restore_attempt: IntCounterVec,
    restore_success: IntCounterVec,
    restore_partial_failure: IntCounterVec,
    restore_failed: IntCounterVec,
    restore_validation_failed: IntCounterVec,
    restore_cancelled: IntCounterVec,
    restore_duration: HistogramVec,
    volume_snapshot: [IntCounterVec; 3],
    csi_snapshot: [IntCounterVec; 3],
    schedule_interval: GaugeVec,
}

impl VeleroMetrics {
    /// Registers every metric and makes the series of backups without a schedule, so that a dashboard shows zeros
    /// instead of gaps.
    ///
    /// # Errors
    /// The metrics are registered already.
    pub fn new(registry: &Registry) -> Result<Self, MetricError> {
        let schedule: &[&str] = &["schedule"];
        let csi: &[&str] = &["schedule", "backupName"];
        let counter = |name: &str, help: &str| registry.counter_vec(name, help, schedule);
        let gauge = |name: &str, help: &str| registry.gauge_vec(name, help, schedule);
        let metrics = Self {
            backup_total: registry.gauge("velero_backup_total", "Current number of existent backups")?,
            restore_total: registry.gauge("velero_restore_total", "Current number of existent restores")?,
            backup_attempt: counter("velero_backup_attempt_total", "Total number of attempted backups")?,
            backup_success: counter("velero_backup_success_total", "Total number of successful backups")?,
            backup_partial_failure: counter(
                "velero_backup_partial_failure_total",
                "Total number of partially failed backups",
            )?,
            backup_failure: counter("velero_backup_failure_total", "Total number of failed backups")?,
            backup_validation_failure: counter(
                "velero_backup_validation_failure_total",
                "Total number of backups with an invalid spec",
            )?,
            backup_cancelled: counter("velero_backup_cancelled_total", "Total number of cancelled backups")?,
            backup_deletion: [
                counter(
                    "velero_backup_deletion_attempt_total",
                    "Total number of attempted backup deletions",
                )?,
                counter(
                    "velero_backup_deletion_success_total",
                    "Total number of successful backup deletions",
                )?,
                counter(
                    "velero_backup_deletion_failure_total",
                    "Total number of failed backup deletions",
                )?,
            ],
            backup_tarball_size: gauge("velero_backup_tarball_size_bytes", "Size of the last backup's archive")?,
            backup_last_successful: gauge(
                "velero_backup_last_successful_timestamp",
                "When the last backup completed, as a Unix timestamp in seconds",
            )?,
            backup_last_status: gauge(
                "velero_backup_last_status",
                "Last status of the backup: 1 is success, 0 is not",
            )?,
            backup_items: gauge("velero_backup_items_total", "Number of items of the last backup")?,
            backup_items_errors: gauge("velero_backup_items_errors", "Number of errors of the last backup")?,
            backup_warning: counter("velero_backup_warning_total", "Total number of backups with warnings")?,
            backup_duration: registry.histogram_vec(
                "velero_backup_duration_seconds",
                "Time a backup took, in seconds",
                schedule,
                &DURATIONS,
            )?,
            backup_location_status: registry.gauge_vec(
                "velero_backup_location_status_gauge",
                "Status of a backup storage location: 1 is available, 0 is not",
                &["backup_location_name"],
            )?,
            restore_attempt: counter("velero_restore_attempt_total", "Total number of attempted restores")?,
            restore_success: counter("velero_restore_success_total", "Total number of successful restores")?,
            restore_partial_failure: counter(
                "velero_restore_partial_failure_total",
                "Total number of partially failed restores",
            )?,
            restore_failed: counter("velero_restore_failed_total", "Total number of failed restores")?,
            restore_validation_failed: counter(
                "velero_restore_validation_failed_total",
                "Total number of restores with an invalid spec",
            )?,
            restore_cancelled: counter("velero_restore_cancelled_total", "Total number of cancelled restores")?,
            restore_duration: registry.histogram_vec(
                "velero_restore_duration_seconds",
                "Time a restore took, in seconds",
                schedule,
                &DURATIONS,
            )?,
            volume_snapshot: [
                counter(
                    "velero_volume_snapshot_attempt_total",
                    "Total number of attempted volume snapshots",
                )?,
                counter(
                    "velero_volume_snapshot_success_total",
                    "Total number of successful volume snapshots",
                )?,
                counter(
                    "velero_volume_snapshot_failure_total",
                    "Total number of failed volume snapshots",
                )?,
            ],
            csi_snapshot: [
                registry.counter_vec(
                    "velero_csi_snapshot_attempt_total",
                    "Total number of attempted CSI snapshots",
                    csi,
                )?,
                registry.counter_vec(
                    "velero_csi_snapshot_success_total",
                    "Total number of successful CSI snapshots",
                    csi,
                )?,
                registry.counter_vec(
                    "velero_csi_snapshot_failure_total",
                    "Total number of failed CSI snapshots",
                    csi,
                )?,
            ],
            schedule_interval: gauge(
                "velero_schedule_expected_interval_seconds",
                "Seconds between the next two due times of a schedule",
            )?,
        };
        metrics.init_schedule("");
        Ok(metrics)
    }

    /// The counters by schedule that exist before the first backup.
    fn schedule_counters(&self) -> impl Iterator<Item = &IntCounterVec> {
        let counters = [
            &self.backup_attempt,
            &self.backup_success,
            &self.backup_partial_failure,
            &self.backup_failure,
            &self.backup_validation_failure,
            &self.backup_cancelled,
            &self.backup_warning,
            &self.restore_attempt,
            &self.restore_success,
            &self.restore_partial_failure,
            &self.restore_failed,
            &self.restore_validation_failed,
            &self.restore_cancelled,
        ];
        let counters = counters.into_iter().chain(&self.backup_deletion);
        counters.chain(&self.volume_snapshot)
    }

    /// Makes a schedule's series: zeros, and a last status of 1. Called once for each schedule, when it is first seen.
    pub fn init_schedule(&self, schedule: &str) {
        for counter in self.schedule_counters() {
            counter.with_label_values(&[schedule]);
        }
        for counter in &self.csi_snapshot {
            counter.with_label_values(&[schedule, ""]);
        }
        self.backup_items.with_label_values(&[schedule]);
        self.backup_items_errors.with_label_values(&[schedule]);
        // Upstream reports 1 before the first backup, and alerts depend on that.
        self.backup_last_status.with_label_values(&[schedule]).set(1.0);
    }

    /// A schedule is gone, and its series with it. Those of CSI that name a backup are gone with that.
    pub fn schedule_gone(&self, schedule: &str) {
        let label = &[schedule];
        for counter in self.schedule_counters() {
            let _ = counter.remove_label_values(label);
        }
        for gauge in [
            &self.backup_tarball_size,
            &self.backup_last_successful,
            &self.backup_last_status,
            &self.backup_items,
            &self.backup_items_errors,
            &self.schedule_interval,
        ] {
            let _ = gauge.remove_label_values(label);
        }
        for histogram in [&self.backup_duration, &self.restore_duration] {
            let _ = histogram.remove_label_values(label);
        }
        for counter in &self.csi_snapshot {
            let _ = counter.remove_label_values(&[schedule, ""]);
        }
    }

    /// What the Backups that exist say of the last results: right after a restart too. Without a Completed one there is no time of a
    /// last success; the status of one that is gone stays.
    #[expect(clippy::cast_precision_loss, reason = "seconds far below 2^53")]
    pub fn backup_results(&self, schedule: &str, last: LastResults) {
        if let Some(is_good) = last.is_good {
            let status = self.backup_last_status.with_label_values(&[schedule]);
            status.set(if is_good { 1.0 } else { 0.0 });
        }
        match last.succeeded {
            Some(at) => self
                .backup_last_successful
                .with_label_values(&[schedule])
                .set(at as f64),
            None => {
                let _ = self.backup_last_successful.remove_label_values(&[schedule]);
            }
        }
    }

    /// A schedule is due every so many seconds, as seen from now.
    pub fn schedule_interval(&self, schedule: &str, seconds: f64) {
        self.schedule_interval.with_label_values(&[schedule]).set(seconds);
    }

    /// How many Backups there are.
    #[expect(clippy::cast_precision_loss, reason = "a count of objects in a cluster")]
    pub fn backups(&self, count: usize) {
        self.backup_total.set(count as f64);
    }

    /// How many Restores there are.
    #[expect(clippy::cast_precision_loss, reason = "a count of objects in a cluster")]
    pub fn restores(&self, count: usize) {
        self.restore_total.set(count as f64);
    }

    /// A backup went to InProgress.
    pub fn backup_started(&self, schedule: &str) {
        self.backup_attempt.with_label_values(&[schedule]).inc();
    }

    /// A backup's run made an archive of this many bytes from this many items.
    #[expect(clippy::cast_precision_loss, reason = "sizes and counts far below 2^53")]
    pub fn backup_ran(&self, schedule: &str, archive_bytes: u64, items: u64, errors: u64, warnings: u64) {
        self.backup_tarball_size
            .with_label_values(&[schedule])
            .set(archive_bytes as f64);
        self.backup_items.with_label_values(&[schedule]).set(items as f64);
        self.backup_items_errors
            .with_label_values(&[schedule])
            .set(errors as f64);
        if warnings > 0 {
            self.backup_warning.with_label_values(&[schedule]).inc();
        }
    }

    /// A backup reached a final phase at `at` (Unix seconds) after `seconds`.
    #[expect(clippy::cast_precision_loss, reason = "seconds far below 2^53")]
    pub fn backup_ended(&self, schedule: &str, ended: RunResult, at: i64, seconds: Option<i64>) {
        let counter = match ended {
            RunResult::Completed => &self.backup_success,
            RunResult::PartiallyFailed => &self.backup_partial_failure,
            RunResult::Failed => &self.backup_failure,
            RunResult::FailedValidation => &self.backup_validation_failure,
        };
        counter.with_label_values(&[schedule]).inc();
        let good = ended == RunResult::Completed;
        self.backup_last_status
            .with_label_values(&[schedule])
            .set(if good { 1.0 } else { 0.0 });
        if good {
            self.backup_last_successful
                .with_label_values(&[schedule])
                .set(at as f64);
        }
        if let Some(seconds) = seconds {
            self.backup_duration
                .with_label_values(&[schedule])
                .observe(seconds as f64);
        }
    }

    /// A backup went to Deleting.
    pub fn backup_deletion_started(&self, schedule: &str) {
        let [attempt, ..] = &self.backup_deletion;
        attempt.with_label_values(&[schedule]).inc();
    }

    /// A backup and all that belongs to it is gone, or its deletion has come to a halt.
    pub fn backup_deletion_ended(&self, schedule: &str, is_deleted: bool) {
        let [_, success, failure] = &self.backup_deletion;
        let counter = if is_deleted { success } else { failure };
        counter.with_label_values(&[schedule]).inc();
    }

    /// A backup was cancelled, which is no failure of a schedule.
    pub fn backup_cancelled(&self, schedule: &str) {
        self.backup_cancelled.with_label_values(&[schedule]).inc();
    }

    /// A location was validated.
    pub fn location(&self, name: &str, available: bool) {
        self.backup_location_status
            .with_label_values(&[name])
            .set(if available { 1.0 } else { 0.0 });
    }

    /// A location is gone.
    pub fn location_gone(&self, name: &str) {
        let _ = self.backup_location_status.remove_label_values(&[name]);
    }

    /// A restore left New, valid or not.
    pub fn restore_started(&self, schedule: &str) {
        self.restore_attempt.with_label_values(&[schedule]).inc();
    }

    /// A restore was cancelled.
    pub fn restore_cancelled(&self, schedule: &str) {
        self.restore_cancelled.with_label_values(&[schedule]).inc();
    }

    /// A restore reached a final phase after `seconds`, if it ever began. Upstream has no metric for that duration.
    #[expect(clippy::cast_precision_loss, reason = "seconds far below 2^53")]
    pub fn restore_ended(&self, schedule: &str, ended: RunResult, seconds: Option<i64>) {
        let counter = match ended {
            RunResult::Completed => &self.restore_success,
            RunResult::PartiallyFailed => &self.restore_partial_failure,
            RunResult::Failed => &self.restore_failed,
            RunResult::FailedValidation => &self.restore_validation_failed,
        };
        counter.with_label_values(&[schedule]).inc();
        if let Some(seconds) = seconds {
            self.restore_duration
                .with_label_values(&[schedule])
                .observe(seconds as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_without_a_schedule_exist_before_the_first_run() {
        let registry = Registry::new();
        VeleroMetrics::new(&registry).unwrap();
        let text = registry.text().unwrap();
        for line in [
            "velero_backup_attempt_total{schedule=\"\"} 0",
            "velero_backup_last_status{schedule=\"\"} 1",
            "velero_restore_failed_total{schedule=\"\"} 0",
            "velero_csi_snapshot_attempt_total{backupName=\"\",schedule=\"\"} 0",
            "velero_backup_total 0",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn a_completed_backup_is_the_last_successful_one() {
        let registry = Registry::new();
        let metrics = VeleroMetrics::new(&registry).unwrap();
        metrics.init_schedule("daily");
        metrics.backup_started("daily");
        metrics.backup_ended("daily", RunResult::Failed, 90, None);
        metrics.backup_ended("daily", RunResult::Completed, 100, Some(61));
        let text = registry.text().unwrap();
        for line in [
            "velero_backup_success_total{schedule=\"daily\"} 1",
            "velero_backup_failure_total{schedule=\"daily\"} 1",
            "velero_backup_last_successful_timestamp{schedule=\"daily\"} 100",
            "velero_backup_duration_seconds_bucket{schedule=\"daily\",le=\"300\"} 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn a_schedule_takes_all_of_its_series_with_it() {
        let registry = Registry::new();
        let metrics = VeleroMetrics::new(&registry).unwrap();
        let before = registry.text().unwrap();
        metrics.init_schedule("daily");
        metrics.schedule_interval("daily", 86_400.0);
        metrics.backup_started("daily");
        metrics.backup_ran("daily", 1, 1, 1, 1);
        metrics.backup_ended("daily", RunResult::Completed, 100, Some(61));
        metrics.restore_started("daily");
        metrics.restore_ended("daily", RunResult::Completed, Some(61));
        let text = registry.text().unwrap();
        let interval = "velero_schedule_expected_interval_seconds{schedule=\"daily\"} 86400";
        assert!(text.lines().any(|line| line == interval), "{text}");
        metrics.schedule_gone("daily");
        assert_eq!(registry.text().unwrap(), before);
    }

    #[test]
    fn the_last_results_are_those_of_the_backups_that_exist() {
        let registry = Registry::new();
        let metrics = VeleroMetrics::new(&registry).unwrap();
        let shown = |is_good, succeeded| {
            metrics.backup_results("daily", LastResults { is_good, succeeded });
            let text = registry.text().unwrap();
            let lines = text
                .lines()
                .filter(|line| line.starts_with("velero_backup_last") && line.contains("daily"));
            lines
                .map(|line| line.rsplit(' ').next().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(shown(Some(false), Some(50)), ["0", "50"]);
        assert_eq!(shown(Some(true), Some(70)), ["1", "70"]);
        assert_eq!(shown(None, None), ["1"]);
    }

    #[test]
    fn a_restore_counts_by_its_result_and_takes_time_if_it_began() {
        let registry = Registry::new();
        let metrics = VeleroMetrics::new(&registry).unwrap();
        for (ended, seconds) in [
            (RunResult::Completed, Some(61)),
            (RunResult::PartiallyFailed, Some(30)),
            (RunResult::Failed, Some(7201)),
            (RunResult::FailedValidation, None),
        ] {
            metrics.restore_started("daily");
            metrics.restore_ended("daily", ended, seconds);
        }
        let text = registry.text().unwrap();
        for line in [
            "velero_restore_attempt_total{schedule=\"daily\"} 4",
            "velero_restore_success_total{schedule=\"daily\"} 1",
            "velero_restore_partial_failure_total{schedule=\"daily\"} 1",
            "velero_restore_failed_total{schedule=\"daily\"} 1",
            "velero_restore_validation_failed_total{schedule=\"daily\"} 1",
            "velero_restore_duration_seconds_bucket{schedule=\"daily\",le=\"60\"} 1",
            "velero_restore_duration_seconds_bucket{schedule=\"daily\",le=\"300\"} 2",
            "velero_restore_duration_seconds_bucket{schedule=\"daily\",le=\"10800\"} 3",
            "velero_restore_duration_seconds_count{schedule=\"daily\"} 3",
            "velero_restore_duration_seconds_sum{schedule=\"daily\"} 7292",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
    }
}
