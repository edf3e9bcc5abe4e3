//! Archives, types and graphs for this room's tests.

use std::collections::{HashMap, HashSet};
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::archive::layout::ItemPath;
use crate::archive::reader::Limits;
use crate::archive::spool::{Spool, SpoolOptions};
use crate::archive::writer::ArchiveWriter;
use crate::cluster::discovery::Resource;

/// A spooled archive of these items: type, namespace, name, JSON.
pub(crate) fn spool(items: &[(&str, Option<&str>, &str, &str)]) -> Spool {
    let gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let mut writer = ArchiveWriter::new(gzip, 0).unwrap();
    for (group_resource, namespace, name, json) in items {
        let path = ItemPath {
            group_resource,
            namespace: *namespace,
            name,
        };
        writer.item(&path, "v1", true, json.as_bytes()).unwrap();
    }
    let mut gzip = writer.finish().unwrap();
    gzip.flush().unwrap();
    let bytes = gzip.finish().unwrap();
    let options = SpoolOptions {
        limits: Limits::default(),
        spool: 1 << 30,
        versioned: false,
    };
    Spool::fill(&bytes[..], &std::env::temp_dir(), &options).unwrap()
}

/// A type that is served with all verbs.
pub(crate) fn resource(
    api_version: &str,
    plural: &str,
    kind: &str,
    namespaced: bool,
    short_names: &[&str],
) -> Resource {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    Resource {
        group: group.to_owned(),
        version: version.to_owned(),
        plural: plural.to_owned(),
        kind: kind.to_owned(),
        singular: kind.to_lowercase(),
        short_names: short_names.iter().map(ToString::to_string).collect(),
        namespaced,
        verbs: ["create", "delete", "get", "list", "patch", "update", "watch"]
            .map(String::from)
            .to_vec(),
        has_status: true,
    }
}

/// A spooled archive of these objects, each with its type: namespace and name are those of its metadata.
pub(crate) fn archive_of(objects: &[(&str, Value)]) -> Spool {
    let texts: Vec<String> = objects.iter().map(|(_, object)| object.to_string()).collect();
    let items: Vec<_> = objects
        .iter()
        .zip(&texts)
        .map(|((resource, object), text)| {
            let name = object["metadata"]["name"].as_str().unwrap();
            (*resource, object["metadata"]["namespace"].as_str(), name, text.as_str())
        })
        .collect();
    spool(&items)
}

/// Whether `to` can be reached from `from` over one edge or more.
pub(super) fn reaches(needs: &HashMap<u8, Vec<u8>>, from: u8, to: u8) -> bool {
    let (mut seen, mut stack) = (HashSet::new(), needs.get(&from).cloned().unwrap_or_default());
    while let Some(item) = stack.pop() {
        if item == to {
            return true;
        }
        if seen.insert(item) {
            stack.extend(needs.get(&item).into_iter().flatten());
        }
    }
    false
}
