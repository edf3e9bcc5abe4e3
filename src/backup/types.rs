//! The resource types of a run.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::actions::ActionTable;
use super::done::Key;
use crate::cluster::discovery::{Discovery, GroupResource, Resource};
use crate::select::backup::ResourceFilter;

/// A type in one version, usually the one that the server prefers, with the facts that all its objects share.
#[derive(Debug)]
pub(super) struct Type {
    pub(super) resource: Resource,
    pub(super) group_resource: GroupResource,
    /// `deployments.apps`
    pub(super) name: Arc<str>,
    /// The version as a path component.
    pub(super) version: Arc<str>,
    /// Whether that is the version the server prefers.
    pub(super) preferred: bool,
    /// Whether its objects are collected.
    pub(super) included: bool,
    /// Whether it is excluded even as a related item.
    pub(super) excluded: bool,
    /// The actions that may apply, by their place in the table.
    pub(super) actions: Vec<usize>,
    pub(super) known: KnownType,
}

/// The types with special handling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KnownType {
    Pod,
    Claim,
    Volume,
    Namespace,
    Crd,
    Other,
}

impl Type {
    /// The key of one of its objects.
    pub(super) fn key(&self, namespace: Option<&str>, name: &str) -> Key {
        let version = (!self.preferred).then_some(&*self.version);
        Key::in_version(&self.group_resource, version, namespace, name)
    }
}

impl KnownType {
    fn of(resource: &GroupResource) -> Self {
        match (resource.group.as_str(), resource.resource.as_str()) {
            ("", "pods") => Self::Pod,
            ("", "persistentvolumeclaims") => Self::Claim,
            ("", "persistentvolumes") => Self::Volume,
            ("", "namespaces") => Self::Namespace,
            ("apiextensions.k8s.io", "customresourcedefinitions") => Self::Crd,
            _ => Self::Other,
        }
    }
}

/// Every type that is served.
#[derive(Debug)]
pub(super) struct Types {
    by_name: BTreeMap<GroupResource, Arc<Type>>,
}

impl Types {
    pub(super) fn new(discovery: &Discovery, filter: &ResourceFilter, actions: &ActionTable) -> Self {
        let by_name = discovery
            .all()
            .iter()
            .filter_map(|resource| discovery.preferred_version(&resource.group_resource()))
            .map(|resource| {
                let group_resource = resource.group_resource();
                let name = group_resource.to_string();
                let known = KnownType::of(&group_resource);
                let excluded = match known {
                    KnownType::Crd => !filter.takes_related_crds(),
                    _ => filter.is_explicitly_excluded(&name, resource.namespaced),
                };
                let type_ = Type {
                    resource: resource.clone(),
                    version: resource.version.as_str().into(),
                    preferred: true,
                    included: filter.should_include(&name, resource.namespaced),
                    excluded,
                    actions: actions.for_type(&name),
                    known,
                    name: name.into(),
                    group_resource: group_resource.clone(),
                };
                (group_resource, Arc::new(type_))
            })
            .collect();
        Self { by_name }
    }

    /// A type that is served.
    pub(super) fn get(&self, group_resource: &GroupResource) -> Option<&Arc<Type>> {
        self.by_name.get(group_resource)
    }

    /// The type in this version. In a version other than the preferred one its objects are only copies: special handling applies
    /// to the originals.
    pub(super) fn in_version(&self, resource: &Resource) -> Option<Arc<Type>> {
        let preferred = self.get(&resource.group_resource())?;
        if preferred.resource.version == resource.version {
            return Some(preferred.clone());
        }
        Some(Arc::new(Type {
            resource: resource.clone(),
            version: resource.version.as_str().into(),
            preferred: false,
            actions: preferred.actions.clone(),
            known: KnownType::Other,
            name: preferred.name.clone(),
            group_resource: preferred.group_resource.clone(),
            included: preferred.included,
            excluded: preferred.excluded,
        }))
    }

    /// The type of CRDs; none if the group cannot be discovered.
    pub(super) fn crds(&self) -> Option<&Arc<Type>> {
        self.get(&GroupResource::new("apiextensions.k8s.io", "customresourcedefinitions"))
    }
}
