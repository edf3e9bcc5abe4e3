//! Persistent volumes and the claims bound to them (spec restore 10).
//!
//! A volume is restored as an object only if its data may still exist. Otherwise its claim is created without a volume name, and
//! the cluster provisions a new one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::metadata;
use crate::api::annotations::{BIND_COMPLETED, BOUND_BY_CONTROLLER};

/// How a backup saved the data of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// A snapshot by the volume's own provider.
    NativeSnapshot,
    /// File by file, out of the pod that mounted it.
    PodVolume,
    /// A CSI snapshot, moved to the bucket or not.
    CsiSnapshot,
}

/// How the backup saved the data of volumes; filled by the caller from the backup's files (spec restore 4, 10.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptVolumes {
    /// By the volume's name, from the volume information (1.18.1). `None` = it was skipped on purpose.
    pub by_volume: BTreeMap<String, Option<Kept>>,
    /// Volumes with a native snapshot record, for backups without volume information.
    pub native_snapshots: BTreeSet<String>,
    /// Claims `(namespace, name)` with a pod volume backup, likewise.
    pub pod_volumes: BTreeSet<(String, String)>,
    /// Claims `(namespace, name)` with a CSI snapshot or data upload, likewise.
    pub csi_snapshots: BTreeSet<(String, String)>,
    /// Pods `(namespace, name)` with volumes that were backed up file by file.
    pub pods: BTreeSet<(String, String)>,
}

/// What a restore does with a persistent volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is created as it was: its storage was not deleted.
    AsItWas,
    /// It is not created; its claim gets a newly provisioned volume. With the way its data was saved, if it was.
    Provision(Option<Kept>),
    /// Its data is in a native snapshot.
    FromSnapshot,
}

/// Decides by what the backup recorded, and by the reclaim policy where it recorded nothing (spec restore 10.1).
pub fn decide(volume: &Value, kept: &KeptVolumes) -> Decision {
    let name = metadata::field(volume, "name").unwrap_or_default();
    let how = match kept.by_volume.get(name) {
        Some(recorded) => *recorded,
        None => legacy(volume, name, kept),
    };
    match how {
        Some(Kept::NativeSnapshot) => Decision::FromSnapshot,
        Some(how) => Decision::Provision(Some(how)),
        None if volume
            .pointer("/spec/persistentVolumeReclaimPolicy")
            .is_some_and(|policy| policy == "Delete") =>
        {
            Decision::Provision(None)
        }
        None => Decision::AsItWas,
    }
}

fn legacy(volume: &Value, name: &str, kept: &KeptVolumes) -> Option<Kept> {
    if kept.native_snapshots.contains(name) {
        return Some(Kept::NativeSnapshot);
    }
    let claim = |key| volume.pointer("/spec/claimRef")?.get(key)?.as_str().map(String::from);
    let claim = (claim("namespace")?, claim("name")?);
    if kept.pod_volumes.contains(&claim) {
        Some(Kept::PodVolume)
    } else {
        kept.csi_snapshots.contains(&claim).then_some(Kept::CsiSnapshot)
    }
}

/// Removes the binding to the source cluster's objects from a volume or a claim (spec restore 10.3, the form of 1.18.1).
pub fn reset_binding(object: &mut Value) {
    if let Some(reference) = object.pointer_mut("/spec/claimRef").and_then(Value::as_object_mut) {
        reference.remove("uid");
        reference.remove("resourceVersion");
    }
    metadata::remove_annotations(object, &[BIND_COMPLETED, BOUND_BY_CONTROLLER]);
}

/// Makes the volume wait for its claim in the claim's target namespace.
pub fn map_claim<'a>(volume: &mut Value, target_of: impl Fn(&str) -> Option<&'a str>) {
    let Some(namespace) = volume.pointer_mut("/spec/claimRef/namespace") else {
        return;
    };
    if let Some(target) = namespace.as_str().and_then(target_of) {
        *namespace = Value::from(target);
    }
}

/// The volume that a claim names.
pub fn volume_of(claim: &Value) -> Option<&str> {
    claim
        .pointer("/spec/volumeName")
        .and_then(Value::as_str)
        .filter(|name| !name.is_empty())
}

/// Unbinds a claim; `provisioned`: whether a new volume is provisioned, so that the claim must not name the old one (spec restore
/// 10.4).
pub fn adjust_claim(claim: &mut Value, provisioned: impl Fn(&str) -> bool) {
    let Some(volume) = volume_of(claim) else { return };
    let anew = provisioned(volume);
    reset_binding(claim);
    if anew && let Some(spec) = claim.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove("volumeName");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn volume(policy: &str) -> Value {
        json!({
            "metadata": {"name": "pv"},
            "spec": {"persistentVolumeReclaimPolicy": policy, "claimRef": {"namespace": "ns", "name": "data"}},
        })
    }

    fn recorded(how: Option<Kept>) -> KeptVolumes {
        KeptVolumes {
            by_volume: [("pv".to_owned(), how)].into(),
            ..KeptVolumes::default()
        }
    }

    #[test]
    fn a_volume_is_restored_by_the_place_of_its_data() {
        let claim = ("ns".to_owned(), "data".to_owned());
        let nothing = KeptVolumes::default();
        let native = KeptVolumes {
            native_snapshots: ["pv".to_owned()].into(),
            ..KeptVolumes::default()
        };
        let pods = KeptVolumes {
            pod_volumes: [claim.clone()].into(),
            ..KeptVolumes::default()
        };
        let csi = KeptVolumes {
            csi_snapshots: [claim].into(),
            ..KeptVolumes::default()
        };
        let contradicting = KeptVolumes {
            native_snapshots: native.native_snapshots.clone(),
            ..recorded(None)
        };
        let table = [
            (
                "A, recorded",
                "Delete",
                recorded(Some(Kept::NativeSnapshot)),
                Decision::FromSnapshot,
            ),
            ("A, legacy", "Retain", native, Decision::FromSnapshot),
            (
                "B, recorded",
                "Retain",
                recorded(Some(Kept::PodVolume)),
                Decision::Provision(Some(Kept::PodVolume)),
            ),
            ("B, legacy", "Retain", pods, Decision::Provision(Some(Kept::PodVolume))),
            (
                "C, recorded",
                "Retain",
                recorded(Some(Kept::CsiSnapshot)),
                Decision::Provision(Some(Kept::CsiSnapshot)),
            ),
            ("C, legacy", "Retain", csi, Decision::Provision(Some(Kept::CsiSnapshot))),
            (
                "D, skipped on purpose",
                "Delete",
                recorded(None),
                Decision::Provision(None),
            ),
            ("D, legacy", "Delete", nothing.clone(), Decision::Provision(None)),
            ("E, skipped on purpose", "Retain", recorded(None), Decision::AsItWas),
            ("E, legacy", "Recycle", nothing, Decision::AsItWas),
            (
                "volume information wins over older records",
                "Retain",
                contradicting,
                Decision::AsItWas,
            ),
        ];
        for (name, policy, kept, expected) in table {
            assert_eq!(decide(&volume(policy), &kept), expected, "{name}");
        }
    }

    #[test]
    fn a_volume_without_claim_or_policy_is_restored_as_it_was() {
        assert_eq!(
            decide(
                &json!({"metadata": {"name": "pv"}, "spec": {}}),
                &KeptVolumes::default()
            ),
            Decision::AsItWas
        );
    }

    #[test]
    fn a_volume_waits_for_its_claim_in_the_target_namespace() {
        let mut pv = json!({
            "metadata": {"annotations": {
                "pv.kubernetes.io/bound-by-controller": "yes", "pv.kubernetes.io/provisioned-by": "csi",
            }},
            "spec": {"claimRef": {"namespace": "a", "name": "data", "uid": "1", "resourceVersion": "2"}},
        });
        reset_binding(&mut pv);
        map_claim(&mut pv, |source| (source == "a").then_some("b"));
        assert_eq!(
            pv,
            json!({
                "metadata": {"annotations": {"pv.kubernetes.io/provisioned-by": "csi"}},
                "spec": {"claimRef": {"namespace": "b", "name": "data"}},
            })
        );
        map_claim(&mut pv, |_| None);
        assert_eq!(pv.pointer("/spec/claimRef/namespace"), Some(&json!("b")));
    }

    #[test]
    fn a_claim_names_its_volume_only_if_that_is_restored() {
        let table = [
            (
                "restored",
                json!({"volumeName": "pv"}),
                false,
                json!({"volumeName": "pv"}),
                true,
            ),
            (
                "provisioned anew",
                json!({"volumeName": "pv", "x": 1}),
                true,
                json!({"x": 1}),
                true,
            ),
            (
                "unbound",
                json!({"volumeName": ""}),
                true,
                json!({"volumeName": ""}),
                false,
            ),
            ("never bound", json!({}), true, json!({}), false),
        ];
        for (name, spec, provisioned, expected, unbound) in table {
            let mut claim =
                json!({"metadata": {"annotations": {"pv.kubernetes.io/bind-completed": "yes"}}, "spec": spec});
            adjust_claim(&mut claim, |_| provisioned);
            assert_eq!(claim["spec"], expected, "{name}");
            assert_eq!(
                metadata::annotation(&claim, BIND_COMPLETED).is_none(),
                unbound,
                "{name}"
            );
        }
    }
}
