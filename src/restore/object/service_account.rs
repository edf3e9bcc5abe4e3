//! An existing ServiceAccount is completed, never replaced: other objects depend on it (spec restore 11.4).

use serde_json::{Map, Value};

/// The in-cluster account with the missing secrets, pull secrets, labels and annotations of the backup. Its own values win.
pub fn merged(live: &Value, backup: &Value) -> Value {
    completed(live, backup, false)
}

/// The same, but the backup's labels, annotations and automounting win: for a restore that updates existing objects.
pub fn updated(live: &Value, backup: &Value) -> Value {
    const AUTOMOUNT: &str = "automountServiceAccountToken";
    let mut updated = completed(live, backup, true);
    if let Some(account) = updated.as_object_mut() {
        match backup.get(AUTOMOUNT) {
            Some(automount) => account.insert(AUTOMOUNT.to_owned(), automount.clone()),
            None => account.remove(AUTOMOUNT),
        };
    }
    updated
}

fn completed(live: &Value, backup: &Value, backup_wins: bool) -> Value {
    let mut completed = live.clone();
    for list in ["secrets", "imagePullSecrets"] {
        add_references(&mut completed, backup, list);
    }
    for map in ["labels", "annotations"] {
        add_keys(&mut completed, backup, map, backup_wins);
    }
    completed
}

fn add_references(merged: &mut Value, backup: &Value, list: &str) {
    let Some(wanted) = backup.get(list).and_then(Value::as_array) else {
        return;
    };
    let name = |reference: &Value| reference.get("name").cloned();
    let have = merged.get(list).and_then(Value::as_array);
    let missing: Vec<Value> = wanted
        .iter()
        .filter(|reference| !have.is_some_and(|have| have.iter().any(|other| name(other) == name(reference))))
        .cloned()
        .collect();
    if missing.is_empty() {
        return;
    }
    let mut all = have.cloned().unwrap_or_default();
    all.extend(missing);
    if let Some(account) = merged.as_object_mut() {
        account.insert(list.to_owned(), Value::Array(all));
    }
}

fn add_keys(merged: &mut Value, backup: &Value, map: &str, backup_wins: bool) {
    let Some(wanted) = backup
        .get("metadata")
        .and_then(|metadata| metadata.get(map))
        .and_then(Value::as_object)
    else {
        return;
    };
    let Some(metadata) = merged.get_mut("metadata").and_then(Value::as_object_mut) else {
        return;
    };
    let mut all = metadata
        .get(map)
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_else(Map::new);
    for (key, value) in wanted {
        if backup_wins {
            all.insert(key.clone(), value.clone());
        } else {
            all.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    if !all.is_empty() {
        metadata.insert(map.to_owned(), Value::Object(all));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn missing_fields_of_the_account_are_added_and_its_own_win() {
        let table = [
            (
                "nothing to add",
                json!({"metadata": {"name": "a"}, "secrets": [{"name": "x"}]}),
                json!({"metadata": {"name": "a"}, "secrets": [{"name": "x", "other": 1}]}),
                json!({"metadata": {"name": "a"}, "secrets": [{"name": "x"}]}),
            ),
            (
                "lists grow at their end",
                json!({"metadata": {}, "secrets": [{"name": "x"}], "imagePullSecrets": null}),
                json!({"metadata": {}, "secrets": [{"name": "y"}, {"name": "x"}], "imagePullSecrets": [{"name": "p"}]}),
                json!({"metadata": {}, "secrets": [{"name": "x"}, {"name": "y"}], "imagePullSecrets": [{"name": "p"}]}),
            ),
            (
                "labels and annotations of the cluster win",
                json!({"metadata": {"labels": {"a": "live"}}}),
                json!({"metadata": {"labels": {"a": "old", "b": "old"}, "annotations": {"c": "old"}}}),
                json!({"metadata": {"labels": {"a": "live", "b": "old"}, "annotations": {"c": "old"}}}),
            ),
        ];
        for (name, live, backup, expected) in table {
            assert_eq!(merged(&live, &backup), expected, "{name}");
        }
    }
    #[test]
    fn an_update_sets_labels_annotations_and_automounting() {
        let live = json!({
            "metadata": {"annotations": {"role": "two", "mine": "x"}},
            "secrets": [{"name": "x"}], "automountServiceAccountToken": true,
        });
        let backup = |automount: Value| {
            let mut backup = json!({
                "metadata": {"annotations": {"role": "one"}, "labels": {"l": "1"}}, "secrets": [{"name": "y"}],
            });
            json_patch::merge(&mut backup, &json!({"automountServiceAccountToken": automount}));
            backup
        };
        let expected = json!({
            "metadata": {"annotations": {"role": "one", "mine": "x"}, "labels": {"l": "1"}},
            "secrets": [{"name": "x"}, {"name": "y"}], "automountServiceAccountToken": false,
        });
        assert_eq!(updated(&live, &backup(json!(false))), expected);
        assert_eq!(
            updated(&live, &backup(json!(null))).get("automountServiceAccountToken"),
            None
        );
    }
}
