//! Hooks: commands run in pods around a backup or after a restore (spec api 5).

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::schema::Int;
use super::text_enum::text_enum;
use super::wire::{Other, nil, unset};
use super::{GoDuration, LabelSelector};

text_enum! {
    /// What happens when a hook fails.
    pub enum HookErrorMode {
        /// Record the error and continue.
        Continue = "Continue",
        /// Stop: the pod's remaining hooks are not run.
        Fail = "Fail",
    }
}

/// The hooks of a backup.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupHooks {
    /// Hooks with the pods they apply to.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub resources: Vec<BackupResourceHooks>,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

/// Hooks for the pods that match all of the filters.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name"]))]
pub struct BackupResourceHooks {
    /// Name of the hooks in logs.
    pub name: String,
    /// Namespaces the hooks apply to; empty means all.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub included_namespaces: Vec<String>,
    /// Namespaces the hooks do not apply to.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub excluded_namespaces: Vec<String>,
    /// Resources the hooks apply to; empty means all. Only pods can run hooks.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub included_resources: Vec<String>,
    /// Resources the hooks do not apply to.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub excluded_resources: Vec<String>,
    /// Labels the pods must have.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub label_selector: Option<LabelSelector>,
    /// Run before the pod and its additional items are stored.
    #[serde(skip_serializing_if = "unset")]
    pub pre: Vec<BackupHook>,
    /// Run after the pod, its additional items and its volumes are stored.
    #[serde(skip_serializing_if = "unset")]
    pub post: Vec<BackupHook>,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

/// One hook of a backup.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["exec"]))]
pub struct BackupHook {
    /// The command to run in a container of the pod.
    pub exec: Option<ExecHook>,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

/// A command run in a container during a backup.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["command"]))]
pub struct ExecHook {
    /// The container; the pod's first one when unset.
    #[serde(skip_serializing_if = "unset")]
    pub container: String,
    /// The command with its arguments; no shell is involved.
    #[schemars(length(min = 1))]
    pub command: Vec<String>,
    /// What happens when the command fails.
    #[serde(skip_serializing_if = "unset")]
    pub on_error: Option<HookErrorMode>,
    /// How long to wait for the command; 30s when zero. The command is not killed.
    pub timeout: GoDuration,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

/// The hooks of a restore.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RestoreHooks {
    /// Hooks with the pods they apply to.
    #[serde(skip_serializing_if = "unset")]
    pub resources: Vec<RestoreResourceHooks>,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

/// Hooks for the restored pods that match all of the filters.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name"]))]
pub struct RestoreResourceHooks {
    /// Name of the hooks in logs.
    pub name: String,
    /// Target namespaces the hooks apply to; empty means all.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub included_namespaces: Vec<String>,
    /// Target namespaces the hooks do not apply to.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub excluded_namespaces: Vec<String>,
    /// Accepted and ignored: hooks apply to pods only.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub included_resources: Vec<String>,
    /// Accepted and ignored: hooks apply to pods only.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub excluded_resources: Vec<String>,
    /// Labels the pods must have.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub label_selector: Option<LabelSelector>,
    /// Run after the pod was created.
    #[serde(skip_serializing_if = "unset")]
    pub post_hooks: Vec<RestoreHook>,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

/// One hook of a restore.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RestoreHook {
    /// A command to run in a container of the pod.
    #[serde(skip_serializing_if = "unset")]
    pub exec: Option<ExecRestoreHook>,
    /// Init containers to add to the pod.
    #[serde(skip_serializing_if = "unset")]
    pub init: Option<InitRestoreHook>,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

/// A command run in a container of a restored pod.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["command"]))]
pub struct ExecRestoreHook {
    /// The container; the pod's first one when unset.
    #[serde(skip_serializing_if = "unset")]
    pub container: String,
    /// The command with its arguments; no shell is involved.
    #[schemars(length(min = 1))]
    pub command: Vec<String>,
    /// What happens when the command fails.
    #[serde(skip_serializing_if = "unset")]
    pub on_error: Option<HookErrorMode>,
    /// How long to wait for the command; 30s when zero.
    pub exec_timeout: GoDuration,
    /// How long to wait for the container to run; zero waits without limit.
    pub wait_timeout: GoDuration,
    /// Wait until the container is ready instead of running. Since 1.13.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub wait_for_ready: Option<bool>,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

/// Init containers added to a restored pod.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct InitRestoreHook {
    // Raw: a typed container would lose fields of newer Kubernetes releases. Go writes the unset list as `null`.
    /// The containers, each with name, image and command.
    #[schemars(schema_with = "containers")]
    pub init_containers: Option<Vec<Value>>,
    /// Accepted and ignored.
    pub timeout: GoDuration,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

/// Counts of a run's hooks.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HookStatus {
    /// Hooks started.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(with = "Int")]
    pub hooks_attempted: i64,
    /// Hooks that failed.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(with = "Int")]
    pub hooks_failed: i64,
}

/// Without the marks on both levels the API server would prune every container to `{}` (spec api 4).
fn containers(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "x-kubernetes-preserve-unknown-fields": true,
        "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    })
}
