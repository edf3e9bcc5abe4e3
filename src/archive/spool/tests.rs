use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::archive::reader::Rule;
use crate::archive::writer::{ArchiveWriter, gzip};

const RECORDED: &[u8] = include_bytes!("../../../tests/data/go-1.18.1/bucket/backups/golden1/golden1.tar.gz");

const PREFERRED: ItemCopy<'static> = ItemCopy::Versioned {
    version: "v1",
    preferred: true,
};

fn options(versioned: bool) -> SpoolOptions {
    SpoolOptions {
        limits: Limits::default(),
        spool: 1 << 30,
        versioned,
    }
}

fn spool(archive: &[u8], versioned: bool) -> Spool {
    Spool::fill(archive, TempDir::new().unwrap().path(), &options(versioned)).unwrap()
}

fn item<'a>(group_resource: &'a str, namespace: Option<&'a str>, name: &'a str) -> ItemPath<'a> {
    ItemPath {
        group_resource,
        namespace,
        name,
    }
}

fn archive(items: &[(ItemPath<'_>, &str, bool)]) -> Vec<u8> {
    let mut writer = ArchiveWriter::new(gzip(Vec::new()), 0).unwrap();
    for (item, version, preferred) in items {
        let json = format!("{version} of {item}");
        writer.item(item, version, *preferred, json.as_bytes()).unwrap();
    }
    writer.finish().unwrap().finish().unwrap()
}

#[test]
fn the_recorded_archive_is_indexed_and_every_item_reads_as_json() {
    for (versioned, expected) in [(false, 83), (true, 166)] {
        let spool = spool(RECORDED, versioned);
        assert_eq!(spool.items().len(), expected);
        for item in spool.items() {
            let (path, copy) = spool.path(item);
            let bytes = spool.read(item).unwrap();
            assert_eq!(bytes.len() as u64, spool.size(item));
            let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(value["metadata"]["name"], path.name, "{path}");
            assert_eq!(value["metadata"]["namespace"].as_str(), path.namespace, "{path}");
            assert_eq!(spool.find(&path, copy), Some(item));
        }
        assert_eq!(
            spool.namespaces("pods", ItemCopy::Plain).collect::<Vec<_>>(),
            [Some("shop")]
        );
        assert_eq!(
            spool.namespaces("namespaces", ItemCopy::Plain).collect::<Vec<_>>(),
            [None]
        );
        let versions: Vec<_> = spool.versions("pods").collect();
        assert_eq!(versions, if versioned { vec![("v1", true)] } else { vec![] });
    }
}

#[test]
fn items_are_ordered_by_resource_copy_namespace_and_name() {
    let mut items = [
        (item("pods", Some("b"), "x"), "v1", true),
        (item("pods", Some("a"), "y"), "v1", true),
        (item("pods", Some("a"), "x"), "v1", true),
        (item("pods", Some("a"), "x"), "v2", false),
        (item("nodes", None, "n-1"), "v1", true),
        (item("nodes", None, "n"), "v1", true),
        (item("pods.metrics.k8s.io", Some("a"), "x"), "v1beta1", true),
    ];
    let first = spool(&archive(&items), true);
    items.reverse();
    let second = spool(&archive(&items), true);
    let listed = |spool: &Spool| {
        let line = |item| {
            let (path, copy) = spool.path(item);
            format!(
                "{path} {copy:?} = {}",
                String::from_utf8(spool.read(item).unwrap().to_vec()).unwrap()
            )
        };
        spool.items().map(line).collect::<Vec<_>>()
    };
    assert_eq!(listed(&first), listed(&second));
    assert_eq!(
        first.group_resources().collect::<Vec<_>>(),
        ["nodes", "pods", "pods.metrics.k8s.io"]
    );
    assert_eq!(
        first.versions("pods").collect::<Vec<_>>(),
        [("v1", true), ("v2", false)]
    );
    assert_eq!(
        first.namespaces("pods", ItemCopy::Plain).collect::<Vec<_>>(),
        [Some("a"), Some("b")]
    );
    let names = |items: Vec<ItemHandle>| {
        items
            .into_iter()
            .map(|item| first.path(item).0.name)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names(first.items_in("pods", ItemCopy::Plain, Some("a")).collect()),
        ["x", "y"]
    );
    assert_eq!(names(first.items_in("nodes", PREFERRED, None).collect()), ["n", "n-1"]);
    assert_eq!(
        names(first.items_in("nodes", ItemCopy::Plain, Some("")).collect()),
        [""; 0]
    );
    assert!(first.items().map(ItemHandle::index).eq(0..13));
}

#[test]
fn a_look_up_finds_what_is_there_and_nothing_else() {
    let spool = spool(&archive(&[(item("pods", Some("a"), "x"), "v1", true)]), false);
    assert!(spool.find(&item("pods", Some("a"), "x"), ItemCopy::Plain).is_some());
    for (missing, copy) in [
        (item("pods", Some("a"), "x"), PREFERRED),
        (item("pods", Some("a"), "y"), ItemCopy::Plain),
        (item("pods", Some("b"), "x"), ItemCopy::Plain),
        (item("pods", None, "x"), ItemCopy::Plain),
        (item("nodes", Some("a"), "x"), ItemCopy::Plain),
    ] {
        assert_eq!(spool.find(&missing, copy), None, "{missing}");
    }
}

#[test]
fn a_missing_resources_directory_is_an_empty_spool() {
    let spool = spool(&archive(&[]), true);
    assert!(!spool.summary().has_resources);
    assert_eq!(spool.items().len(), 0);
    assert_eq!(spool.group_resources().count(), 0);
}

#[test]
fn versioned_copies_are_kept_only_on_request() {
    let archive = archive(&[(item("pods", Some("a"), "x"), "v1", true)]);
    let size = "v1 of pods a/x".len() as u64;
    let fill = |versioned, spool| {
        let dir = TempDir::new().unwrap();
        Spool::fill(
            archive.as_slice(),
            dir.path(),
            &SpoolOptions {
                spool,
                ..options(versioned)
            },
        )
    };
    assert!(fill(false, size).is_ok());
    assert!(fill(true, 2 * size).is_ok());
    for (versioned, too_small) in [(false, size - 1), (true, 2 * size - 1)] {
        let error = fill(versioned, too_small).unwrap_err();
        assert!(error.to_string().contains("--restore-spool-limit"), "{error}");
        assert!(matches!(error, ReadError::Sink(error) if error.kind() == ErrorKind::StorageFull));
    }
}

#[test]
fn the_scratch_directory_is_empty_while_the_spool_is_used() {
    let dir = TempDir::new().unwrap();
    let spool = Spool::fill(RECORDED, dir.path(), &options(true)).unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    assert!(spool.items().all(|item| spool.read(item).is_ok()));
    let cut = Spool::fill(&RECORDED[..RECORDED.len() / 2], dir.path(), &options(true));
    assert!(matches!(cut, Err(ReadError::Truncated { .. })));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_refused_archive_gives_no_spool() {
    let mut writer = ArchiveWriter::new(gzip(Vec::new()), 0).unwrap();
    let pod = item("pods", Some("a"), "x");
    writer.item(&pod, "v1", true, b"{}").unwrap();
    writer.item(&pod, "v1", true, b"{}").unwrap();
    let bytes = writer.finish().unwrap().finish().unwrap();
    let result = Spool::fill(bytes.as_slice(), TempDir::new().unwrap().path(), &options(false));
    assert!(matches!(
        result,
        Err(ReadError::Hostile {
            rule: Rule::Duplicate,
            ..
        })
    ));
}

proptest! {
    #[test]
    fn every_item_can_be_found_and_read(
        items in proptest::collection::btree_set(
            ("[a-c]{1,2}(\\.[a-c])?", proptest::option::of("[a-c]{1,2}"), "[a-c:é]{1,3}"), 0..60),
    ) {
        let paths: Vec<_> = items.iter().map(|(gr, ns, name)| (item(gr, ns.as_deref(), name), "v1", true)).collect();
        let spool = spool(&archive(&paths), false);
        prop_assert_eq!(spool.items().len(), paths.len());
        let mut sorted: Vec<_> = paths.iter().map(|(item, ..)| *item).collect();
        sorted.sort();
        for (found, expected) in spool.items().zip(&sorted) {
            prop_assert_eq!(spool.path(found), (*expected, ItemCopy::Plain));
            prop_assert_eq!(spool.find(expected, ItemCopy::Plain), Some(found));
            let text = format!("v1 of {expected}");
            prop_assert_eq!(spool.read(found).unwrap(), text.as_bytes());
        }
        let mut walked = Vec::new();
        for resource in spool.group_resources() {
            for namespace in spool.namespaces(resource, ItemCopy::Plain) {
                walked.extend(spool.items_in(resource, ItemCopy::Plain, namespace));
            }
        }
        prop_assert!(walked.into_iter().eq(spool.items()));
    }
}
