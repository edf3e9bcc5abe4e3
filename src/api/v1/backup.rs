//! Backup (spec api 6.1).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::root::custom_resource;
use crate::api::schema::Int;
use crate::api::text_enum::text_enum;
use crate::api::wire::{Other, nil, unset};
use crate::api::{BackupHooks, Condition, GoDuration, HookStatus, LabelSelector, Time, TypedLocalObjectReference};

custom_resource! {
    /// A backup of a cluster, or of a part of it: this object and files in the object store.
    Backup {
        version: "v1",
        plural: "backups",
        short_names: &[],
        columns: &[],
        spec: BackupSpec,
        status: BackupStatus,
    }
}

text_enum! {
    /// The phase of a backup. Absent counts as New.
    pub enum BackupPhase {
        /// Not seen yet.
        New = "New",
        /// Waits for its turn. Since 1.18.
        Queued = "Queued",
        /// Released by the queue, about to run. Since 1.18.
        ReadyToStart = "ReadyToStart",
        /// Refused; `validationErrors` has the reasons, and nothing was stored.
        FailedValidation = "FailedValidation",
        /// Items are being collected.
        InProgress = "InProgress",
        /// The archive is stored, asynchronous operations run. Since 1.11.
        WaitingForPluginOperations = "WaitingForPluginOperations",
        /// As before, and something has failed already. Since 1.11.
        WaitingForPluginOperationsPartiallyFailed = "WaitingForPluginOperationsPartiallyFailed",
        /// All operations have ended; what they changed is collected again. Since 1.11.
        Finalizing = "Finalizing",
        /// As before, and something has failed already. Since 1.11.
        FinalizingPartiallyFailed = "FinalizingPartiallyFailed",
        /// Done without errors.
        Completed = "Completed",
        /// Done with at least one error.
        PartiallyFailed = "PartiallyFailed",
        /// Could not be run or stored.
        Failed = "Failed",
        /// A DeleteBackupRequest deletes it. The phase is final.
        Deleting = "Deleting",
    }
}

impl BackupPhase {
    /// True when the run is over. Deleting does not count: it follows a terminal phase.
    pub fn is_terminal(&self) -> bool {
        matches!(
            self,
            Self::FailedValidation | Self::Completed | Self::PartiallyFailed | Self::Failed
        )
    }

    /// True when the backup exists in the store and was not refused, so that it can be restored.
    pub fn is_restorable(&self) -> bool {
        matches!(self, Self::Completed | Self::PartiallyFailed)
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

/// What to back up, and how.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupSpec {
    /// Labels for the backups of a schedule. Since 1.7.
    pub metadata: BackupMetadata,
    /// Namespaces to back up, with `*`, `?` and `[..]` as wildcards; empty means all.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub included_namespaces: Vec<String>,
    /// Namespaces not to back up.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub excluded_namespaces: Vec<String>,
    /// Resources to back up; empty means all. Not together with the lists by scope.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub included_resources: Vec<String>,
    /// Resources not to back up. Not together with the lists by scope.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub excluded_resources: Vec<String>,
    /// Cluster-scoped resources to back up; empty means those that included items refer to. Since 1.11.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub included_cluster_scoped_resources: Vec<String>,
    /// Cluster-scoped resources not to back up; `*` means none. Since 1.11.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub excluded_cluster_scoped_resources: Vec<String>,
    /// Namespaced resources to back up; empty means all. Since 1.11.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub included_namespace_scoped_resources: Vec<String>,
    /// Namespaced resources not to back up; `*` means none. Since 1.11.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub excluded_namespace_scoped_resources: Vec<String>,
    /// Labels that items must have. Not together with orLabelSelectors.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub label_selector: Option<LabelSelector>,
    /// Items must match at least one of these. Since 1.9.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub or_label_selectors: Vec<LabelSelector>,
    /// Whether to snapshot volumes; unset means where a snapshotter exists.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub snapshot_volumes: Option<bool>,
    /// How long to keep the backup; the server's default when zero.
    pub ttl: GoDuration,
    /// Key of the label by which claims are grouped for snapshots of whole groups. Since 1.17.
    #[serde(skip_serializing_if = "unset")]
    pub volume_group_snapshot_label_key: String,
    /// Whether to back up cluster-scoped resources; unset means those that included items refer to.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub include_cluster_resources: Option<bool>,
    /// Commands to run in pods before and after their backup.
    pub hooks: BackupHooks,
    /// The BackupStorageLocation to store to; the default one when unset.
    #[serde(skip_serializing_if = "unset")]
    pub storage_location: String,
    /// The VolumeSnapshotLocations to use, at most one a provider.
    #[serde(skip_serializing_if = "unset")]
    pub volume_snapshot_locations: Vec<String>,
    /// Older name of defaultVolumesToFsBackup. Superseded in 1.10.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub default_volumes_to_restic: Option<bool>,
    /// Whether to back up the files of all pod volumes that are not excluded. Since 1.10.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub default_volumes_to_fs_backup: Option<bool>,
    /// For a resource, the items to back up first: `namespace/name` or `name`, separated by commas.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub ordered_resources: BTreeMap<String, String>,
    /// How long to wait for a CSI snapshot to be taken; 10m when zero. Since 1.10.
    pub csi_snapshot_timeout: GoDuration,
    /// How long asynchronous operations may take; 4h when zero. Since 1.11.
    pub item_operation_timeout: GoDuration,
    /// The ConfigMap with the resource policies. Since 1.11.
    #[serde(skip_serializing_if = "unset")]
    pub resource_policy: Option<TypedLocalObjectReference>,
    /// Whether to move the data of snapshots to the object store. Since 1.12.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub snapshot_move_data: Option<bool>,
    /// The data mover; unset or velero means the built-in one. Since 1.12.
    #[serde(rename = "datamover", skip_serializing_if = "unset")]
    pub data_mover: String,
    /// Settings for the upload of volume data. Since 1.13.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub uploader_config: Option<BackupUploaderConfig>,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

/// Metadata for the backups of a schedule.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupMetadata {
    /// Labels of each backup.
    #[serde(skip_serializing_if = "unset")]
    pub labels: BTreeMap<String, String>,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

/// Settings for the upload of volume data.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupUploaderConfig {
    /// How many files to upload at a time; the number of processors when zero.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(with = "Int")]
    pub parallel_files_upload: i64,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

/// The state of a backup.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupStatus {
    /// Major version of the archive's format; superseded by formatVersion.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(with = "Int")]
    pub version: i64,
    /// Version of the archive's format.
    #[serde(skip_serializing_if = "unset")]
    pub format_version: String,
    /// When the backup expires. This, not spec.ttl, decides.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub expiration: Option<Time>,
    /// The phase of the backup.
    #[serde(skip_serializing_if = "unset")]
    pub phase: Option<BackupPhase>,
    /// Place in the queue, from 1; zero when not queued. Since 1.18.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(with = "Int")]
    pub queue_position: i64,
    /// Why the backup was refused.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub validation_errors: Vec<String>,
    /// When the run began.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub start_timestamp: Option<Time>,
    /// When the backup ended.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub completion_timestamp: Option<Time>,
    /// Native volume snapshots tried.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(with = "Int")]
    pub volume_snapshots_attempted: i64,
    /// Native volume snapshots taken.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(with = "Int")]
    pub volume_snapshots_completed: i64,
    /// Why the backup failed as a whole. Since 1.9.
    #[serde(skip_serializing_if = "unset")]
    pub failure_reason: String,
    /// Number of warnings in the log.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(with = "Int")]
    pub warnings: i64,
    /// Number of errors in the log.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(with = "Int")]
    pub errors: i64,
    /// How many items were found and backed up.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub progress: Option<BackupProgress>,
    /// CSI snapshots tried. Since 1.9.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(with = "Int")]
    pub csi_volume_snapshots_attempted: i64,
    /// CSI snapshots taken. Since 1.9.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(with = "Int")]
    pub csi_volume_snapshots_completed: i64,
    /// Asynchronous operations started. Since 1.11.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(with = "Int")]
    pub backup_item_operations_attempted: i64,
    /// Asynchronous operations that succeeded. Since 1.11.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(with = "Int")]
    pub backup_item_operations_completed: i64,
    /// Asynchronous operations that failed. Since 1.11.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(with = "Int")]
    pub backup_item_operations_failed: i64,
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

impl BackupStatus {
    /// The phase; an absent one is New.
    pub fn phase(&self) -> &BackupPhase {
        self.phase.as_ref().unwrap_or(&BackupPhase::New)
    }
}

/// Counts of the items of a backup.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupProgress {
    /// Items found so far; can grow while the backup runs.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(with = "Int")]
    pub total_items: i64,
    /// Items stored so far.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(with = "Int")]
    pub items_backed_up: i64,
}
