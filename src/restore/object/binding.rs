//! The claim of a persistent volume that is already in the cluster (decision 40).
//!
//! A comparison ignores the uid of the claim, because a created volume waits for a claim of that name. For an existing volume the
//! uid decides: with that of a deleted claim, no other claim ever gets the volume.

use serde_json::{Map, Value, json};

use crate::cluster::merge;

/// The state of a volume in the cluster for the claim of its backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Binding {
    /// It is free, or waits for the claim by name.
    Open,
    /// It is bound to a claim of that name with this uid; the caller must read whether that claim exists.
    BoundTo(String),
    /// The claim is gone, and the volume is provably the one of the backup: the patch that makes it wait for the claim.
    Release(Value),
    /// The claim cannot get it, for this reason.
    Taken(String),
}

/// The claim that a volume names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    uid: Option<&'a str>,
}

/// The claim that a volume names, if it names one.
pub fn claim_of(volume: &Value) -> Option<Claim<'_>> {
    let reference = volume.pointer("/spec/claimRef")?;
    let text = |key| {
        let value = reference.get(key).and_then(Value::as_str);
        value.filter(|text| !text.is_empty())
    };
    Some(Claim {
        namespace: text("namespace")?,
        name: text("name")?,
        uid: text("uid"),
    })
}

/// Decides about the volume of the cluster; `wanted` is the one that would have been created.
pub fn decide(live: &Value, wanted: &Value) -> Binding {
    let Some(held) = claim_of(live) else {
        return Binding::Open;
    };
    let by = format!("claim {}/{}", held.namespace, held.name);
    match claim_of(wanted) {
        None => return Binding::Taken(format!("it belongs to {by}, and in the backup to no claim")),
        Some(claim) if (claim.namespace, claim.name) != (held.namespace, held.name) => {
            return Binding::Taken(format!("it belongs to {by}"));
        }
        Some(_) => {}
    }
    let Some(uid) = held.uid else { return Binding::Open };
    match live.pointer("/status/phase").and_then(Value::as_str) {
        Some("Released") => released(live, wanted),
        Some("Failed") => Binding::Taken("it could not be reclaimed after its claim was deleted".to_owned()),
        Some("Bound") => Binding::BoundTo(uid.to_owned()),
        _ => Binding::Open,
    }
}

fn released(live: &Value, wanted: &Value) -> Binding {
    let policy = live.pointer("/spec/persistentVolumeReclaimPolicy");
    let policy = policy.and_then(Value::as_str).unwrap_or("Retain");
    if policy != "Retain" {
        return Binding::Taken(format!(
            "it is Released with the reclaim policy {policy}, and about to be reclaimed"
        ));
    }
    if !is_same_volume(live, wanted) {
        return Binding::Taken(
            "it is Released, and not provably the volume of the backup: its source differs".to_owned(),
        );
    }
    // the volume may be bound to another claim at the same time: then this patch is refused
    Binding::Release(json!({
        "metadata": {"resourceVersion": live.pointer("/metadata/resourceVersion")},
        "spec": {"claimRef": {"uid": null, "resourceVersion": null}},
    }))
}

/// The volume of the backup with the policy `Retain`, if the cluster's has that policy and the backup's had `Delete`: it is the same
/// volume, and it waits for the same claim or did until that was deleted.
pub fn kept(live: &Value, wanted: &Value) -> Option<Value> {
    const POLICY: &str = "/spec/persistentVolumeReclaimPolicy";
    let place = |volume| claim_of(volume).map(|claim| (claim.namespace, claim.name));
    let waits = match live.pointer("/status/phase").and_then(Value::as_str) {
        Some("Released") => true,
        // an earlier try of this restore has made it wait for the claim
        Some("Available") => claim_of(live).is_some_and(|claim| claim.uid.is_none()),
        _ => false,
    };
    let is_kept = live.pointer(POLICY).is_some_and(|policy| policy == "Retain");
    let is_same = place(live).is_some() && place(live) == place(wanted) && is_same_volume(live, wanted);
    if !(waits && is_kept && is_same) {
        return None;
    }
    let mut kept = wanted.clone();
    *kept.pointer_mut(POLICY)? = Value::from("Retain");
    Some(kept)
}

/// Whether a pod has a claim among its volumes.
pub fn mounts(pod: &Value, claim: &str) -> bool {
    let volumes = pod.pointer("/spec/volumes").and_then(Value::as_array);
    volumes.into_iter().flatten().any(|volume| {
        volume
            .pointer("/persistentVolumeClaim/claimName")
            .is_some_and(|name| name == claim)
    })
}

/// The fields of a volume's spec other than the place of its data.
const NO_SOURCE: [&str; 9] = [
    "accessModes",
    "capacity",
    "claimRef",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
    "volumeMode",
];

/// Sources that are a different disk on each node.
const OF_A_NODE: [&str; 2] = ["hostPath", "local"];

/// Whether both have their data in the same place: the same source, of any kind, in every field.
fn is_same_volume(live: &Value, wanted: &Value) -> bool {
    let source = |volume: &Value| -> Map<String, Value> {
        let mut spec = match merge::without_null_fields(volume.get("spec").cloned().unwrap_or_default()) {
            Value::Object(spec) => spec,
            _ => Map::new(),
        };
        let of_a_node = OF_A_NODE.iter().any(|kind| spec.contains_key(*kind));
        let node = spec.remove("nodeAffinity").filter(|_| of_a_node);
        spec.retain(|key, _| !NO_SOURCE.contains(&key.as_str()));
        spec.extend(node.map(|node| ("nodeAffinity".to_owned(), node)));
        spec
    };
    let live = source(live);
    !live.is_empty() && live == source(wanted)
}

/// Whether a volume is bound to a claim that is not being deleted.
pub fn holds(claim: Option<&Value>, uid: &str) -> bool {
    claim.is_some_and(|claim| super::metadata::field(claim, "uid") == Some(uid) && !super::metadata::is_deleting(claim))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(phase: &str, claim: &Value, spec: &Value) -> Value {
        let mut volume = json!({
            "metadata": {"name": "pv", "resourceVersion": "7"},
            "spec": {"persistentVolumeReclaimPolicy": "Retain", "capacity": {"storage": "1Gi"}, "claimRef": claim},
            "status": {"phase": phase},
        });
        json_patch::merge(&mut volume["spec"], spec);
        volume
    }

    fn claim(namespace: &str, uid: &Value) -> Value {
        json!({"namespace": namespace, "name": "data", "uid": uid, "resourceVersion": uid})
    }

    #[test]
    fn a_volume_is_kept_only_if_it_and_its_claim_are_the_same() {
        let disk = json!({"csi": {"driver": "d", "volumeHandle": "h"}});
        let (old, free) = (claim("a", &json!("1")), claim("a", &json!(null)));
        let wanted = volume(
            "",
            &free,
            &json!({"csi": disk["csi"], "persistentVolumeReclaimPolicy": "Delete"}),
        );
        let with = |more: Value| {
            let mut spec = disk.clone();
            json_patch::merge(&mut spec, &more);
            spec
        };
        let table = [
            ("released", volume("Released", &old, &disk), true),
            ("given back before", volume("Available", &free, &disk), true),
            ("bound", volume("Bound", &old, &disk), false),
            (
                "for another claim",
                volume("Released", &claim("b", &json!("1")), &disk),
                false,
            ),
            ("for no claim", volume("Available", &json!(null), &disk), false),
            (
                "to be deleted",
                volume(
                    "Released",
                    &old,
                    &with(json!({"persistentVolumeReclaimPolicy": "Delete"})),
                ),
                false,
            ),
            (
                "another disk",
                volume("Released", &old, &with(json!({"csi": {"volumeHandle": "i"}}))),
                false,
            ),
        ];
        for (name, live, expected) in table {
            let found = kept(&live, &wanted);
            assert_eq!(found.is_some(), expected, "{name}");
            if let Some(found) = found {
                assert_eq!(found["spec"]["persistentVolumeReclaimPolicy"], "Retain");
            }
        }
    }

    #[test]
    fn a_pod_brings_the_claims_that_it_mounts() {
        let pod = json!({"spec": {"volumes": [{"emptyDir": {}}, {"persistentVolumeClaim": {"claimName": "data"}}]}});
        assert!(mounts(&pod, "data"));
        assert!(!mounts(&pod, "other") && !mounts(&json!({}), "data"));
    }

    #[test]
    fn a_volume_waits_again_only_if_its_claim_is_gone_and_it_is_the_same() {
        let disk = json!({"csi": {"driver": "d", "volumeHandle": "h"}});
        let (old, none) = (claim("a", &json!("1")), json!(null));
        let release = Binding::Release(json!({
            "metadata": {"resourceVersion": "7"}, "spec": {"claimRef": {"uid": null, "resourceVersion": null}},
        }));
        let taken = |why: &str| Binding::Taken(why.to_owned());
        let table = [
            ("free", volume("Available", &none, &disk), Binding::Open),
            (
                "waits by name",
                volume("Available", &claim("a", &none), &disk),
                Binding::Open,
            ),
            ("bound", volume("Bound", &old, &disk), Binding::BoundTo("1".to_owned())),
            ("released", volume("Released", &old, &disk), release),
            ("not looked at yet", volume("Pending", &old, &disk), Binding::Open),
            (
                "not reclaimed",
                volume("Failed", &old, &disk),
                taken("it could not be reclaimed after its claim was deleted"),
            ),
            (
                "another's",
                volume("Released", &claim("b", &json!("1")), &disk),
                taken("it belongs to claim b/data"),
            ),
            (
                "about to be deleted",
                volume(
                    "Released",
                    &old,
                    &json!({"csi": disk["csi"], "persistentVolumeReclaimPolicy": "Delete"}),
                ),
                taken("it is Released with the reclaim policy Delete, and about to be reclaimed"),
            ),
        ];
        for (name, live, expected) in table {
            assert_eq!(
                decide(&live, &volume("", &claim("a", &none), &disk)),
                expected,
                "{name}"
            );
        }
        assert_eq!(
            decide(&volume("Bound", &old, &disk), &volume("", &none, &disk)),
            taken("it belongs to claim a/data, and in the backup to no claim")
        );
    }

    #[test]
    fn a_volume_is_the_same_if_its_whole_source_is() {
        let affinity = |node: &str| json!({"required": {"nodeSelectorTerms": [{"matchFields": [node]}]}});
        let table = [
            (
                "csi",
                json!({"csi": {"driver": "d", "volumeHandle": "h"}}),
                json!({"csi": {"driver": "d", "volumeHandle": "h"}}),
                true,
            ),
            (
                "another handle",
                json!({"csi": {"driver": "d", "volumeHandle": "h"}}),
                json!({"csi": {"driver": "d", "volumeHandle": "i"}}),
                false,
            ),
            (
                "another driver",
                json!({"csi": {"driver": "d", "volumeHandle": "h"}}),
                json!({"csi": {"driver": "e", "volumeHandle": "h"}}),
                false,
            ),
            (
                "another kind",
                json!({"nfs": {"server": "s", "path": "/a"}}),
                json!({"hostPath": {"path": "/a"}}),
                false,
            ),
            (
                "nfs",
                json!({"nfs": {"server": "s", "path": "/a"}}),
                json!({"nfs": {"server": "s", "path": "/a", "readOnly": null}}),
                true,
            ),
            (
                "another path",
                json!({"nfs": {"server": "s", "path": "/a"}}),
                json!({"nfs": {"server": "s", "path": "/b"}}),
                false,
            ),
            (
                "local",
                json!({"local": {"path": "/a"}, "nodeAffinity": affinity("n")}),
                json!({"local": {"path": "/a"}, "nodeAffinity": affinity("n")}),
                true,
            ),
            (
                "another node",
                json!({"local": {"path": "/a"}, "nodeAffinity": affinity("n")}),
                json!({"local": {"path": "/a"}, "nodeAffinity": affinity("m")}),
                false,
            ),
            (
                "a disk reached from elsewhere",
                json!({"iscsi": {"iqn": "i"}, "nodeAffinity": affinity("n")}),
                json!({"iscsi": {"iqn": "i"}, "nodeAffinity": affinity("m")}),
                true,
            ),
            (
                "a source that is not known",
                json!({"newKind": {"id": 1}}),
                json!({"newKind": {"id": 2}}),
                false,
            ),
            ("no source", json!({"capacity": {}}), json!({"capacity": {}}), false),
        ];
        for (name, live, wanted, expected) in table {
            assert_eq!(
                is_same_volume(&json!({"spec": live}), &json!({"spec": wanted})),
                expected,
                "{name}"
            );
        }
    }

    #[test]
    fn a_claim_holds_its_volume_until_it_is_deleted() {
        let claim = |uid: &str, deleted: Value| json!({"metadata": {"uid": uid, "deletionTimestamp": deleted}});
        let table = [
            (Some(claim("1", json!(null))), true),
            (Some(claim("2", json!(null))), false),
            (Some(claim("1", json!("2026-01-01T00:00:00Z"))), false),
            (None, false),
        ];
        for (claim, expected) in table {
            assert_eq!(holds(claim.as_ref(), "1"), expected, "{claim:?}");
        }
    }
}
