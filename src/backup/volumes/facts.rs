//! The fields of pods and volumes that decide about their data.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::api::wire::nil;
use crate::select::resource_policies::{ClaimTraits, CsiTraits, NfsTraits, VolumeTraits, VolumeType};

/// A pod with its volumes.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PodVolumes {
    #[serde(deserialize_with = "nil")]
    metadata: Metadata,
    #[serde(deserialize_with = "nil")]
    spec: PodSpec,
    #[serde(deserialize_with = "nil")]
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    #[serde(deserialize_with = "nil")]
    annotations: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    #[serde(deserialize_with = "nil")]
    phase: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PodSpec {
    #[serde(deserialize_with = "nil")]
    volumes: Vec<PodVolume>,
    // Init containers do not count: they have ended, and their mounts with them.
    #[serde(deserialize_with = "nil")]
    containers: Vec<Container>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Container {
    #[serde(deserialize_with = "nil")]
    volume_mounts: Vec<Named>,
    #[serde(deserialize_with = "nil")]
    volume_devices: Vec<Named>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Named {
    #[serde(deserialize_with = "nil")]
    name: String,
}

/// A volume of a pod.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PodVolume {
    #[serde(deserialize_with = "nil")]
    pub(super) name: String,
    persistent_volume_claim: Option<ClaimReference>,
    nfs: Option<Nfs>,
    csi: Option<Csi>,
    /// The other types of volumes, each known by the name of its field alone.
    #[serde(flatten)]
    fields: BTreeMap<String, Option<IgnoredAny>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ClaimReference {
    #[serde(deserialize_with = "nil")]
    claim_name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Nfs {
    #[serde(deserialize_with = "nil")]
    server: String,
    #[serde(deserialize_with = "nil")]
    path: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Csi {
    #[serde(deserialize_with = "nil")]
    driver: String,
    #[serde(deserialize_with = "nil")]
    volume_attributes: BTreeMap<String, String>,
}

/// A PersistentVolume.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct VolumeObject {
    #[serde(deserialize_with = "nil")]
    spec: VolumeSpec,
    #[serde(deserialize_with = "nil")]
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct VolumeSpec {
    #[serde(deserialize_with = "nil")]
    capacity: BTreeMap<String, String>,
    #[serde(deserialize_with = "nil")]
    storage_class_name: String,
    #[serde(deserialize_with = "nil")]
    persistent_volume_reclaim_policy: String,
    claim_ref: Option<ObjectReference>,
    nfs: Option<Nfs>,
    csi: Option<Csi>,
    #[serde(flatten)]
    fields: BTreeMap<String, Option<IgnoredAny>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ObjectReference {
    #[serde(deserialize_with = "nil")]
    namespace: String,
    #[serde(deserialize_with = "nil")]
    name: String,
}

/// How a pod's containers use a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Some container mounts it.
    Mounted,
    /// Some container uses it as a block device.
    Device,
    /// No container uses it.
    Unused,
}

impl PodVolumes {
    pub(super) fn volumes(&self) -> &[PodVolume] {
        &self.spec.volumes
    }

    pub(super) fn is_running(&self) -> bool {
        self.status.phase == "Running"
    }

    /// The names in an annotation: separated by commas, taken as written, spaces included.
    pub(super) fn names_in(&self, annotation: &str) -> impl Iterator<Item = &str> {
        let names = self.metadata.annotations.get(annotation);
        names
            .into_iter()
            .flat_map(|names| names.split(','))
            .filter(|name| !name.is_empty())
    }

    pub(super) fn use_of(&self, volume: &str) -> Use {
        let containers = &self.spec.containers;
        let is_in = |names: &[Named]| names.iter().any(|named| named.name == volume);
        if containers.iter().any(|container| is_in(&container.volume_devices)) {
            Use::Device
        } else if containers.iter().any(|container| is_in(&container.volume_mounts)) {
            Use::Mounted
        } else {
            Use::Unused
        }
    }
}

impl PodVolume {
    /// The claim of the volume.
    pub(super) fn claim(&self) -> Option<&str> {
        let claim = self.persistent_volume_claim.as_ref()?;
        Some(claim.claim_name.as_str()).filter(|name| !name.is_empty())
    }

    /// The type; none for a claim.
    pub(super) fn volume_type(&self) -> Option<VolumeType> {
        volume_type(self.nfs.as_ref(), self.csi.as_ref(), &self.fields)
    }

    /// The properties for policies, if there is no PersistentVolume behind it.
    pub(super) fn traits<'a>(&'a self, claim: Option<ClaimTraits<'a>>) -> VolumeTraits<'a> {
        VolumeTraits {
            nfs: self.nfs.as_ref().map(Nfs::traits),
            csi: self.csi.as_ref().map(Csi::traits),
            volume_type: self.volume_type(),
            claim,
            ..VolumeTraits::default()
        }
    }
}

impl VolumeObject {
    /// Namespace and name of the claim it belongs to.
    pub(super) fn claim(&self) -> Option<(&str, &str)> {
        let claim = self.spec.claim_ref.as_ref()?;
        Some((claim.namespace.as_str(), claim.name.as_str()))
    }

    /// Whether its claim was deleted: a newer claim may have that name.
    pub(super) fn is_released(&self) -> bool {
        self.status.phase == "Released"
    }

    /// `Retain`, `Delete`, `Recycle`.
    pub(super) fn reclaim_policy(&self) -> &str {
        &self.spec.persistent_volume_reclaim_policy
    }

    pub(super) fn is_host_path(&self) -> bool {
        self.volume_type().is_some_and(|found| found.as_str() == "hostPath")
    }

    fn volume_type(&self) -> Option<VolumeType> {
        let spec = &self.spec;
        volume_type(spec.nfs.as_ref(), spec.csi.as_ref(), &spec.fields)
    }

    /// The properties for policies.
    pub(super) fn traits<'a>(&'a self, claim: Option<ClaimTraits<'a>>) -> VolumeTraits<'a> {
        let spec = &self.spec;
        let capacity = spec.capacity.get("storage").map(|size| size.parse());
        VolumeTraits {
            // The API server refuses a value that is not a quantity.
            capacity: capacity.and_then(Result::ok).unwrap_or_default(),
            storage_class: &spec.storage_class_name,
            nfs: spec.nfs.as_ref().map(Nfs::traits),
            csi: spec.csi.as_ref().map(Csi::traits),
            volume_type: self.volume_type(),
            claim,
        }
    }
}

impl Nfs {
    fn traits(&self) -> NfsTraits<'_> {
        NfsTraits {
            server: &self.server,
            path: &self.path,
        }
    }
}

impl Csi {
    fn traits(&self) -> CsiTraits<'_> {
        CsiTraits {
            driver: &self.driver,
            attributes: &self.volume_attributes,
        }
    }
}

fn volume_type(
    nfs: Option<&Nfs>,
    csi: Option<&Csi>,
    fields: &BTreeMap<String, Option<IgnoredAny>>,
) -> Option<VolumeType> {
    let present = fields
        .iter()
        .filter(|(_, value)| value.is_some())
        .map(|(field, _)| field.as_str());
    nfs.map(|_| "nfs")
        .into_iter()
        .chain(csi.map(|_| "csi"))
        .chain(present)
        .find_map(VolumeType::of_field)
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn a_pods_volume_is_known_by_the_field_that_makes_it_one() {
        let table = [
            (json!({"name": "a", "emptyDir": {}}), Some("emptyDir"), None),
            (
                json!({"name": "a", "nfs": {"server": "s", "path": "/p"}}),
                Some("nfs"),
                None,
            ),
            (json!({"name": "a", "csi": {"driver": "d"}}), Some("csi"), None),
            (json!({"name": "a", "storageos": {}}), Some("storageOS"), None),
            (
                json!({"name": "a", "persistentVolumeClaim": {"claimName": "c"}}),
                None,
                Some("c"),
            ),
            (
                json!({"name": "a", "persistentVolumeClaim": {"claimName": ""}}),
                None,
                None,
            ),
            (json!({"name": "a", "fromTheFuture": {}, "emptyDir": null}), None, None),
        ];
        for (volume, found, claim) in table {
            let read: PodVolume = from_value(volume.clone()).unwrap();
            assert_eq!(read.volume_type().map(VolumeType::as_str), found, "{volume}");
            assert_eq!(read.claim(), claim, "{volume}");
        }
    }

    #[test]
    fn policies_get_the_properties_that_conditions_need() {
        let labels = BTreeMap::new();
        let claim = ClaimTraits {
            labels: &labels,
            phase: "Bound",
        };
        let volume: VolumeObject = from_value(json!({
            "spec": {"capacity": {"storage": "5Gi"}, "storageClassName": "fast", "accessModes": ["ReadWriteOnce"],
                     "claimRef": {"namespace": "shop", "name": "data"}, "persistentVolumeReclaimPolicy": "Delete",
                     "csi": {"driver": "d", "volumeHandle": "h", "volumeAttributes": {"a": "b"}}},
            "status": {"phase": "Bound"},
        }))
        .unwrap();
        let traits = volume.traits(Some(claim));
        assert_eq!(traits.capacity, "5Gi".parse().unwrap());
        assert_eq!(
            (traits.storage_class, traits.nfs, traits.claim),
            ("fast", None, Some(claim))
        );
        let csi = traits.csi.unwrap();
        assert_eq!((csi.driver, csi.attributes["a"].as_str()), ("d", "b"));
        assert_eq!(traits.volume_type.map(VolumeType::as_str), Some("csi"));
        assert_eq!(volume.claim(), Some(("shop", "data")));
        assert!(!volume.is_host_path() && !volume.is_released());
    }

    #[test]
    fn a_volume_object_without_anything_is_read_too() {
        let volume: VolumeObject = from_value(json!({"spec": {"hostPath": {"path": "/x"}, "capacity": null}})).unwrap();
        assert!(volume.is_host_path());
        assert_eq!(volume.claim(), None);
        assert_eq!(
            from_value::<VolumeObject>(json!({})).unwrap().traits(None),
            VolumeTraits::default()
        );
    }

    #[test]
    fn only_running_containers_use_a_volume() {
        let pod: PodVolumes = from_value(json!({"spec": {
            "initContainers": [{"name": "i", "volumeMounts": [{"name": "early"}]}],
            "containers": [{"name": "a"}, {"name": "b", "volumeMounts": [{"name": "data", "mountPath": "/d"}],
                            "volumeDevices": [{"name": "disk", "devicePath": "/dev/x"}]}]}}))
        .unwrap();
        let found = ["data", "disk", "early"].map(|volume| pod.use_of(volume));
        assert_eq!(found, [Use::Mounted, Use::Device, Use::Unused]);
    }
}
