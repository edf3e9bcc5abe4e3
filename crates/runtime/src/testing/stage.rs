//! A controller that runs alone.

use crate::controller::Controller;
use crate::metrics::{Metrics, Registry};
use crate::reconciler::Reconciler;
use crate::report::EventRecorder;
use crate::task::{self, Group, Task};

/// A controller that runs without a manager, until it is stopped or dropped.
#[derive(Debug)]
pub struct Stage {
    /// Its passes and operations.
    pub group: Group,
    /// Its metrics.
    pub registry: Registry,
    /// Ends when the controller has stopped.
    pub running: Task<()>,
}

impl Stage {
    /// Starts it.
    ///
    /// # Panics
    /// Never: its registry is a new one.
    #[expect(clippy::expect_used, reason = "a test fails by panicking")]
    pub fn run<R: Reconciler>(controller: Controller<R>) -> Self {
        let (registry, group) = (Registry::new(), Group::new());
        let metrics = Metrics::new(&registry).expect("a registry without metrics");
        let (recorder, _) = EventRecorder::new(metrics.events_dropped());
        let running = task::spawn("controller", {
            let group = group.clone();
            async move { controller.run(&group, &metrics, &recorder).await }
        });
        Self {
            group,
            registry,
            running,
        }
    }

    /// Stops it and waits for its passes.
    ///
    /// # Panics
    /// The controller panicked or was aborted.
    #[expect(clippy::expect_used, reason = "a test fails by panicking")]
    pub async fn stop(self) {
        self.group.stop().cancel();
        self.running.await.expect("the controller stops by itself");
    }

    /// The value of a series as it is written, such as of `workqueue_depth{controller="probe",name="probe"}`.
    ///
    /// # Panics
    /// There is no such series.
    #[expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
    pub fn metric(&self, series: &str) -> String {
        let text = self.registry.text().expect("metrics can be written");
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{series} is missing in\n{text}"))
            .to_owned()
    }
}
