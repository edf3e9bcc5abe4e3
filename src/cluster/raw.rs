//! Objects as the API server sent them: the bytes, and the few facts of them that decisions need.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::list::Permit;

/// One object: its bytes, untouched, and what was read of them in one light pass.
///
/// Cloning shares the bytes. While it (or a clone) lives it holds its share of the run's [`super::list::Budget`].
#[derive(Clone, Debug)]
pub struct RawObject {
    /// The facts that were read.
    pub head: Head,
    /// Compact JSON of the whole object, `apiVersion` and `kind` included.
    pub json: Bytes,
    permit: Option<Arc<Permit>>,
}

/// What is read of every object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// `v1`, `apps/v1`.
    pub api_version: String,
    /// `Pod`.
    pub kind: String,
    /// Absent for cluster-scoped objects.
    pub namespace: Option<String>,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`; empty when the object has none (in an archive it may not).
    pub uid: String,
    /// `metadata.resourceVersion`; empty when the object has none.
    pub resource_version: String,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// `metadata.creationTimestamp` as written.
    pub creation_timestamp: Option<String>,
    /// `metadata.deletionTimestamp` as written: set while the object is being deleted.
    pub deletion_timestamp: Option<String>,
    /// `status.phase` where that is a text (namespaces, pods, claims, volumes).
    pub phase: Option<String>,
}

/// Bytes that are no Kubernetes object.
#[derive(Debug, thiserror::Error)]
#[error("read an object: {source}")]
pub struct RawError {
    /// The object's name when that could be read.
    pub name: Option<String>,
    /// Where the JSON broke off or had another shape.
    pub source: serde_json::Error,
}

impl RawObject {
    /// Reads the head of an object's JSON. The bytes are kept as they are.
    pub fn parse(json: Bytes) -> Result<Self, RawError> {
        let _ = json;
        todo!("skeleton")
    }

    /// As [`RawObject::parse`], for an item of a list: where `apiVersion` or `kind` is absent it is inserted at the front
    /// of the bytes (decision 12).
    pub fn parse_item(json: Bytes, api_version: &str, kind: &str) -> Result<Self, RawError> {
        let _ = (json, api_version, kind);
        todo!("skeleton")
    }

    /// Ties the object to its share of a budget, which is given back when the last clone is dropped.
    #[must_use]
    pub fn holding(mut self, permit: Permit) -> Self {
        self.permit = Some(Arc::new(permit));
        self
    }

    /// The whole object as a value. Costs a full parse; integers beyond 64 bits become floats, so never write it back
    /// unless something was changed.
    pub fn value(&self) -> Result<Value, serde_json::Error> {
        serde_json::from_slice(&self.json)
    }
}
