//! Includes and excludes of one scope: the new filters have a pair for each.

use super::automatic::is_automatic;
use crate::select::includes::{Patterns, Resolve};

/// The lists of one scope.
#[derive(Clone, Debug)]
pub(super) struct ScopeLists {
    pub(super) includes: Patterns,
    pub(super) excludes: Patterns,
    /// Entries that name a type of the other scope and so have no effect.
    pub(super) misplaced: Vec<String>,
}

impl ScopeLists {
    pub(super) fn new(includes: &[String], excludes: &[String], namespaced: bool, resolve: Resolve<'_>) -> Self {
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
    pub(super) fn add_policy(
        &mut self,
        includes: &[String],
        excludes: &[String],
        namespaced: bool,
        resolve: Resolve<'_>,
    ) {
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

    pub(super) fn is_unset(&self) -> bool {
        self.includes.is_empty() && self.excludes.is_empty()
    }

    pub(super) fn includes_everything(&self) -> bool {
        self.excludes.is_empty() && self.includes.is_no_restriction()
    }
}
