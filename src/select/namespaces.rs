//! Which namespaces, and which Namespace objects, a backup saves.

use std::collections::{BTreeMap, BTreeSet};

use super::glob::{Glob, GlobError, is_pattern};
use super::includes::{EVERYTHING, IncludesExcludes};
use super::labels::Selector;

/// The namespaces of a backup. Patterns are not expanded: they also apply to a namespace that is created during the run, and
/// "all" stays "all" (spec backup 22-C8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceFilter {
    lists: IncludesExcludes,
}

impl NamespaceFilter {
    /// From the lists of a spec.
    pub fn new(includes: &[String], excludes: &[String]) -> Self {
        Self {
            lists: IncludesExcludes::new(includes, excludes),
        }
    }

    /// Whether objects in this namespace are taken.
    pub fn includes(&self, namespace: &str) -> bool {
        self.lists.should_include(namespace)
    }

    /// Whether no namespace is held back: what decides about cluster-scoped types.
    pub fn includes_everything(&self) -> bool {
        self.lists.includes_everything()
    }

    /// Names among the includes that are not patterns. One that does not exist is an error (spec backup 22-C4). The empty name,
    /// which a spec may hold, means no namespace and is left out.
    pub fn literal_includes(&self) -> Vec<&str> {
        let names = self.lists.includes().iter().map(String::as_str);
        names.filter(|name| !name.is_empty() && !is_pattern(name)).collect()
    }

    /// Patterns among the includes that match none of these namespaces. Each is a warning.
    pub fn idle_patterns<'a>(&'a self, namespaces: &[String]) -> Vec<&'a str> {
        let matches =
            |pattern: &str| Glob::new(pattern).map_or(true, |glob| namespaces.iter().any(|name| glob.matches(name)));
        let entries = self.lists.includes().iter().map(String::as_str);
        entries
            .filter(|entry| *entry != EVERYTHING && is_pattern(entry) && !matches(entry))
            .collect()
    }

    /// The names to list when the filter can only take these few; `None` when it may take others too (patterns or "all").
    pub fn only(&self) -> Option<Vec<&str>> {
        let includes = self.lists.includes();
        if includes.is_empty() || includes.iter().any(|name| is_pattern(name)) {
            return None;
        }
        Some(
            self.literal_includes()
                .into_iter()
                .filter(|name| self.includes(name))
                .collect(),
        )
    }

    /// Invalid patterns, which match nothing.
    pub fn broken(&self) -> impl Iterator<Item = &GlobError> {
        self.lists.broken()
    }
}

/// Decides at the end of collection which Namespace objects are kept (spec backup 7.4).
#[derive(Clone, Debug)]
pub struct NamespaceTracker {
    filter: NamespaceFilter,
    selectors: Vec<Selector>,
    seen: BTreeSet<String>,
}

impl NamespaceTracker {
    /// `selectors`: the label selector, or the or-selectors, of the backup; none when it has neither.
    pub fn new(filter: NamespaceFilter, selectors: Vec<Selector>) -> Self {
        Self {
            filter,
            selectors,
            seen: BTreeSet::new(),
        }
    }

    /// An item of this namespace was collected.
    pub fn saw_item_in(&mut self, namespace: &str) {
        if !self.seen.contains(namespace) {
            self.seen.insert(namespace.to_owned());
        }
    }

    /// Whether the Namespace object is kept. `phase`: its `status.phase`.
    pub fn keeps(&self, name: &str, phase: Option<&str>, labels: &BTreeMap<String, String>) -> bool {
        if self.seen.contains(name) {
            return true;
        }
        if phase != Some("Active") {
            return false;
        }
        if self.selectors.iter().any(|selector| selector.matches(labels)) {
            return true;
        }
        // With a selector and without includes, only namespaces that are selected or hold a selected object are saved.
        let selected_by_label_alone = self.filter.includes_everything() && !self.selectors.is_empty();
        !selected_by_label_alone && self.filter.includes(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

    fn filter(includes: &[&str], excludes: &[&str]) -> NamespaceFilter {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        NamespaceFilter::new(&owned(includes), &owned(excludes))
    }

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn selector(pairs: &[(&str, &str)]) -> Selector {
        Selector::new(&LabelSelector {
            match_labels: Some(labels(pairs)),
            match_expressions: None,
        })
        .unwrap()
    }

    #[test]
    fn patterns_apply_to_new_namespaces_too() {
        let filter = filter(&["shop-*"], &["shop-test"]);
        assert!(filter.includes("shop-born-later"));
        assert!(!filter.includes("shop-test"));
        assert!(!filter.includes("bank"));
        assert!(!filter.includes_everything());
    }

    #[test]
    fn patterns_that_match_nothing_take_nothing() {
        assert!(!filter(&["nothing-like-it-*"], &[]).includes("shop"));
    }

    #[test]
    fn patterns_that_match_no_namespace_are_known() {
        let there = ["shop-a", "bank"].map(str::to_owned);
        assert_eq!(
            filter(&["shop-*", "x*", "b?nk", "[xy]", "typo"], &[]).idle_patterns(&there),
            ["x*", "[xy]"]
        );
        assert_eq!(filter(&["*"], &["x*"]).idle_patterns(&[]), Vec::<&str>::new());
    }

    #[test]
    fn all_stays_all() {
        for all in [filter(&["*"], &[]), filter(&[], &[])] {
            assert!(all.includes_everything() && all.includes("born-later"));
            assert_eq!(all.only(), None);
        }
        let all_but_one = filter(&["*"], &["kube-*"]);
        assert!(!all_but_one.includes_everything());
        assert!(all_but_one.includes("shop") && !all_but_one.includes("kube-system"));
    }

    #[test]
    fn a_filter_of_plain_names_can_be_listed_by_name() {
        assert_eq!(filter(&["a", "b", "c"], &["b*"]).only().unwrap(), ["a", "c"]);
        assert_eq!(filter(&["a", "b?"], &[]).only(), None);
        assert_eq!(filter(&["a", "", "b?"], &[]).literal_includes(), ["a"]);
        assert_eq!(filter(&[""], &[]).only().unwrap(), Vec::<&str>::new());
    }

    #[test]
    fn a_namespace_object_is_saved_by_its_items_labels_or_name() {
        let shop = [("app", "shop")];
        let everything = || filter(&["*"], &[]);
        let (with_item, selected, not_selected) = (&[][..], labels(&shop), labels(&[]));
        // filter, selectors, name, phase, labels, kept
        let table = [
            (everything(), vec![], "a", Some("Active"), &not_selected, true),
            (everything(), vec![], "a", Some("Terminating"), &not_selected, false),
            (everything(), vec![], "a", None, &not_selected, false),
            (everything(), vec![], "seen", Some("Terminating"), &not_selected, true),
            (
                everything(),
                vec![selector(&shop)],
                "a",
                Some("Active"),
                &not_selected,
                false,
            ),
            (
                everything(),
                vec![selector(&shop)],
                "a",
                Some("Active"),
                &selected,
                true,
            ),
            (
                everything(),
                vec![selector(&shop)],
                "a",
                Some("Terminating"),
                &selected,
                false,
            ),
            (
                everything(),
                vec![selector(&shop)],
                "seen",
                Some("Active"),
                &not_selected,
                true,
            ),
            (
                everything(),
                vec![selector(with_item)],
                "a",
                Some("Active"),
                &not_selected,
                true,
            ),
            (filter(&["a"], &[]), vec![], "a", Some("Active"), &not_selected, true),
            (filter(&["a"], &[]), vec![], "b", Some("Active"), &not_selected, false),
            (
                filter(&["a"], &[]),
                vec![selector(&shop)],
                "a",
                Some("Active"),
                &not_selected,
                true,
            ),
            (
                filter(&["a"], &[]),
                vec![selector(&shop)],
                "b",
                Some("Active"),
                &selected,
                true,
            ),
            (
                filter(&["a"], &[]),
                vec![selector(&[("x", "y")]), selector(&shop)],
                "b",
                Some("Active"),
                &selected,
                true,
            ),
            (
                filter(&["*"], &["a"]),
                vec![selector(&shop)],
                "b",
                Some("Active"),
                &not_selected,
                true,
            ),
        ];
        for (at, (filter, selectors, name, phase, labels, kept)) in table.into_iter().enumerate() {
            let mut tracker = NamespaceTracker::new(filter, selectors);
            tracker.saw_item_in("seen");
            assert_eq!(tracker.keeps(name, phase, labels), kept, "row {at}");
        }
    }
}
