//! Which resource types a backup collects (spec backup 7.3).

use super::includes::{IncludesExcludes, Patterns, Resolve};
use super::namespaces::NamespaceFilter;

const NAMESPACES: &str = "namespaces";

/// Excluded from every backup: snapshots are made by the backup, not collected (spec backup 4, row 16). [since 1.17]
pub const AUTOMATIC_NAMESPACE_SCOPED_EXCLUDES: [&str; 1] = ["volumesnapshots.snapshot.storage.k8s.io"];

/// As [`AUTOMATIC_NAMESPACE_SCOPED_EXCLUDES`], of cluster scope.
pub const AUTOMATIC_CLUSTER_SCOPED_EXCLUDES: [&str; 1] = ["volumesnapshotcontents.snapshot.storage.k8s.io"];

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

/// Adds the automatic excludes to a pair of lists as they are written back into the spec, and takes them out of the
/// includes, unless that would leave an empty list, which means everything (spec backup 22-C7).
pub fn with_automatic_excludes(includes: &mut Vec<String>, excludes: &mut Vec<String>, automatic: &[&str]) {
    for &name in automatic {
        if !excludes.iter().any(|exclude| exclude == name) {
            excludes.push(name.to_owned());
        }
    }
    if includes.iter().any(|include| !automatic.contains(&include.as_str())) {
        includes.retain(|include| !automatic.contains(&include.as_str()));
    }
}

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

/// The lists of one scope.
#[derive(Clone, Debug)]
struct ScopeLists {
    includes: Patterns,
    excludes: Patterns,
    /// Entries that name a type of the other scope and so have no effect.
    misplaced: Vec<String>,
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

    /// Whether the type is out even as a related item ("explicitly excluded"). A type that is not served is, too; that the
    /// caller knows.
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

    /// Whether the definitions of saved custom resources come along. Unlike upstream they do when the user's includes name
    /// only the custom resource (spec backup 9.4, 22-C7).
    pub fn takes_related_definitions(&self) -> bool {
        const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";
        match &self.style {
            Style::Old { lists, include_cluster } => !lists.is_excluded(DEFINITIONS) && *include_cluster != Some(false),
            Style::New { cluster, .. } => !cluster.excludes.matches(DEFINITIONS),
        }
    }

    /// Entries without effect because they stand in the list of the other scope: the user should be told.
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

fn is_automatic(name: &str) -> bool {
    AUTOMATIC_NAMESPACE_SCOPED_EXCLUDES.contains(&name) || AUTOMATIC_CLUSTER_SCOPED_EXCLUDES.contains(&name)
}

impl ScopeLists {
    fn new(includes: &[String], excludes: &[String], namespaced: bool, resolve: Resolve<'_>) -> Self {
        let mut misplaced = Vec::new();
        let mut canonical = |entry: &String, keep_misplaced: bool| match resolve(entry) {
            Some(found) if found.namespaced != namespaced => {
                misplaced.push(entry.clone());
                keep_misplaced.then_some(found.name)
            }
            Some(found) => Some(found.name),
            None => Some(entry.clone()),
        };
        // A misplaced include is kept, though it matches nothing of this scope: without it the list could become empty,
        // and that means everything (spec backup 22-C7).
        let includes = Patterns::new(includes.iter().filter_map(|entry| canonical(entry, true)));
        let excludes = excludes.iter().filter(|entry| !is_automatic(entry));
        let excludes = Patterns::new(excludes.filter_map(|entry| canonical(entry, false)));
        Self {
            includes,
            excludes,
            misplaced,
        }
    }

    /// The spec wins over the policy, and the policy's excludes over its includes (spec backup 7.3).
    fn add_policy(&mut self, includes: &[String], excludes: &[String], namespaced: bool, resolve: Resolve<'_>) {
        let policy = Self::new(includes, excludes, namespaced, resolve);
        for (entries, is_exclude) in [(policy.excludes, true), (policy.includes, false)] {
            for entry in entries.entries() {
                if !self.includes.matches(entry) && !self.excludes.matches(entry) {
                    if is_exclude {
                        &mut self.excludes
                    } else {
                        &mut self.includes
                    }
                    .add(entry.clone());
                }
            }
        }
        self.misplaced.extend(policy.misplaced);
    }

    fn is_unset(&self) -> bool {
        self.includes.is_empty() && self.excludes.is_empty()
    }

    fn includes_everything(&self) -> bool {
        self.excludes.is_empty() && self.includes.is_no_restriction()
    }
}

#[cfg(test)]
mod tests {
    use super::super::includes::ResolvedType;
    use super::*;

    const VOLUMES: &str = "persistentvolumes";
    const CRDS: &str = "customresourcedefinitions.apiextensions.k8s.io";
    const SNAPSHOTS: &str = "volumesnapshots.snapshot.storage.k8s.io";
    const CONTENTS: &str = "volumesnapshotcontents.snapshot.storage.k8s.io";

    fn resolve(typed: &str) -> Option<ResolvedType> {
        let (name, namespaced) = match typed {
            "po" | "pods" => ("pods", true),
            "cm" | "configmaps" => ("configmaps", true),
            "deploy" | "deployments.apps" => ("deployments.apps", true),
            "volumesnapshots" | SNAPSHOTS => (SNAPSHOTS, true),
            "pv" | VOLUMES => (VOLUMES, false),
            "ns" | NAMESPACES => (NAMESPACES, false),
            "crd" | CRDS => (CRDS, false),
            CONTENTS => (CONTENTS, false),
            _ => return None,
        };
        Some(ResolvedType {
            name: name.into(),
            namespaced,
        })
    }

    /// A spec under construction: the lists in the words of the spec.
    #[derive(Default)]
    struct Spec {
        namespaces: &'static [&'static str],
        included: &'static [&'static str],
        excluded: &'static [&'static str],
        include_cluster: Option<bool>,
        included_cluster: &'static [&'static str],
        excluded_cluster: &'static [&'static str],
        included_namespaced: &'static [&'static str],
        excluded_namespaced: &'static [&'static str],
    }

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    impl Spec {
        fn with_policy(&self, policy: PolicyLists<'_>) -> ResourceFilter {
            ResourceFilter::new(
                TypeLists {
                    included: &owned(self.included),
                    excluded: &owned(self.excluded),
                    include_cluster: self.include_cluster,
                    included_cluster_scoped: &owned(self.included_cluster),
                    excluded_cluster_scoped: &owned(self.excluded_cluster),
                    included_namespace_scoped: &owned(self.included_namespaced),
                    excluded_namespace_scoped: &owned(self.excluded_namespaced),
                },
                policy,
                &NamespaceFilter::new(&owned(self.namespaces), &[]),
                &resolve,
            )
        }

        fn filter(&self) -> ResourceFilter {
            self.with_policy(PolicyLists::default())
        }

        /// Which of pods, configmaps, persistentvolumes, definitions and namespaces are collected.
        fn collected(&self) -> [bool; 5] {
            let filter = self.filter();
            [
                ("pods", true),
                ("configmaps", true),
                (VOLUMES, false),
                (CRDS, false),
                (NAMESPACES, false),
            ]
            .map(|(name, namespaced)| filter.should_include(name, namespaced))
        }

        /// The same types: which are explicitly excluded.
        fn excluded(&self) -> [bool; 5] {
            let filter = self.filter();
            [
                ("pods", true),
                ("configmaps", true),
                (VOLUMES, false),
                (CRDS, false),
                (NAMESPACES, false),
            ]
            .map(|(name, namespaced)| filter.is_explicitly_excluded(name, namespaced))
        }
    }

    const YES: bool = true;
    const NO: bool = false;

    #[test]
    fn old_filters_collect_as_upstreams_table_says() {
        let one: &[&str] = &["shop"];
        let old = |namespaces, include_cluster, included, excluded| Spec {
            namespaces,
            included,
            excluded,
            include_cluster,
            ..Spec::default()
        };
        //   namespaces, includeClusterResources, included, excluded -> pods, configmaps, volumes, definitions, namespaces
        let table: [(Spec, [bool; 5]); 10] = [
            (old(&["*"], Some(true), &[], &[]), [YES, YES, YES, YES, YES]),
            (old(one, Some(true), &[], &[]), [YES, YES, YES, YES, YES]),
            (old(&["*"], Some(false), &[], &[]), [YES, YES, NO, NO, YES]),
            (old(&["*"], None, &["*"], &[]), [YES, YES, YES, YES, YES]),
            (old(one, None, &["*"], &[]), [YES, YES, NO, NO, YES]),
            (old(&["*"], None, &["po", "pv"], &[]), [YES, NO, YES, NO, NO]),
            (old(one, None, &["po", "pv"], &[]), [YES, NO, NO, NO, NO]),
            (old(one, Some(true), &["po", "pv"], &[]), [YES, NO, YES, NO, NO]),
            (old(&["*"], None, &[], &["cm", "crd"]), [YES, NO, YES, NO, YES]),
            (old(&["*"], None, &[], &["*s"]), [NO, NO, NO, YES, NO]),
        ];
        for (at, (spec, expected)) in table.into_iter().enumerate() {
            assert_eq!(spec.collected(), expected, "row {at}");
        }
    }

    #[test]
    fn new_filters_collect_as_upstreams_table_says() {
        let one: &[&str] = &["shop"];
        let table: [(Spec, [bool; 5]); 13] = [
            (
                Spec {
                    namespaces: one,
                    ..Spec::default()
                },
                [YES, YES, NO, NO, YES],
            ),
            (
                Spec {
                    included_namespaced: &["po"],
                    ..Spec::default()
                },
                [YES, NO, NO, NO, YES],
            ),
            (
                Spec {
                    included_namespaced: &["*"],
                    ..Spec::default()
                },
                [YES, YES, YES, YES, YES],
            ),
            (
                Spec {
                    excluded_namespaced: &["cm"],
                    ..Spec::default()
                },
                [YES, NO, NO, NO, YES],
            ),
            (
                Spec {
                    excluded_namespaced: &["*"],
                    ..Spec::default()
                },
                [NO, NO, NO, NO, YES],
            ),
            (
                Spec {
                    included_cluster: &["*"],
                    ..Spec::default()
                },
                [YES, YES, YES, YES, YES],
            ),
            (
                Spec {
                    included_cluster: &["*"],
                    namespaces: one,
                    ..Spec::default()
                },
                [YES, YES, YES, YES, YES],
            ),
            (
                Spec {
                    included_cluster: &["pv"],
                    ..Spec::default()
                },
                [YES, YES, YES, NO, YES],
            ),
            (
                Spec {
                    included_cluster: &["*.k8s.io"],
                    ..Spec::default()
                },
                [YES, YES, NO, YES, YES],
            ),
            (
                Spec {
                    excluded_cluster: &["pv"],
                    ..Spec::default()
                },
                [YES, YES, NO, NO, YES],
            ),
            (
                Spec {
                    excluded_cluster: &["*"],
                    ..Spec::default()
                },
                [YES, YES, NO, NO, NO],
            ),
            (
                Spec {
                    excluded_cluster: &["ns"],
                    ..Spec::default()
                },
                [YES, YES, NO, NO, NO],
            ),
            (
                Spec {
                    included_cluster: &["*"],
                    excluded_cluster: &["pv"],
                    ..Spec::default()
                },
                [YES, YES, NO, YES, YES],
            ),
        ];
        for (at, (spec, expected)) in table.into_iter().enumerate() {
            assert_eq!(spec.collected(), expected, "row {at}");
        }
    }

    #[test]
    fn a_backup_without_filters_saves_everything_before_and_after_its_spec_was_prepared() {
        let prepared = Spec {
            namespaces: &["*"],
            excluded_cluster: &[CONTENTS],
            excluded_namespaced: &[SNAPSHOTS],
            ..Spec::default()
        };
        for spec in [Spec::default(), prepared] {
            assert_eq!(spec.collected(), [YES; 5]);
            assert!(!spec.filter().should_include(SNAPSHOTS, true));
            assert!(!spec.filter().should_include(CONTENTS, false));
        }
    }

    #[test]
    fn automatic_excludes_hold_for_old_filters_whatever_is_included() {
        let spec = Spec {
            included: &["volumesnapshots", "po"],
            include_cluster: Some(true),
            ..Spec::default()
        };
        assert!(!spec.filter().should_include(SNAPSHOTS, true));
        assert!(spec.filter().is_explicitly_excluded(SNAPSHOTS, true));
        assert_eq!(spec.collected(), [YES, NO, NO, NO, NO]);
        let only = Spec {
            included_namespaced: &["volumesnapshots"],
            ..Spec::default()
        };
        assert_eq!(only.collected(), [NO, NO, NO, NO, YES], "an emptied list means nothing");
    }

    #[test]
    fn explicit_excludes_follow_the_exclude_list_of_the_scope() {
        let table: [(Spec, [bool; 5]); 9] = [
            (Spec::default(), [NO, NO, NO, NO, NO]),
            (
                Spec {
                    excluded: &["po"],
                    ..Spec::default()
                },
                [YES, NO, NO, NO, NO],
            ),
            (
                Spec {
                    include_cluster: Some(false),
                    ..Spec::default()
                },
                [NO, NO, YES, YES, NO],
            ),
            (
                Spec {
                    include_cluster: Some(true),
                    included: &["po"],
                    ..Spec::default()
                },
                [NO, NO, NO, NO, NO],
            ),
            (
                Spec {
                    included: &["po"],
                    ..Spec::default()
                },
                [NO, NO, YES, YES, YES],
            ),
            (
                Spec {
                    excluded_namespaced: &["po"],
                    ..Spec::default()
                },
                [YES, NO, NO, NO, NO],
            ),
            (
                Spec {
                    included_namespaced: &["po"],
                    ..Spec::default()
                },
                [NO, NO, NO, NO, NO],
            ),
            (
                Spec {
                    excluded_cluster: &["*"],
                    ..Spec::default()
                },
                [NO, NO, YES, YES, YES],
            ),
            (
                Spec {
                    included_cluster: &["pv"],
                    ..Spec::default()
                },
                [NO, NO, NO, NO, NO],
            ),
        ];
        for (at, (spec, expected)) in table.into_iter().enumerate() {
            assert_eq!(spec.excluded(), expected, "row {at}");
        }
    }

    #[test]
    fn definitions_of_saved_custom_resources_come_along_unless_excluded() {
        let table = [
            (Spec::default(), true),
            (
                Spec {
                    included: &["backups.velero.io"],
                    ..Spec::default()
                },
                true,
            ),
            (
                Spec {
                    include_cluster: Some(false),
                    ..Spec::default()
                },
                false,
            ),
            (
                Spec {
                    excluded: &["crd"],
                    ..Spec::default()
                },
                false,
            ),
            (
                Spec {
                    include_cluster: Some(true),
                    ..Spec::default()
                },
                true,
            ),
            (
                Spec {
                    excluded_cluster: &["crd"],
                    ..Spec::default()
                },
                false,
            ),
            (
                Spec {
                    excluded_cluster: &["custom*"],
                    ..Spec::default()
                },
                false,
            ),
            (
                Spec {
                    excluded_cluster: &["*"],
                    ..Spec::default()
                },
                false,
            ),
            (
                Spec {
                    included_cluster: &["pv"],
                    ..Spec::default()
                },
                true,
            ),
        ];
        for (at, (spec, expected)) in table.into_iter().enumerate() {
            assert_eq!(spec.filter().takes_related_definitions(), expected, "row {at}");
        }
    }

    #[test]
    fn an_entry_in_the_list_of_the_other_scope_has_no_effect_and_is_named() {
        let spec = Spec {
            excluded_cluster: &["po"],
            excluded_namespaced: &["pv"],
            ..Spec::default()
        };
        assert_eq!(spec.collected(), [YES; 5]);
        assert_eq!(spec.filter().misplaced(), ["pv", "po"]);
        let spec = Spec {
            included_namespaced: &["pv"],
            ..Spec::default()
        };
        assert_eq!(
            spec.collected(),
            [NO, NO, NO, NO, YES],
            "a list of misplaced entries is not an empty list"
        );
    }

    #[test]
    fn a_policy_adds_to_the_lists_and_the_spec_wins() {
        let (po, cm, pv) = (owned(&["po"]), owned(&["cm", "po"]), owned(&["pv"]));
        let policy = PolicyLists {
            excluded_namespace_scoped: &po,
            included_namespace_scoped: &cm,
            included_cluster_scoped: &pv,
            ..PolicyLists::default()
        };
        let filter = Spec::default().with_policy(policy);
        assert!(!filter.should_include("pods", true), "the policy's excludes come first");
        assert!(filter.should_include("configmaps", true));
        assert!(
            !filter.should_include("deployments.apps", true),
            "the policy's includes make a list"
        );
        assert!(filter.should_include(VOLUMES, false) && !filter.should_include(CRDS, false));

        let filter = Spec {
            included_namespaced: &["pods"],
            ..Spec::default()
        }
        .with_policy(policy);
        assert!(filter.should_include("pods", true), "the spec includes it");
    }

    #[test]
    fn prepared_lists_hold_the_automatic_excludes_once() {
        let mut includes = owned(&["pods", SNAPSHOTS]);
        let mut excludes = owned(&["configmaps"]);
        for _ in 0..2 {
            with_automatic_excludes(&mut includes, &mut excludes, &AUTOMATIC_NAMESPACE_SCOPED_EXCLUDES);
            assert_eq!(includes, ["pods"]);
            assert_eq!(excludes, ["configmaps", SNAPSHOTS]);
        }
        let mut includes = owned(&[SNAPSHOTS]);
        with_automatic_excludes(&mut includes, &mut excludes, &AUTOMATIC_NAMESPACE_SCOPED_EXCLUDES);
        assert_eq!(includes, [SNAPSHOTS], "an emptied list would mean everything");
    }
}
