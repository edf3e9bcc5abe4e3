//! One object on its way into the archive.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::go_json;
use crate::cluster::discovery::GroupResource;
use crate::cluster::raw::{Head, RawObject};

/// Names an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemRef {
    /// Its type.
    pub group_resource: GroupResource,
    /// `None` for cluster scope.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl ItemRef {
    /// A cluster-scoped object.
    pub fn cluster_scoped(group: &str, resource: &str, name: impl Into<String>) -> Self {
        Self {
            group_resource: GroupResource::new(group, resource),
            namespace: None,
            name: name.into(),
        }
    }

    /// An object in a namespace.
    pub fn namespaced(group: &str, resource: &str, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            group_resource: GroupResource::new(group, resource),
            namespace: Some(namespace.into()),
            name: name.into(),
        }
    }
}

/// An object as the API server sent it, and the changes of actions.
///
/// Until it is edited its bytes are those of the API server. Reading it costs a pass over them; only an edited object is parsed
/// whole and serialised again (decision 12).
#[derive(Debug)]
pub struct Item {
    source: RawObject,
    edited: Option<Value>,
}

impl Item {
    /// An unedited object.
    pub fn new(source: RawObject) -> Self {
        Self { source, edited: None }
    }

    /// The facts of the object as the API server sent it, before any action.
    pub fn head(&self) -> &Head {
        &self.source.head
    }

    /// Reads part of the object with its changes.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        match &self.edited {
            Some(value) => T::deserialize(value),
            None => serde_json::from_slice(&self.source.json),
        }
    }

    /// The object with its changes, to be edited. It is serialised again from then on.
    pub fn edit(&mut self) -> Result<&mut Value, serde_json::Error> {
        let value = match self.edited.take() {
            Some(value) => value,
            None => self.source.value()?,
        };
        Ok(self.edited.insert(value))
    }

    /// Whether it was edited.
    pub fn is_edited(&self) -> bool {
        self.edited.is_some()
    }

    /// Compact JSON of the object with its changes, with the same escapes as the API server's.
    pub(super) fn json(&self) -> Result<Bytes, serde_json::Error> {
        match &self.edited {
            Some(value) => Ok(go_json::to_vec(value)?.into()),
            None => Ok(self.source.json.clone()),
        }
    }

    /// The object as the API server sent it, with its share of the run's memory.
    pub(super) fn into_source(self) -> RawObject {
        self.source
    }
}
