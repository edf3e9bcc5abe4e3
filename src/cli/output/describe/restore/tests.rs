//! A restore with every part, as page and as JSON (spec server-cli 9.3). The recorded one has no operations, volumes, modifier or
//! condition `Blocked`.

use jiff::SignedDuration;
use serde_json::{Value, json};
use similar_asserts::assert_eq;

use super::*;
use crate::cli::output::describe::restore_json;

fn restore() -> Restore {
    serde_json::from_value(json!({
        "apiVersion": "velero.io/v1", "kind": "Restore",
        "metadata": {"name": "back", "namespace": "velero", "labels": {"a": "b"}},
        "spec": {
            "backupName": "nightly",
            "includedNamespaces": ["shop", "team-a"], "excludedNamespaces": ["shop-test"],
            "includedResources": ["*"], "excludedResources": ["nodes", "events"],
            "includeClusterResources": true,
            "namespaceMapping": {"shop": "shop-copy", "team-a": "team-b"},
            "labelSelector": {"matchLabels": {"app": "db"}},
            "restorePVs": true, "preserveNodePorts": false,
            "existingResourcePolicy": "update", "itemOperationTimeout": "90m",
            "resourceModifier": {"kind": "configmap", "name": "changes"},
            "uploaderConfig": {"writeSparseFiles": true, "parallelFilesDownload": 4},
        },
        "status": {
            "phase": "PartiallyFailed", "errors": 1, "warnings": 1,
            "startTimestamp": "1970-01-01T00:00:00Z", "completionTimestamp": "1970-01-01T00:01:00Z",
            "progress": {"totalItems": 9, "itemsRestored": 9},
            "restoreItemOperationsAttempted": 2, "restoreItemOperationsCompleted": 1, "restoreItemOperationsFailed": 1,
            "hookStatus": {"hooksAttempted": 3, "hooksFailed": 1},
        },
    }))
    .unwrap()
}

fn pod_volume(name: &str, phase: &str) -> PodVolumeRestore {
    serde_json::from_value(json!({
        "apiVersion": "velero.io/v1", "kind": "PodVolumeRestore", "metadata": {"name": name},
        "spec": {"pod": {"kind": "Pod", "namespace": "shop-copy", "name": "db-0"}, "volume": name, "uploaderType": "restic",
            "backupStorageLocation": "default", "repoIdentifier": "", "snapshotID": "", "sourceNamespace": "shop"},
        "status": {"phase": phase, "progress": {"totalBytes": 2048, "bytesDone": 512}},
    }))
    .unwrap()
}

fn facts(details: bool) -> RestoreFacts {
    let results = json!({
        "errors": {"namespaces": {"shop-copy": ["the quota is used up"]}},
        "warnings": {"velero": ["a rule matches nothing"]},
    });
    let volumes = json!([
        {"pvcNamespace": "shop-copy", "pvcName": "data", "restoreMethod": "CSISnapshot", "snapshotDataMoved": false,
            "csiSnapshotInfo": {"snapshotHandle": "snap-1", "driver": "csi.example.com", "vscName": "vsc-1"}},
        {"pvcNamespace": "team-b", "pvcName": "logs", "restoreMethod": "CSISnapshot", "snapshotDataMoved": true,
            "snapshotDataMovementInfo": {"operationID": "op-1", "uploaderType": "restic"}},
        {"pvcNamespace": "team-b", "pvcName": "files", "restoreMethod": "PodVolumeRestore", "snapshotDataMoved": false},
    ]);
    let operations = json!([{
        "spec": {
            "restoreName": "back", "restoreUID": "u", "restoreItemAction": "velero.io/csi-pvc-restorer",
            "resourceIdentifier": {"Group": "", "Resource": "persistentvolumeclaims", "Namespace": "team-b", "Name": "logs"},
            "operationID": "op-1",
        },
        "status": {
            "phase": "Failed", "error": "it was too late", "nCompleted": 1, "nTotal": 2, "operationUnits": "Bytes",
            "description": "half of it", "created": "1970-01-01T00:00:01Z", "started": "1970-01-01T00:00:02Z",
        },
    }]);
    RestoreFacts {
        restore: restore(),
        pod_volume_restores: Ok(vec![pod_volume("data", "Completed"), pod_volume("logs", "InProgress")]),
        results: Some(Fetched::Got(serde_json::from_value(results).unwrap())),
        volumes: Fetched::Got(serde_json::from_value(volumes).unwrap()),
        details: details.then(|| Details {
            resource_list: Fetched::Got(
                serde_json::from_value(json!({"v1/Pod": ["shop-copy/db-0(created)", "shop-copy/web-0(skipped)"]}))
                    .unwrap(),
            ),
            operations: Some(Fetched::Got(serde_json::from_value(operations).unwrap())),
        }),
    }
}

fn view() -> View {
    View {
        now: jiff::Timestamp::UNIX_EPOCH + SignedDuration::from_secs(10),
        zone: jiff::tz::TimeZone::UTC,
        colour: false,
    }
}

fn running(blocked: &str) -> RestoreFacts {
    let mut facts = facts(false);
    facts.results = None;
    facts.restore.status = serde_json::from_value(json!({
        "phase": "InProgress", "startTimestamp": "1970-01-01T00:00:00Z",
        "progress": {"totalItems": 60_500, "itemsRestored": 11_000},
        "conditions": [{"type": "Blocked", "status": blocked, "reason": "Quota", "message": "a quota is used up",
            "lastTransitionTime": "1970-01-01T00:00:00Z"}],
    }))
    .unwrap();
    facts
}

#[test]
fn the_page_of_a_restore_has_its_volumes_operations_and_settings() {
    assert_eq!(text(&facts(true), &view()), include_str!("tests/back.txt"));
}

#[test]
fn the_json_of_a_restore_has_the_facts_of_its_page() {
    for (details, expected) in [
        (true, include_str!("tests/back.json")),
        (false, include_str!("tests/back-brief.json")),
    ] {
        let expected: Value = serde_json::from_str(expected).unwrap();
        assert_eq!(restore_json(&facts(details), &view()), expected, "{details}");
    }
}

#[test]
fn a_restore_in_progress_has_a_rate_or_what_blocks_it() {
    let counts = "\nPhase:                                 InProgress\n\
                  Estimated total items to be restored:  60500\n\
                  Items restored so far:                 11000\n";
    let pages = [
        (
            "False",
            "Rate:                                  1100 items/s, about 45s left\n\n",
        ),
        (
            "True",
            "Rate:                                  1100 items/s\n\
             Blocked:                               a quota is used up\n\n",
        ),
    ];
    for (blocked, more) in pages {
        let page = text(&running(blocked), &view());
        assert!(page.contains(&format!("{counts}{more}")), "{page}");
    }
    let status = |facts: &RestoreFacts| restore_json(facts, &view())["status"].clone();
    let free = status(&running("False"));
    assert_eq!(
        [
            &free["estimatedTotalItemsToBeRestored"],
            &free["itemsRestoredSoFar"],
            &free["rate"],
            &free["estimatedSecondsLeft"]
        ],
        [&json!(60_500), &json!(11_000), &json!(1_100.0), &json!(45)]
    );
    assert_eq!(free.get("blocked"), None);
    let blocked = status(&running("True"));
    assert_eq!(blocked["blocked"], json!("a quota is used up"));
    assert_eq!(blocked.get("estimatedSecondsLeft"), None);
    let over = status(&facts(false));
    assert_eq!((over.get("rate"), over.get("estimatedSecondsLeft")), (None, None));
}

#[test]
fn a_failed_restore_has_its_reason_and_a_deleted_one_is_marked() {
    let mut facts = running("False");
    facts.restore.status.phase = Some(RestorePhase::Failed);
    facts.restore.status.failure_reason = "the archive is gone".to_owned();
    let page = text(&facts, &view());
    assert!(
        page.contains("\nFailure reason:              the archive is gone\n"),
        "{page}"
    );
    assert_eq!(
        restore_json(&facts, &view())["status"]["failureReason"],
        json!("the archive is gone")
    );
    facts.restore.metadata.deletion_timestamp = Some(crate::api::time(jiff::Timestamp::UNIX_EPOCH));
    assert_eq!(restore_json(&facts, &view())["deleting"], json!(true));
}

#[test]
fn a_file_that_was_not_fetched_has_its_error_in_its_place() {
    let mut facts = facts(true);
    let why = || "the server is away".to_owned();
    facts.results = Some(Fetched::NotFetched(why()));
    facts.volumes = Fetched::Unreadable(why());
    facts.details = Some(Details {
        resource_list: Fetched::NotFetched(why()),
        operations: Some(Fetched::Missing),
    });
    let shown = restore_json(&facts, &view());
    let cases = [
        (
            "/errors/errorGettingErrors",
            "<error getting errors: the server is away>",
        ),
        (
            "/warnings/errorGettingWarnings",
            "<error getting warnings: the server is away>",
        ),
        (
            "/status/restoreVolumes/errorReadingRestoreVolumeInfo",
            "error reading restore volume info: the server is away",
        ),
        (
            "/status/errorGettingResourceList",
            "<error getting restore resource list: the server is away>",
        ),
        (
            "/status/restoreItemOperations",
            "<error getting operation info: file not found>",
        ),
    ];
    for (pointer, want) in cases {
        assert_eq!(shown.pointer(pointer), Some(&json!(want)), "{pointer}");
    }
}

#[test]
fn a_part_without_permission_has_its_error_and_the_rest_is_shown() {
    let mut facts = facts(true);
    facts.pod_volume_restores = Err("podvolumerestores.velero.io is forbidden".to_owned());
    let page = text(&facts, &view());
    for line in [
        "\nPod Volume Restores:  <error getting PodVolumeRestores: podvolumerestores.velero.io is forbidden>\n",
        "\nCSI Snapshot Restores:\n",
        "shop-copy/db-0(created)\n",
    ] {
        assert!(page.contains(line), "{line}\n{page}");
    }
    let shown = restore_json(&facts, &view());
    assert_eq!(
        shown["status"]["restoreVolumes"]["podVolumeRestores"],
        json!({"errorGettingPodVolumeRestores": "podvolumerestores.velero.io is forbidden"})
    );
    assert!(shown["status"]["restoreVolumes"]["csiSnapshots"].is_object(), "{shown}");
}
