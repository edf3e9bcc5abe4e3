//! Restore item actions: what is changed about an object before it is created, and what must be restored before it
//! (spec restore 14).
//!
//! The built-in ones are plain functions on JSON, one file each. They edit in place and never go through typed objects, so
//! that fields nobody here knows survive. A plugin will implement the same trait.

mod add_pvc_from_pod;
mod admission_webhook_configuration;
mod apiservice;
mod crd_preserve_fields;
mod job;
mod pod;
mod pod_templates;
mod pod_volume_restore;
mod pvc;
mod role_bindings;
mod secret;
mod service;
mod service_account;
mod token_references;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, ready};
use serde_json::Value;

use crate::api::LabelSelector;
use crate::cluster::discovery::GroupResource;
use crate::restore::request::checked;
use crate::select::includes::{IncludesExcludes, Resolve};
use crate::select::labels::Selector;

/// An item of the archive, by its names there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemId {
    /// Its type.
    pub resource: GroupResource,
    /// Its namespace in the backup; `None` for cluster scope.
    pub namespace: Option<String>,
    /// Its name in the backup.
    pub name: String,
}

impl ItemId {
    /// A cluster-scoped item.
    pub fn cluster(resource: GroupResource, name: impl Into<String>) -> Self {
        Self {
            resource,
            namespace: None,
            name: name.into(),
        }
    }

    /// An item of a namespace.
    pub fn namespaced(resource: GroupResource, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            resource,
            namespace: Some(namespace.into()),
            name: name.into(),
        }
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{}/{namespace}/{}", self.resource, self.name),
            None => write!(f, "{}/{}", self.resource, self.name),
        }
    }
}

/// What an action may know about the restore it works for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restoration {
    /// Name of the Restore.
    pub name: String,
    /// Its namespace: the server's.
    pub namespace: String,
    /// Its uid.
    pub uid: String,
    /// Name of the backup it restores.
    pub backup: String,
    /// Source namespace to target namespace, where they differ.
    pub namespace_mapping: BTreeMap<String, String>,
    /// Whether services keep their node ports.
    pub preserve_node_ports: bool,
}

impl Restoration {
    /// Whether any namespace is restored into another one.
    pub fn maps(&self) -> bool {
        self.namespace_mapping.iter().any(|(source, target)| source != target)
    }

    /// The namespace that a namespace of the backup is restored into.
    pub fn target<'a>(&'a self, source: &'a str) -> &'a str {
        self.namespace_mapping.get(source).map_or(source, String::as_str)
    }
}

/// Questions of an action that need the archive.
pub trait Lookup: Send + Sync {
    /// An object of the archive as it is there; nothing if there is none, or none that can be read.
    fn archived<'a>(&'a self, item: &'a ItemId) -> BoxFuture<'a, Option<Value>>;
}

/// What an action gets.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// The object as it is in the archive, metadata and status included.
    pub original: &'a Value,
    /// Its namespace in the backup; `None` for cluster scope.
    pub namespace: Option<&'a str>,
    /// The restore it is for.
    pub restore: &'a Restoration,
    /// The archive.
    pub lookup: &'a dyn Lookup,
}

/// What an action answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Output {
    /// Leave the object out. Everything else in the answer, save its warnings, is then ignored.
    pub skip: bool,
    /// Restore these first, in this order.
    pub additional: Vec<ItemId>,
    /// Wait until [`RestoreItemAction::are_ready`] says that the additional items are, at most so long.
    pub wait: Option<Duration>,
    /// What is to be said to the user about the object.
    pub warnings: Vec<String>,
}

impl Output {
    /// Leaves the object out.
    pub fn skip() -> Self {
        Self {
            skip: true,
            ..Self::default()
        }
    }

    /// Asks for other items first.
    pub fn after(additional: Vec<ItemId>) -> Self {
        Self {
            additional,
            ..Self::default()
        }
    }
}

/// An action could not do its work; its item is not restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ActionError(pub String);

/// Which items an action wants to see; empty lists mean all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AppliesTo {
    /// Types, as users write them.
    pub included_resources: Vec<String>,
    /// Types, as users write them.
    pub excluded_resources: Vec<String>,
    /// Target namespaces.
    pub included_namespaces: Vec<String>,
    /// Target namespaces.
    pub excluded_namespaces: Vec<String>,
    /// Labels of the object as the actions before left it.
    pub labels: LabelSelector,
}

/// Changes items while they are restored.
///
/// Called once for each matching item and try: an item that is parked and tried again is shown to its actions again, so an
/// effect outside of the item must be safe to repeat.
pub trait RestoreItemAction: Send + Sync {
    /// The registered name; actions run in the order of their names.
    fn name(&self) -> &str;

    /// Which items it wants. Asked once, and again after CRDs were restored.
    fn applies_to(&self) -> AppliesTo;

    /// Changes the item, leaves it out, or asks for others first. Cancelled by dropping.
    fn execute<'a>(&'a self, item: &'a mut Value, input: Input<'a>) -> BoxFuture<'a, Result<Output, ActionError>>;

    /// Whether the additional items that it asked for are ready; asked once a second.
    fn are_ready<'a>(
        &'a self,
        items: &'a [ItemId],
        restore: &'a Restoration,
    ) -> BoxFuture<'a, Result<bool, ActionError>> {
        let _ = (items, restore);
        ready(Ok(true)).boxed()
    }

    /// Whether the action only clears what a cluster assigns, so that an object in the cluster can go through it as well
    /// before the two are compared.
    fn is_pure(&self) -> bool {
        false
    }
}

/// A built-in action: a function on the item, what is in the archive, and the restore.
struct BuiltIn {
    name: &'static str,
    resources: &'static [&'static str],
    /// A label whose presence is asked for.
    label: Option<&'static str>,
    execute: fn(&mut Value, &Input<'_>) -> Result<Output, ActionError>,
}

impl RestoreItemAction for BuiltIn {
    fn name(&self) -> &str {
        self.name
    }

    fn applies_to(&self) -> AppliesTo {
        AppliesTo {
            included_resources: self.resources.iter().map(ToString::to_string).collect(),
            labels: self.label.map(exists).unwrap_or_default(),
            ..AppliesTo::default()
        }
    }

    fn execute<'a>(&'a self, item: &'a mut Value, input: Input<'a>) -> BoxFuture<'a, Result<Output, ActionError>> {
        ready((self.execute)(item, &input)).boxed()
    }

    fn is_pure(&self) -> bool {
        true
    }
}

fn exists(label: &str) -> LabelSelector {
    let requirement = crate::api::LabelSelectorRequirement {
        key: label.to_owned(),
        operator: "Exists".to_owned(),
        values: Vec::new(),
    };
    LabelSelector {
        match_expressions: vec![requirement],
        ..LabelSelector::default()
    }
}

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

/// Whether a service keeps a node port of its own (spec restore 14.3): such a service goes before those that are given one.
pub use service::keeps_a_node_port;

/// Lets the subjects of a binding follow their namespaces.
pub use role_bindings::map_subjects;

/// The actions of one restore with their selectors resolved.
pub struct Actions {
    actions: Vec<Matcher>,
}

struct Matcher {
    action: Arc<dyn RestoreItemAction>,
    resources: IncludesExcludes,
    namespaces: IncludesExcludes,
    labels: Selector,
}

impl Actions {
    /// Resolves what each action applies to. Done again when discovery was read anew: a type restored by its CRD has a name
    /// only then (spec restore 26, row 36).
    pub fn resolve(actions: &[Arc<dyn RestoreItemAction>], resolve: Resolve<'_>) -> Result<Self, ActionError> {
        let matcher = |action: &Arc<dyn RestoreItemAction>| {
            let wants = action.applies_to();
            let labels = checked(&wants.labels)
                .map_err(|error| ActionError(format!("read what action `{}` applies to: {error}", action.name())))?;
            Ok(Matcher {
                action: Arc::clone(action),
                resources: IncludesExcludes::of_resources(
                    &wants.included_resources,
                    &wants.excluded_resources,
                    resolve,
                ),
                namespaces: IncludesExcludes::new(wants.included_namespaces, wants.excluded_namespaces),
                labels,
            })
        };
        Ok(Self {
            actions: actions.iter().map(matcher).collect::<Result<_, _>>()?,
        })
    }

    /// The actions for items of a type in a target namespace, in order. Cluster-scoped items match only actions that hold
    /// back no namespace. Labels are the item's own affair: see [`Applicable::matches`].
    pub fn for_items<'a>(&'a self, resource: &str, target: Option<&str>) -> Vec<Applicable<'a>> {
        self.actions
            .iter()
            .filter(|matcher| matcher.resources.should_include(resource))
            .filter(|matcher| match target {
                Some(namespace) => matcher.namespaces.should_include(namespace),
                None => matcher.namespaces.includes_everything(),
            })
            .map(|matcher| Applicable {
                action: matcher.action.as_ref(),
                labels: &matcher.labels,
            })
            .collect()
    }
}

/// An action that wants items of a type, if their labels match.
#[derive(Clone, Copy)]
pub struct Applicable<'a> {
    /// The action.
    pub action: &'a dyn RestoreItemAction,
    labels: &'a Selector,
}

impl Applicable<'_> {
    /// Whether the action wants this object; asked with the labels as the actions before left them.
    pub fn matches(&self, object: &Value) -> bool {
        self.labels.is_everything() || self.labels.matches(&labels_of(object))
    }
}

fn labels_of(object: &Value) -> BTreeMap<String, String> {
    object
        .pointer("/metadata/labels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

#[cfg(test)]
mod testing {
    use std::collections::HashMap;

    use serde_json::json;

    use super::*;
    use crate::api::annotations::{SERVICE_ACCOUNT_NAME, SERVICE_ACCOUNT_UID};
    use crate::restore::object::{metadata, token};

    /// An archive that holds what it is told.
    #[derive(Default)]
    pub(super) struct World {
        archived: HashMap<ItemId, Value>,
    }

    impl World {
        /// An archive of these secrets.
        pub(super) fn of(secrets: impl IntoIterator<Item = Value>) -> Self {
            let id = |secret: &Value| {
                let field = |key| metadata::field(secret, key).unwrap();
                ItemId::namespaced(GroupResource::new("", "secrets"), field("namespace"), field("name"))
            };
            Self {
                archived: secrets.into_iter().map(|secret| (id(&secret), secret)).collect(),
            }
        }
    }

    impl Lookup for World {
        fn archived<'a>(&'a self, item: &'a ItemId) -> BoxFuture<'a, Option<Value>> {
            ready(self.archived.get(item).cloned()).boxed()
        }
    }

    /// A token that the controller made.
    pub(super) fn generated(namespace: &str, account: &str, name: &str) -> Value {
        let annotations = json!({(SERVICE_ACCOUNT_NAME): account, (SERVICE_ACCOUNT_UID): "1"});
        json!({"metadata": {"name": name, "namespace": namespace, "annotations": annotations}, "type": token::TYPE})
    }

    /// A token made by hand.
    pub(super) fn made_by_hand(namespace: &str, account: &str, name: &str) -> Value {
        let mut secret = generated(namespace, account, name);
        secret["metadata"]["managedFields"] = json!([{"manager": "kubectl", "fieldsV1": {"f:type": {}}}]);
        secret
    }

    pub(super) fn mapped(pairs: &[(&str, &str)]) -> Restoration {
        let pair = |(source, target): &(&str, &str)| ((*source).to_owned(), (*target).to_owned());
        Restoration {
            namespace_mapping: pairs.iter().map(pair).collect(),
            ..Restoration::default()
        }
    }

    /// Runs an action on an object that is in the archive as it is.
    pub(super) fn run(
        action: &dyn RestoreItemAction,
        restore: &Restoration,
        world: &World,
        object: &Value,
    ) -> (Value, Result<Output, ActionError>) {
        let mut item = object.clone();
        let input = Input {
            original: object,
            namespace: metadata::field(object, "namespace"),
            restore,
            lookup: world,
        };
        let output = futures::executor::block_on(action.execute(&mut item, input));
        (item, output)
    }

    /// What an action makes of an object, with nothing else in the world.
    #[track_caller]
    pub(super) fn changed(action: &dyn RestoreItemAction, object: &Value) -> Value {
        let (item, output) = run(action, &Restoration::default(), &World::default(), object);
        assert_eq!(output, Ok(Output::default()));
        item
    }
}

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
