//! A server that dies in the middle: the next one goes on and comes to the same end (decisions 14 and 16).

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::harness::{Plane, Server, eventually, text};

const OBJECTS: usize = 1500;

pub(crate) fn fill(plane: &Plane, namespace: &str) {
    let mut yaml = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}\n");
    for number in 0..OBJECTS {
        let _ = write!(
            yaml,
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{number}, namespace: {namespace}}}\ndata: {{n: \"{number}\"}}\n"
        );
    }
    plane
        .kubectl_with(&["create", "-f", "-"], &yaml)
        .unwrap_or_else(|error| panic!("create: {error}"));
}

/// Everything below a directory that is a file, by its path inside.
fn files(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory)
            .expect("a directory")
            .map(|entry| entry.expect("an entry").path())
        {
            if entry.is_dir() {
                open.push(entry);
            } else {
                found.push(entry.strip_prefix(root).expect("inside").to_string_lossy().into_owned());
            }
        }
    }
    found
}

pub(crate) fn under_way(server: &Server<'_>, kind: &str, name: &str, counter: &str) {
    eventually(&format!("{kind} {name} to be under way"), || {
        let object = server.object(kind, name);
        let done: u64 = text(&object, counter).parse().unwrap_or_default();
        (done > 0 && text(&object, "/status/phase") == "InProgress" || text(&object, "/status/phase") == "Completed")
            .then_some(())
    });
}

#[test]
fn a_backup_and_a_restore_whose_server_is_killed_end_as_if_nothing_had_happened() {
    let plane = Plane::start();
    let mut server = Server::start(&plane, "velero");
    fill(&plane, "many");

    server.velero(&["backup", "create", "b", "--include-namespaces", "many"]);
    under_way(&server, "backup", "b", "/status/progress/itemsBackedUp");
    server.restart();
    let backup = server.ended("backup", "b");
    assert_eq!(text(&backup, "/status/phase"), "Completed", "{backup:#}");
    assert_eq!(
        text(&backup, "/status/progress/itemsBackedUp"),
        (OBJECTS + 1).to_string(),
        "{backup:#}"
    );
    let left: Vec<_> = files(&server.bucket())
        .into_iter()
        .filter(|file| !file.starts_with("backups/b/") && file != "metadata/store-id")
        .collect();
    assert!(left.is_empty(), "left over in the bucket: {left:?}");

    server.velero(&[
        "restore",
        "create",
        "r",
        "--from-backup",
        "b",
        "--namespace-mappings",
        "many:copy",
    ]);
    under_way(&server, "restore", "r", "/status/progress/itemsRestored");
    server.restart();
    let restore = server.ended("restore", "r");
    assert_eq!(text(&restore, "/status/phase"), "Completed", "{restore:#}");
    assert_eq!(
        text(&restore, "/status/warnings"),
        "",
        "what it had made itself is not a conflict: {restore:#}"
    );
    assert_eq!(plane.list("copy", "configmaps").len(), OBJECTS);
    let records = plane.list("velero", "configmaps");
    assert!(
        !records
            .iter()
            .any(|map| text(map, "/metadata/name").starts_with("velero-run-")),
        "run records of ended runs are left: {records:#?}"
    );
}
