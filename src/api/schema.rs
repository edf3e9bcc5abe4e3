//! The custom resource definitions, made from the types: controller-gen's shape, not schemars' (spec api 4).

use std::borrow::Cow;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// What one definition is made of.
#[derive(Clone, Copy)]
pub struct Definition {
    /// The kind.
    pub kind: &'static str,
    /// The only version, served and stored.
    pub version: &'static str,
    /// The plural, which is also the file's and the object's name.
    pub plural: &'static str,
    /// Short names for command lines.
    pub short_names: &'static [&'static str],
    /// What `kubectl get` shows.
    pub columns: &'static [Column],
    /// Makes the schema of the spec.
    pub spec: fn() -> Schema,
    /// Makes the schema of the status.
    pub status: fn() -> Schema,
}

/// A column of `kubectl get`.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    name: &'static str,
    type_: &'static str,
    format: Option<&'static str>,
    path: &'static str,
    description: Option<&'static str>,
    priority: Option<i32>,
}

impl Column {
    /// The age of the object.
    pub const AGE: Self = Self::date("Age", ".metadata.creationTimestamp");

    /// A text.
    pub const fn string(name: &'static str, path: &'static str) -> Self {
        Self {
            name,
            type_: "string",
            format: None,
            path,
            description: None,
            priority: None,
        }
    }

    /// A moment, shown as the time since then.
    pub const fn date(name: &'static str, path: &'static str) -> Self {
        Self {
            type_: "date",
            ..Self::string(name, path)
        }
    }

    /// True or false.
    pub const fn boolean(name: &'static str, path: &'static str) -> Self {
        Self {
            type_: "boolean",
            ..Self::string(name, path)
        }
    }

    /// A number of bytes.
    pub const fn bytes(name: &'static str, path: &'static str) -> Self {
        Self {
            type_: "integer",
            format: Some("int64"),
            ..Self::string(name, path)
        }
    }

    /// The column, with a description.
    #[must_use]
    pub const fn described(self, description: &'static str) -> Self {
        Self {
            description: Some(description),
            ..self
        }
    }

    /// The column, shown only on request.
    #[must_use]
    pub const fn wide(self) -> Self {
        Self {
            priority: Some(10),
            ..self
        }
    }
}

/// The definitions of all kinds.
pub fn crds() -> Vec<CustomResourceDefinition> {
    Vec::new()
}

pub(crate) fn of<T: JsonSchema>() -> Schema {
    schemars::schema_for!(T)
}

/// The schema of Go's `int`: an integer without a format. The field itself is an `i64`.
pub(crate) struct Int;

impl JsonSchema for Int {
    fn schema_name() -> Cow<'static, str> {
        "Int".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer"})
    }
}

/// The schema of Go's `[]byte`: base64.
pub(crate) struct Bytes;

impl JsonSchema for Bytes {
    fn schema_name() -> Cow<'static, str> {
        "Bytes".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "byte"})
    }
}
