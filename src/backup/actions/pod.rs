//! `velero.io/pod`: a pod's claims and its PriorityClass are saved too.

use futures::future::BoxFuture;

use super::{ActionContext, ActionError, AppliesTo, BackupItemAction, Executed};
use crate::backup::facts::PodFacts;
use crate::backup::item::{Item, ItemRef};

/// See the module.
pub(super) struct PodAction;

impl BackupItemAction for PodAction {
    fn name(&self) -> &'static str {
        "velero.io/pod"
    }

    fn applies_to(&self) -> AppliesTo {
        AppliesTo::types(&["pods"])
    }

    fn execute<'a>(
        &'a self,
        item: &'a mut Item,
        _: &'a ActionContext<'a>,
    ) -> BoxFuture<'a, Result<Executed, ActionError>> {
        let facts = item.read::<PodFacts>();
        let namespace = item.head().namespace.clone().unwrap_or_default();
        Box::pin(async move {
            Ok(Executed {
                additional: related(&facts?, &namespace),
                ..Executed::default()
            })
        })
    }
}

fn related(pod: &PodFacts, namespace: &str) -> Vec<ItemRef> {
    let class = pod
        .priority_class()
        .map(|name| ItemRef::cluster_scoped("scheduling.k8s.io", "priorityclasses", name));
    let claims = pod
        .claims()
        .map(|name| ItemRef::namespaced("", "persistentvolumeclaims", namespace, name));
    class.into_iter().chain(claims).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn a_pods_class_and_claims_are_saved_too() {
        let pod = from_value(json!({"spec": {
            "priorityClassName": "high",
            "volumes": [{"persistentVolumeClaim": {"claimName": "a"}}, {"emptyDir": {}},
                        {"persistentVolumeClaim": {"claimName": "b"}}],
        }}))
        .unwrap();
        assert_eq!(
            related(&pod, "shop"),
            [
                ItemRef::cluster_scoped("scheduling.k8s.io", "priorityclasses", "high"),
                ItemRef::namespaced("", "persistentvolumeclaims", "shop", "a"),
                ItemRef::namespaced("", "persistentvolumeclaims", "shop", "b"),
            ]
        );
    }
}
