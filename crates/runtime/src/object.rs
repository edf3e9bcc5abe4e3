//! What the framework needs to know of an object: that it is of a known kind, where it is, and which one it is.

use std::fmt;
use std::sync::Arc;

use kube::Resource;
pub use kube_runtime::reflector::ObjectRef;
use serde::de::DeserializeOwned;

/// A kind known at compile time that can be watched, kept in a store and reconciled.
///
/// Implemented for every type that qualifies.
pub trait Kind: Resource<DynamicType = ()> + Clone + fmt::Debug + DeserializeOwned + Send + Sync + 'static {}

impl<T> Kind for T where T: Resource<DynamicType = ()> + Clone + fmt::Debug + DeserializeOwned + Send + Sync + 'static {}

/// The identity of one object through its whole life. A name can be taken again after a deletion, a uid cannot.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uid(Arc<str>);

impl Uid {
    /// The uid as it is written on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Uid {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Uid {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// A reference as people write it: `namespace/name`, or the name alone.
pub(crate) fn path_of<K: Kind>(key: &ObjectRef<K>) -> String {
    match &key.namespace {
        Some(namespace) => format!("{namespace}/{}", key.name),
        None => key.name.clone(),
    }
}

/// The uid of an object that came from an API server. An object that never was on one has the empty uid.
pub fn uid_of<K: Resource>(object: &K) -> Uid {
    Uid::from(object.meta().uid.as_deref().unwrap_or_default())
}
