//! Which objects get their `managedFields` back (decision 17).

use serde_json::Value;

/// For which objects a second write restores `managedFields` (`--restore-managed-fields`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ManagedFields {
    /// Objects that were applied server-side: without their entry the next apply would have conflicts.
    #[default]
    Applied,
    /// Every object, as 1.18.1 does it. Halves the rate of a restore.
    All,
}

impl std::str::FromStr for ManagedFields {
    type Err = String;

    /// Reads the flag `--restore-managed-fields`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "applied" => Ok(Self::Applied),
            "all" => Ok(Self::All),
            other => Err(format!("invalid value \"{other}\": use applied or all")),
        }
    }
}

/// Removes `managedFields` from the object to be created: an API server assigns each field to the creator of the object, so they
/// need a write of their own. Returns the list to write, if this object needs it.
pub fn take(object: &mut Value, mode: ManagedFields) -> Option<Value> {
    let fields = object.get_mut("metadata")?.as_object_mut()?.remove("managedFields")?;
    let entries = fields.as_array()?;
    let wanted = match mode {
        ManagedFields::Applied => entries
            .iter()
            .any(|entry| entry.get("operation").is_some_and(|op| op == "Apply")),
        ManagedFields::All => !entries.is_empty(),
    };
    wanted.then_some(fields)
}

/// The merge patch that makes the object's list equal to `wanted`; nothing if it already is.
pub fn patch(created: &Value, wanted: &Value) -> Option<Value> {
    let have = created
        .get("metadata")
        .and_then(|metadata| metadata.get("managedFields"));
    (have != Some(wanted)).then(|| serde_json::json!({"metadata": {"managedFields": wanted}}))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_objects_that_were_applied_get_their_fields_back() {
        let update = json!({"manager": "kubectl", "operation": "Update"});
        let apply = json!({"manager": "argo", "operation": "Apply"});
        let table = [
            ("none", json!(null), ManagedFields::Applied, false),
            ("updates only", json!([update]), ManagedFields::Applied, false),
            ("updates only, all", json!([update]), ManagedFields::All, true),
            (
                "an apply among them",
                json!([update, apply]),
                ManagedFields::Applied,
                true,
            ),
            ("empty, all", json!([]), ManagedFields::All, false),
            ("no list", json!("x"), ManagedFields::All, false),
        ];
        for (name, fields, mode, wanted) in table {
            let mut object = json!({"metadata": {"name": "a", "managedFields": fields}});
            assert_eq!(take(&mut object, mode), wanted.then_some(fields), "{name}");
            assert_eq!(object, json!({"metadata": {"name": "a"}}), "{name}");
        }
    }

    #[test]
    fn equal_lists_need_no_patch() {
        let fields = json!([{"manager": "argo", "operation": "Apply"}]);
        let created = json!({"metadata": {"managedFields": fields}});
        assert_eq!(patch(&created, &fields), None);
        assert_eq!(
            patch(&json!({"metadata": {}}), &fields),
            Some(json!({"metadata": {"managedFields": fields}}))
        );
    }
}
