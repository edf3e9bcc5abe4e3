//! Whether a volume's data is saved by a snapshot (spec backup 12.1, 12.2). Pure.
//!
//! One decision, by the volume and its claim. Upstream first checks the volume alone, so that a policy about claims does not prevent a
//! native snapshot.

use crate::select::resource_policies::ActionType;

/// The facts of a PersistentVolume, or of a claim without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// The action for it, if a policy has one.
    pub(super) policy: Option<ActionType>,
    /// Whether there is a volume.
    pub(super) bound: bool,
    /// Whether a pod saves its files.
    pub(super) files: bool,
    /// `spec.snapshotVolumes`.
    pub(super) wanted: Option<bool>,
}

/// The decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Snapshot {
    /// A snapshot is taken.
    Take,
    /// A policy has another action.
    Policy(ActionType),
    /// There is no volume. The claim is still saved (spec backup 22 D6).
    Unbound,
    /// The files are saved.
    Files,
    /// The backup takes no snapshots.
    NotWanted,
}

impl Known {
    pub(super) fn decide(self) -> Snapshot {
        match self.policy {
            Some(ActionType::Snapshot) if self.bound => Snapshot::Take,
            Some(action) if action != ActionType::Snapshot => Snapshot::Policy(action),
            _ if !self.bound => Snapshot::Unbound,
            _ if self.files => Snapshot::Files,
            _ if self.wanted == Some(false) => Snapshot::NotWanted,
            _ => Snapshot::Take,
        }
    }
}

impl Snapshot {
    /// The reason in a volume's record why there is no snapshot, in upstream's words.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Take => "no applicable volumesnapshotter found",
            Self::Policy(ActionType::Skip) => "matched action is 'skip' in chosen resource policies",
            Self::Policy(_) | Self::Unbound | Self::Files | Self::NotWanted => {
                "not satisfy the criteria for VolumePolicy or the legacy snapshot way"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every combination of the facts, for each action.
    fn decided(policy: Option<ActionType>) -> Vec<(bool, bool, Option<bool>, Snapshot)> {
        let mut all = Vec::new();
        for bound in [true, false] {
            for files in [true, false] {
                for wanted in [None, Some(true), Some(false)] {
                    let known = Known {
                        policy,
                        bound,
                        files,
                        wanted,
                    };
                    all.push((bound, files, wanted, known.decide()));
                }
            }
        }
        all
    }

    #[test]
    fn a_policy_wins_over_all_other_requests() {
        for action in [ActionType::Skip, ActionType::FsBackup, ActionType::Custom] {
            for (.., decision) in decided(Some(action)) {
                assert_eq!(decision, Snapshot::Policy(action));
            }
        }
        for (bound, _, _, decision) in decided(Some(ActionType::Snapshot)) {
            assert_eq!(decision, if bound { Snapshot::Take } else { Snapshot::Unbound });
        }
    }

    #[test]
    fn without_a_policy_files_come_first_and_then_the_spec() {
        for (bound, files, wanted, decision) in decided(None) {
            let expected = match (bound, files, wanted) {
                (false, _, _) => Snapshot::Unbound,
                (true, true, _) => Snapshot::Files,
                (true, false, Some(false)) => Snapshot::NotWanted,
                (true, false, _) => Snapshot::Take,
            };
            assert_eq!(decision, expected, "{bound} {files} {wanted:?}");
        }
    }
}
