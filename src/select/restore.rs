//! Which items of an archive a restore takes (spec restore 7.4, 7.5).

use std::collections::BTreeMap;

use super::glob::GlobError;
use super::includes::{IncludesExcludes, Resolve};
use super::labels::{Selector, any_matches};

/// Restored with any lists and selectors: the data of volumes depends on them. [since 1.12]
pub const MUST_HAVE: [&str; 2] = [
    "datauploads.velero.io",
    "volumesnapshotcontents.snapshot.storage.k8s.io",
];

/// The parts of a restore's spec that choose items.
#[derive(Clone, Debug, Default)]
pub struct RestoreLists<'a> {
    /// `spec.includedResources`
    pub included_resources: &'a [String],
    /// `spec.excludedResources`, with the non-restorable types the server adds
    pub excluded_resources: &'a [String],
    /// `spec.includedNamespaces` (of the backup, before mapping)
    pub included_namespaces: &'a [String],
    /// `spec.excludedNamespaces` (of the backup, before mapping)
    pub excluded_namespaces: &'a [String],
    /// `spec.includeClusterResources`
    pub include_cluster: Option<bool>,
    /// `spec.labelSelector` alone, or all of `spec.orLabelSelectors`
    pub selectors: Vec<Selector>,
}

/// Why an item is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum LeftOut {
    /// The resource lists.
    #[error("its resource type is not selected")]
    Resource,
    /// The namespace lists.
    #[error("its namespace is not selected")]
    Namespace,
    /// `includeClusterResources`.
    #[error("cluster-scoped resources are not selected")]
    ClusterScope,
    /// The label selectors.
    #[error("its labels are not selected")]
    Labels,
}

/// Decides for each item whether a restore takes it.
#[derive(Clone, Debug)]
pub struct RestoreFilter {
    resources: IncludesExcludes,
    namespaces: IncludesExcludes,
    include_cluster: Option<bool>,
    selectors: Vec<Selector>,
}

impl RestoreFilter {
    /// From a spec.
    pub fn new(lists: RestoreLists<'_>, resolve: Resolve<'_>) -> Self {
        Self {
            resources: IncludesExcludes::of_resources(lists.included_resources, lists.excluded_resources, resolve),
            namespaces: IncludesExcludes::new(lists.included_namespaces, lists.excluded_namespaces),
            include_cluster: lists.include_cluster,
            selectors: lists.selectors,
        }
    }

    /// Whether items of this type in this namespace (of the backup; `None` for cluster scope) are taken from the archive.
    pub fn listed(&self, resource: &str, namespace: Option<&str>) -> Result<(), LeftOut> {
        self.additional(resource, namespace)?;
        let cluster_scope = self
            .include_cluster
            .unwrap_or_else(|| self.namespaces.includes_everything());
        if namespace.is_none() && !cluster_scope {
            Err(LeftOut::ClusterScope)
        } else {
            Ok(())
        }
    }

    /// Whether a listed item with these labels is taken. Does not apply to additional items.
    pub fn labelled(&self, resource: &str, labels: &BTreeMap<String, String>) -> Result<(), LeftOut> {
        let taken = is_must_have(resource) || any_matches(&self.selectors, labels);
        if taken { Ok(()) } else { Err(LeftOut::Labels) }
    }

    /// Whether an item that an action asked for is taken. Cluster-scoped ones are, unless `includeClusterResources` is false.
    pub fn additional(&self, resource: &str, namespace: Option<&str>) -> Result<(), LeftOut> {
        let must_have = is_must_have(resource);
        if !must_have && !self.resources.should_include(resource) {
            return Err(LeftOut::Resource);
        }
        match namespace {
            Some(namespace) if !must_have && !self.namespaces.should_include(namespace) => Err(LeftOut::Namespace),
            None if self.include_cluster == Some(false) => Err(LeftOut::ClusterScope),
            _ => Ok(()),
        }
    }

    /// Invalid patterns, which match nothing.
    pub fn broken(&self) -> impl Iterator<Item = &GlobError> {
        self.resources.broken().chain(self.namespaces.broken())
    }
}

fn is_must_have(resource: &str) -> bool {
    MUST_HAVE.contains(&resource)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::select::includes::ResolvedType;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

    const CONTENTS: &str = "volumesnapshotcontents.snapshot.storage.k8s.io";

    fn resolve(typed: &str) -> Option<ResolvedType> {
        (typed == "po").then(|| ResolvedType {
            name: "pods".into(),
            namespaced: true,
        })
    }

    fn filter(resources: [&[&str]; 2], namespaces: [&[&str]; 2], include_cluster: Option<bool>) -> RestoreFilter {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let [included_resources, excluded_resources] = &resources.map(owned);
        let [included_namespaces, excluded_namespaces] = &namespaces.map(owned);
        let lists = RestoreLists {
            included_resources,
            excluded_resources,
            included_namespaces,
            excluded_namespaces,
            include_cluster,
            selectors: Vec::new(),
        };
        RestoreFilter::new(lists, &resolve)
    }

    #[test]
    fn items_are_taken_by_type_and_source_namespace() {
        let table = [
            (filter([&[], &[]], [&[], &[]], None), "pods", Some("shop"), Ok(())),
            (filter([&["po"], &[]], [&[], &[]], None), "pods", Some("shop"), Ok(())),
            (
                filter([&["po"], &[]], [&[], &[]], None),
                "secrets",
                Some("shop"),
                Err(LeftOut::Resource),
            ),
            (
                filter([&[], &["po"]], [&[], &[]], None),
                "pods",
                Some("shop"),
                Err(LeftOut::Resource),
            ),
            (
                filter([&["{pods,secrets}"], &[]], [&[], &[]], None),
                "secrets",
                Some("shop"),
                Ok(()),
            ),
            (
                filter([&["unknown"], &[]], [&[], &[]], None),
                "pods",
                Some("shop"),
                Err(LeftOut::Resource),
            ),
            (filter([&[], &["*"]], [&[], &[]], None), "pods", Some("shop"), Ok(())),
            (filter([&[], &[]], [&["sh*"], &[]], None), "pods", Some("shop"), Ok(())),
            (
                filter([&[], &[]], [&["sh*"], &["shop"]], None),
                "pods",
                Some("shop"),
                Err(LeftOut::Namespace),
            ),
            (
                filter([&["x"], &[]], [&["x"], &[]], None),
                "datauploads.velero.io",
                Some("velero"),
                Ok(()),
            ),
        ];
        for (at, (filter, resource, namespace, expected)) in table.into_iter().enumerate() {
            assert_eq!(filter.listed(resource, namespace), expected, "row {at}");
            assert_eq!(
                filter.additional(resource, namespace),
                expected,
                "row {at} as additional item"
            );
        }
    }

    #[test]
    fn cluster_scoped_items_follow_include_cluster_resources() {
        let everything: [&[&str]; 2] = [&["*"], &[]];
        let some: [&[&str]; 2] = [&["shop"], &[]];
        let (yes, no) = (Ok(()), Err(LeftOut::ClusterScope));
        // namespaces, includeClusterResources -> listed, additional
        for (namespaces, include_cluster, listed, additional) in [
            (everything, Some(false), no, no),
            (everything, None, yes, yes),
            (everything, Some(true), yes, yes),
            (some, Some(false), no, no),
            (some, None, no, yes),
            (some, Some(true), yes, yes),
        ] {
            for resource in ["persistentvolumes", CONTENTS] {
                let filter = filter([&[], &[]], namespaces, include_cluster);
                assert_eq!(
                    filter.listed(resource, None),
                    listed,
                    "{namespaces:?} {include_cluster:?}"
                );
                assert_eq!(
                    filter.additional(resource, None),
                    additional,
                    "{namespaces:?} {include_cluster:?}"
                );
            }
        }
    }

    #[test]
    fn labels_apply_to_all_types_but_the_must_haves() {
        let labels = |value: &str| BTreeMap::from([("app".to_owned(), value.to_owned())]);
        let selector = |value| {
            Selector::new(&LabelSelector {
                match_labels: Some(labels(value)),
                match_expressions: None,
            })
            .unwrap()
        };
        let mut filter = filter([&[], &[]], [&[], &[]], None);
        assert_eq!(filter.labelled("pods", &BTreeMap::new()), Ok(()));
        filter.selectors = vec![selector("shop"), selector("bank")];
        assert_eq!(filter.labelled("pods", &labels("bank")), Ok(()));
        assert_eq!(filter.labelled("pods", &labels("club")), Err(LeftOut::Labels));
        assert_eq!(filter.labelled(CONTENTS, &labels("club")), Ok(()));
    }
}
