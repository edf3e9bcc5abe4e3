//! Removes the wait container of an earlier restore from a pod (spec restore 16.2): it would wait for ever for volumes that are
//! never filled. A new one belongs to the restore of volume data, which is not implemented yet.

use serde_json::Value;

use super::action::{ActionError, Input, Output};
use super::built_in::BuiltIn;
use crate::api::constants::{RESTIC_WAIT_CONTAINER, RESTORE_WAIT_CONTAINER};

pub(super) const ACTION: BuiltIn = BuiltIn {
    name: "velero.io/pod-volume-restore",
    resources: &["pods"],
    label: None,
    execute,
};

#[expect(clippy::unnecessary_wraps, reason = "the signature of every built-in action")]
fn execute(item: &mut Value, _: &Input<'_>) -> Result<Output, ActionError> {
    if let Some(containers) = item.pointer_mut("/spec/initContainers").and_then(Value::as_array_mut) {
        let waits = |name: &str| [RESTORE_WAIT_CONTAINER, RESTIC_WAIT_CONTAINER].contains(&name);
        containers.retain(|container| !container.get("name").and_then(Value::as_str).is_some_and(waits));
    }
    Ok(Output::default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::restore::actions::testing::changed;

    #[test]
    fn wait_containers_of_an_earlier_restore_are_removed() {
        let pod = |containers: Value| json!({"spec": {"initContainers": containers}});
        let table = [
            (
                json!([{"name": "restore-wait"}, {"name": "mine"}]),
                json!([{"name": "mine"}]),
            ),
            (
                json!([{"name": "mine"}, {"name": "restic-wait"}]),
                json!([{"name": "mine"}]),
            ),
            (json!([{"name": "restic-waiter"}]), json!([{"name": "restic-waiter"}])),
            (json!(null), json!(null)),
        ];
        for (before, after) in table {
            assert_eq!(changed(&ACTION, &pod(before)), pod(after));
        }
    }
}
