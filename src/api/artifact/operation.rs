//! Asynchronous operations of item actions. Since 1.11.

use serde::{Deserialize, Serialize};

use crate::api::Time;
use crate::api::text_enum::text_enum;
use crate::api::wire::{Other, nil, unset};

/// An operation a backup waits for.
pub type BackupItemOperation = ItemOperation<BackupOperationSpec>;
/// An operation a restore waits for.
pub type RestoreItemOperation = ItemOperation<RestoreOperationSpec>;

/// Work that an item action has started and that continues after the item was stored or restored.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, bound(deserialize = "Spec: Default + Deserialize<'de>"))]
pub struct ItemOperation<Spec> {
    /// The action and the item.
    pub spec: Spec,
    /// The progress.
    pub status: OperationStatus,
}

/// Which action of a backup works on which item.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupOperationSpec {
    /// Name of the backup.
    pub backup_name: String,
    /// UID of the backup.
    #[serde(rename = "backupUID")]
    pub backup_uid: String,
    /// The action that started it, with its domain.
    pub backup_item_action: String,
    /// The item it works on.
    pub resource_identifier: ResourceIdentifier,
    /// The action's id of the operation; also a label value.
    #[serde(rename = "operationID")]
    pub operation_id: String,
    /// Items to collect again once it has ended; Go distinguishes `null` and `[]`.
    pub post_operation_items: Option<Vec<ResourceIdentifier>>,
    /// Fields of newer releases.
    #[serde(flatten)]
    pub other: Other,
}

/// Which action of a restore works on which item.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RestoreOperationSpec {
    /// Name of the restore.
    pub restore_name: String,
    /// UID of the restore.
    #[serde(rename = "restoreUID")]
    pub restore_uid: String,
    /// The action that started it, with its domain.
    pub restore_item_action: String,
    /// The item it works on: its target namespace, and its name in the backup.
    pub resource_identifier: ResourceIdentifier,
    /// The action's id of the operation; also a label value.
    #[serde(rename = "operationID")]
    pub operation_id: String,
    /// Fields of newer releases.
    #[serde(flatten)]
    pub other: Other,
}

/// An item by its names. Capitalised on the wire.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ResourceIdentifier {
    /// API group; empty for the core group.
    #[serde(alias = "group")]
    pub group: String,
    /// Plural of the kind.
    #[serde(alias = "resource")]
    pub resource: String,
    /// Namespace; empty for cluster scope.
    #[serde(alias = "namespace")]
    pub namespace: String,
    /// Name.
    #[serde(alias = "name")]
    pub name: String,
}

text_enum! {
    /// How far an operation is.
    pub enum OperationPhase {
        /// Not known to have started.
        New = "New",
        /// Running.
        InProgress = "InProgress",
        /// Done.
        Completed = "Completed",
        /// Failed, timed out or was cancelled.
        Failed = "Failed",
    }
}

impl OperationPhase {
    /// True for a final phase.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}

/// How far an operation is.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OperationStatus {
    /// The phase; an absent one is New.
    #[serde(skip_serializing_if = "unset")]
    pub phase: Option<OperationPhase>,
    /// Why it failed.
    #[serde(skip_serializing_if = "unset")]
    pub error: String,
    /// Units done.
    #[serde(rename = "nCompleted", skip_serializing_if = "unset")]
    pub completed: i64,
    /// Units in all.
    #[serde(rename = "nTotal", skip_serializing_if = "unset")]
    pub total: i64,
    /// What is counted, such as Bytes.
    #[serde(skip_serializing_if = "unset")]
    pub operation_units: String,
    /// The current step.
    #[serde(skip_serializing_if = "unset")]
    pub description: String,
    /// When it was recorded. The time limit counts from here.
    #[serde(skip_serializing_if = "unset")]
    pub created: Option<Time>,
    /// When it began.
    #[serde(skip_serializing_if = "unset")]
    pub started: Option<Time>,
    /// When it last reported.
    #[serde(skip_serializing_if = "unset")]
    pub updated: Option<Time>,
    /// Fields of newer releases.
    #[serde(flatten)]
    pub other: Other,
}

impl OperationStatus {
    /// The phase; an absent one is New.
    pub fn phase(&self) -> &OperationPhase {
        self.phase.as_ref().unwrap_or(&OperationPhase::New)
    }
}
