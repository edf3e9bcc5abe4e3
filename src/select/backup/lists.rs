//! The lists that choose resource types, as a spec and a policy have them.

use crate::api::v1::BackupSpec;

/// The lists of a backup's spec that choose resource types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TypeLists<'a> {
    /// `spec.includedResources` (old style)
    pub included: &'a [String],
    /// `spec.excludedResources` (old style)
    pub excluded: &'a [String],
    /// `spec.includeClusterResources` (old style)
    pub include_cluster: Option<bool>,
    /// `spec.includedClusterScopedResources`
    pub included_cluster_scoped: &'a [String],
    /// `spec.excludedClusterScopedResources`
    pub excluded_cluster_scoped: &'a [String],
    /// `spec.includedNamespaceScopedResources`
    pub included_namespace_scoped: &'a [String],
    /// `spec.excludedNamespaceScopedResources`
    pub excluded_namespace_scoped: &'a [String],
}

/// The lists of a resource policy's `includeExcludePolicy` (spec backup 13).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PolicyLists<'a> {
    /// `includedClusterScopedResources`
    pub included_cluster_scoped: &'a [String],
    /// `excludedClusterScopedResources`
    pub excluded_cluster_scoped: &'a [String],
    /// `includedNamespaceScopedResources`
    pub included_namespace_scoped: &'a [String],
    /// `excludedNamespaceScopedResources`
    pub excluded_namespace_scoped: &'a [String],
}

impl<'a> From<&'a BackupSpec> for TypeLists<'a> {
    fn from(spec: &'a BackupSpec) -> Self {
        Self {
            included: &spec.included_resources,
            excluded: &spec.excluded_resources,
            include_cluster: spec.include_cluster_resources,
            included_cluster_scoped: &spec.included_cluster_scoped_resources,
            excluded_cluster_scoped: &spec.excluded_cluster_scoped_resources,
            included_namespace_scoped: &spec.included_namespace_scoped_resources,
            excluded_namespace_scoped: &spec.excluded_namespace_scoped_resources,
        }
    }
}

impl TypeLists<'_> {
    /// Whether the old filters decide. Without any filter the new ones do.
    pub fn is_old_style(&self) -> bool {
        self.include_cluster.is_some() || !self.included.is_empty() || !self.excluded.is_empty()
    }

    /// Whether any of the new (scoped) lists is used.
    pub fn has_new_style(&self) -> bool {
        let lists = [
            self.included_cluster_scoped,
            self.excluded_cluster_scoped,
            self.included_namespace_scoped,
            self.excluded_namespace_scoped,
        ];
        lists.iter().any(|list| !list.is_empty())
    }
}
