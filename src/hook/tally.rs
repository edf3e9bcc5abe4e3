//! How many hooks there were (spec backup 10: the tracker).

use crate::api::HookStatus;

/// Counts of one run. A hook counts as attempted when its pod is processed, even if an earlier hook prevented it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Attempted hooks.
    pub attempted: usize,
    /// Those that failed.
    pub failed: usize,
}

impl From<Tally> for HookStatus {
    fn from(tally: Tally) -> Self {
        let signed = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        Self {
            hooks_attempted: signed(tally.attempted),
            hooks_failed: signed(tally.failed),
        }
    }
}
