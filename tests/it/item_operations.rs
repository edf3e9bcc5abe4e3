//! Operations of items against a real API server: a backup and a restore wait for them, over the death of their server (decision 57).

use serde_json::Value;
use velero::testing::item_action::VARIABLE;

use crate::harness::{Plane, Server, eventually, text};

const MAPS: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: shop}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: good, namespace: shop, labels: {example.com/operation: "yes"}}
data: {operation: runs, done: "4", post: "configmaps shop/good; persistentvolumeclaims shop/data"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: other, namespace: shop, labels: {example.com/operation: "yes"}}
data: {operation: runs}
"#;

fn becomes(server: &Server<'_>, namespace: &str, name: &str, course: &str) {
    let patch = format!(r#"{{"data": {{"operation": "{course}"}}}}"#);
    server.plane.kubectl(&[
        "patch",
        "configmap",
        name,
        "-n",
        namespace,
        "--type=merge",
        "-p",
        &patch,
    ]);
}

fn until(server: &Server<'_>, kind: &str, phase: &str) -> Value {
    eventually(&format!("{kind} to be {phase}"), || {
        let object = server.object(kind, "run");
        (text(&object, "/status/phase") == phase).then_some(object)
    })
}

#[test]
fn runs_wait_for_the_operations_of_their_items_over_the_death_of_the_server() {
    let plane = Plane::start();
    let mut server = Server::start_with(&plane, "velero", &["--item-operation-sync-frequency=1s"]);
    server.environment.push((VARIABLE.to_owned(), "on".to_owned()));
    server.restart();
    plane.apply(MAPS);

    server.velero(&["backup", "create", "run", "--include-namespaces", "shop"]);
    until(&server, "backup", "WaitingForPluginOperations");
    let page = eventually("the progress of an operation", || {
        let page = server.velero(&["backup", "describe", "run", "--details"]);
        page.contains("4 of 10 complete (Bytes)").then_some(page)
    });
    assert!(page.contains("example.com/backup-operation"), "{page}");

    server.kill();
    becomes(&server, "shop", "good", "completes");
    becomes(&server, "shop", "other", "fails");
    server.begin();
    let backup = server.ended("backup", "run");
    assert_eq!(text(&backup, "/status/phase"), "PartiallyFailed", "{backup:#}");
    assert_eq!(text(&backup, "/status/errors"), "1");
    assert_eq!(text(&backup, "/status/backupItemOperationsCompleted"), "1");
    assert_eq!(text(&backup, "/status/backupItemOperationsFailed"), "1");
    server.until_no_records();
    let saved = server.archive("run").objects();
    let good = saved
        .iter()
        .find(|(path, _)| path.contains("configmaps") && path.contains("good"))
        .map(|(_, object)| object.clone())
        .expect("it is in the archive");
    assert_eq!(text(&good, "/data/again"), "true", "it was collected again");
    assert_eq!(text(&good, "/data/operation"), "completes");
    let log = server.velero(&["backup", "logs", "run"]);
    assert_eq!(log.matches("Item operation").count(), 1, "{log}");
    let page = server.velero(&["backup", "describe", "run"]);
    assert!(
        page.contains("the disk is full, plugin: example.com/backup-operation"),
        "{page}"
    );

    // The archive has `other` as it was when the backup began: its operation runs in the copy.
    server.velero(&[
        "restore",
        "create",
        "run",
        "--from-backup",
        "run",
        "--namespace-mappings",
        "shop:copy",
    ]);
    until(&server, "restore", "WaitingForPluginOperations");
    server.restart();
    becomes(&server, "copy", "other", "fails");
    let restore = server.ended("restore", "run");
    assert_eq!(text(&restore, "/status/phase"), "PartiallyFailed", "{restore:#}");
    let page = server.velero(&["restore", "describe", "run"]);
    assert!(
        page.contains("copy:"),
        "the error is under the target namespace: {page}"
    );
    assert!(
        page.contains("the disk is full, plugin: example.com/restore-operation"),
        "{page}"
    );
    server.until_no_records();
}
