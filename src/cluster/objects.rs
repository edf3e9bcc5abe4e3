//! One object at a time, as raw JSON. Nothing here tries again: that is the caller's decision.

use bytes::Bytes;
use serde_json::Value;

use super::discovery::Resource;
use super::raw::RawObject;
use super::{ApiError, Cluster};

/// How a write is to be carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// Everything but the last step: admission and validation run, nothing is stored.
    pub dry_run: bool,
}

/// How an object is to be deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// Only if the object still has this uid (else a conflict).
    pub uid: Option<String>,
    /// What becomes of its dependents; the server's default when absent.
    pub propagation: Option<Propagation>,
}

/// What becomes of the dependents of a deleted object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// They stay.
    Orphan,
    /// They are deleted afterwards.
    Background,
    /// They are deleted first.
    Foreground,
}

/// An object, or `None` when it is not there. A kind that is not served is an error ([`ApiError::is_unserved`]).
pub async fn get(
    cluster: &Cluster,
    resource: &Resource,
    namespace: Option<&str>,
    name: &str,
) -> Result<Option<Value>, ApiError> {
    let _ = (cluster, resource, namespace, name);
    todo!("skeleton")
}

/// As [`get`], as bytes.
pub async fn get_raw(
    cluster: &Cluster,
    resource: &Resource,
    namespace: Option<&str>,
    name: &str,
) -> Result<Option<RawObject>, ApiError> {
    let _ = (cluster, resource, namespace, name);
    todo!("skeleton")
}

/// Creates an object; gives what the server stored. An answer that was lost may have been a success.
pub async fn create(
    cluster: &Cluster,
    resource: &Resource,
    namespace: Option<&str>,
    body: Bytes,
    options: WriteOptions,
) -> Result<Value, ApiError> {
    let _ = (cluster, resource, namespace, body, options);
    todo!("skeleton")
}

/// As [`create`], with the answer as bytes: a light parse.
pub async fn create_raw(
    cluster: &Cluster,
    resource: &Resource,
    namespace: Option<&str>,
    body: Bytes,
    options: WriteOptions,
) -> Result<RawObject, ApiError> {
    let _ = (cluster, resource, namespace, body, options);
    todo!("skeleton")
}

/// Changes an object by a JSON merge patch; guarded when the patch holds `metadata.resourceVersion`.
pub async fn merge_patch(
    cluster: &Cluster,
    resource: &Resource,
    namespace: Option<&str>,
    name: &str,
    patch: &Value,
    options: WriteOptions,
) -> Result<Value, ApiError> {
    let _ = (cluster, resource, namespace, name, patch, options);
    todo!("skeleton")
}

/// As [`merge_patch`] on the status subresource; an error that [`ApiError::is_unserved`] where there is none.
pub async fn merge_patch_status(
    cluster: &Cluster,
    resource: &Resource,
    namespace: Option<&str>,
    name: &str,
    patch: &Value,
    options: WriteOptions,
) -> Result<Value, ApiError> {
    let _ = (cluster, resource, namespace, name, patch, options);
    todo!("skeleton")
}

/// Replaces an object by this one, whole; `body` holds `metadata.name`, and `metadata.resourceVersion` if guarded.
pub async fn replace(
    cluster: &Cluster,
    resource: &Resource,
    namespace: Option<&str>,
    name: &str,
    body: Bytes,
    options: WriteOptions,
) -> Result<Value, ApiError> {
    let _ = (cluster, resource, namespace, name, body, options);
    todo!("skeleton")
}

/// Replaces the status of an object by that of `body` (a whole object) through the status subresource.
pub async fn update_status(
    cluster: &Cluster,
    resource: &Resource,
    namespace: Option<&str>,
    name: &str,
    body: Bytes,
) -> Result<Value, ApiError> {
    let _ = (cluster, resource, namespace, name, body);
    todo!("skeleton")
}

/// Deletes an object; `false` when it was not there.
pub async fn delete(
    cluster: &Cluster,
    resource: &Resource,
    namespace: Option<&str>,
    name: &str,
    options: &DeleteOptions,
) -> Result<bool, ApiError> {
    let _ = (cluster, resource, namespace, name, options);
    todo!("skeleton")
}
