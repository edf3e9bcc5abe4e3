//! Names that no label can carry as they are: everything that finds objects by labels still finds them.

use std::path::Path;

use velero::api::names::label_value;

use super::scene;
use crate::harness::{Plane, Server, eventually, text};

fn long(stem: &str) -> String {
    format!("{stem}-{}", "x".repeat(90))
}

/// A location on a bucket that two installations share.
fn locate(server: &Server<'_>, name: &str, store: &Path) {
    server.plane.apply(&format!(
        "apiVersion: velero.io/v1\nkind: BackupStorageLocation\nmetadata: {{name: {name}, namespace: {}}}\n\
         spec: {{provider: velero.io/fs, objectStorage: {{bucket: shared}}, backupSyncPeriod: 1s, config: {{fspath: {}}}}}\n",
        server.namespace,
        store.display()
    ));
    server.until_available(name);
}

#[test]
fn names_that_no_label_can_carry_are_found_everywhere() {
    let plane = Plane::start();
    scene::set(&plane);
    let server = Server::start(&plane, "velero");
    let store = server.bucket().parent().expect("a store").to_owned();
    std::fs::create_dir(store.join("shared")).expect("a bucket");
    let (location, schedule, backup, restore) = (long("location"), long("schedule"), long("backup"), long("restore"));
    locate(&server, &location, &store);
    plane.apply(&format!(
        "apiVersion: velero.io/v1\nkind: Schedule\nmetadata: {{name: {schedule}, namespace: velero}}\n\
         spec: {{schedule: '0 1 * * *', template: {{includedNamespaces: [shop], storageLocation: {location}}}}}\n"
    ));

    server.velero(&["backup", "create", &backup, "--from-schedule", &schedule, "--wait"]);
    let made = server.object("backup", &backup);
    assert_eq!(text(&made, "/status/phase"), "Completed", "{made:#}");
    for (label, name) in [("storage-location", &location), ("schedule-name", &schedule)] {
        let value = text(&made, &format!("/metadata/labels/velero.io~1{label}"));
        assert_eq!(value, label_value(name), "{label}");
    }
    are_shown(&server, "backup", &backup);

    // From the schedule: its backups are found by their label.
    let mut create = vec![
        "restore",
        "create",
        &restore,
        "--namespace-mappings",
        "shop:copy",
        "--wait",
    ];
    create.extend(["--from-schedule", &schedule]);
    server.velero(&create);
    restored(&server, &backup, &restore, "copy");
    are_shown(&server, "restore", &restore);

    // Another installation finds the backup in the bucket, under a location with another name.
    let other = Server::start(&plane, "velero-other");
    let elsewhere = long("elsewhere");
    locate(&other, &elsewhere, &store);
    let found = eventually("the backup to be found in the bucket", || {
        plane.get("velero-other", "backups.velero.io", &backup)
    });
    let value = text(&found, "/metadata/labels/velero.io~1storage-location");
    assert_eq!(value, label_value(&elsewhere));
    assert_eq!(text(&found, "/spec/storageLocation"), elsewhere);
    are_shown(&other, "backup", &backup);
    let second = long("second");
    let mut create = vec![
        "restore",
        "create",
        &second,
        "--namespace-mappings",
        "shop:second",
        "--wait",
    ];
    create.extend(["--from-backup", &backup]);
    other.velero(&create);
    restored(&other, &backup, &second, "second");
}

fn restored(server: &Server<'_>, backup: &str, restore: &str, namespace: &str) {
    let made = server.object("restore", restore);
    assert_eq!(text(&made, "/status/phase"), "Completed", "{made:#}");
    let settings = server
        .plane
        .get(namespace, "configmap", "settings")
        .expect("it is restored");
    for (label, name) in [("backup-name", backup), ("restore-name", restore)] {
        let value = text(&settings, &format!("/metadata/labels/velero.io~1{label}"));
        assert_eq!(value, label_value(name), "{label}");
    }
}

fn are_shown(server: &Server<'_>, kind: &str, name: &str) {
    let got = server.velero(&[kind, "get", name]);
    assert!(got.contains(name), "{got}");
    let described = server.velero(&[kind, "describe", name]);
    assert!(described.contains(&format!("Name:         {name}\n")), "{described}");
    let done = |line: &str| line.starts_with("Phase:") && line.ends_with("Completed");
    assert!(described.lines().any(done), "{described}");
    let log = if kind == "backup" { "BackupLog" } else { "RestoreLog" };
    let token = server.token(&format!("log-of-{kind}"), log, name);
    let (status, bytes) = server.artifact(log, name, &token);
    assert!(status == 200 && !bytes.is_empty(), "{status}");
}
