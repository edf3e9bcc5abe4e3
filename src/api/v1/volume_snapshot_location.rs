//! VolumeSnapshotLocation (spec api 6.5).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::SecretKeySelector;
use crate::api::root::custom_resource;
use crate::api::v1::LocationPhase;
use crate::api::wire::{Other, nil, unset};

custom_resource! {
    /// A provider's location of native volume snapshots.
    VolumeSnapshotLocation {
        version: "v1",
        plural: "volumesnapshotlocations",
        short_names: &["vsl"],
        columns: &[],
        spec: VolumeSnapshotLocationSpec,
        status: VolumeSnapshotLocationStatus,
    }
}

/// The provider of the snapshots, and its settings.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["provider"]))]
pub struct VolumeSnapshotLocationSpec {
    /// The snapshots' provider; a name without a slash means one of velero.io.
    pub provider: String,
    /// Settings for the provider.
    #[serde(skip_serializing_if = "unset")]
    pub config: BTreeMap<String, String>,
    /// The Secret's key with the credentials; the server's own when unset. Since 1.10.
    #[serde(skip_serializing_if = "unset")]
    pub credential: Option<SecretKeySelector>,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

/// The state of the location.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeSnapshotLocationStatus {
    /// Whether the location can be used. Upstream never writes it.
    #[serde(skip_serializing_if = "unset")]
    pub phase: Option<LocationPhase>,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}
