//! What to do about an object that is already in the cluster (spec restore 11).

use serde_json::{Map, Value, json};

use super::changes::{self, Changes};
use super::metadata::{self, RestoreLabels};
use super::service_account;
use crate::cluster::merge;

/// What a restore does with objects that exist and differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExistingResourcePolicy {
    /// Do not change them, and warn.
    #[default]
    Leave,
    /// Change them to the backup's version.
    Update,
}

impl ExistingResourcePolicy {
    /// The policy of `spec.existingResourcePolicy`; the values are checked when the restore is validated.
    pub fn of(text: &str) -> Self {
        if text == "update" { Self::Update } else { Self::Leave }
    }
}

/// The next step for an object that exists.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Nothing to write.
    Keep,
    /// It differs, and is left as it is with a warning.
    Warn,
    /// It is equal and gets the labels of this restore: a patch of the two.
    Relabel(Value),
    /// A ServiceAccount gets what it lacks.
    Complete(Value),
    /// It is changed to the backup's version.
    Overwrite(Value),
}

/// Decides between the object in the cluster and the one that would have been created.
///
/// `live` is the cluster's object after the same transformations as `wanted`: fields that a restore clears because the cluster
/// assigns them (addresses, ports, node names) are no difference (spec restore 26, row 23).
pub fn decide(live: &Value, wanted: &Value, origin: &RestoreLabels, policy: ExistingResourcePolicy) -> Step {
    let mut live = live.clone();
    origin.label(&mut live);
    let (live, wanted) = (comparable(live), comparable(wanted.clone()));
    if live == wanted {
        return match policy {
            ExistingResourcePolicy::Leave => Step::Keep,
            ExistingResourcePolicy::Update => Step::Relabel(origin.label_patch()),
        };
    }
    if wanted.get("kind").is_some_and(|kind| kind == "ServiceAccount") {
        return merge::diff(&live, &account(&live, &wanted, policy)).map_or(Step::Keep, Step::Complete);
    }
    match policy {
        ExistingResourcePolicy::Leave => Step::Warn,
        ExistingResourcePolicy::Update => {
            let mut patch = merge::diff(&live, &wanted).unwrap_or_else(|| json!({}));
            // both sides have the labels here, but the object in the cluster may not
            json_patch::merge(&mut patch, &origin.label_patch());
            Step::Overwrite(patch)
        }
    }
}

/// The differences of the cluster's object from the result of [`decide`]. Values of Secrets are not shown.
pub fn differences(live: &Value, wanted: &Value, origin: &RestoreLabels, policy: ExistingResourcePolicy) -> Changes {
    let mut live = live.clone();
    origin.label(&mut live);
    let (live, wanted) = (comparable(live), comparable(wanted.clone()));
    let is = |kind: &str| wanted.get("kind").is_some_and(|its| its == kind);
    let becomes = if is("ServiceAccount") {
        account(&live, &wanted, policy)
    } else {
        wanted.clone()
    };
    changes::between(&live, &becomes, is("Secret"))
}

/// A service account is completed, never replaced.
fn account(live: &Value, wanted: &Value, policy: ExistingResourcePolicy) -> Value {
    match policy {
        ExistingResourcePolicy::Leave => service_account::merged(live, wanted),
        ExistingResourcePolicy::Update => service_account::updated(live, wanted),
    }
}

fn is_empty(map: &Value) -> bool {
    map.as_object().is_none_or(Map::is_empty)
}

/// The object without what does not count in a comparison: nulls, an empty status, managed fields.
fn comparable(object: Value) -> Value {
    let mut object = merge::without_null_fields(object);
    if let Some(map) = object.as_object_mut()
        && map.get("status").is_some_and(|status| *status == json!({}))
    {
        map.remove("status");
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        metadata.retain(|key, value| !(matches!(key.as_str(), "annotations" | "labels") && is_empty(value)));
    }
    object
}

/// The warning of an object that exists and differs. Users and their tests search for this phrase.
pub fn differs_warning(kind: &str, name: &str) -> String {
    format!(
        "could not restore, {kind}:{name} already exists. Warning: the in-cluster version is different than the backed-up version"
    )
}

/// Whether this restore created the object itself, in an earlier run or in a request with a lost answer: it has the restore's label
/// and is not older than the restore (decision 16). Both times are RFC 3339 in whole seconds and UTC, as the API server
/// writes them, so their texts sort like the times.
pub fn made_by_us(live: &Value, origin: &RestoreLabels, started: &str) -> bool {
    origin.is_on(live) && is_not_older(live, started)
}

/// Whether an object was created when the restore had begun, or later.
pub fn is_not_older(live: &Value, started: &str) -> bool {
    metadata::field(live, "creationTimestamp").is_some_and(|created| created >= started)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> RestoreLabels {
        RestoreLabels::new("b", "r")
    }

    fn ours(mut object: Value) -> Value {
        origin().label(&mut object);
        object
    }

    fn config(data: &Value) -> Value {
        json!({"kind": "ConfigMap", "metadata": {"name": "c"}, "data": data})
    }

    #[test]
    fn every_situation_has_one_step() {
        let same = config(&json!({"a": "1"}));
        let other = config(&json!({"a": "2", "b": "3"}));
        let account = |secrets: Value| json!({"kind": "ServiceAccount", "metadata": {"name": "s"}, "secrets": secrets});
        let labels = origin().label_patch();
        let overwrite = json!({
            "data": {"a": "1", "b": null},
            "metadata": {"labels": {"velero.io/backup-name": "b", "velero.io/restore-name": "r"}},
        });
        let (x, xy) = (json!([{"name": "x"}]), json!([{"name": "x"}, {"name": "y"}]));
        let complete = json!({"secrets": xy});
        let table = [
            ("equal", ExistingResourcePolicy::Leave, &same, &same, Step::Keep),
            (
                "equal, update",
                ExistingResourcePolicy::Update,
                &same,
                &same,
                Step::Relabel(labels),
            ),
            ("differs", ExistingResourcePolicy::Leave, &other, &same, Step::Warn),
            (
                "differs, update",
                ExistingResourcePolicy::Update,
                &other,
                &same,
                Step::Overwrite(overwrite),
            ),
            (
                "account lacks",
                ExistingResourcePolicy::Leave,
                &account(x.clone()),
                &account(xy.clone()),
                Step::Complete(complete.clone()),
            ),
            (
                "account lacks, update",
                ExistingResourcePolicy::Update,
                &account(x.clone()),
                &account(xy.clone()),
                Step::Complete(complete),
            ),
            (
                "account has more",
                ExistingResourcePolicy::Leave,
                &account(xy),
                &account(x),
                Step::Keep,
            ),
        ];
        for (name, policy, live, backup, expected) in table {
            assert_eq!(
                decide(live, &ours(backup.clone()), &origin(), policy),
                expected,
                "{name}"
            );
        }
    }

    #[test]
    fn nulls_and_managed_fields_are_no_difference() {
        let live = json!({
            "kind": "Deployment",
            "metadata": {"name": "d", "managedFields": [{"manager": "a"}], "annotations": {}},
            "spec": {"template": {"metadata": {"labels": {"x": "y"}}}},
        });
        let backup = json!({
            "kind": "Deployment",
            "metadata": {"name": "d", "creationTimestamp": null, "managedFields": [{"manager": "b"}]},
            "spec": {"template": {"metadata": {"labels": {"x": "y"}, "creationTimestamp": null}}},
            "status": {},
        });
        assert_eq!(
            decide(&live, &ours(backup), &origin(), ExistingResourcePolicy::Leave),
            Step::Keep
        );
    }

    #[test]
    fn the_labels_of_an_earlier_restore_are_no_difference() {
        let mut live = config(&json!({}));
        RestoreLabels::new("b", "earlier").label(&mut live);
        assert_eq!(
            decide(
                &live,
                &ours(config(&json!({}))),
                &origin(),
                ExistingResourcePolicy::Leave
            ),
            Step::Keep
        );
    }

    #[test]
    fn finalizers_count() {
        let mut live = config(&json!({}));
        live["metadata"]["finalizers"] = json!(["a/b"]);
        assert_eq!(
            decide(
                &live,
                &ours(config(&json!({}))),
                &origin(),
                ExistingResourcePolicy::Leave
            ),
            Step::Warn
        );
    }

    #[test]
    fn an_object_of_this_restore_is_known_by_label_and_time() {
        let table = [
            ("ours", "r", Some("2026-01-01T00:00:05Z"), true),
            (
                "made in the second of the start",
                "r",
                Some("2026-01-01T00:00:00Z"),
                true,
            ),
            ("older than the restore", "r", Some("2025-12-31T23:59:59Z"), false),
            ("another restore's", "q", Some("2026-01-01T00:00:05Z"), false),
            ("without a time", "r", None, false),
        ];
        for (name, restore, created, expected) in table {
            let mut live = json!({"metadata": {"name": "a", "creationTimestamp": created}});
            RestoreLabels::new("b", restore).label(&mut live);
            assert_eq!(made_by_us(&live, &origin(), "2026-01-01T00:00:00Z"), expected, "{name}");
        }
    }

    #[test]
    fn the_warning_has_the_phrase_that_users_search_for() {
        assert_eq!(
            differs_warning("PersistentVolume", "shop-data"),
            "could not restore, PersistentVolume:shop-data already exists. Warning: the in-cluster version is different than the backed-up version"
        );
    }
}
