//! Removes from a claim how it was bound, provisioned and snapshotted. Its volume is restored before it. Since 1.12.

use serde_json::Value;

use super::action::{ActionError, Input, Output};
use super::built_in::BuiltIn;
use crate::api::annotations;
use crate::cluster::discovery::GroupResource;
use crate::restore::item_id::ItemId;
use crate::restore::object::{metadata, volume};

pub(super) const ACTION: BuiltIn = BuiltIn {
    name: "velero.io/pvc",
    resources: &["persistentvolumeclaims"],
    label: None,
    execute,
};

const FORGOTTEN: [&str; 7] = [
    annotations::BIND_COMPLETED,
    annotations::BOUND_BY_CONTROLLER,
    annotations::STORAGE_PROVISIONER,
    annotations::BETA_STORAGE_PROVISIONER,
    annotations::SELECTED_NODE,
    annotations::VOLUME_SNAPSHOT_NAME,
    annotations::DATA_UPLOAD_NAME,
];

#[expect(clippy::unnecessary_wraps, reason = "the signature of every built-in action")]
fn execute(item: &mut Value, input: &Input<'_>) -> Result<Output, ActionError> {
    metadata::remove_annotations(item, &FORGOTTEN);
    let bound = input
        .original
        .pointer("/status/phase")
        .is_some_and(|phase| phase == "Bound");
    let name = volume::volume_of(input.original).filter(|_| bound);
    let item = name.map(|name| ItemId::cluster(GroupResource::new("", "persistentvolumes"), name));
    Ok(Output::after(item.into_iter().collect()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::restore::actions::testing::{Archive, run};
    use crate::restore::request::RestoreContext;

    #[test]
    fn a_bound_claim_asks_for_its_volume() {
        let table = [
            ("Bound", json!("pv"), Some("persistentvolumes/pv")),
            ("Pending", json!("pv"), None),
            ("Bound", json!(""), None),
            ("Bound", json!(null), None),
        ];
        for (phase, volume, expected) in table {
            let claim = json!({"metadata": {}, "spec": {"volumeName": volume}, "status": {"phase": phase}});
            let (_, output) = run(&ACTION, &RestoreContext::default(), &Archive::default(), &claim);
            assert_eq!(
                output.unwrap().additional.first().map(ToString::to_string).as_deref(),
                expected,
                "{phase} {volume}"
            );
        }
    }

    #[test]
    fn annotations_of_the_old_binding_are_removed() {
        let claim = json!({"metadata": {"annotations": {"volume.kubernetes.io/selected-node": "n", "mine": "stays"}}});
        let (item, _) = run(&ACTION, &RestoreContext::default(), &Archive::default(), &claim);
        assert_eq!(item, json!({"metadata": {"annotations": {"mine": "stays"}}}));
    }
}
