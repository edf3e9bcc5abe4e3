//! How many hooks there were (spec backup 10: the tracker).

use crate::api::HookStatus;

/// Counts of one run. A hook counts as attempted when its pod's turn comes, also if one before it kept it from running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Hooks whose turn came.
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
