//! BackupRepository (spec api 6.11); ResticRepository before 1.10.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::root::custom_resource;
use crate::api::schema::Column;
use crate::api::text_enum::text_enum;
use crate::api::wire::{Other, nil, unset};
use crate::api::{GoDuration, RepositoryType, Time};

custom_resource! {
    /// A repository of volume data: one for each namespace, location and type.
    BackupRepository {
        version: "v1",
        plural: "backuprepositories",
        short_names: &[],
        columns: &[
            Column::AGE,
            Column::string("Repository Type", ".spec.repositoryType"),
        ],
        spec: BackupRepositorySpec,
        status: BackupRepositoryStatus,
    }
}

text_enum! {
    /// Whether a repository can be used. Absent counts as New.
    pub enum BackupRepositoryPhase {
        /// Not seen yet.
        New = "New",
        /// It can be used.
        Ready = "Ready",
        /// It cannot be used; `message` has the reason. It is checked again.
        NotReady = "NotReady",
    }
}

text_enum! {
    /// How a maintenance ended.
    pub enum MaintenanceResult {
        /// Successfully.
        Succeeded = "Succeeded",
        /// With an error.
        Failed = "Failed",
    }
}

/// The repository and its maintenance.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["backupStorageLocation", "maintenanceFrequency", "volumeNamespace"]))]
pub struct BackupRepositorySpec {
    /// The namespace the volumes are in.
    pub volume_namespace: String,
    /// The BackupStorageLocation it is in.
    pub backup_storage_location: String,
    /// Its format; empty means restic. Since 1.10.
    pub repository_type: RepositoryType,
    /// Its address in restic's form.
    #[serde(skip_serializing_if = "unset")]
    pub restic_identifier: String,
    /// How often to do maintenance; filled in when zero.
    pub maintenance_frequency: GoDuration,
    /// Settings of the format. Since 1.15.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub repository_config: BTreeMap<String, String>,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

/// The state of a repository.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupRepositoryStatus {
    /// Whether it can be used.
    #[serde(skip_serializing_if = "unset")]
    pub phase: Option<BackupRepositoryPhase>,
    /// Why it cannot be used.
    #[serde(skip_serializing_if = "unset")]
    pub message: String,
    /// When maintenance was last done.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub last_maintenance_time: Option<Time>,
    /// The newest maintenances. Since 1.16.
    #[serde(skip_serializing_if = "unset")]
    pub recent_maintenance: Vec<Maintenance>,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

impl BackupRepositoryStatus {
    /// The phase; an absent one is New.
    pub fn phase(&self) -> &BackupRepositoryPhase {
        self.phase.as_ref().unwrap_or(&BackupRepositoryPhase::New)
    }
}

/// One maintenance.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Maintenance {
    /// How it ended.
    #[serde(skip_serializing_if = "unset")]
    pub result: Option<MaintenanceResult>,
    /// When it began.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub start_timestamp: Option<Time>,
    /// When it ended.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub complete_timestamp: Option<Time>,
    /// What went wrong.
    #[serde(skip_serializing_if = "unset")]
    pub message: String,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}
