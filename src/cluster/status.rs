//! The one way a status is written (decision 2).

use serde_json::{Value, json};

use super::discovery::Resource;
use super::merge::diff;
use super::objects::{WriteOptions, merge_patch, merge_patch_status};
use super::{ApiError, Cluster};

/// The result of a write.
#[derive(Clone, Debug, PartialEq)]
pub enum StatusWrite {
    /// Nothing differs; no request was made.
    Unchanged,
    /// The object as the server has it now.
    Written(Value),
    /// Another writer came first: read the object again.
    Conflict,
}

/// Whether the served schema keeps `status.conditions` (decision 1); pruned fields are not sent, or they would always
/// differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conditions {
    /// The schema has them.
    Kept,
    /// The schema lacks them: leave them out.
    Pruned,
}

/// Fields of the metadata that only the server writes: a difference there is never sent.
const SERVERS_OWN: [&str; 8] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Writes `wanted` as the status of the object `seen` (whole, as read from the server).
///
/// Only the difference is sent, guarded by the resource version, to `/status` where the type has that subresource.
/// May be repeated. An object that is gone is an error ([`ApiError::is_not_found`]).
pub async fn write_status(
    cluster: &Cluster,
    resource: &Resource,
    seen: &Value,
    wanted: &Value,
    conditions: Conditions,
) -> Result<StatusWrite, ApiError> {
    let Some(patch) = status_patch(&seen["status"], wanted, conditions) else {
        return Ok(StatusWrite::Unchanged);
    };
    send(
        cluster,
        resource,
        seen,
        &seen["metadata"]["resourceVersion"],
        json!({ "status": patch }),
        resource.has_status,
    )
    .await
}

/// Writes metadata, spec and status of `wanted` (a whole object) over `seen`, as [`write_status`] does: in one patch where
/// the type has no status subresource, else the status in a second one.
pub async fn write_object(
    cluster: &Cluster,
    resource: &Resource,
    seen: &Value,
    wanted: &Value,
    conditions: Conditions,
) -> Result<StatusWrite, ApiError> {
    let status = status_patch(&seen["status"], &wanted["status"], conditions);
    let mut main = main_patch(seen, wanted);
    let version = &seen["metadata"]["resourceVersion"];
    if !resource.has_status {
        if let Some(status) = status {
            main["status"] = status;
        }
        return match main.as_object() {
            Some(fields) if fields.is_empty() => Ok(StatusWrite::Unchanged),
            _ => send(cluster, resource, seen, version, main, false).await,
        };
    }
    let mut written = StatusWrite::Unchanged;
    if main.as_object().is_some_and(|fields| !fields.is_empty()) {
        written = send(cluster, resource, seen, version, main, false).await?;
        if written == StatusWrite::Conflict {
            return Ok(written);
        }
    }
    let Some(status) = status else { return Ok(written) };
    // The first patch has moved the version: the second is guarded by the new one.
    let version = match &written {
        StatusWrite::Written(object) => object["metadata"]["resourceVersion"].clone(),
        _ => version.clone(),
    };
    send(cluster, resource, seen, &version, json!({ "status": status }), true).await
}

fn status_patch(seen: &Value, wanted: &Value, conditions: Conditions) -> Option<Value> {
    let empty = json!({});
    let seen = if seen.is_null() { &empty } else { seen };
    let wanted = if wanted.is_null() { &empty } else { wanted };
    let mut patch = diff(seen, wanted)?;
    if conditions == Conditions::Pruned
        && let Some(fields) = patch.as_object_mut()
    {
        fields.remove("conditions");
        if fields.is_empty() {
            return None;
        }
    }
    Some(patch)
}

/// Everything but the status.
fn main_patch(seen: &Value, wanted: &Value) -> Value {
    let without = |object: &Value| {
        let mut object = object.clone();
        if let Some(fields) = object.as_object_mut() {
            for own in ["status", "kind", "apiVersion"] {
                fields.remove(own);
            }
        }
        if let Some(meta) = object["metadata"].as_object_mut() {
            for own in SERVERS_OWN {
                meta.remove(own);
            }
        }
        object
    };
    diff(&without(seen), &without(wanted)).unwrap_or_else(|| json!({}))
}

async fn send(
    cluster: &Cluster,
    resource: &Resource,
    seen: &Value,
    version: &Value,
    mut patch: Value,
    status: bool,
) -> Result<StatusWrite, ApiError> {
    patch["metadata"]["resourceVersion"] = version.clone();
    let namespace = seen["metadata"]["namespace"].as_str();
    let name = seen["metadata"]["name"].as_str().unwrap_or_default();
    let options = WriteOptions::default();
    let sent = if status {
        merge_patch_status(cluster, resource, namespace, name, &patch, options).await
    } else {
        merge_patch(cluster, resource, namespace, name, &patch, options).await
    };
    match sent {
        Ok(object) => Ok(StatusWrite::Written(object)),
        Err(error) if error.is_conflict() => Ok(StatusWrite::Conflict),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_patch_holds_the_difference_and_clears_with_nulls() {
        let rows = [
            (json!(null), json!({"phase": "New"}), Some(json!({"phase": "New"}))),
            (
                json!({"phase": "New", "errors": 1}),
                json!({"phase": "New"}),
                Some(json!({"errors": null})),
            ),
            (json!({"phase": "New"}), json!({"phase": "New"}), None),
            (json!({}), json!(null), None),
        ];
        for (seen, wanted, patch) in rows {
            assert_eq!(
                status_patch(&seen, &wanted, Conditions::Kept),
                patch,
                "{seen} -> {wanted}"
            );
        }
    }

    #[test]
    fn conditions_that_the_schema_prunes_are_not_sent() {
        let wanted = json!({"conditions": [{"type": "Completed"}]});
        assert_eq!(status_patch(&json!({}), &wanted, Conditions::Pruned), None);
        assert_eq!(status_patch(&json!({}), &wanted, Conditions::Kept), Some(wanted));
    }

    #[test]
    fn fields_that_only_the_server_writes_are_never_patched() {
        let seen = json!({"metadata": {"name": "b", "uid": "u", "resourceVersion": "1", "managedFields": []}, "spec": {"a": 1}});
        let wanted = json!({"kind": "Backup", "metadata": {"name": "b", "labels": {"x": "y"}}, "spec": {"a": 2}, "status": {"phase": "New"}});
        assert_eq!(
            main_patch(&seen, &wanted),
            json!({"metadata": {"labels": {"x": "y"}}, "spec": {"a": 2}})
        );
    }
}
