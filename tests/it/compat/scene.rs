//! The recorded scene again: the shop in a cluster with its controllers, a backup of it, and the recorded backup restored
//! into another namespace beside it. No kubelet: pods stay Pending, nothing is executed in them, no job ends.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use velero::cluster::yaml;

use super::objects::remove;
use super::recorded::{self, BACKUP, RESTORE};
use super::restore::actions;
use super::{backup, metrics};
use crate::harness::{Plane, Server, data, eventually, text};

/// Opens the shop and waits for all that the recorded one had.
fn open_shop(plane: &Plane) {
    plane.open_shop();
    let all = [
        ("pods", 4),
        ("endpointslices", 2),
        ("endpoints", 2),
        ("replicasets", 1),
        ("controllerrevisions", 1),
        ("configmaps", 2),
        ("serviceaccounts", 2),
        ("events", 1),
    ];
    for (kind, count) in all {
        eventually(&format!("{count} {kind} in the shop"), || {
            (plane.list("shop", kind).len() >= count).then_some(())
        });
    }
}

#[test]
fn the_recorded_scene_comes_out_as_recorded() {
    let plane = Plane::with_controller_manager();
    let directory = tempfile::tempdir().expect("a directory");
    recorded::fill_bucket(&directory.path().join("store/velero"), &recorded::expiration());
    std::fs::remove_dir_all(directory.path().join("store/velero/restores")).expect("none was made here yet");
    let server = Server::on_bucket(&plane, "velero", directory.path());
    open_shop(&plane);

    server.velero(&["backup", "create", "ours", "--include-namespaces", "shop", "--wait"]);
    backup::is_as_recorded(&server, "ours");
    restore_beside(&plane, &server);
    server.velero(&["schedule", "create", "daily", "--schedule=0 1 * * *"]);
    metrics::are_as_recorded(&server);
}

/// What another scene than the recorded one, or a defect of the Go release, makes of an item.
fn instead(item: &str, label: bool) -> Option<&'static [&'static str]> {
    match item {
        // DEFECTS 1, 4: the definition there is the one of the backup. The other and the next each cluster writes itself
        // (decision 41).
        "apiextensions.k8s.io/v1 CustomResourceDefinition widgets.example.com"
        | "v1 ConfigMap shop-copy/kube-root-ca.crt" => Some(&["skipped"]),
        item if item.starts_with("v1 Endpoints ") || item.starts_with("discovery.k8s.io/v1 EndpointSlice ") => {
            Some(&["skipped"])
        }
        // The controllers make it in every namespace. The Go server let them go first by waiting for its caches; here the
        // first to need it makes it, and the object's label names that restore.
        "v1 ServiceAccount shop-copy/default" => Some(if label { &["created"] } else { &["skipped"] }),
        _ => None,
    }
}

fn restore_beside(plane: &Plane, server: &Server<'_>) {
    eventually("the recorded backup to be found in the bucket", || {
        plane.get("velero", "backups.velero.io", BACKUP)
    });
    let arguments = [
        "restore",
        "create",
        RESTORE,
        "--from-backup",
        BACKUP,
        "--namespace-mappings",
        "shop:shop-copy",
    ];
    server.velero(&arguments);
    let restore = server.ended("restore", RESTORE);
    let directory = server.bucket().join(format!("restores/{RESTORE}"));
    let file = |name: &str| recorded::json_gz(&directory.join(name));
    let log = recorded::log(&directory.join(format!("restore-{RESTORE}-logs.gz")));

    let made_by_us = |kind: &str, name: &str| {
        let object = plane.get("shop-copy", kind, name).expect("it is there");
        text(&object, "/metadata/labels/velero.io~1restore-name") == RESTORE
    };
    let own_account = made_by_us("serviceaccount", "default");
    let want = actions(&recorded::json(&format!(
        "restores/{RESTORE}/restore-{RESTORE}-resource-list.json.gz"
    )));
    let have = actions(&file(&format!("restore-{RESTORE}-resource-list.json.gz")));
    assert_eq!(
        have.keys().collect::<Vec<_>>(),
        want.keys().collect::<Vec<_>>(),
        "{log}"
    );
    for (item, action) in &have {
        match instead(item, own_account) {
            Some(allowed) => assert!(
                allowed.contains(&action.as_str()),
                "{item} is {action}, not {allowed:?}\n{log}"
            ),
            None => assert_eq!(*action, want[item], "{item}\n{log}"),
        }
    }

    let mut want = recorded::json(&format!("restores/{RESTORE}/restore-{RESTORE}-results.gz"));
    leave_out_defects(&mut want["warnings"]);
    add_ours(&mut want["warnings"]);
    let have = file(&format!("restore-{RESTORE}-results.gz"));
    assert_eq!(sorted(&have), sorted(&want), "{log}");
    for name in [
        "golden1-r-volumeinfo.json.gz",
        "restore-golden1-r-itemoperations.json.gz",
    ] {
        assert_eq!(
            file(name),
            recorded::json(&format!("restores/{RESTORE}/{name}")),
            "{name}"
        );
    }
    let names = |root: &std::path::Path| {
        let entries = std::fs::read_dir(root).expect("a directory");
        let mut names: Vec<_> = entries.map(|entry| entry.expect("an entry").file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(
        names(&directory),
        names(&data(&format!("go-1.18.1/bucket/restores/{RESTORE}")))
    );

    let mut want: Value = yaml::from_str(&recorded::object("restore-golden1-r")).expect("a recorded restore");
    let warnings = count(&have["warnings"]);
    want["status"]["warnings"] = json!(warnings);
    let mut restore = restore;
    // An addition of ours, see tests/crd_additions.txt.
    remove(&mut restore, "/status/conditions").expect("conditions");
    for side in ["/spec", "/status"] {
        let (mut want, mut have) = (
            want.pointer(side).expect("it").clone(),
            restore.pointer(side).expect("it").clone(),
        );
        for time in ["startTimestamp", "completionTimestamp"] {
            for value in [&mut want, &mut have] {
                if value.get(time).is_some() {
                    value[time] = json!("some time");
                }
            }
        }
        assert_eq!(have, want, "{side}");
    }
    ends_with_its_messages(&log, &have);
}

/// DEFECTS 1 to 3.
fn leave_out_defects(warnings: &mut Value) {
    let cluster = warnings["cluster"].as_array_mut().expect("warnings");
    cluster.retain(|warning| {
        !warning
            .as_str()
            .expect("text")
            .contains("CustomResourceDefinition:widgets.example.com")
    });
    let namespaces = warnings["namespaces"].as_object_mut().expect("namespaces");
    namespaces.remove("cluster").expect("the namespace that does not exist");
    namespaces.remove("shop-copy").expect("the ConfigMap");
    if namespaces.is_empty() {
        warnings.as_object_mut().expect("a map").remove("namespaces");
    }
}

/// What is only here a warning (decisions 40 and 46): a job that is over, and behind the recorded text that an object differs what a
/// copy does not get of what its source has.
fn add_ours(warnings: &mut Value) {
    for (object, reason) in [
        (
            "PersistentVolume:shop-data",
            "it belongs to claim shop/data: claim shop-copy/data does not get it and stays Pending; check `kubectl get pv \
             shop-data -o yaml`",
        ),
        (
            "ClusterRoleBinding:shop-reader",
            "it lacks these subjects of the restore, which so lack its rights: ServiceAccount shop-copy/web; add them, or \
             restore with --existing-resource-policy update, which adds them",
        ),
    ] {
        let cluster = warnings["cluster"].as_array_mut().expect("warnings");
        let about = |warning: &&mut Value| warning.as_str().is_some_and(|text| text.contains(object));
        let warning = cluster.iter_mut().find(about).expect("the recorded warning");
        *warning = json!(format!("{}: {reason}", warning.as_str().expect("text")));
    }
    warnings["namespaces"]["shop-copy"] =
        json!(["jobs.batch/shop-copy/once has completed: it is not restored, because it would run again"]);
}

/// Results without the order of their messages: it is that of the work, which is done side by side.
fn sorted(results: &Value) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    for (severity, set) in results.as_object().expect("results") {
        for (subject, texts) in set.as_object().expect("a set") {
            let lists: Vec<(String, &Value)> = match texts {
                Value::Object(namespaces) => namespaces
                    .iter()
                    .map(|(name, texts)| (format!("{severity} in {name}"), texts))
                    .collect(),
                texts => vec![(format!("{severity} about {subject}"), texts)],
            };
            for (place, texts) in lists {
                let mut texts: Vec<String> = serde_json::from_value(texts.clone()).expect("texts");
                texts.sort();
                found.insert(place, texts);
            }
        }
    }
    found
}

fn count(set: &Value) -> usize {
    sorted(&json!({"any": set})).values().map(Vec::len).sum()
}

/// The log ends with every message, its object, and the closing lines.
fn ends_with_its_messages(log: &str, results: &Value) {
    let messages: Vec<String> = sorted(results).into_values().flatten().collect();
    let lines: Vec<&str> = log.lines().collect();
    let (last, before) = lines.split_last().expect("a line");
    assert!(last.contains("msg=\"restore completed\""), "{last}");
    let end = before[before.len() - messages.len()..].join("\n");
    for message in messages {
        let quoted = message.replace('"', "\\\"");
        assert!(
            end.contains(&format!(": {quoted}\"")),
            "{message} is not among the last lines\n{end}"
        );
    }
    for subject in [
        "level=error msg=\"Namespace shop-copy, resource restore error: error restoring services/shop-copy/web: ",
        "level=warning msg=\"Cluster resource restore warning: could not restore, PersistentVolume:shop-data ",
    ] {
        assert!(end.contains(subject), "{subject}\n{end}");
    }
}
