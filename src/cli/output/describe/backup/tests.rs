//! A backup with hooks, policies and an order, as page and as JSON (spec server-cli 9.1 and 9.2). The recorded one has none of
//! them.

use serde_json::{Value, json};
use similar_asserts::assert_eq;

use super::*;
use crate::cli::output::describe::backup_json;

fn backup() -> Backup {
    let hook = |command: &[&str], on_error: &str| json!({"exec": {"container": "db", "command": command, "onError": on_error, "timeout": "90s"}});
    serde_json::from_value(json!({
        "apiVersion": "velero.io/v1", "kind": "Backup",
        "metadata": {"name": "nightly", "namespace": "velero", "annotations": {"note": "a"}},
        "spec": {
            "includedNamespaces": ["shop", "team-*"],
            "excludedNamespaceScopedResources": ["events"],
            "includedClusterScopedResources": ["storageclasses.storage.k8s.io"],
            "orLabelSelectors": [{"matchLabels": {"app": "db"}}, {"matchLabels": {"app": "web"}}],
            "storageLocation": "default",
            "snapshotVolumes": false,
            "defaultVolumesToFsBackup": false,
            "ttl": "720h0m0s", "csiSnapshotTimeout": "10m0s", "itemOperationTimeout": "4h0m0s",
            "orderedResources": {"pods": "shop/db-0,shop/web-0", "persistentvolumeclaims": "shop/data"},
            "resourcePolicy": {"kind": "configmap", "name": "policies"},
            "uploaderConfig": {"parallelFilesUpload": 4},
            "hooks": {"resources": [
                {
                    "name": "databases",
                    "includedNamespaces": ["shop"], "excludedNamespaces": ["shop-test"],
                    "includedResources": ["pods"],
                    "labelSelector": {"matchLabels": {"app": "db"}},
                    "pre": [hook(&["fsfreeze", "--freeze", "/data"], "Fail"), hook(&["sync"], "Continue")],
                    "post": [hook(&["fsfreeze", "--unfreeze", "/data"], "")],
                },
                {"name": "all"},
            ]},
        },
        "status": {
            "phase": "PartiallyFailed", "formatVersion": "1.1.0", "errors": 1, "warnings": 1,
            "startTimestamp": "1970-01-01T00:00:00Z", "completionTimestamp": "1970-01-01T00:01:00Z",
            "expiration": "1970-01-31T00:00:00Z",
            "progress": {"totalItems": 9, "itemsBackedUp": 9},
            "hookStatus": {"hooksAttempted": 3, "hooksFailed": 1},
        },
    }))
    .unwrap()
}

fn facts() -> BackupFacts {
    let results = json!({
        "errors": {"namespaces": {"shop": ["a hook failed"]}},
        "warnings": {"velero": ["a policy matches nothing"]},
    });
    BackupFacts {
        backup: backup(),
        delete_requests: Ok(Vec::new()),
        pod_volume_backups: Ok(Vec::new()),
        results: Some(Fetched::Got(serde_json::from_value(results).unwrap())),
        snapshots: Fetched::Got(Snapshots::default()),
        details: Some(Details {
            resource_list: Fetched::Got(
                serde_json::from_value(json!({"v1/Pod": ["shop/db-0", "shop/web-0"]})).unwrap(),
            ),
            operations: None,
        }),
    }
}

fn view() -> View {
    View {
        now: jiff::Timestamp::UNIX_EPOCH,
        zone: jiff::tz::TimeZone::UTC,
        colour: false,
    }
}

#[test]
fn the_page_of_a_backup_has_its_policies_hooks_and_order() {
    let page = text(&facts(), &view());
    assert_eq!(page, include_str!("tests/nightly.txt"));
}

#[test]
fn the_json_of_a_backup_has_its_policies_and_hooks() {
    let shown = backup_json(&facts(), &view());
    let expected: Value = serde_json::from_str(include_str!("tests/nightly.json")).unwrap();
    assert_eq!(shown, expected);
}

#[test]
fn the_page_has_the_queue_position_and_the_validation_errors() {
    let mut facts = facts();
    facts.backup.status = serde_json::from_value(json!({"phase": "Queued", "queuePosition": 3})).unwrap();
    facts.results = None;
    let page = text(&facts, &view());
    assert!(
        page.contains("\nPhase:           Queued\nQueue position:  3\n"),
        "{page}"
    );
    facts.backup.status = serde_json::from_value(json!({
        "phase": "FailedValidation", "validationErrors": ["a is wrong", "b is, too"],
    }))
    .unwrap();
    let page = text(&facts, &view());
    assert!(
        page.contains("\nValidation errors:  a is wrong\n                    b is, too\n"),
        "{page}"
    );
}

#[test]
fn a_backup_in_progress_has_a_rate() {
    let mut facts = facts();
    facts.results = None;
    facts.backup.status = serde_json::from_value(json!({
        "phase": "InProgress", "startTimestamp": "1970-01-01T00:00:00Z",
        "progress": {"totalItems": 60_500, "itemsBackedUp": 11_000},
    }))
    .unwrap();
    let view = View {
        now: view().now + jiff::SignedDuration::from_secs(10),
        ..view()
    };
    let page = text(&facts, &view);
    let progress = "\nEstimated total items to be backed up:  60500\n\
                    Items backed up so far:                 11000\n\
                    Rate:                                   1100 items/s, about 45s left\n\n";
    assert!(page.contains(progress), "{page}");
    let status = backup_json(&facts, &view)["status"].clone();
    assert_eq!(
        [
            &status["estimatedTotalItemsToBeBackedUp"],
            &status["itemsBackedUpSoFar"],
            &status["rate"],
            &status["estimatedSecondsLeft"]
        ],
        [&json!(60_500), &json!(11_000), &json!(1_100.0), &json!(45)]
    );
}

#[test]
fn a_part_without_permission_has_its_error_and_the_rest_is_shown() {
    let mut facts = facts();
    facts.delete_requests = Err("deletebackuprequests.velero.io is forbidden".to_owned());
    facts.pod_volume_backups = Err("podvolumebackups.velero.io is forbidden".to_owned());
    let page = text(&facts, &view());
    for line in [
        "\nPhase:  PartiallyFailed",
        "\n  Pod Volume Backups: <error getting PodVolumeBackups: podvolumebackups.velero.io is forbidden>\n",
        "\nDeletion Attempts:  <error getting DeleteBackupRequests: deletebackuprequests.velero.io is forbidden>\n",
        "\n    - shop/db-0\n",
    ] {
        assert!(page.contains(line), "{line}\n{page}");
    }
    let shown = backup_json(&facts, &view());
    assert_eq!(
        shown["deletionAttempts"],
        json!({"errorGettingDeleteBackupRequests": "deletebackuprequests.velero.io is forbidden"})
    );
    assert_eq!(
        shown["status"]["backupVolumes"]["podVolumeBackups"],
        json!({"errorGettingPodVolumeBackups": "podvolumebackups.velero.io is forbidden"})
    );
    assert_eq!(shown["phase"], "PartiallyFailed");
}

#[test]
fn an_open_deletion_shows_what_it_waits_for() {
    let mut facts = facts();
    let mut request = DeleteBackupRequest::new("velero", "d");
    request.status = serde_json::from_value(json!({
        "phase": "InProgress",
        "conditions": [
            {"type": "Accepted", "status": "True", "message": "", "reason": "Accepted"},
            {"type": "Leftovers", "status": "False", "message": "", "reason": "Released"},
            {"type": "Blocked", "status": "True", "message": "the location is away", "reason": "LocationUnavailable"},
        ],
    }))
    .unwrap();
    facts.delete_requests = Ok(vec![request.clone()]);
    let page = text(&facts, &view());
    assert!(
        page.contains(": InProgress\n  Blocked: the location is away\n"),
        "{page}"
    );
    let shown = backup_json(&facts, &view());
    let shown = &shown["deletionAttempts"]["deleteBackupRequests"][0];
    assert_eq!(shown["blocked"], "the location is away");
    request.status.phase = Some("Processed".into());
    facts.delete_requests = Ok(vec![request]);
    assert!(!text(&facts, &view()).contains("Blocked"));
}
