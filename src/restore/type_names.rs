//! Resolves names of types in a restore: by discovery, and by the CRDs in the archive, because their types are not served yet
//! when the plan is made.

use std::collections::HashMap;

use serde::Deserialize;

use super::priorities::CRDS;
use crate::archive::layout::ItemCopy;
use crate::archive::spool::Spool;
use crate::cluster::discovery::{Discovery, GroupResource};
use crate::select::includes::ResolvedType;

/// Resolves names of types as users write them.
#[derive(Debug)]
pub struct TypeNames<'a> {
    discovery: &'a Discovery,
    archived: HashMap<String, ResolvedType>,
}

#[derive(Deserialize)]
struct Crd {
    spec: CrdSpec,
}

#[derive(Deserialize)]
struct CrdSpec {
    group: String,
    #[serde(default)]
    scope: String,
    names: CrdNames,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CrdNames {
    plural: String,
    #[serde(default)]
    singular: Option<String>,
    #[serde(default)]
    short_names: Option<Vec<String>>,
}

impl<'a> TypeNames<'a> {
    /// The names in a cluster, and those of the archive's CRDs. A CRD that cannot be read has none.
    pub fn new(discovery: &'a Discovery, archive: &Spool) -> Self {
        let mut archived = HashMap::new();
        for item in archive.items_in(CRDS, ItemCopy::Plain, None) {
            let Ok(bytes) = archive.read(item) else { continue };
            let Ok(Crd { spec }) = serde_json::from_slice(&bytes) else {
                continue;
            };
            let resource = GroupResource::new(&spec.group, &spec.names.plural);
            let known = ResolvedType {
                name: resource.to_string(),
                namespaced: spec.scope == "Namespaced",
            };
            let names = spec
                .names
                .singular
                .into_iter()
                .chain(spec.names.short_names.into_iter().flatten());
            for name in names.chain([spec.names.plural]) {
                archived
                    .entry(format!("{name}.{}", spec.group))
                    .or_insert_with(|| known.clone());
                archived.entry(name).or_insert_with(|| known.clone());
            }
        }
        Self { discovery, archived }
    }

    /// The type of a name; nothing if it is not known (yet). Served types win over those of CRDs in the archive.
    pub fn resolve(&self, name: &str) -> Option<ResolvedType> {
        let served = self.discovery.resolve(name);
        let served = served.map(|found| ResolvedType {
            name: found.group_resource().to_string(),
            namespaced: found.namespaced,
        });
        served.or_else(|| self.archived.get(name).cloned())
    }

    /// The same, as a type.
    pub fn group_resource(&self, name: &str) -> Option<GroupResource> {
        self.resolve(name).and_then(|found| found.name.parse().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restore::testing::{resource, spool};

    #[test]
    fn types_of_archived_crds_are_known_before_they_are_served() {
        let crd = r#"{"spec": {"group": "example.com", "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "shortNames": ["wd", "po"]}}}"#;
        let archive = spool(&[(CRDS, None, "widgets.example.com", crd), (CRDS, None, "broken", "{")]);
        let discovery = Discovery::from_resources([resource("v1", "pods", "Pod", true, &["po"])]);
        let names = TypeNames::new(&discovery, &archive);
        let table = [
            ("widgets.example.com", Some("widgets.example.com")),
            ("widget", Some("widgets.example.com")),
            ("wd", Some("widgets.example.com")),
            ("wd.example.com", Some("widgets.example.com")),
            ("po", Some("pods")),
            ("gadgets", None),
        ];
        for (name, expected) in table {
            assert_eq!(
                names.resolve(name).map(|found| found.name).as_deref(),
                expected,
                "{name}"
            );
        }
    }
}
