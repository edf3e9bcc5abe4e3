//! Which object a run is of.

use crate::runtime::{Kind, Uid, uid_of};

/// The identity of a run: that of its object, which there may be no more. Made once, when the run starts or its record is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunId {
    /// The kind of the object in lower case, such as `backup`.
    pub kind: String,
    /// The object's namespace.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// The object's uid.
    pub uid: Uid,
}

impl RunId {
    /// The run of this object.
    pub fn of<K: Kind>(object: &K) -> Self {
        let meta = object.meta();
        Self {
            kind: K::kind(&()).to_lowercase(),
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
            uid: uid_of(object),
        }
    }
}
