//! What the framework requires of an object: its kind, its name and namespace, and its uid.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource;
pub use kube_runtime::reflector::ObjectRef;
use serde::de::DeserializeOwned;

/// A kind that can be watched, kept in a store and reconciled, whether it is known at compile time or only from discovery, as a
/// [`DynamicObject`](kube::core::DynamicObject) with its [`ApiResource`](kube::core::ApiResource).
///
/// Implemented for every type that qualifies.
pub trait AnyKind:
    Resource<DynamicType: Clone + Eq + Hash + fmt::Debug + Send + Sync + Unpin>
    + Clone
    + fmt::Debug
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
}

impl<T> AnyKind for T
where
    T: Resource + Clone + fmt::Debug + DeserializeOwned + Send + Sync + 'static,
    T::DynamicType: Clone + Eq + Hash + fmt::Debug + Send + Sync + Unpin,
{
}

/// A kind known at compile time.
///
/// Implemented for every type that qualifies.
pub trait Kind: AnyKind + Resource<DynamicType = ()> {}

impl<T> Kind for T where T: AnyKind + Resource<DynamicType = ()> {}

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

/// A reference in the usual notation: `namespace/name`, or the name alone.
pub(crate) fn path_of<K: AnyKind>(key: &ObjectRef<K>) -> String {
    match &key.namespace {
        Some(namespace) => format!("{namespace}/{}", key.name),
        None => key.name.clone(),
    }
}

/// The reference that makes this object the controller of another, for the other's `ownerReferences`: it is deleted with its owner, and
/// [`Controller::owns`](crate::Controller::owns) finds it. `None` for an object that is not on an API server.
pub fn owner_reference<K: AnyKind>(owner: &K, kind: &K::DynamicType) -> Option<OwnerReference> {
    owner.controller_owner_ref(kind)
}

/// The uid of an object that came from an API server. An object that never was on one has the empty uid.
pub fn uid_of<K: Resource>(object: &K) -> Uid {
    Uid::from(object.meta().uid.as_deref().unwrap_or_default())
}
