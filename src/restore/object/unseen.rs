//! Fields that a comparison ignores although they change the behaviour of an object (decision 40).
//!
//! Status and owners are never restored, so they are no difference between two objects. But a pod that has ended does not run, even
//! if it is equal.

use serde_json::Value;

use super::{metadata, outcome};

/// The warning about an object of the cluster that a restore does not change. `owners`: the owner references in the backup.
pub fn remarks(group_resource: &str, live: &Value, owners: Option<&Value>) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Some(how) = outcome::over(group_resource, live) {
        remarks.push(format!("it {how}, unlike in the backup; delete it to have it restored"));
    }
    if group_resource == "persistentvolumeclaims" && live.pointer("/status/phase").is_some_and(|phase| phase == "Lost")
    {
        remarks.push("the volume that it was bound to is gone (phase Lost)".to_owned());
    }
    let had: Vec<_> = owners.into_iter().flat_map(references).map(identity).collect();
    for owner in live
        .pointer("/metadata/ownerReferences")
        .into_iter()
        .flat_map(references)
    {
        let (_, kind, name) = identity(owner);
        if !had.contains(&identity(owner)) {
            remarks.push(format!(
                "it is owned by {kind} {name}, unlike in the backup, and is deleted with it"
            ));
        }
    }
    remarks
}

fn references(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// An owner by its group, kind and name: another version and another uid may be the same owner.
fn identity(owner: &Value) -> (&str, &str, &str) {
    let text = |key| owner.get(key).and_then(Value::as_str).unwrap_or_default();
    let group = text("apiVersion").split_once('/').map_or("", |(group, _)| group);
    (group, text("kind"), text("name"))
}

/// The labels and the other fields of a service account that differ between the cluster and the backup.
pub fn kept_by_account(live: &Value, backup: &Value) -> Vec<String> {
    let mut kept = Vec::new();
    for map in ["annotations", "labels"] {
        let entries = |object: &Value| object.get("metadata")?.get(map)?.as_object().cloned();
        let have = entries(live).unwrap_or_default();
        for (key, value) in entries(backup).unwrap_or_default() {
            if !metadata::is_of_origin(&key) && have.get(&key).is_some_and(|other| *other != value) {
                kept.push(format!("metadata.{map}[{key:?}]"));
            }
        }
    }
    let automount = |object: &Value| object.get("automountServiceAccountToken").cloned().unwrap_or_default();
    if automount(live) != automount(backup) {
        kept.push("automountServiceAccountToken".to_owned());
    }
    kept
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_hidden_difference_that_matters_is_reported() {
        let owner = |kind: &str, uid: &str| json!([{"apiVersion": "apps/v1", "kind": kind, "name": "web", "uid": uid}]);
        let owned = |owners: Value| json!({"metadata": {"ownerReferences": owners}});
        let status = |status: Value| json!({"metadata": {}, "status": status});
        let failed = json!({"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]});
        let table = [
            ("pods", status(json!({"phase": "Failed"})), None, Some("it has failed,")),
            ("pods", status(json!({"phase": "Running"})), None, None),
            (
                "jobs.batch",
                status(failed),
                None,
                Some("it has failed (BackoffLimitExceeded),"),
            ),
            (
                "persistentvolumeclaims",
                status(json!({"phase": "Lost"})),
                None,
                Some("the volume that it was bound to is gone"),
            ),
            (
                "persistentvolumeclaims",
                status(json!({"phase": "Pending"})),
                None,
                None,
            ),
            ("widgets.example.com", status(json!({"phase": "Lost"})), None, None),
            (
                "configmaps",
                owned(owner("ReplicaSet", "1")),
                None,
                Some("it is owned by ReplicaSet web, unlike in the backup"),
            ),
            (
                "configmaps",
                owned(owner("ReplicaSet", "1")),
                Some(owner("ReplicaSet", "2")),
                None,
            ),
            (
                "configmaps",
                owned(owner("Deployment", "1")),
                Some(owner("ReplicaSet", "1")),
                Some("it is owned by Deployment web"),
            ),
            // a restored object has no owner until its controller adopts it
            ("configmaps", owned(json!(null)), Some(owner("ReplicaSet", "1")), None),
        ];
        for (resource, live, owners, expected) in table {
            let remarks = remarks(resource, &live, owners.as_ref());
            assert_eq!(
                remarks.len(),
                usize::from(expected.is_some()),
                "{resource} {live}: {remarks:?}"
            );
            if let (Some(expected), Some(remark)) = (expected, remarks.first()) {
                assert!(remark.starts_with(expected), "{remark}");
            }
        }
    }

    #[test]
    fn an_account_keeps_values_of_its_own() {
        let account = |role: &str, automount: Value| {
            json!({
                "metadata": {"annotations": {"role": role}, "labels": {"velero.io/restore-name": role}},
                "automountServiceAccountToken": automount,
            })
        };
        let backup = account("one", json!(false));
        assert_eq!(
            kept_by_account(&account("one", json!(false)), &backup),
            Vec::<String>::new()
        );
        assert_eq!(
            kept_by_account(&account("two", json!(null)), &backup),
            ["metadata.annotations[\"role\"]", "automountServiceAccountToken"]
        );
        assert_eq!(
            kept_by_account(&json!({"metadata": {}}), &json!({})),
            Vec::<String>::new()
        );
    }
}
