//! One object at a time, as raw JSON. Nothing here retries: the caller decides that.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::discovery::Resource;
use super::raw::RawObject;
use super::request::Request;
use super::{ApiError, Cluster};
use crate::api::go_json;

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";

/// How a write is to be carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// A dry run: admission and validation run, nothing is stored.
    pub dry_run: bool,
}

impl WriteOptions {
    fn query(self) -> &'static str {
        // Unknown and duplicate fields are accepted, as by upstream's dynamic client.
        if self.dry_run {
            "?dryRun=All&fieldValidation=Ignore"
        } else {
            "?fieldValidation=Ignore"
        }
    }
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

fn attempt(verb: &str, resource: &Resource, namespace: Option<&str>, name: &str) -> String {
    let what = resource.group_resource();
    match namespace {
        Some(namespace) => format!("{verb} {what} \"{name}\" in namespace \"{namespace}\""),
        None => format!("{verb} {what} \"{name}\""),
    }
}

/// An object, or `None` when it is not there. A kind that is not served is an error ([`ApiError::is_unserved`]).
pub async fn get(
    cluster: &Cluster,
    resource: &Resource,
    namespace: Option<&str>,
    name: &str,
) -> Result<Option<Value>, ApiError> {
    let request = Request::get(
        resource.path(namespace, Some(name)),
        attempt("read", resource, namespace, name),
    );
    match fetch(cluster, &request).await? {
        Some(answer) => serde_json::from_slice(&answer)
            .map(Some)
            .map_err(|e| request.unreadable(&e)),
        None => Ok(None),
    }
}

/// As [`get`], as bytes.
pub async fn get_raw(
    cluster: &Cluster,
    resource: &Resource,
    namespace: Option<&str>,
    name: &str,
) -> Result<Option<RawObject>, ApiError> {
    let request = Request::get(
        resource.path(namespace, Some(name)),
        attempt("read", resource, namespace, name),
    );
    match fetch(cluster, &request).await? {
        Some(answer) => RawObject::parse(answer).map(Some).map_err(|e| request.unreadable(&e)),
        None => Ok(None),
    }
}

async fn fetch(cluster: &Cluster, request: &Request) -> Result<Option<Bytes>, ApiError> {
    match request.send(cluster).await {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.is_not_found() && !error.is_unserved() => Ok(None),
        Err(error) => Err(error),
    }
}

/// An object's bytes for a write, with the escapes that Go writes. A field that holds any JSON (`data` of a
/// ControllerRevision) is stored as the bytes that were sent. Go clients escape what they send back, and it is compared as bytes:
/// without the escapes a StatefulSet with a `>` in its template could not adopt its restored revision, and stopped.
pub fn body(object: &Value) -> Bytes {
    // A value can always be written; its plain text would be JSON too.
    go_json::to_vec(object).map_or_else(|_| Bytes::from(object.to_string()), Bytes::from)
}

/// Creates an object and returns what the server stored. If the answer was lost, the object may have been created.
pub async fn create(
    cluster: &Cluster,
    resource: &Resource,
    namespace: Option<&str>,
    body: Bytes,
    options: WriteOptions,
) -> Result<Value, ApiError> {
    let request = creation(resource, namespace, body, options);
    let answer = request.send(cluster).await?;
    serde_json::from_slice(&answer).map_err(|e| request.unreadable(&e))
}

/// As [`create`], with the answer as bytes: a light parse.
pub async fn create_raw(
    cluster: &Cluster,
    resource: &Resource,
    namespace: Option<&str>,
    body: Bytes,
    options: WriteOptions,
) -> Result<RawObject, ApiError> {
    let request = creation(resource, namespace, body, options);
    let answer = request.send(cluster).await?;
    RawObject::parse(answer).map_err(|e| request.unreadable(&e))
}

fn creation(resource: &Resource, namespace: Option<&str>, body: Bytes, options: WriteOptions) -> Request {
    let name = RawObject::parse(body.clone())
        .map(|object| object.head.name)
        .unwrap_or_default();
    let path = format!("{}{}", resource.path(namespace, None), options.query());
    Request::new(Method::POST, path, attempt("create", resource, namespace, &name)).with_body(JSON, body)
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
    let path = resource.path(namespace, Some(name));
    patch_at(
        cluster,
        path,
        attempt("change", resource, namespace, name),
        patch,
        options,
    )
    .await
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
    let path = format!("{}/status", resource.path(namespace, Some(name)));
    patch_at(
        cluster,
        path,
        attempt("change the status of", resource, namespace, name),
        patch,
        options,
    )
    .await
}

async fn patch_at(
    cluster: &Cluster,
    path: String,
    attempt: String,
    patch: &Value,
    options: WriteOptions,
) -> Result<Value, ApiError> {
    let body = body(patch);
    let request = Request::new(Method::PATCH, path + options.query(), attempt).with_body(MERGE_PATCH, body);
    let answer = request.send(cluster).await?;
    serde_json::from_slice(&answer).map_err(|e| request.unreadable(&e))
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
    let path = format!("{}{}", resource.path(namespace, Some(name)), options.query());
    let request = Request::new(Method::PUT, path, attempt("replace", resource, namespace, name)).with_body(JSON, body);
    let answer = request.send(cluster).await?;
    serde_json::from_slice(&answer).map_err(|e| request.unreadable(&e))
}

/// Replaces the status of an object by that of `body` (a whole object) through the status subresource.
pub async fn update_status(
    cluster: &Cluster,
    resource: &Resource,
    namespace: Option<&str>,
    name: &str,
    body: Bytes,
) -> Result<Value, ApiError> {
    let path = format!(
        "{}/status{}",
        resource.path(namespace, Some(name)),
        WriteOptions::default().query()
    );
    let request = Request::new(
        Method::PUT,
        path,
        attempt("replace the status of", resource, namespace, name),
    )
    .with_body(JSON, body);
    let answer = request.send(cluster).await?;
    serde_json::from_slice(&answer).map_err(|e| request.unreadable(&e))
}

/// Deletes an object; `false` when it was not there.
pub async fn delete(
    cluster: &Cluster,
    resource: &Resource,
    namespace: Option<&str>,
    name: &str,
    options: &DeleteOptions,
) -> Result<bool, ApiError> {
    let mut body = json!({"kind": "DeleteOptions", "apiVersion": "v1"});
    if let Some(uid) = &options.uid {
        body["preconditions"] = json!({ "uid": uid });
    }
    if let Some(propagation) = options.propagation {
        body["propagationPolicy"] = Value::from(match propagation {
            Propagation::Orphan => "Orphan",
            Propagation::Background => "Background",
            Propagation::Foreground => "Foreground",
        });
    }
    let request = Request::new(
        Method::DELETE,
        resource.path(namespace, Some(name)),
        attempt("delete", resource, namespace, name),
    )
    .with_body(JSON, Bytes::from(body.to_string()));
    Ok(fetch(cluster, &request).await?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_gos_escapes_for_fields_compared_as_bytes() {
        let revision = json!({"data": {"command": ["echo started >> /data/log && exec sleep"]}});
        assert_eq!(
            body(&revision),
            r#"{"data":{"command":["echo started \u003e\u003e /data/log \u0026\u0026 exec sleep"]}}"#
        );
    }
}
