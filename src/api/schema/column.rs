//! Columns of `kubectl get`.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceColumnDefinition;

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

    /// The column, shown only with `-o wide`.
    #[must_use]
    pub const fn wide(self) -> Self {
        Self {
            priority: Some(10),
            ..self
        }
    }

    pub(super) fn manifest(&self) -> CustomResourceColumnDefinition {
        CustomResourceColumnDefinition {
            name: self.name.to_owned(),
            type_: self.type_.to_owned(),
            format: self.format.map(str::to_owned),
            json_path: self.path.to_owned(),
            description: self.description.map(str::to_owned),
            priority: self.priority,
        }
    }
}
