//! BackupStorageLocation (spec api 6.4).

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::root::custom_resource;
use crate::api::schema::{Bytes, Column};
use crate::api::text_enum::text_enum;
use crate::api::wire::{Other, nil, unset};
use crate::api::{Condition, GoDuration, SecretKeySelector, Time};

custom_resource! {
    /// A bucket, or a part of one, where backups are stored.
    BackupStorageLocation {
        version: "v1",
        plural: "backupstoragelocations",
        short_names: &["bsl"],
        columns: &[
            Column::string("Phase", ".status.phase").described("Whether the location can be used"),
            Column::date("Last Validated", ".status.lastValidationTime").described("When the location was last looked at"),
            Column::AGE,
            Column::boolean("Default", ".spec.default").described("Whether backups go here that name no location"),
        ],
        spec: BackupStorageLocationSpec,
        status: BackupStorageLocationStatus,
    }
}

text_enum! {
    /// Whether a location can be used. Absent means never validated, and counts as unavailable.
    pub enum LocationPhase {
        /// It can be used.
        Available = "Available",
        /// It cannot be used; `message` has the reason.
        Unavailable = "Unavailable",
    }
}

text_enum! {
    /// The permitted access to a location. Absent means ReadWrite.
    pub enum AccessMode {
        /// Restores only.
        ReadOnly = "ReadOnly",
        /// Backups and restores.
        ReadWrite = "ReadWrite",
    }
}

/// Where the location is and how to reach it.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["objectStorage", "provider"]))]
pub struct BackupStorageLocationSpec {
    /// The object store's provider, such as aws or velero.io/fs; a name without a slash means one of velero.io.
    pub provider: String,
    /// Settings for the provider.
    #[serde(skip_serializing_if = "unset")]
    pub config: BTreeMap<String, String>,
    /// The Secret's key with the credentials; the server's own when unset.
    #[serde(skip_serializing_if = "unset")]
    pub credential: Option<SecretKeySelector>,
    // Go writes the unset pointer as `null`.
    /// The bucket.
    pub object_storage: Option<ObjectStorage>,
    /// Whether this is the location of backups that set none; at most one location is the default.
    #[serde(skip_serializing_if = "unset")]
    pub default: bool,
    /// The permitted access; ReadWrite when unset.
    #[serde(skip_serializing_if = "unset")]
    pub access_mode: Option<AccessMode>,
    /// How often to look for backups of other clusters; the server's default when unset, never when zero.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub backup_sync_period: Option<GoDuration>,
    /// How often to check the location; the server's default when unset, only once when zero.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub validation_frequency: Option<GoDuration>,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

/// A bucket or a part of one.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["bucket"]))]
pub struct ObjectStorage {
    /// Name of the bucket.
    pub bucket: String,
    /// Prefix of all keys, without outer slashes.
    #[serde(skip_serializing_if = "unset")]
    pub prefix: String,
    /// Certificates to trust, PEM in base64. Superseded by caCertRef.
    #[serde(rename = "caCert", skip_serializing_if = "unset")]
    #[schemars(with = "Bytes")]
    pub ca_cert: Option<ByteString>,
    /// The Secret's key with certificates to trust. Not together with caCert. Since 1.18.
    #[serde(rename = "caCertRef", skip_serializing_if = "unset")]
    pub ca_cert_ref: Option<SecretKeySelector>,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

/// The state of the location.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupStorageLocationStatus {
    /// Whether the location can be used.
    #[serde(skip_serializing_if = "unset")]
    pub phase: Option<LocationPhase>,
    /// When backups of other clusters were last looked for.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub last_synced_time: Option<Time>,
    /// When the location was last checked.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub last_validation_time: Option<Time>,
    /// Why the location cannot be used. Since 1.9.
    #[serde(skip_serializing_if = "unset")]
    pub message: String,
    /// No longer written.
    #[serde(skip_serializing_if = "unset")]
    pub last_synced_revision: String,
    /// No longer written.
    #[serde(skip_serializing_if = "unset")]
    pub access_mode: Option<AccessMode>,
    /// Conditions of the object.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(schema_with = "crate::api::condition::list")]
    pub conditions: Vec<Condition>,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

impl BackupStorageLocation {
    /// True if the last validation succeeded. False for a location that was never validated.
    pub fn is_available(&self) -> bool {
        self.status.phase == Some(LocationPhase::Available)
    }

    /// True if nothing may be written.
    pub fn is_read_only(&self) -> bool {
        self.spec.access_mode == Some(AccessMode::ReadOnly)
    }
}
