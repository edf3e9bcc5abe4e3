//! Detects that only waiting items are left.

use std::time::Duration;

use tokio::time::Instant;

use crate::api::GoDuration;
use crate::restore::parts::RunParts;
use crate::restore::progress::Standstill;
use crate::restore::retry_reason::RetryReason;

/// A shorter wait is not a standstill.
const STANDSTILL: Duration = Duration::from_secs(3);

/// Reports the beginning of a standstill, a change of its reason, and its end.
pub(super) fn check(parts: &RunParts<'_>) {
    if parts.tracker.progress.set_standstill(standstill(parts)) {
        parts.tracker.report_progress();
    }
}

fn standstill(parts: &RunParts<'_>) -> Option<Standstill> {
    let tracker = &parts.tracker;
    let is_long = |since: Instant| since.elapsed() >= STANDSTILL;
    if parts.client.turned_away_since().is_some_and(is_long) {
        return Some(Standstill {
            reason: RetryReason::TooManyRequests.word(),
            message: "the API server answers every request with 429; the restore waits as long as the API server asks"
                .to_owned(),
        });
    }
    if !tracker.progress.draining_since().is_some_and(is_long) {
        return None;
    }
    let (count, first) = tracker.queue.count_and_blocker();
    let (item, reason, timeout) = first?;
    let others = match count - 1 {
        0 => String::new(),
        1 => ", as does another item".to_owned(),
        others => format!(", as do {others} other items"),
    };
    let timeout = GoDuration::from_secs(i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX));
    let message = format!(
        "{} waits{others}: {}; it fails {} after all other items are done",
        tracker.prepared.id_of(item),
        tracker.why(&reason),
        timeout.text()
    );
    Some(Standstill {
        reason: reason.word(),
        message,
    })
}
