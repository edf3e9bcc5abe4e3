//! The few facts of pods and claims that a backup needs, read from their JSON. `volumes::facts` has those about data.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct PodFacts {
    metadata: Annotated,
    spec: PodSpec,
    status: Phase,
}

/// A PersistentVolumeClaim.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct ClaimFacts {
    spec: ClaimSpec,
    status: Phase,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Annotated {
    #[serde(deserialize_with = "null_as_default")]
    annotations: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Phase {
    phase: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodSpec {
    priority_class_name: String,
    #[serde(deserialize_with = "null_as_default")]
    volumes: Vec<PodVolume>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodVolume {
    persistent_volume_claim: Option<ClaimReference>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ClaimReference {
    claim_name: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ClaimSpec {
    volume_name: String,
}

fn null_as_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(value: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(value)?.unwrap_or_default())
}

impl PodFacts {
    /// Names of the claims its volumes use, in the pod's order.
    pub(super) fn claims(&self) -> impl Iterator<Item = &str> {
        self.spec
            .volumes
            .iter()
            .filter_map(|volume| volume.persistent_volume_claim.as_ref())
            .map(|claim| claim.claim_name.as_str())
            .filter(|name| !name.is_empty())
    }

    /// The PriorityClass it names.
    pub(super) fn priority_class(&self) -> Option<&str> {
        Some(self.spec.priority_class_name.as_str()).filter(|name| !name.is_empty())
    }

    /// Whether it was running when it was listed.
    pub(super) fn is_running(&self) -> bool {
        self.status.phase == "Running"
    }

    /// Its annotations.
    pub(super) fn annotations(&self) -> &BTreeMap<String, String> {
        &self.metadata.annotations
    }
}

impl ClaimFacts {
    /// The volume it is bound to.
    pub(super) fn bound_volume(&self) -> Option<&str> {
        let name = self.spec.volume_name.as_str();
        (self.status.phase == "Bound" && !name.is_empty()).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn a_pods_claims_are_those_of_its_volumes() {
        let pod: PodFacts = from_value(json!({
            "metadata": {"annotations": null},
            "spec": {"priorityClassName": "high", "volumes": [
                {"name": "a", "emptyDir": {}},
                {"name": "b", "persistentVolumeClaim": {"claimName": "data", "readOnly": true}},
                {"name": "c", "persistentVolumeClaim": {}},
            ]},
            "status": {"phase": "Running", "hostIP": "10.0.0.1"},
        }))
        .unwrap();
        assert_eq!(pod.claims().collect::<Vec<_>>(), ["data"]);
        assert_eq!(pod.priority_class(), Some("high"));
        assert!(pod.is_running());
    }

    #[test]
    fn absent_and_null_fields_are_defaults() {
        let pod: PodFacts = from_value(json!({"metadata": {}, "spec": {"volumes": null}})).unwrap();
        assert_eq!(pod.claims().count(), 0);
        assert_eq!(pod.priority_class(), None);
        assert!(!pod.is_running());
    }

    #[test]
    fn only_a_bound_claim_has_a_volume() {
        for (phase, volume, bound) in [
            ("Bound", "v", Some("v")),
            ("Bound", "", None),
            ("Pending", "v", None),
            ("Lost", "v", None),
        ] {
            let claim: ClaimFacts =
                from_value(json!({"spec": {"volumeName": volume}, "status": {"phase": phase}})).unwrap();
            assert_eq!(claim.bound_volume(), bound, "{phase} {volume}");
        }
    }
}
