//! What a run knows of each resource type.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::actions::ActionTable;
use crate::api::v1::BackupSpec;
use crate::cluster::discovery::{Discovery, GroupResource, Resource};
use crate::select::backup::ResourceFilter;
use crate::select::includes::IncludesExcludes;

/// A type, in the version the server prefers, with everything about it that is the same for each of its objects.
#[derive(Debug)]
pub(super) struct Type {
    pub(super) resource: Resource,
    pub(super) group_resource: GroupResource,
    /// `deployments.apps`
    pub(super) name: Arc<str>,
    /// The version as a path component.
    pub(super) version: Arc<str>,
    /// Whether objects of it are collected.
    pub(super) included: bool,
    /// Whether it is out even as a related item.
    pub(super) excluded: bool,
    /// The actions that may apply, by their place in the table.
    pub(super) actions: Vec<usize>,
    pub(super) role: Role,
}

/// The types that a run treats in a way of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Pod,
    Claim,
    Volume,
    Namespace,
    Definition,
    Other,
}

impl Role {
    fn of(resource: &GroupResource) -> Self {
        match (resource.group.as_str(), resource.resource.as_str()) {
            ("", "pods") => Self::Pod,
            ("", "persistentvolumeclaims") => Self::Claim,
            ("", "persistentvolumes") => Self::Volume,
            ("", "namespaces") => Self::Namespace,
            ("apiextensions.k8s.io", "customresourcedefinitions") => Self::Definition,
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
    pub(super) fn new(
        discovery: &Discovery,
        filter: &ResourceFilter,
        actions: &ActionTable,
        spec: &BackupSpec,
    ) -> Self {
        let by_name = discovery
            .all()
            .iter()
            .filter_map(|resource| discovery.preferred_version(&resource.group_resource()))
            .map(|resource| {
                let group_resource = resource.group_resource();
                let name = group_resource.to_string();
                let role = Role::of(&group_resource);
                let excluded = match role {
                    Role::Definition => definitions_excluded(spec, &name),
                    _ => filter.is_explicitly_excluded(&name, resource.namespaced),
                };
                let type_ = Type {
                    resource: resource.clone(),
                    version: resource.version.as_str().into(),
                    included: filter.should_include(&name, resource.namespaced),
                    excluded,
                    actions: actions.for_type(&name),
                    role,
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

    /// The type of the definitions of custom resources; none where the group cannot be discovered.
    pub(super) fn definitions(&self) -> Option<&Arc<Type>> {
        self.get(&GroupResource::new("apiextensions.k8s.io", "customresourcedefinitions"))
    }
}

/// Whether the user put CustomResourceDefinitions out. A list of other types to include does not: the definition of a
/// saved custom resource is always related to it (spec backup 22-C7).
fn definitions_excluded(spec: &BackupSpec, name: &str) -> bool {
    spec.include_cluster_resources == Some(false)
        || [&spec.excluded_resources, &spec.excluded_cluster_scoped_resources]
            .into_iter()
            .any(|excludes| {
                let everything = excludes.iter().any(|entry| entry == "*");
                everything || IncludesExcludes::new(Vec::<String>::new(), excludes.clone()).is_excluded(name)
            })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_related_unless_the_user_says_otherwise() {
        let list = |entries: &[&str]| entries.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>();
        let name = "customresourcedefinitions.apiextensions.k8s.io";
        let cases = [
            (BackupSpec::default(), false),
            (
                BackupSpec {
                    included_resources: list(&["widgets.example.com"]),
                    ..BackupSpec::default()
                },
                false,
            ),
            (
                BackupSpec {
                    excluded_resources: list(&[name]),
                    ..BackupSpec::default()
                },
                true,
            ),
            (
                BackupSpec {
                    excluded_cluster_scoped_resources: list(&["custom*"]),
                    ..BackupSpec::default()
                },
                true,
            ),
            (
                BackupSpec {
                    excluded_cluster_scoped_resources: list(&["*"]),
                    ..BackupSpec::default()
                },
                true,
            ),
            (
                BackupSpec {
                    include_cluster_resources: Some(true),
                    ..BackupSpec::default()
                },
                false,
            ),
            (
                BackupSpec {
                    include_cluster_resources: Some(false),
                    ..BackupSpec::default()
                },
                true,
            ),
        ];
        for (spec, excluded) in cases {
            assert_eq!(definitions_excluded(&spec, name), excluded, "{spec:?}");
        }
    }
}
