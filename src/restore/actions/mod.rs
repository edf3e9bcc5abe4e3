//! Restore item actions: they change an object before it is created, and name objects that must be restored before it
//! (spec restore 14).
//!
//! The built-in ones are plain functions on JSON, one file each. They edit in place and not through typed objects, so
//! that unknown fields are kept. A plugin will implement the same trait.

mod action;
mod add_pvc_from_pod;
mod admission_webhook_configuration;
mod apiservice;
mod built_in;
mod crd_preserve_fields;
mod job;
mod pod;
mod pod_templates;
mod pod_volume_restore;
mod pvc;
mod resolved;
mod role_bindings;
mod secret;
mod service;
mod service_account;
#[cfg(test)]
mod testing;
mod token_references;

use std::sync::Arc;

pub use self::action::{ActionError, AppliesTo, Input, Lookup, Output, RestoreItemAction};
pub use self::resolved::{Actions, Applicable};

/// Every built-in action, in the order of their names: the order in which they run.
pub fn built_in() -> Vec<Arc<dyn RestoreItemAction>> {
    vec![
        Arc::new(add_pvc_from_pod::ACTION),
        Arc::new(admission_webhook_configuration::ACTION),
        Arc::new(apiservice::ACTION),
        Arc::new(role_bindings::CLUSTER),
        Arc::new(crd_preserve_fields::ACTION),
        Arc::new(job::ACTION),
        Arc::new(pod::PodAction),
        Arc::new(pod_templates::PodTemplatesAction),
        Arc::new(pod_volume_restore::ACTION),
        Arc::new(pvc::ACTION),
        Arc::new(role_bindings::NAMESPACED),
        Arc::new(secret::ACTION),
        Arc::new(service::ACTION),
        Arc::new(service_account::ServiceAccountAction),
    ]
}

/// Whether a service keeps a fixed node port (spec restore 14.3): such a service comes before those that are assigned one.
pub use self::service::keeps_a_node_port;

/// Maps the namespaces of a binding's subjects.
pub use self::role_bindings::map_subjects;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::select::includes::ResolvedType;

    fn actions() -> Actions {
        let known = |name: &str| {
            Some(ResolvedType {
                name: name.to_owned(),
                namespaced: true,
            })
        };
        Actions::resolve(&built_in(), &known).unwrap()
    }

    fn names(resource: &str, target: Option<&str>) -> Vec<String> {
        actions()
            .for_items(resource, target)
            .iter()
            .map(|applicable| applicable.action.name().to_owned())
            .collect()
    }

    #[test]
    fn actions_run_in_the_order_of_their_names() {
        let names: Vec<String> = built_in().iter().map(|action| action.name().to_owned()).collect();
        assert!(names.is_sorted(), "{names:?}");
        assert!(names.iter().all(|name| name.starts_with("velero.io/")));
    }

    #[test]
    fn each_type_meets_its_actions() {
        let table: [(&str, Option<&str>, &[&str]); 6] = [
            (
                "pods",
                Some("a"),
                &[
                    "velero.io/add-pvc-from-pod",
                    "velero.io/pod",
                    "velero.io/pod-volume-restore",
                ],
            ),
            ("persistentvolumeclaims", Some("a"), &["velero.io/pvc"]),
            (
                "customresourcedefinitions.apiextensions.k8s.io",
                None,
                &["velero.io/crd-preserve-fields"],
            ),
            ("apiservices.apiregistration.k8s.io", None, &["velero.io/apiservice"]),
            ("configmaps", Some("a"), &[]),
            ("persistentvolumes", None, &[]),
        ];
        for (resource, target, expected) in table {
            assert_eq!(names(resource, target), expected, "{resource}");
        }
    }

    #[test]
    fn an_action_with_a_selector_skips_others_and_not_the_item() {
        let actions = actions();
        let [applicable] = actions.for_items("apiservices.apiregistration.k8s.io", None)[..] else {
            panic!("one action")
        };
        let labelled = json!({"metadata": {"labels": {"kube-aggregator.kubernetes.io/automanaged": "onstart"}}});
        assert!(applicable.matches(&labelled));
        assert!(!applicable.matches(&json!({"metadata": {}})));
    }
}
