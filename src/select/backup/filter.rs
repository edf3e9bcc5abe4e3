//! Decides which types are collected, and which are saved with others.

use super::automatic::is_automatic;
use super::lists::{PolicyLists, TypeLists};
use super::scope_lists::ScopeLists;
use crate::select::includes::{IncludesExcludes, Resolve};
use crate::select::namespaces::NamespaceFilter;

const NAMESPACES: &str = "namespaces";

/// Decides for each type whether a backup collects it.
#[derive(Clone, Debug)]
pub struct ResourceFilter {
    every_namespace: bool,
    style: Style,
}

#[derive(Clone, Debug)]
enum Style {
    Old {
        lists: IncludesExcludes,
        include_cluster: Option<bool>,
    },
    New {
        namespaced: ScopeLists,
        cluster: ScopeLists,
    },
}

impl ResourceFilter {
    /// From a spec, prepared or not: the automatic excludes count in either case and are never the user's (decision 4).
    /// `policy` has effect on the new filters only; with the old ones it is a validation error.
    pub fn new(
        lists: TypeLists<'_>,
        policy: PolicyLists<'_>,
        namespaces: &NamespaceFilter,
        resolve: Resolve<'_>,
    ) -> Self {
        let style = if lists.is_old_style() {
            let excluded: Vec<String> = lists
                .excluded
                .iter()
                .filter(|name| !is_automatic(name))
                .cloned()
                .collect();
            let include_cluster = lists.include_cluster;
            Style::Old {
                lists: IncludesExcludes::of_resources(lists.included, &excluded, resolve),
                include_cluster,
            }
        } else {
            let mut namespaced = ScopeLists::new(
                lists.included_namespace_scoped,
                lists.excluded_namespace_scoped,
                true,
                resolve,
            );
            namespaced.add_policy(
                policy.included_namespace_scoped,
                policy.excluded_namespace_scoped,
                true,
                resolve,
            );
            let mut cluster = ScopeLists::new(
                lists.included_cluster_scoped,
                lists.excluded_cluster_scoped,
                false,
                resolve,
            );
            cluster.add_policy(
                policy.included_cluster_scoped,
                policy.excluded_cluster_scoped,
                false,
                resolve,
            );
            Style::New { namespaced, cluster }
        };
        Self {
            every_namespace: namespaces.includes_everything(),
            style,
        }
    }

    /// Whether objects of this type are collected.
    pub fn should_include(&self, name: &str, namespaced: bool) -> bool {
        if is_automatic(name) {
            return false;
        }
        match &self.style {
            Style::Old { lists, include_cluster } => {
                let scope = namespaced
                    || name == NAMESPACES // kept even with `includeClusterResources: false` (spec backup 22-C2)
                    || include_cluster.unwrap_or(self.every_namespace);
                scope && lists.should_include(name)
            }
            Style::New { namespaced: lists, .. } if namespaced => {
                !lists.excludes.matches(name) && (lists.includes.is_empty() || lists.includes.matches(name))
            }
            Style::New { namespaced, cluster } => {
                let whole_cluster = cluster.is_unset() && self.every_namespace && namespaced.includes_everything();
                !cluster.excludes.matches(name)
                    && (whole_cluster || cluster.includes.matches(name) || name == NAMESPACES)
            }
        }
    }

    /// Whether the type is excluded even as a related item ("explicitly excluded"). The caller treats types that are not served
    /// in the same way.
    pub fn is_explicitly_excluded(&self, name: &str, namespaced: bool) -> bool {
        if is_automatic(name) {
            return true;
        }
        match &self.style {
            Style::Old { lists, include_cluster } => {
                let out_of_scope = match include_cluster {
                    _ if namespaced => false,
                    Some(true) => false,
                    Some(false) => name != NAMESPACES,
                    None => !lists.should_include(name),
                };
                lists.is_excluded(name) || out_of_scope
            }
            Style::New { namespaced: lists, .. } if namespaced => lists.excludes.matches(name),
            Style::New { cluster, .. } => cluster.excludes.matches(name),
        }
    }

    /// Whether the CRDs of saved custom resources are saved too. Unlike upstream they are if the user's includes name only the
    /// custom resource (spec backup 9.4, 22-C7).
    pub fn takes_related_crds(&self) -> bool {
        const CRDS: &str = "customresourcedefinitions.apiextensions.k8s.io";
        match &self.style {
            Style::Old { lists, include_cluster } => !lists.is_excluded(CRDS) && *include_cluster != Some(false),
            Style::New { cluster, .. } => !cluster.excludes.matches(CRDS),
        }
    }

    /// Entries without effect because they are in the list of the other scope. Each is a warning.
    pub fn misplaced(&self) -> Vec<&str> {
        match &self.style {
            Style::Old { .. } => Vec::new(),
            Style::New { namespaced, cluster } => namespaced
                .misplaced
                .iter()
                .chain(&cluster.misplaced)
                .map(String::as_str)
                .collect(),
        }
    }
}
