//! Which namespaces, and which Namespace objects, a backup takes.

use std::collections::{BTreeMap, BTreeSet};

use super::includes::IncludesExcludes;
use super::labels::Selector;

/// The namespaces of a backup. Patterns stay patterns: a namespace born during the run is judged by them too, and "all"
/// stays "all" (spec backup 22-C8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceFilter {
    lists: IncludesExcludes,
}

impl NamespaceFilter {
    /// From the lists of a spec.
    pub fn new(includes: &[String], excludes: &[String]) -> Self {
        Self {
            lists: IncludesExcludes::new(includes.iter().cloned(), excludes.iter().cloned()),
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

    /// Names among the includes that are no patterns: each must exist, or the user is told (spec backup 22-C4).
    pub fn literal_includes(&self) -> Vec<&str> {
        todo!("skeleton")
    }

    /// The names to list when the filter can only take these few; `None` when it may take others too (patterns or "all").
    pub fn only(&self) -> Option<Vec<&str>> {
        todo!("skeleton")
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
        let _ = (name, phase, labels, &self.filter, &self.selectors);
        todo!("skeleton")
    }
}
