//! The properties of volumes that conditions use.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use super::word;
use crate::api::Quantity;

/// The properties of a PersistentVolume with its claim, or of a pod's volume without one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct VolumeTraits<'a> {
    /// Its size; zero for a pod's own volume.
    pub capacity: Quantity,
    /// Its class; empty for none.
    pub storage_class: &'a str,
    /// Of an NFS volume.
    pub nfs: Option<NfsTraits<'a>>,
    /// Of a CSI volume.
    pub csi: Option<CsiTraits<'a>>,
    /// What it is; `None` for types of newer releases.
    pub volume_type: Option<VolumeType>,
    /// The claim it is used through.
    pub claim: Option<ClaimTraits<'a>>,
}

/// The place of an NFS volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NfsTraits<'a> {
    /// The host.
    pub server: &'a str,
    /// The share.
    pub path: &'a str,
}

/// The driver of a CSI volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CsiTraits<'a> {
    /// The driver.
    pub driver: &'a str,
    /// The attributes for the driver.
    pub attributes: &'a BTreeMap<String, String>,
}

/// Of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimTraits<'a> {
    /// Its labels.
    pub labels: &'a BTreeMap<String, String>,
    /// `Pending`, `Bound`, `Lost`.
    pub phase: &'a str,
}

/// The types of volumes, by the field of a PersistentVolume or of a pod's volume; and one without such a field that upstream
/// has too.
const TYPES: [&str; 30] = [
    "awsAzureDisk",
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "gitRepo",
    "glusterfs",
    "hostPath",
    "iscsi",
    "local",
    "nfs",
    "photonPersistentDisk",
    "portworxVolume",
    "projected",
    "quobyte",
    "rbd",
    "scaleIO",
    "secret",
    "storageOS",
    "vsphereVolume",
];

/// The one type with another spelling of its field.
const STORAGE_OS: (&str, &str) = ("storageos", "storageOS");

/// A type of volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VolumeType(&'static str);

impl VolumeType {
    /// The type of the volume that has this field (`emptyDir`, `csi`).
    pub fn of_field(field: &str) -> Option<Self> {
        let name = if field == STORAGE_OS.0 { STORAGE_OS.1 } else { field };
        Self::named(name)
    }

    fn named(name: &str) -> Option<Self> {
        TYPES.into_iter().find(|known| *known == name).map(Self)
    }

    /// The name in policies.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl<'de> Deserialize<'de> for VolumeType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word(deserializer, |text| {
            Self::named(text)
                .ok_or_else(|| format!("unknown volume type {text:?}, expected one of {}", TYPES.join(", ")))
        })
    }
}
