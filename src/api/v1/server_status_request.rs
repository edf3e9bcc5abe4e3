//! ServerStatusRequest (spec api 6.8).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::Time;
use crate::api::root::custom_resource;
use crate::api::text_enum::text_enum;
use crate::api::wire::{Other, nil, unset};

custom_resource! {
    /// Requests the server's version and plugins.
    ServerStatusRequest {
        version: "v1",
        plural: "serverstatusrequests",
        short_names: &["ssr"],
        columns: &[],
        spec: ServerStatusRequestSpec,
        status: ServerStatusRequestStatus,
    }
}

text_enum! {
    /// Whether a request was answered. Absent counts as New.
    pub enum ServerStatusRequestPhase {
        /// Not seen yet.
        New = "New",
        /// Answered.
        Processed = "Processed",
    }
}

/// Empty: the request always gets everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ServerStatusRequestSpec {
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

/// The answer.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ServerStatusRequestStatus {
    /// Whether the request was answered.
    #[serde(skip_serializing_if = "unset")]
    pub phase: Option<ServerStatusRequestPhase>,
    /// When it was answered; it is deleted a minute later.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub processed_timestamp: Option<Time>,
    /// The server's version.
    #[serde(skip_serializing_if = "unset")]
    pub server_version: String,
    /// The plugins the server knows.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub plugins: Vec<PluginInfo>,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

impl ServerStatusRequestStatus {
    /// The phase; an absent one is New.
    pub fn phase(&self) -> &ServerStatusRequestPhase {
        self.phase.as_ref().unwrap_or(&ServerStatusRequestPhase::New)
    }
}

/// An implementation that a plugin provides.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["kind", "name"]))]
pub struct PluginInfo {
    /// Its name, with its domain.
    pub name: String,
    /// What it is, such as ObjectStore.
    pub kind: String,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}
