//! A list of what is included and a list of what is excluded.

use super::glob::Glob;

/// The entry that stands for everything.
pub const EVERYTHING: &str = "*";

/// A resource type as discovery knows it: what a name typed by a person is resolved to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedType {
    /// `deployments.apps`
    pub name: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

/// Resolves a name typed by a person (plural, singular, short name, with or without group); `None` when no such type is served.
pub type Resolve<'a> = &'a dyn Fn(&str) -> Option<ResolvedType>;

/// Includes and excludes. What matches an exclude is out; of the rest, everything that matches an include is in, and all of
/// it when nothing is included by name (spec restore 7.4).
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
            self.globs.extend(Glob::new(&entry));
            self.entries.push(entry);
        }
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        self.globs.iter().any(|glob| glob.matches(name))
    }

    pub(super) fn has_everything(&self) -> bool {
        self.entries.iter().any(|entry| entry == EVERYTHING)
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

    /// Whether a name is in.
    pub fn should_include(&self, name: &str) -> bool {
        !self.is_excluded(name) && (self.includes.is_empty() || self.includes.matches(name))
    }

    /// Whether a name matches an exclude.
    pub fn is_excluded(&self, name: &str) -> bool {
        self.excludes.matches(name)
    }

    /// Whether nothing is held back: no excludes, and no includes but `*`.
    pub fn includes_everything(&self) -> bool {
        self.excludes.is_empty() && (self.includes.is_empty() || self.includes.entries() == [EVERYTHING])
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
