//! References to other objects, with Kubernetes' field names in Go's order.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::wire::{nil, unset};

/// A key of a Secret in the same namespace.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["key"], "x-kubernetes-map-type" = "atomic"))]
pub struct SecretKeySelector {
    /// The Secret's name.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("x-served-default" = ""))]
    pub name: String,
    /// The key inside the Secret.
    pub key: String,
    /// Accepted and ignored.
    #[serde(skip_serializing_if = "unset")]
    pub optional: Option<bool>,
}

/// An object in the same namespace, by kind and name.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["kind", "name"], "x-kubernetes-map-type" = "atomic"))]
pub struct TypedLocalObjectReference {
    // Go writes the unset pointer as `null`.
    /// API group of the kind; unset for the core group.
    pub api_group: Option<String>,
    /// Kind of the object; only configmap, in any case of letters, is supported.
    pub kind: String,
    /// Name of the object.
    pub name: String,
}

/// An object in the cluster.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct ObjectReference {
    /// Kind of the object.
    #[serde(skip_serializing_if = "unset")]
    pub kind: String,
    /// Namespace of the object.
    #[serde(skip_serializing_if = "unset")]
    pub namespace: String,
    /// Name of the object.
    #[serde(skip_serializing_if = "unset")]
    pub name: String,
    /// UID of the object.
    #[serde(skip_serializing_if = "unset")]
    pub uid: String,
    /// API version of the object.
    #[serde(skip_serializing_if = "unset")]
    pub api_version: String,
    /// Resource version of the object.
    #[serde(skip_serializing_if = "unset")]
    pub resource_version: String,
    /// Part of the object that is referred to.
    #[serde(skip_serializing_if = "unset")]
    pub field_path: String,
}
