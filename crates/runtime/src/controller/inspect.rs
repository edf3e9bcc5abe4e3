//! A controller's state for diagnostics and for its liveness check.

use std::time::Duration;

use tokio::time::Instant;

use super::Controller;
use crate::diagnostics::{ControllerSnapshot, InspectController, PassSnapshot};
use crate::object::path_of;
use crate::reconciler::Reconciler;

/// How long the loop may not turn. It waits only where it can be woken, so a longer time means a callback that blocks.
const STUCK_LOOP: Duration = Duration::from_mins(10);

/// By how much a pass may outlast its deadline. It ends at its next await, so a longer time means a pass that blocks its thread.
const STUCK_PASS: Duration = Duration::from_mins(5);

impl<R: Reconciler> InspectController for Controller<R> {
    fn snapshot(&self, now: Instant) -> ControllerSnapshot {
        let queue = self.state.queue();
        let passes = queue.working().map(|(key, since)| PassSnapshot {
            object: path_of(key),
            seconds: now.saturating_duration_since(since).as_secs(),
        });
        ControllerSnapshot {
            name: R::NAME.into(),
            running: self.state.beat().is_some(),
            workers: self.options.workers,
            passes: passes.collect(),
            ready: queue.depth(),
            waiting: queue.waiting(),
            next_in_seconds: queue.next_due().map(|due| due.saturating_duration_since(now).as_secs()),
            failing: self.state.failing(),
            operations: self.operations.iter().map(|operations| operations.count()).sum(),
        }
    }

    fn stuck(&self, now: Instant) -> Option<String> {
        let silent = self.state.beat().map(|beat| now.saturating_duration_since(beat))?;
        if silent > STUCK_LOOP {
            return Some(format!("its loop has not turned for {silent:?}"));
        }
        let limit = self
            .options
            .stuck_after
            .or(self.options.deadline.map(|deadline| deadline + STUCK_PASS))?;
        let queue = self.state.queue();
        let (key, since) = queue.working().min_by_key(|(_, since)| *since)?;
        let running = now.saturating_duration_since(since);
        (running > limit).then(|| format!("the pass for {} has run for {running:?}", path_of(key)))
    }
}
