//! Entries of a backup's lists that name no type: a typo must not silently leave objects out of a backup. Pure.

use std::collections::BTreeMap;

use super::automatic::is_automatic;
use super::{PolicyLists, TypeLists};
use crate::select::glob::Glob;
use crate::select::includes::{EVERYTHING, Resolve};

/// The types that names are checked against.
#[derive(Clone, Copy)]
pub struct Served<'a> {
    /// Every type that is served, `deployments.apps`.
    pub types: &'a [String],
    /// Resolves a user's name of a type.
    pub resolve: Resolve<'a>,
}

impl Served<'_> {
    fn knows(&self, entry: &str) -> bool {
        if entry == EVERYTHING || is_automatic(entry) || (self.resolve)(entry).is_some() {
            return true;
        }
        // Validation reports a broken pattern.
        Glob::new(entry).map_or(true, |glob| self.types.iter().any(|name| glob.matches(name)))
    }
}

/// Warnings about entries of the lists that name no served type.
pub fn unknown_types(lists: TypeLists<'_>, policy: PolicyLists<'_>, served: Served<'_>) -> Vec<String> {
    let fields = [
        ("spec.includedResources", lists.included, true),
        ("spec.excludedResources", lists.excluded, false),
        (
            "spec.includedClusterScopedResources",
            lists.included_cluster_scoped,
            true,
        ),
        (
            "spec.excludedClusterScopedResources",
            lists.excluded_cluster_scoped,
            false,
        ),
        (
            "spec.includedNamespaceScopedResources",
            lists.included_namespace_scoped,
            true,
        ),
        (
            "spec.excludedNamespaceScopedResources",
            lists.excluded_namespace_scoped,
            false,
        ),
        (
            "includedClusterScopedResources of the resource policies",
            policy.included_cluster_scoped,
            true,
        ),
        (
            "excludedClusterScopedResources of the resource policies",
            policy.excluded_cluster_scoped,
            false,
        ),
        (
            "includedNamespaceScopedResources of the resource policies",
            policy.included_namespace_scoped,
            true,
        ),
        (
            "excludedNamespaceScopedResources of the resource policies",
            policy.excluded_namespace_scoped,
            false,
        ),
    ];
    let mut warnings = Vec::new();
    for (field, entries, is_include) in fields {
        let effect = if is_include {
            "nothing is backed up for it"
        } else {
            "it excludes nothing"
        };
        let unknown = entries.iter().filter(|entry| !served.knows(entry));
        warnings.extend(unknown.map(|entry| {
            format!(
                "{field} names {entry:?}, and the API server serves no such type: {effect}; check the spelling, or `kubectl api-resources`"
            )
        }));
    }
    warnings
}

/// Warnings about types of `spec.orderedResources` that have no effect. `ordered`: plurals of the types that are collected
/// in an order.
pub fn unused_orders(orders: &BTreeMap<String, String>, ordered: &[&str], served: Served<'_>) -> Vec<String> {
    let in_vain = orders.keys().filter(|key| !ordered.contains(&key.as_str()));
    in_vain
        .map(|key| {
            let why = match (served.resolve)(key).map(|found| found.name) {
                None => "the API server serves no such type; check the spelling, or `kubectl api-resources`".to_owned(),
                Some(name) => match name.split('.').next() {
                    Some(plural) if plural != key => {
                        format!("this field takes only plurals; write {plural:?}")
                    }
                    _ => "the type is not part of the backup".to_owned(),
                },
            };
            format!("spec.orderedResources names {key:?}, which has no effect: {why}")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::select::includes::ResolvedType;

    fn resolve(typed: &str) -> Option<ResolvedType> {
        let name = match typed {
            "po" | "pod" | "pods" => "pods",
            "deployments" | "deployments.apps" => "deployments.apps",
            _ => return None,
        };
        Some(ResolvedType {
            name: name.to_owned(),
            namespaced: true,
        })
    }

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn every_list_is_checked_for_types_that_are_not_served() {
        let types = owned(&["pods", "deployments.apps"]);
        let served = Served {
            types: &types,
            resolve: &resolve,
        };
        let typo = owned(&["podss"]);
        let lists: [(&str, TypeLists<'_>); 6] = [
            (
                "spec.includedResources",
                TypeLists {
                    included: &typo,
                    ..TypeLists::default()
                },
            ),
            (
                "spec.excludedResources",
                TypeLists {
                    excluded: &typo,
                    ..TypeLists::default()
                },
            ),
            (
                "spec.includedClusterScopedResources",
                TypeLists {
                    included_cluster_scoped: &typo,
                    ..TypeLists::default()
                },
            ),
            (
                "spec.excludedClusterScopedResources",
                TypeLists {
                    excluded_cluster_scoped: &typo,
                    ..TypeLists::default()
                },
            ),
            (
                "spec.includedNamespaceScopedResources",
                TypeLists {
                    included_namespace_scoped: &typo,
                    ..TypeLists::default()
                },
            ),
            (
                "spec.excludedNamespaceScopedResources",
                TypeLists {
                    excluded_namespace_scoped: &typo,
                    ..TypeLists::default()
                },
            ),
        ];
        for (field, lists) in lists {
            let found = unknown_types(lists, PolicyLists::default(), served);
            assert_eq!(found.len(), 1, "{field}: {found:?}");
            assert!(
                found[0].starts_with(&format!("{field} names \"podss\", and")),
                "{found:?}"
            );
        }
        let policy = PolicyLists {
            excluded_cluster_scoped: &typo,
            ..PolicyLists::default()
        };
        let found = unknown_types(TypeLists::default(), policy, served);
        assert!(found[0].starts_with("excludedClusterScopedResources of the resource policies"));
    }

    #[test]
    fn names_patterns_and_the_servers_own_entries_are_no_typos() {
        let types = owned(&["pods", "deployments.apps"]);
        let served = Served {
            types: &types,
            resolve: &resolve,
        };
        let included = owned(&["po", "pod", "deployments", "*.apps", "*", "{pods,x}"]);
        let excluded = owned(&["*", crate::select::backup::AUTOMATIC_NAMESPACE_SCOPED_EXCLUDES[0]]);
        let lists = TypeLists {
            included: &included,
            excluded: &excluded,
            ..TypeLists::default()
        };
        assert_eq!(
            unknown_types(lists, PolicyLists::default(), served),
            Vec::<String>::new()
        );
        let nothing = owned(&["*.nowhere.io"]);
        let lists = TypeLists {
            included: &nothing,
            ..TypeLists::default()
        };
        assert_eq!(
            unknown_types(lists, PolicyLists::default(), served).len(),
            1,
            "a pattern that matches nothing"
        );
    }

    #[test]
    fn an_order_without_effect_is_reported_with_the_reason() {
        let types = owned(&["pods", "deployments.apps"]);
        let served = Served {
            types: &types,
            resolve: &resolve,
        };
        let orders = ["pods", "pod", "deployments", "podss"].map(|key| (key.to_owned(), "a/b".to_owned()));
        let found = unused_orders(&BTreeMap::from(orders), &["pods"], served);
        let has = |text: &str| found.iter().filter(|line| line.contains(text)).count();
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(
            has("\"pod\", which has no effect: this field takes only plurals; write \"pods\""),
            1
        );
        assert_eq!(
            has("\"deployments\", which has no effect: the type is not part of the backup"),
            1
        );
        assert_eq!(
            has("\"podss\", which has no effect: the API server serves no such type"),
            1
        );
    }
}
