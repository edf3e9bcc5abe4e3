//! The outcome for the data of volumes (spec backup 12.5, 16.4). No data is saved yet: every saved volume is reported as skipped,
//! with upstream's reasons for volumes that cannot be saved.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use parking_lot::Mutex;
use serde_json::json;

use super::snapshot::Snapshot;
use crate::api::artifact::{PersistentVolumeInfo, VolumeInfo};
use crate::backup::done::Key;
use crate::select::resource_policies::ActionType;

/// How data can be saved, in alphabetical order, which is that of the reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Approach {
    /// Any approach.
    Any,
    /// File by file, through a pod.
    PodVolume,
    /// By a volume snapshotter.
    VolumeSnapshot,
}

impl Approach {
    fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::PodVolume => "podvolume",
            Self::VolumeSnapshot => "volumeSnapshot",
        }
    }
}

/// A PersistentVolume object in the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SavedVolume {
    /// Namespace and name of its claim.
    pub(super) claim: Option<(String, String)>,
    pub(super) reclaim_policy: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) snapshot: Snapshot,
}

/// The records of volumes so far.
#[derive(Debug, Default)]
pub(in crate::backup) struct VolumeRecords {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    saved: BTreeMap<String, SavedVolume>,
    /// By namespace and name of the claim; the last reason of an approach counts.
    reasons: HashMap<(String, String), BTreeMap<Approach, Cow<'static, str>>>,
    /// Claims with files that a pod saves: once is enough (spec backup 12.3).
    taken: HashSet<Key>,
}

impl VolumeRecords {
    /// A volume object goes into the archive.
    pub(super) fn saved(&self, name: &str, volume: SavedVolume) {
        self.state.lock().saved.insert(name.to_owned(), volume);
    }

    /// Data behind a claim is not saved in one way.
    pub(super) fn skipped(
        &self,
        namespace: &str,
        claim: &str,
        approach: Approach,
        reason: impl Into<Cow<'static, str>>,
    ) {
        self.state
            .lock()
            .reasons
            .entry((namespace.to_owned(), claim.to_owned()))
            .or_default()
            .insert(approach, reason.into());
    }

    /// Takes a claim for a pod that saves its files; false if another pod has it.
    pub(super) fn take(&self, claim: Key) -> bool {
        self.state.lock().taken.insert(claim)
    }

    /// The records, by volume.
    pub(in crate::backup) fn finish(self) -> Vec<SkippedVolume> {
        let State { saved, mut reasons, .. } = self.state.into_inner();
        saved
            .into_iter()
            .map(|(name, volume)| {
                let mut reasons = volume
                    .claim
                    .as_ref()
                    .and_then(|claim| reasons.remove(claim))
                    .unwrap_or_default();
                let no_pod = volume.snapshot == Snapshot::Policy(ActionType::FsBackup)
                    && !reasons.contains_key(&Approach::PodVolume);
                if no_pod {
                    reasons.insert(Approach::PodVolume, NO_POD.into());
                }
                reasons.insert(Approach::VolumeSnapshot, volume.snapshot.reason().into());
                SkippedVolume {
                    name,
                    volume,
                    reasons,
                    no_pod,
                }
            })
            .collect()
    }
}

/// Why a volume with a policy for file system backup is not saved, if no pod has a more exact reason.
const NO_POD: &str = "no pod of the backup mounts it";

/// A volume with data that was not saved, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::backup) struct SkippedVolume {
    name: String,
    volume: SavedVolume,
    reasons: BTreeMap<Approach, Cow<'static, str>>,
    /// A policy requests file system backup, and no pod mounts it.
    no_pod: bool,
}

impl SkippedVolume {
    /// Its record.
    pub(in crate::backup) fn info(&self) -> VolumeInfo {
        let (namespace, claim) = self.volume.claim.clone().unwrap_or_default();
        let labels = &self.volume.labels;
        VolumeInfo {
            pvc_name: claim,
            pvc_namespace: namespace,
            pv_name: self.name.clone(),
            skipped: true,
            skipped_reason: self.reason(),
            pv_info: Some(PersistentVolumeInfo {
                reclaim_policy: self.volume.reclaim_policy.clone(),
                labels: (!labels.is_empty()).then(|| labels.clone()),
            }),
            ..VolumeInfo::default()
        }
    }

    /// The volume's name and its warning, unless a pod's line has reported it.
    pub(in crate::backup) fn warning(&self) -> Option<(&str, String)> {
        self.no_pod.then(|| {
            let text = format!(
                "A resource policy requests file system backup of the volume, but {NO_POD}; its data is not saved. Run a pod \
                 that mounts it, or choose another action for it"
            );
            (self.name.as_str(), text)
        })
    }

    fn reason(&self) -> String {
        let mut text = String::new();
        for (approach, reason) in &self.reasons {
            text.extend([approach.name(), ": ", reason, ";"]);
        }
        text
    }

    /// The text of the log's summary line.
    pub(in crate::backup) fn summary(skipped: &[Self]) -> String {
        let volumes: Vec<_> = skipped
            .iter()
            .map(|volume| {
                let reasons: Vec<_> = volume
                    .reasons
                    .iter()
                    .map(|(approach, reason)| json!({"approach": approach.name(), "reason": reason}))
                    .collect();
                json!({"name": volume.name, "reasons": reasons})
            })
            .collect();
        format!("Summary for skipped PVs: {}", json!(volumes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(snapshot: Snapshot) -> SavedVolume {
        SavedVolume {
            claim: Some(("shop".to_owned(), "data".to_owned())),
            reclaim_policy: "Retain".to_owned(),
            labels: BTreeMap::new(),
            snapshot,
        }
    }

    #[test]
    fn a_record_is_upstreams_for_data_that_is_not_saved() {
        let volumes = VolumeRecords::default();
        volumes.saved("shop-data", volume(Snapshot::Take));
        volumes.skipped(
            "shop",
            "data",
            Approach::PodVolume,
            "opted out due to annotation in pod db-0",
        );
        let skipped = volumes.finish();
        // As recorded from the Go release.
        assert_eq!(
            serde_json::to_value(skipped[0].info()).unwrap(),
            json!({
                "pvcName": "data", "pvcNamespace": "shop", "pvName": "shop-data", "snapshotDataMoved": false,
                "preserveLocalSnapshot": false, "skipped": true,
                "skippedReason": "podvolume: opted out due to annotation in pod db-0;\
                                  volumeSnapshot: no applicable volumesnapshotter found;",
                "pvInfo": {"reclaimPolicy": "Retain", "labels": null},
            })
        );
        assert_eq!(
            SkippedVolume::summary(&skipped),
            "Summary for skipped PVs: [{\"name\":\"shop-data\",\"reasons\":[{\"approach\":\"podvolume\",\"reason\":\
             \"opted out due to annotation in pod db-0\"},{\"approach\":\"volumeSnapshot\",\"reason\":\
             \"no applicable volumesnapshotter found\"}]}]"
        );
        assert_eq!(skipped[0].warning(), None);
    }

    #[test]
    fn a_volume_with_a_policy_and_no_pod_is_one_warning_at_the_end() {
        let finished = |pod: Option<&'static str>| {
            let volumes = VolumeRecords::default();
            volumes.saved("shop-data", volume(Snapshot::Policy(ActionType::FsBackup)));
            if let Some(reason) = pod {
                volumes.skipped("shop", "data", Approach::PodVolume, reason);
            }
            volumes.finish().remove(0)
        };
        let alone = finished(None);
        assert!(
            alone
                .reason()
                .starts_with("podvolume: no pod of the backup mounts it;volumeSnapshot: not satisfy")
        );
        assert_eq!(alone.warning().map(|(name, _)| name), Some("shop-data"));
        assert_eq!(finished(Some("the pod has a warning")).warning(), None);
    }

    #[test]
    fn a_claim_has_no_record_without_a_saved_volume() {
        let volumes = VolumeRecords::default();
        volumes.skipped("shop", "data", Approach::Any, "excluded");
        assert_eq!(volumes.finish(), []);
    }

    #[test]
    fn a_claims_files_are_taken_once() {
        let volumes = VolumeRecords::default();
        let claim = |name| Key::new(&crate::cluster::discovery::GroupResource::new("", "c"), Some("a"), name);
        assert!(volumes.take(claim("x")) && volumes.take(claim("y")) && !volumes.take(claim("x")));
    }
}
