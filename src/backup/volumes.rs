//! What became of the data of volumes (spec backup 12.5, 16.4). No data is saved yet: every saved volume is reported as
//! skipped, with the reasons upstream gives where nothing can save it.

use std::collections::{BTreeMap, HashMap};

use serde_json::json;

use crate::api::artifact::{PersistentVolumeInfo, VolumeInfo};

/// How data can be saved, in the order of the alphabet: reasons are told in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Approach {
    /// Whatever there is.
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SavedVolume {
    /// Namespace and name of its claim.
    pub(super) claim: Option<(String, String)>,
    pub(super) reclaim_policy: String,
    pub(super) labels: BTreeMap<String, String>,
}

/// What is known of volumes so far.
#[derive(Debug, Default)]
pub(super) struct Volumes {
    saved: BTreeMap<String, SavedVolume>,
    /// By namespace and name of the claim; the last reason of an approach counts.
    reasons: HashMap<(String, String), BTreeMap<Approach, String>>,
}

impl Volumes {
    /// A volume object is in the archive.
    pub(super) fn saved(&mut self, name: &str, volume: SavedVolume) {
        self.saved.insert(name.to_owned(), volume);
    }

    /// Data behind a claim is not saved in one way.
    pub(super) fn skipped(&mut self, namespace: &str, claim: &str, approach: Approach, reason: String) {
        self.reasons
            .entry((namespace.to_owned(), claim.to_owned()))
            .or_default()
            .insert(approach, reason);
    }

    /// The records, by volume. `snapshots`: `spec.snapshotVolumes` does not forbid them.
    pub(super) fn finish(self, snapshots: bool) -> Vec<SkippedVolume> {
        let Self { saved, mut reasons } = self;
        let no_snapshot = if snapshots {
            "no applicable volumesnapshotter found"
        } else {
            "not satisfy the criteria for VolumePolicy or the legacy snapshot way"
        };
        saved
            .into_iter()
            .map(|(name, volume)| {
                let mut reasons = volume
                    .claim
                    .as_ref()
                    .and_then(|claim| reasons.remove(claim))
                    .unwrap_or_default();
                reasons.insert(Approach::VolumeSnapshot, no_snapshot.to_owned());
                SkippedVolume { name, volume, reasons }
            })
            .collect()
    }
}

/// A volume whose data was not saved, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SkippedVolume {
    name: String,
    volume: SavedVolume,
    reasons: BTreeMap<Approach, String>,
}

impl SkippedVolume {
    /// Its record.
    pub(super) fn info(&self) -> VolumeInfo {
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

    fn reason(&self) -> String {
        let mut text = String::new();
        for (approach, reason) in &self.reasons {
            text.extend([approach.name(), ": ", reason, ";"]);
        }
        text
    }

    /// The text of the log's summary line.
    pub(super) fn summary(skipped: &[Self]) -> String {
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

    #[test]
    fn a_record_is_what_upstream_writes_where_nothing_saves_the_data() {
        let mut volumes = Volumes::default();
        volumes.saved(
            "shop-data",
            SavedVolume {
                claim: Some(("shop".to_owned(), "data".to_owned())),
                reclaim_policy: "Retain".to_owned(),
                labels: BTreeMap::new(),
            },
        );
        volumes.skipped(
            "shop",
            "data",
            Approach::PodVolume,
            "opted out due to annotation in pod db-0".to_owned(),
        );
        let skipped = volumes.finish(true);
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
    }

    #[test]
    fn a_claim_whose_volume_was_not_saved_has_no_record() {
        let mut volumes = Volumes::default();
        volumes.skipped("shop", "data", Approach::Any, "excluded".to_owned());
        assert_eq!(volumes.finish(true), []);
    }
}
