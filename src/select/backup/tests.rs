use super::*;
use crate::select::includes::ResolvedType;
use crate::select::namespaces::NamespaceFilter;

const NAMESPACES: &str = "namespaces";
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

    /// Which of pods, configmaps, persistentvolumes, CRDs and namespaces are collected.
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
    //   namespaces, includeClusterResources, included, excluded -> pods, configmaps, volumes, CRDs, namespaces
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
fn a_spec_without_filters_saves_everything_prepared_or_not() {
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
fn automatic_excludes_apply_to_old_filters_always() {
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
fn crds_of_saved_custom_resources_are_saved_unless_excluded() {
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
        assert_eq!(spec.filter().takes_related_crds(), expected, "row {at}");
    }
}

#[test]
fn an_entry_in_the_list_of_the_other_scope_is_named() {
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
