//! The kind of a type's items.

use std::collections::HashMap;

use serde::Deserialize;

use crate::archive::layout::ItemCopy;
use crate::archive::spool::Spool;

/// The `apiVersion/Kind` of the first item of each type of an archive: nearly always that of all of them.
#[derive(Debug, Default)]
pub struct Kinds {
    known: HashMap<String, Option<String>>,
}

#[derive(Deserialize)]
struct Typed {
    #[serde(rename = "apiVersion")]
    api_version: String,
    kind: String,
}

impl Kinds {
    /// The kind of a type, read from the archive the first time; nothing if its first item cannot be read.
    pub fn of(&mut self, archive: &Spool, group_resource: &str) -> Option<String> {
        if let Some(known) = self.known.get(group_resource) {
            return known.clone();
        }
        let kind = read(archive, group_resource);
        self.known.insert(group_resource.to_owned(), kind.clone());
        kind
    }
}

fn read(archive: &Spool, group_resource: &str) -> Option<String> {
    let namespace = archive.namespaces(group_resource, ItemCopy::Plain).next()?;
    let first = archive.items_in(group_resource, ItemCopy::Plain, namespace).next()?;
    let typed: Typed = serde_json::from_slice(&archive.read(first).ok()?).ok()?;
    Some(format!("{}/{}", typed.api_version, typed.kind))
}
