//! DeleteBackupRequest (spec api 6.7).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::Condition;
use crate::api::root::custom_resource;
use crate::api::schema::Column;
use crate::api::text_enum::text_enum;
use crate::api::wire::{Other, nil, unset};

custom_resource! {
    /// Requests the deletion of a backup with its restores, files and snapshots.
    DeleteBackupRequest {
        version: "v1",
        plural: "deletebackuprequests",
        short_names: &[],
        columns: &[
            Column::string("BackupName", ".spec.backupName").described("The backup to delete"),
            Column::string("Status", ".status.phase").described("How far the deletion is"),
        ],
        spec: DeleteBackupRequestSpec,
        status: DeleteBackupRequestStatus,
    }
}

text_enum! {
    /// The phase of a deletion. Absent counts as New.
    pub enum DeleteBackupRequestPhase {
        /// Not seen yet.
        New = "New",
        /// The deletion is running.
        InProgress = "InProgress",
        /// Done; `errors` lists what could not be deleted.
        Processed = "Processed",
    }
}

/// What to delete.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["backupName"]))]
pub struct DeleteBackupRequestSpec {
    /// Name of the backup.
    pub backup_name: String,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

/// The result.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DeleteBackupRequestStatus {
    /// The phase of the deletion.
    #[serde(skip_serializing_if = "unset")]
    pub phase: Option<DeleteBackupRequestPhase>,
    /// What could not be deleted; empty means success.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub errors: Vec<String>,
    /// Conditions of the object.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(schema_with = "crate::api::condition::list")]
    pub conditions: Vec<Condition>,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

impl DeleteBackupRequestStatus {
    /// The phase; an absent one is New.
    pub fn phase(&self) -> &DeleteBackupRequestPhase {
        self.phase.as_ref().unwrap_or(&DeleteBackupRequestPhase::New)
    }
}
