//! Restore (spec api 6.2).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::root::custom_resource;
use crate::api::schema::Int;
use crate::api::text_enum::text_enum;
use crate::api::wire::{Other, nil, unset};
use crate::api::{Condition, GoDuration, HookStatus, LabelSelector, RestoreHooks, Time, TypedLocalObjectReference};

custom_resource! {
    /// The restore of a backup, or of a part of it, into this cluster.
    Restore {
        version: "v1",
        plural: "restores",
        short_names: &[],
        columns: &[],
        spec: RestoreSpec,
        status: RestoreStatus,
    }
}

text_enum! {
    /// The phase of a restore. Absent counts as New.
    pub enum RestorePhase {
        /// Not seen yet.
        New = "New",
        /// Refused; `validationErrors` has the reasons, and nothing was changed.
        FailedValidation = "FailedValidation",
        /// Items are being restored.
        InProgress = "InProgress",
        /// Items are restored, asynchronous operations run. Since 1.11.
        WaitingForPluginOperations = "WaitingForPluginOperations",
        /// As before, and something has failed already. Since 1.11.
        WaitingForPluginOperationsPartiallyFailed = "WaitingForPluginOperationsPartiallyFailed",
        /// Done without errors.
        Completed = "Completed",
        /// Done with at least one error.
        PartiallyFailed = "PartiallyFailed",
        /// Could not be run.
        Failed = "Failed",
        /// All operations have ended; volumes are patched and hooks waited for. Since 1.14.
        Finalizing = "Finalizing",
        /// As before, and something has failed already. Since 1.14.
        FinalizingPartiallyFailed = "FinalizingPartiallyFailed",
    }
}

impl RestorePhase {
    /// True when the restore is over.
    pub fn is_terminal(&self) -> bool {
        matches!(
            self,
            Self::FailedValidation | Self::Completed | Self::PartiallyFailed | Self::Failed
        )
    }

    /// True while asynchronous operations run.
    pub fn is_waiting_for_operations(&self) -> bool {
        matches!(
            self,
            Self::WaitingForPluginOperations | Self::WaitingForPluginOperationsPartiallyFailed
        )
    }

    /// True between the end of the operations and the terminal phase.
    pub fn is_finalizing(&self) -> bool {
        matches!(self, Self::Finalizing | Self::FinalizingPartiallyFailed)
    }
}

/// What to restore, from where and to where.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RestoreSpec {
    /// The backup to restore from. Give this or scheduleName; afterwards both may be set.
    #[serde(skip_serializing_if = "unset")]
    pub backup_name: String,
    /// Restore from the newest completed backup of this schedule.
    #[serde(skip_serializing_if = "unset")]
    pub schedule_name: String,
    /// Namespaces of the backup to restore; empty means all.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub included_namespaces: Vec<String>,
    /// Namespaces of the backup not to restore.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub excluded_namespaces: Vec<String>,
    /// Resources to restore; empty means all.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub included_resources: Vec<String>,
    /// Resources not to restore.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub excluded_resources: Vec<String>,
    /// Restores a namespace of the backup under another name.
    #[serde(skip_serializing_if = "unset")]
    pub namespace_mapping: BTreeMap<String, String>,
    /// Labels that items must have. Not together with orLabelSelectors.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub label_selector: Option<LabelSelector>,
    /// Items must match at least one of these. Since 1.9.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub or_label_selectors: Vec<LabelSelector>,
    /// Whether to restore persistent volumes from snapshots; unset means where snapshots exist.
    #[serde(rename = "restorePVs", skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub restore_pvs: Option<bool>,
    /// Resources to restore with their status; unset means none. Since 1.9.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub restore_status: Option<RestoreStatusSpec>,
    /// Whether services keep their node ports; unset means no.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub preserve_node_ports: Option<bool>,
    /// Whether to restore cluster-scoped resources; unset means as needed.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub include_cluster_resources: Option<bool>,
    /// Commands to run in restored pods.
    pub hooks: RestoreHooks,
    /// What to do with objects that exist: none keeps them, update patches them. Since 1.9.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub existing_resource_policy: String,
    /// How long asynchronous operations may take; 4h when zero. Since 1.11.
    pub item_operation_timeout: GoDuration,
    /// The ConfigMap with the rules that change resources. Since 1.12.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub resource_modifier: Option<TypedLocalObjectReference>,
    /// Settings for the restore of volume data. Since 1.13.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub uploader_config: Option<RestoreUploaderConfig>,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

/// Resources to restore with their status.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RestoreStatusSpec {
    /// Resources to restore with their status; `*` means all.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub included_resources: Vec<String>,
    /// Resources to restore without their status.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub excluded_resources: Vec<String>,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

/// Settings for the restore of volume data.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RestoreUploaderConfig {
    /// Whether sparse files are written sparse.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub write_sparse_files: Option<bool>,
    /// How many files to write at a time; the uploader's choice when zero. Since 1.14.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(with = "Int")]
    pub parallel_files_download: i64,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

/// The state of a restore.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RestoreStatus {
    /// The phase of the restore.
    #[serde(skip_serializing_if = "unset")]
    pub phase: Option<RestorePhase>,
    /// Why the restore was refused.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub validation_errors: Vec<String>,
    /// Number of warnings in the results.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(with = "Int")]
    pub warnings: i64,
    /// Number of errors in the results.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(with = "Int")]
    pub errors: i64,
    /// Why the restore failed as a whole.
    #[serde(skip_serializing_if = "unset")]
    pub failure_reason: String,
    /// When the run began.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub start_timestamp: Option<Time>,
    /// When the restore ended.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub completion_timestamp: Option<Time>,
    /// Counts of the items.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub progress: Option<RestoreProgress>,
    /// Asynchronous operations started. Since 1.11.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(with = "Int")]
    pub restore_item_operations_attempted: i64,
    /// Asynchronous operations that succeeded. Since 1.11.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(with = "Int")]
    pub restore_item_operations_completed: i64,
    /// Asynchronous operations that failed. Since 1.11.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(with = "Int")]
    pub restore_item_operations_failed: i64,
    /// How many hooks were run. Since 1.13.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub hook_status: Option<HookStatus>,
    /// Conditions of the object.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(schema_with = "crate::api::condition::list")]
    pub conditions: Vec<Condition>,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

impl RestoreStatus {
    /// The phase; an absent one is New.
    pub fn phase(&self) -> &RestorePhase {
        self.phase.as_ref().unwrap_or(&RestorePhase::New)
    }
}

/// Counts of the items of a restore.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RestoreProgress {
    /// Items to be restored; can grow while the restore runs.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(with = "Int")]
    pub total_items: i64,
    /// Items restored so far.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(with = "Int")]
    pub items_restored: i64,
}
