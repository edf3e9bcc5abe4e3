//! Operations of items against a real API server: a backup and a restore wait for them, over the death of their server (decision 57).

use flate2::read::MultiGzDecoder;
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
    let token = server.token("operations", "BackupItemOperations", "run");
    eventually("the progress of an operation in a download", || {
        let (status, file) = server.artifact("BackupItemOperations", "run", &token);
        assert_eq!(status, 200);
        let operations: Value = serde_json::from_reader(MultiGzDecoder::new(&*file)).expect("a list");
        assert_eq!(
            operations[0]["spec"]["backupItemAction"],
            "example.com/backup-operation"
        );
        (operations[0]["status"]["nCompleted"] == 4).then_some(())
    });

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
    let log = server.unpacked("backups/run/run-logs.gz");
    assert_eq!(log.matches("Item operation").count(), 1, "{log}");
    assert_eq!(log.matches("Backup was finalized").count(), 1, "{log}");
    let results = server.unpacked("backups/run/run-results.gz");
    assert!(
        results.contains("the disk is full, plugin: example.com/backup-operation"),
        "{results}"
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
    let results = server.unpacked("restores/run/restore-run-results.gz");
    assert!(
        results.contains("the disk is full, plugin: example.com/restore-operation"),
        "{results}"
    );
    assert!(
        results.contains(r#""namespaces":{"copy":["#),
        "under the target namespace: {results}"
    );
    server.until_no_records();
}
