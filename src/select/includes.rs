//! A list of what is included and a list of what is excluded.

use super::glob::{Glob, GlobError};

/// The entry that means everything.
pub const EVERYTHING: &str = "*";

/// A resource type of discovery, to which a user's name is resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedType {
    /// `deployments.apps`
    pub name: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

/// Resolves a user's name of a type (plural, singular, short name, with or without group); `None` when no such type is served.
pub type Resolve<'a> = &'a dyn Fn(&str) -> Option<ResolvedType>;

/// Includes and excludes. A name that matches an exclude is excluded. Of the rest, a name is included if it matches an include,
/// or if there are no includes (spec restore 7.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IncludesExcludes {
    includes: Patterns,
    excludes: Patterns,
}

/// Entries of a list: patterns that compile, and those that do not and match nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Patterns {
    entries: Vec<String>,
    globs: Vec<Glob>,
    broken: Vec<GlobError>,
}

impl Patterns {
    pub(super) fn new<S: Into<String>>(entries: impl IntoIterator<Item = S>) -> Self {
        let mut patterns = Self::default();
        for entry in entries {
            patterns.add(entry.into());
        }
        patterns
    }

    pub(super) fn add(&mut self, entry: String) {
        if !self.entries.contains(&entry) {
            match Glob::new(&entry) {
                Ok(glob) => self.globs.push(glob),
                // Upstream ignores the entries after a broken one; here only the broken one matches nothing.
                Err(error) => self.broken.push(error),
            }
            self.entries.push(entry);
        }
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        self.globs.iter().any(|glob| glob.matches(name))
    }

    /// Empty, or only `*`: as includes these hold nothing back.
    pub(super) fn is_no_restriction(&self) -> bool {
        self.entries.is_empty() || self.entries == [EVERYTHING]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn entries(&self) -> &[String] {
        &self.entries
    }
}

impl IncludesExcludes {
    /// From the lists of a spec, taken as they are.
    pub fn new<I, E>(includes: I, excludes: E) -> Self
    where
        I: IntoIterator<Item: Into<String>>,
        E: IntoIterator<Item: Into<String>>,
    {
        Self {
            includes: Patterns::new(includes),
            excludes: Patterns::new(excludes),
        }
    }

    /// From lists of resource types. Names are resolved through discovery; those that are not served stay as they are, so a
    /// list of only unknown names includes nothing rather than everything. `*` among the excludes is ignored.
    pub fn of_resources(includes: &[String], excludes: &[String], resolve: Resolve<'_>) -> Self {
        let canonical = |name: &String| match name.as_str() {
            EVERYTHING => name.clone(),
            typed => resolve(typed).map_or_else(|| name.clone(), |found| found.name),
        };
        Self::new(
            includes.iter().map(canonical),
            excludes.iter().filter(|name| *name != EVERYTHING).map(canonical),
        )
    }

    /// Whether a name is included.
    pub fn should_include(&self, name: &str) -> bool {
        !self.is_excluded(name) && (self.includes.is_empty() || self.includes.matches(name))
    }

    /// Whether a name matches an exclude.
    pub fn is_excluded(&self, name: &str) -> bool {
        self.excludes.matches(name)
    }

    /// Whether nothing is held back: no excludes, and no includes but `*`.
    pub fn includes_everything(&self) -> bool {
        self.excludes.is_empty() && self.includes.is_no_restriction()
    }

    /// Invalid patterns, which match nothing. Each must be reported.
    pub fn broken(&self) -> impl Iterator<Item = &GlobError> {
        self.includes.broken.iter().chain(&self.excludes.broken)
    }

    /// The includes, each once, as written or resolved.
    pub fn includes(&self) -> &[String] {
        self.includes.entries()
    }

    /// The excludes, each once, as written or resolved.
    pub fn excludes(&self) -> &[String] {
        self.excludes.entries()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists(includes: &[&str], excludes: &[&str]) -> IncludesExcludes {
        IncludesExcludes::new(includes.iter().copied(), excludes.iter().copied())
    }

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn excludes_win_and_no_includes_means_all() {
        let table: [(&[&str], &[&str], &str, bool); 9] = [
            (&[], &[], "a", true),
            (&["*"], &[], "a", true),
            (&["a"], &[], "a", true),
            (&["a"], &[], "b", false),
            (&["a*"], &["ab"], "ab", false),
            (&["a*"], &["ab"], "ac", true),
            (&[], &["a*"], "abc", false),
            (&["*"], &["a"], "a", false),
            (&["*", "b"], &[], "c", true),
        ];
        for (includes, excludes, name, expected) in table {
            let filter = lists(includes, excludes);
            assert_eq!(
                filter.should_include(name),
                expected,
                "{name} in {includes:?} without {excludes:?}"
            );
        }
    }

    #[test]
    fn everything_is_included_without_excludes_and_includes() {
        for (includes, excludes, expected) in [
            (&[][..], &[][..], true),
            (&["*"], &[], true),
            (&["*", "a"], &[], false),
            (&["a"], &[], false),
            (&["**"], &[], false),
            (&[], &["a"], false),
            (&["*"], &["a"], false),
        ] {
            assert_eq!(
                lists(includes, excludes).includes_everything(),
                expected,
                "{includes:?} without {excludes:?}"
            );
        }
    }

    #[test]
    fn a_broken_pattern_matches_nothing_and_affects_no_other() {
        let filter = lists(&["[", "b", "["], &["{a"]);
        assert!(!filter.should_include("["));
        assert!(filter.should_include("b"));
        assert_eq!(
            filter.broken().map(|error| error.pattern.as_str()).collect::<Vec<_>>(),
            ["[", "{a"]
        );
    }

    #[test]
    fn only_broken_includes_include_nothing() {
        assert!(!lists(&["["], &[]).should_include("a"));
    }

    #[test]
    fn resource_names_are_resolved_and_unknown_ones_kept() {
        let resolve: Resolve = &|typed| {
            let name = match typed {
                "po" | "pod" | "pods" => "pods",
                "deploy" | "deployments.apps" => "deployments.apps",
                _ => return None,
            };
            Some(ResolvedType {
                name: name.into(),
                namespaced: true,
            })
        };
        let filter = IncludesExcludes::of_resources(
            &strings(&["po", "pods", "unknown", "*.velero.io"]),
            &strings(&["*", "deploy"]),
            resolve,
        );
        assert_eq!(filter.includes(), ["pods", "unknown", "*.velero.io"]);
        assert_eq!(filter.excludes(), ["deployments.apps"]);
        let only_unknown = IncludesExcludes::of_resources(&strings(&["unknown"]), &[], resolve);
        assert!(!only_unknown.should_include("pods"));
    }
}
