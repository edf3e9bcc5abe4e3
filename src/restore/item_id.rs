//! The names of an item of the archive.

use std::fmt;

use crate::cluster::discovery::GroupResource;

/// An item of the archive, by its names there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemId {
    /// Its type.
    pub resource: GroupResource,
    /// Its namespace in the backup; `None` for cluster scope.
    pub namespace: Option<String>,
    /// Its name in the backup.
    pub name: String,
}

impl ItemId {
    /// A cluster-scoped item.
    pub fn cluster(resource: GroupResource, name: impl Into<String>) -> Self {
        Self {
            resource,
            namespace: None,
            name: name.into(),
        }
    }

    /// An item of a namespace.
    pub fn namespaced(resource: GroupResource, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            resource,
            namespace: Some(namespace.into()),
            name: name.into(),
        }
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{}/{namespace}/{}", self.resource, self.name),
            None => write!(f, "{}/{}", self.resource, self.name),
        }
    }
}
