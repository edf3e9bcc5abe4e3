//! The whole disaster: the cluster is gone, its bucket is not. A second, empty cluster finds the backups and brings the shop
//! back (spec backup 17, decision 24).

use std::fs;

use serde_json::{Map, Value, json};

use crate::harness::{Plane, S3, Server, eventually, text};

/// A location on the S3 server's bucket, beside the server's own one.
fn location(server: &Server<'_>, s3: &S3, access: &str) {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s3", "namespace": server.namespace},
        "stringData": {"file": s3.credentials("default")},
    });
    let location = json!({
        "apiVersion": "velero.io/v1", "kind": "BackupStorageLocation",
        "metadata": {"name": "offsite", "namespace": server.namespace},
        "spec": {
            "provider": "aws", "accessMode": access, "objectStorage": {"bucket": "velero", "prefix": "shop"},
            "config": {"s3Url": s3.endpoint, "s3ForcePathStyle": "true", "region": "us-east-1"},
            "credential": {"name": "s3", "key": "file"},
        },
    });
    server.plane.apply(&secret.to_string());
    server.plane.apply(&location.to_string());
    server.until_available("offsite");
}

/// The shop's objects that users made, without what a cluster adds.
fn shop(plane: &Plane) -> Vec<(String, Value)> {
    let kinds = [
        "configmaps",
        "secrets",
        "serviceaccounts",
        "roles",
        "rolebindings",
        "persistentvolumeclaims",
        "deployments",
        "statefulsets",
        "services",
        "cronjobs",
        "ingresses",
        "networkpolicies",
        "poddisruptionbudgets",
        "horizontalpodautoscalers",
        "widgets",
    ];
    let mut objects = Vec::new();
    for kind in kinds {
        for object in plane.list("shop", kind) {
            let name = text(&object, "/metadata/name");
            // The cluster's own, made anew in each.
            if !["kube-root-ca.crt", "default"].contains(&name.as_str()) {
                objects.push((format!("{kind}/{name}"), bare(object)));
            }
        }
    }
    for (kind, name) in [
        ("clusterrole", "shop-reader"),
        ("clusterrolebinding", "shop-reader"),
        ("persistentvolume", "shop-data"),
        ("crd", "widgets.example.com"),
        ("namespace", "shop"),
    ] {
        let object = plane
            .get("", kind, name)
            .unwrap_or_else(|| panic!("there is no {kind} {name}"));
        objects.push((format!("{kind}/{name}"), bare(object)));
    }
    objects
}

fn bare(mut object: Value) -> Value {
    let labels = |key: &str| key.starts_with("velero.io/");
    let notes = |key: &str| {
        key.starts_with("deployment.kubernetes.io/")
            || key.starts_with("pv.kubernetes.io/")
            || key.starts_with("kubectl.kubernetes.io/")
    };
    let mut metadata = Map::new();
    for (part, drop) in [("labels", &labels as &dyn Fn(&str) -> bool), ("annotations", &notes)] {
        let mut kept = object["metadata"][part].as_object().cloned().unwrap_or_default();
        kept.retain(|key, _| !drop(key));
        metadata.insert(part.to_owned(), kept.into());
    }
    object["metadata"] = metadata.into();
    for path in [
        "/status",
        "/spec/clusterIP",
        "/spec/clusterIPs",
        "/spec/claimRef/uid",
        "/spec/claimRef/resourceVersion",
    ] {
        if let Some(value) = object.pointer_mut(path) {
            *value = Value::Null;
        }
    }
    // A node port that no user chose differs between clusters.
    for port in object
        .pointer_mut("/spec/ports")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        if port["name"] != "fixed" {
            port["nodePort"] = Value::Null;
        }
    }
    object
}

/// The bucket also holds files that must not be synced.
fn litter(s3: &S3) {
    for (key, content) in [
        ("shop/backups/half/half.tar.gz", "not finished yet"),
        ("shop/backups/broken/velero-backup.json", "{"),
        (
            "shop/backups/stranger/velero-backup.json",
            r#"{"metadata": {"name": "other"}}"#,
        ),
    ] {
        let file = s3.file(key);
        fs::create_dir_all(file.parent().expect("a directory")).expect("made");
        fs::write(file, content).expect("written");
    }
}

#[test]
fn an_empty_cluster_on_the_same_bucket_restores_the_shop() {
    let s3 = S3::start(&[]);
    let lost = Plane::with_controller_manager();
    let first = Server::start(&lost, "velero");
    lost.open_shop();
    location(&first, &s3, "ReadWrite");
    let schedule = json!({
        "apiVersion": "velero.io/v1", "kind": "Schedule", "metadata": {"name": "nightly", "namespace": "velero"},
        "spec": {"schedule": "0 3 * * *", "template": {}, "paused": true},
    });
    lost.apply(&schedule.to_string());
    let schedule = first.object("schedule", "nightly");
    let backup = json!({
        "apiVersion": "velero.io/v1", "kind": "Backup",
        "metadata": {
            "name": "nightly-1", "namespace": "velero", "labels": {"velero.io/schedule-name": "nightly"},
            "ownerReferences": [{"apiVersion": "velero.io/v1", "kind": "Schedule", "name": "nightly", "uid": text(&schedule, "/metadata/uid")}],
        },
        "spec": {"includedNamespaces": ["shop"], "storageLocation": "offsite"},
    });
    lost.apply(&backup.to_string());
    let made = first.ended("backup", "nightly-1");
    assert_eq!(text(&made, "/status/phase"), "Completed", "{made:#}");
    let sold = shop(&lost);
    drop(first);
    drop(lost);
    litter(&s3);

    let found = Plane::with_controller_manager();
    // Elsewhere Velero lives in another namespace.
    let second = Server::start(&found, "recovery");
    location(&second, &s3, "ReadOnly");
    let synced = eventually("the backup to come in", || {
        found.get("recovery", "backup.velero.io", "nightly-1")
    });
    assert_eq!(text(&synced, "/status/phase"), "Completed");
    assert_eq!(synced["status"]["progress"], made["status"]["progress"]);
    assert_eq!(text(&synced, "/metadata/labels/velero.io~1schedule-name"), "nightly");
    assert_eq!(
        text(&synced, "/metadata/ownerReferences"),
        "",
        "there is no such Schedule here: {synced:#}"
    );
    assert_eq!(
        text(&synced, "/metadata/annotations/velero.io~1origin-uid"),
        text(&made, "/metadata/uid")
    );
    let names: Vec<_> = second.objects("backup").into_keys().collect();
    assert_eq!(names, ["nightly-1"]);
    for broken in ["broken", "stranger"] {
        let names_it =
            |line: &&str| line.contains(&format!("backup={broken}")) || line.contains(&format!("backups/{broken}/"));
        // Backups are brought in side by side, so its line may come after the good one.
        eventually(&format!("the report of {broken}"), || {
            let log = second.log();
            let is_reported = log.lines().any(|line| names_it(&line) && line.contains("check what"));
            is_reported.then_some(())
        });
    }

    // People look at it, through the store's signed URLs: no pod of the server's is in this cluster.
    let described = second.velero(&["backup", "describe", "nightly-1", "--details"]);
    for line in ["Phase:  Completed", "apps/v1/Deployment:", "- shop/web"] {
        assert!(described.contains(line), "{line} is not in\n{described}");
    }
    let log = second.velero(&["backup", "logs", "nightly-1"]);
    assert!(log.contains("Backed up a total of"), "{log}");
    let archive = tempfile::tempdir().expect("a directory");
    let file = archive.path().join("nightly.tar.gz");
    second.velero(&["backup", "download", "nightly-1", "-o", file.to_str().expect("a path")]);
    let original = fs::read(s3.file("shop/backups/nightly-1/nightly-1.tar.gz")).expect("an archive");
    assert!(fs::read(&file).expect("it was downloaded") == original);

    // A backup cannot be made there, a restore can.
    second.velero(&[
        "backup",
        "create",
        "more",
        "--storage-location",
        "offsite",
        "--include-namespaces",
        "default",
    ]);
    let refused = second.ended("backup", "more");
    assert_eq!(text(&refused, "/status/phase"), "FailedValidation", "{refused:#}");
    second.velero(&["restore", "create", "back", "--from-schedule", "nightly", "--wait"]);
    let restore = second.ended("restore", "back");
    assert_eq!(
        text(&restore, "/status/phase"),
        "Completed",
        "{restore:#}\n{}",
        second.velero(&["restore", "describe", "back"])
    );
    assert_eq!(text(&restore, "/spec/backupName"), "nightly-1");
    let bound = eventually("the shop to be as it was", || {
        let now = shop(&found);
        (now == sold).then_some(now)
    });
    assert!(bound.len() > 20, "{}", bound.len());
    assert!(
        second
            .velero(&["restore", "logs", "back"])
            .contains("restore completed")
    );

    // The restore takes its files with it, and nothing of the backup's.
    let files = s3.objects("shop/backups/nightly-1/");
    assert_eq!(s3.objects("shop/restores/").len(), 5);
    found.kubectl(&[
        "delete",
        "restore.velero.io",
        "back",
        "-n",
        "recovery",
        "--wait",
        "--timeout=60s",
    ]);
    assert_eq!(s3.objects("shop/restores/"), Vec::<String>::new());
    assert_eq!(s3.objects("shop/backups/nightly-1/"), files);
    second.until_no_records();
}
