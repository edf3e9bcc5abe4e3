//! Names in a restore's spec that are not in its backup: a restore that does nothing reports why (spec restore 7.4). Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::NAMESPACES;
use crate::api::v1::RestoreSpec;
use crate::archive::layout::ItemCopy;
use crate::archive::spool::Spool;
use crate::select::glob::{Glob, is_pattern};
use crate::select::includes::{EVERYTHING, Resolve};
use crate::select::namespaces::NamespaceFilter;

/// How many names of the backup a message lists.
const LISTED: usize = 20;

/// The group of Velero's own types; the server adds these to the excludes of every restore.
const OWN_GROUP: &str = ".velero.io";

/// The names in a backup.
#[derive(Debug, Default)]
pub struct Contents {
    namespaces: BTreeSet<String>,
    types: BTreeSet<String>,
}

impl Contents {
    /// The names in an archive. A namespace counts by its own object or by an object in it.
    pub fn of(archive: &Spool) -> Self {
        let occupied = archive
            .group_resources()
            .flat_map(|resource| archive.namespaces(resource, ItemCopy::Plain).flatten());
        let objects = archive.items_in(NAMESPACES, ItemCopy::Plain, None);
        Self {
            namespaces: occupied
                .chain(objects.map(|item| archive.path(item).0.name))
                .map(str::to_owned)
                .collect(),
            types: archive.group_resources().map(str::to_owned).collect(),
        }
    }

    /// Mappings of namespaces that are not in the backup: the restore would not create the intended objects.
    pub fn unknown_sources(&self, mapping: &BTreeMap<String, String>) -> Vec<String> {
        if self.types.is_empty() {
            return Vec::new();
        }
        let unknown = mapping.iter().filter(|(from, _)| !self.namespaces.contains(*from));
        unknown
            .map(|(from, to)| {
                format!(
                    "invalid namespace mapping '{from}:{to}': the backup has no namespace '{from}'; it has {}",
                    listed(&self.namespaces)
                )
            })
            .collect()
    }

    /// Warnings about names in the lists of a spec that have no effect.
    pub fn warnings(&self, spec: &RestoreSpec, resolve: Resolve<'_>) -> Vec<String> {
        if self.types.is_empty() {
            return Vec::new();
        }
        let mut warnings: Vec<String> = self.unused_namespaces(spec).chain(self.unused_mappings(spec)).collect();
        let status = spec.restore_status.as_ref();
        let included = [
            ("spec.includedResources", Some(&spec.included_resources)),
            (
                "spec.restoreStatus.includedResources",
                status.map(|status| &status.included_resources),
            ),
        ];
        for (field, list) in included {
            let unused = list
                .into_iter()
                .flatten()
                .filter(|entry| !self.has_type(entry, resolve));
            warnings.extend(unused.map(|entry| {
                format!(
                    "{field} names {entry:?}, and the backup has no such objects; it has {}",
                    listed(&self.types)
                )
            }));
        }
        let excluded = [
            ("spec.excludedResources", Some(&spec.excluded_resources)),
            (
                "spec.restoreStatus.excludedResources",
                status.map(|status| &status.excluded_resources),
            ),
        ];
        for (field, list) in excluded {
            let unused = list.into_iter().flatten().filter(|entry| {
                !entry.ends_with(OWN_GROUP) && resolve(entry).is_none() && !self.has_type(entry, resolve)
            });
            warnings.extend(unused.map(|entry| {
                format!(
                    "{field} names {entry:?}, which is not a type of this cluster or of the backup: it excludes nothing; check the spelling, or `kubectl api-resources`"
                )
            }));
        }
        warnings
    }

    fn unused_namespaces(&self, spec: &RestoreSpec) -> impl Iterator<Item = String> {
        let entries = spec.included_namespaces.iter();
        let unused = entries
            .filter(|entry| !entry.is_empty() && !matches_any(entry, self.namespaces.iter().map(String::as_str)));
        unused.map(|entry| {
            let what = if is_pattern(entry) {
                "no namespace of the backup matches it"
            } else {
                "the backup has no such namespace"
            };
            let source = spec.namespace_mapping.iter().find(|(_, to)| *to == entry);
            let hint = source
                .map(|(from, _)| format!(" (it is the target of a mapping; name {from:?}, as in the backup)"))
                .unwrap_or_default();
            format!(
                "spec.includedNamespaces names {entry:?}, and {what}{hint}; it has {}",
                listed(&self.namespaces)
            )
        })
    }

    /// Mappings of namespaces that the restore's own lists exclude.
    fn unused_mappings<'a>(&'a self, spec: &'a RestoreSpec) -> impl Iterator<Item = String> + 'a {
        let chosen = NamespaceFilter::new(&spec.included_namespaces, &spec.excluded_namespaces);
        let sources = spec
            .namespace_mapping
            .iter()
            .filter(|(from, _)| self.namespaces.contains(*from));
        // A list that names the target has its own warning.
        let unused =
            move |(from, to): &(&String, &String)| !chosen.includes(from) && !spec.included_namespaces.contains(to);
        sources.filter(unused).map(|(from, to)| {
            format!(
                "spec.namespaceMapping maps {from:?} to {to:?}, and the restore's namespaces exclude {from:?}: nothing is restored to {to:?}"
            )
        })
    }

    fn has_type(&self, entry: &str, resolve: Resolve<'_>) -> bool {
        let name = resolve(entry).map_or_else(|| entry.to_owned(), |found| found.name);
        matches_any(&name, self.types.iter().map(String::as_str))
    }
}

/// Whether a name or pattern of a list matches any of these. A broken pattern is reported elsewhere.
fn matches_any<'a>(entry: &str, mut names: impl Iterator<Item = &'a str>) -> bool {
    if entry == EVERYTHING {
        return true;
    }
    Glob::new(entry).map_or(true, |glob| names.any(|name| glob.matches(name)))
}

/// The names, as many as a message holds.
fn listed(names: &BTreeSet<String>) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    let shown: Vec<&str> = names.iter().take(LISTED).map(String::as_str).collect();
    let more = match names.len() - shown.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::restore::testing::spool;
    use crate::select::includes::ResolvedType;

    fn contents() -> Contents {
        Contents::of(&spool(&[
            (NAMESPACES, None, "empty", "{}"),
            (NAMESPACES, None, "shop", "{}"),
            ("pods", Some("shop"), "p", "{}"),
            ("deployments.apps", Some("bank"), "d", "{}"),
        ]))
    }

    fn resolve(typed: &str) -> Option<ResolvedType> {
        let name = match typed {
            "po" | "pod" | "pods" => "pods",
            "secrets" => "secrets",
            "deploy" => "deployments.apps",
            _ => return None,
        };
        Some(ResolvedType {
            name: name.to_owned(),
            namespaced: true,
        })
    }

    #[test]
    fn missing_names_are_reported_with_those_of_the_backup() {
        let namespaces = "it has bank, empty, shop";
        let types = "it has deployments.apps, namespaces, pods";
        let table = [
            (json!({}), vec![]),
            (json!({"includedNamespaces": ["*"], "includedResources": ["*"]}), vec![]),
            (json!({"includedNamespaces": ["empty", "bank", "sh*", ""]}), vec![]),
            (
                json!({"includedNamespaces": ["shop", "typo"]}),
                vec![format!(
                    "spec.includedNamespaces names \"typo\", and the backup has no such namespace; {namespaces}"
                )],
            ),
            (
                json!({"includedNamespaces": ["x*"]}),
                vec![format!(
                    "spec.includedNamespaces names \"x*\", and no namespace of the backup matches it; {namespaces}"
                )],
            ),
            (
                json!({"includedNamespaces": ["copy"], "namespaceMapping": {"shop": "copy"}}),
                vec![format!(
                    "spec.includedNamespaces names \"copy\", and the backup has no such namespace (it is the target of a mapping; name \"shop\", as in the backup); {namespaces}"
                )],
            ),
            (
                json!({"includedNamespaces": ["sh*"], "namespaceMapping": {"shop": "a", "bank": "b"}}),
                vec!["spec.namespaceMapping maps \"bank\" to \"b\", and the restore's namespaces exclude \"bank\": nothing is restored to \"b\"".to_owned()],
            ),
            (
                json!({"excludedNamespaces": ["shop"], "namespaceMapping": {"shop": "a", "bank": "b"}}),
                vec!["spec.namespaceMapping maps \"shop\" to \"a\", and the restore's namespaces exclude \"shop\": nothing is restored to \"a\"".to_owned()],
            ),
            (json!({"includedResources": ["po", "deploy", "*.apps"]}), vec![]),
            (
                json!({"includedResources": ["pods", "secrets"]}),
                vec![format!(
                    "spec.includedResources names \"secrets\", and the backup has no such objects; {types}"
                )],
            ),
            (
                json!({"restoreStatus": {"includedResources": ["podss"]}}),
                vec![format!(
                    "spec.restoreStatus.includedResources names \"podss\", and the backup has no such objects; {types}"
                )],
            ),
            (
                json!({"excludedResources": ["pods", "secrets", "*", "resticrepositories.velero.io", "secretss"]}),
                vec!["spec.excludedResources names \"secretss\", which is not a type of this cluster or of the backup: it excludes nothing; check the spelling, or `kubectl api-resources`".to_owned()],
            ),
        ];
        for (spec, want) in table {
            let spec: RestoreSpec = serde_json::from_value(spec).unwrap();
            assert_eq!(contents().warnings(&spec, &resolve), want, "{spec:?}");
        }
    }

    #[test]
    fn a_mapping_of_a_missing_namespace_is_refused() {
        let mapping =
            |from: &str| BTreeMap::from([(from.to_owned(), "x".to_owned()), ("shop".to_owned(), "y".to_owned())]);
        for known in ["bank", "empty", "shop"] {
            assert_eq!(contents().unknown_sources(&mapping(known)), Vec::<String>::new());
        }
        assert_eq!(
            contents().unknown_sources(&mapping("typo")),
            ["invalid namespace mapping 'typo:x': the backup has no namespace 'typo'; it has bank, empty, shop"]
        );
        let nothing = Contents::default();
        assert_eq!(nothing.unknown_sources(&mapping("typo")), Vec::<String>::new());
    }

    #[test]
    fn as_many_names_are_listed_as_a_message_holds() {
        let names: BTreeSet<String> = (0..25).map(|i| format!("n{i:02}")).collect();
        assert!(listed(&names).ends_with("n18, n19 and 5 more"), "{}", listed(&names));
        assert_eq!(listed(&BTreeSet::new()), "none");
    }
}
