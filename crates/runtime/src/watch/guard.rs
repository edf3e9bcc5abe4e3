//! Keeps one object that cannot be parsed from failing the list it is in.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::DynamicResourceScope;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::object::AnyKind;

/// Limit on a parser's message: it may quote the object.
const COMPLAINT: usize = 256;

/// An object as it came, read if it could be.
///
/// Unlike kube's `DeserializeGuard` it copies nothing, accepts broken metadata, and drops `managedFields`, which nothing
/// here reads and which are often the larger half.
#[derive(Debug, Clone)]
pub enum Guarded<K> {
    /// It was read.
    Good(K),
    /// It was not.
    Broken {
        /// As much of its metadata as could be read.
        metadata: Box<ObjectMeta>,
        /// What is wrong with it.
        error: String,
    },
}

impl<'de, K: AnyKind> Deserialize<'de> for Guarded<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        match K::deserialize(&value) {
            Ok(mut object) => {
                object.meta_mut().managed_fields = None;
                Ok(Self::Good(object))
            }
            Err(error) => {
                let metadata = Box::new(metadata_of(&value));
                let mut error = error.to_string();
                error.truncate(error.floor_char_boundary(COMPLAINT));
                Ok(Self::Broken { metadata, error })
            }
        }
    }
}

/// What identifies the object, and the rest of the metadata if it can be read.
fn metadata_of(object: &Value) -> ObjectMeta {
    let metadata = &object["metadata"];
    ObjectMeta::deserialize(metadata).unwrap_or_else(|_| {
        let text = |field: &str| metadata[field].as_str().map(String::from);
        ObjectMeta {
            name: text("name"),
            namespace: text("namespace"),
            uid: text("uid"),
            resource_version: text("resourceVersion"),
            ..ObjectMeta::default()
        }
    })
}

impl<K: AnyKind> Resource for Guarded<K> {
    type DynamicType = K::DynamicType;
    // Lets an `Api` of this type be made for a namespace whatever the kind's own scope is.
    type Scope = DynamicResourceScope;

    fn kind(kind: &K::DynamicType) -> Cow<'_, str> {
        K::kind(kind)
    }

    fn group(kind: &K::DynamicType) -> Cow<'_, str> {
        K::group(kind)
    }

    fn version(kind: &K::DynamicType) -> Cow<'_, str> {
        K::version(kind)
    }

    fn plural(kind: &K::DynamicType) -> Cow<'_, str> {
        K::plural(kind)
    }

    fn meta(&self) -> &ObjectMeta {
        match self {
            Self::Good(object) => object.meta(),
            Self::Broken { metadata, .. } => metadata,
        }
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        match self {
            Self::Good(object) => object.meta_mut(),
            Self::Broken { metadata, .. } => metadata,
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;

    use super::*;

    fn read(object: Value) -> Guarded<ConfigMap> {
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn a_readable_object_comes_without_managed_fields() {
        let object = json!({
            "metadata": {"name": "a", "managedFields": [{"manager": "kubectl"}]},
            "data": {"k": "v"},
        });
        let Guarded::Good(object) = read(object) else {
            panic!("is readable")
        };
        assert_eq!(object.metadata.managed_fields, None);
        assert_eq!(object.data.unwrap()["k"], "v");
    }

    #[test]
    fn an_unreadable_object_keeps_its_identity() {
        for (case, object) in [
            (
                "a broken field",
                json!({"metadata": {"name": "a", "uid": "1"}, "data": 5}),
            ),
            (
                "broken metadata",
                json!({"metadata": {"name": "a", "uid": "1", "labels": 5}}),
            ),
        ] {
            let guarded = read(object);
            assert!(matches!(guarded, Guarded::Broken { .. }), "{case}");
            assert_eq!(guarded.meta().name.as_deref(), Some("a"), "{case}");
            assert_eq!(guarded.meta().uid.as_deref(), Some("1"), "{case}");
        }
    }

    #[test]
    fn a_long_complaint_is_cut() {
        let object = json!({"metadata": {"name": "a"}, "data": "ä".repeat(1000)});
        let Guarded::Broken { error, .. } = read(object) else {
            panic!("is broken")
        };
        assert!(error.len() <= COMPLAINT);
    }
}
