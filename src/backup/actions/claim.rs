//! `velero.io/pv`, which despite its name is about claims: a bound claim's volume is saved too, and fields that bind the claim to
//! its old volume or an old restore are removed.

use futures::future::BoxFuture;
use serde_json::{Map, Value};

use super::{ActionContext, ActionError, AppliesTo, BackupItemAction, Executed};
use crate::api::names;
use crate::backup::facts::ClaimFacts;
use crate::backup::item::{Item, ItemRef};

/// Labels that an earlier restore left on a claim.
const STALE_LABELS: [&str; 3] = [
    "velero.io/restore-name",
    "backup.velero.io/must-include-additional-items",
    "velero.io/volume-snapshot-name",
];

/// The label that names the backup of a claim's snapshot; stale unless it names this backup.
const BACKUP_NAME_LABEL: &str = "velero.io/backup-name";

/// See the module.
pub(super) struct ClaimAction;

impl BackupItemAction for ClaimAction {
    fn name(&self) -> &'static str {
        "velero.io/pv"
    }

    fn applies_to(&self) -> AppliesTo {
        AppliesTo::types(&["persistentvolumeclaims"])
    }

    fn execute<'a>(
        &'a self,
        item: &'a mut Item,
        context: &'a ActionContext<'a>,
    ) -> BoxFuture<'a, Result<Executed, ActionError>> {
        Box::pin(async move {
            let facts: ClaimFacts = item.read()?;
            let Some(volume) = facts.bound_volume() else {
                return Ok(Executed::default());
            };
            let mut claim: Value = item.read()?;
            if strip(&mut claim, &names::label_value(&context.request.name)) {
                *item.edit()? = claim;
            }
            Ok(Executed {
                additional: vec![ItemRef::cluster_scoped("", "persistentvolumes", volume)],
                ..Executed::default()
            })
        })
    }
}

/// Removes what must not be restored; returns whether anything was removed. `backup`: its name as a label value.
fn strip(claim: &mut Value, backup: &str) -> bool {
    let mut changed = false;
    if let Some(spec) = claim.get_mut("spec").and_then(Value::as_object_mut) {
        changed |= spec.remove("dataSource").is_some();
        changed |= spec.remove("dataSourceRef").is_some();
        // Only a claim without any class (not even the default one) finds its volume by labels again.
        if spec.get("storageClassName").and_then(Value::as_str) != Some("") {
            changed |= spec.remove("selector").is_some();
        }
        if let Some(selector) = spec.get_mut("selector").and_then(Value::as_object_mut) {
            changed |= retain(selector, "matchLabels", |key, _| !key.starts_with("velero.io/"));
        }
    }
    if let Some(metadata) = claim.get_mut("metadata").and_then(Value::as_object_mut) {
        changed |= retain(metadata, "labels", |key, value| {
            !STALE_LABELS.contains(&key) && (key != BACKUP_NAME_LABEL || value == backup)
        });
    }
    changed
}

/// Keeps some entries of the map under `key`, and drops the map if none is left; returns whether one was removed.
fn retain(parent: &mut Map<String, Value>, key: &str, keep: impl Fn(&str, &Value) -> bool) -> bool {
    let Some(map) = parent.get_mut(key).and_then(Value::as_object_mut) else {
        return false;
    };
    let before = map.len();
    map.retain(|key, value| keep(key, value));
    let changed = map.len() < before;
    if changed && map.is_empty() {
        parent.remove(key);
    }
    changed
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_of_the_old_binding_are_removed_from_a_claim() {
        let cases = [
            (
                "nothing to take",
                json!({"spec": {"storageClassName": "fast", "volumeName": "v"}}),
                None,
            ),
            (
                "sources",
                json!({"spec": {"dataSource": {"name": "s"}, "dataSourceRef": {"name": "s"}, "volumeName": "v"}}),
                Some(json!({"spec": {"volumeName": "v"}})),
            ),
            (
                "a selector where a class provides",
                json!({"spec": {"storageClassName": "fast", "selector": {"matchLabels": {"a": "b"}}}}),
                Some(json!({"spec": {"storageClassName": "fast"}})),
            ),
            (
                "a selector where the default class provides",
                json!({"spec": {"selector": {"matchLabels": {"a": "b"}}}}),
                Some(json!({"spec": {}})),
            ),
            (
                "our labels in a selector that is kept",
                json!({"spec": {"storageClassName": "", "selector": {"matchLabels": {"a": "b", "velero.io/x": "y"}}}}),
                Some(json!({"spec": {"storageClassName": "", "selector": {"matchLabels": {"a": "b"}}}})),
            ),
            (
                "labels of an earlier restore",
                json!({"metadata": {"labels": {"app": "web", "velero.io/restore-name": "r",
                    "velero.io/volume-snapshot-name": "s", "velero.io/backup-name": "other"}}}),
                Some(json!({"metadata": {"labels": {"app": "web"}}})),
            ),
            (
                "the last label",
                json!({"metadata": {"labels": {"velero.io/restore-name": "r"}}}),
                Some(json!({"metadata": {}})),
            ),
            (
                "the label of this backup",
                json!({"metadata": {"labels": {"velero.io/backup-name": "this"}}}),
                None,
            ),
        ];
        for (what, claim, expected) in cases {
            let mut stripped = claim.clone();
            assert_eq!(strip(&mut stripped, "this"), expected.is_some(), "{what}");
            assert_eq!(stripped, expected.unwrap_or(claim), "{what}");
        }
    }
}
