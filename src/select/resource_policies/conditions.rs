//! The conditions of a volume policy. All that are given must be met.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use super::capacity::CapacityRange;
use super::volume::{VolumeTraits, VolumeType};
use super::{checked, word};
use crate::api::wire::nil;

/// The phases a claim can have.
const CLAIM_PHASES: [&str; 3] = ["Pending", "Bound", "Lost"];

/// The conditions for a volume. Every volume meets one that is absent or empty.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Conditions {
    #[serde(deserialize_with = "nil")]
    capacity: CapacityRange,
    #[serde(deserialize_with = "nil")]
    storage_class: Vec<String>,
    nfs: Option<Nfs>,
    csi: Option<Csi>,
    #[serde(deserialize_with = "nil")]
    volume_types: Vec<VolumeType>,
    #[serde(deserialize_with = "nil")]
    pvc_labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "nil")]
    pvc_phase: Vec<ClaimPhase>,
}

/// Any NFS volume, or those of this server or share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct Nfs {
    #[serde(deserialize_with = "nil")]
    server: String,
    #[serde(deserialize_with = "nil")]
    path: String,
}

/// Any CSI volume, or those of this driver, with these attributes among its own.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Csi(CsiFields);

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct CsiFields {
    #[serde(deserialize_with = "nil")]
    driver: String,
    #[serde(deserialize_with = "nil")]
    volume_attributes: BTreeMap<String, String>,
}

impl<'de> Deserialize<'de> for Csi {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        checked(deserializer, |csi: &CsiFields| {
            if csi.driver.is_empty() && !csi.volume_attributes.is_empty() {
                return Err("csi driver should not be empty when volumeAttributes are given".to_owned());
            }
            Ok(())
        })
        .map(Self)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ClaimPhase(&'static str);

impl<'de> Deserialize<'de> for ClaimPhase {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word(deserializer, |text| {
            let known = CLAIM_PHASES.into_iter().find(|phase| *phase == text);
            known.map(Self).ok_or_else(|| {
                format!(
                    "unknown phase {text:?} of a claim, expected one of {}",
                    CLAIM_PHASES.join(", ")
                )
            })
        })
    }
}

impl Conditions {
    /// Whether a volume meets them all.
    pub(super) fn met_by(&self, volume: &VolumeTraits<'_>) -> bool {
        self.capacity.holds(volume.capacity)
            && any_of(&self.storage_class, |class| {
                !class.is_empty() && class == volume.storage_class
            })
            && self.nfs.as_ref().is_none_or(|nfs| nfs.met_by(volume))
            && self.csi.as_ref().is_none_or(|csi| csi.met_by(volume))
            && any_of(&self.volume_types, |wanted| volume.volume_type == Some(*wanted))
            && self.met_by_claim(volume)
    }

    /// Whether there are conditions for the claim; without a claim they are not met.
    pub(super) fn look_at_claim(&self) -> bool {
        !self.pvc_labels.is_empty() || !self.pvc_phase.is_empty()
    }

    fn met_by_claim(&self, volume: &VolumeTraits<'_>) -> bool {
        let Some(claim) = &volume.claim else {
            return !self.look_at_claim();
        };
        self.pvc_labels
            .iter()
            .all(|(key, value)| claim.labels.get(key) == Some(value))
            && any_of(&self.pvc_phase, |phase| phase.0 == claim.phase)
    }
}

impl Nfs {
    fn met_by(&self, volume: &VolumeTraits<'_>) -> bool {
        volume.nfs.as_ref().is_some_and(|nfs| {
            (self.server.is_empty() || self.server == nfs.server) && (self.path.is_empty() || self.path == nfs.path)
        })
    }
}

impl Csi {
    fn met_by(&self, volume: &VolumeTraits<'_>) -> bool {
        let Self(wanted) = self;
        volume.csi.as_ref().is_some_and(|csi| {
            (wanted.driver.is_empty() || wanted.driver == csi.driver)
                && wanted
                    .volume_attributes
                    .iter()
                    .all(|(key, value)| csi.attributes.get(key) == Some(value))
        })
    }
}

/// Whether one of the entries is met; no entries are no condition.
fn any_of<T>(entries: &[T], met: impl Fn(&T) -> bool) -> bool {
    entries.is_empty() || entries.iter().any(met)
}
