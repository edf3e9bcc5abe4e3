//! Requests for the deletion of backups: wherever the server dies, the same end, and nothing of others is touched (decision 54).

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::backup_death::{FILES, fill, shop};
use crate::api::v1::{Backup, DeleteBackupRequest};
use crate::controllers::backup_deletion::{DataKind, Deletions, ExternalData, Remover};
use crate::controllers::run::json_gz;
use crate::controllers::testing::world::{End, Process, World};
use crate::runtime::Reconciler as _;
use crate::runtime::testing::death::Dies;
use crate::store::layout::{BackupFile, backup_claim};

const REQUEST: &str = "DeleteBackupRequest";

/// A cluster with two backups and a restore of the first, which is to be deleted.
async fn asked() -> World {
    let world = shop();
    world.ask("Backup", "other", json!({"includedNamespaces": ["shop"]}));
    assert_eq!(world.serve(Dies::Never).await, End::Settled);
    let restore = json!({"backupName": "b", "namespaceMapping": {"shop": "copy"}});
    world.ask("Restore", "r", restore);
    assert_eq!(world.serve(Dies::Never).await, End::Settled);
    world.ask(REQUEST, "d", json!({"backupName": "b"}));
    world
}

/// The same with the backup alone.
async fn completed() -> World {
    let world = shop();
    assert_eq!(world.serve(Dies::Never).await, End::Settled);
    world
}

#[track_caller]
fn assert_gone(world: &World, when: &str) {
    let others: Vec<String> = FILES.iter().map(|file| file.replace("/b", "/other")).collect();
    assert_eq!(world.files(), others, "{when}");
    assert_eq!(world.phase("Backup", "other"), "Completed", "{when}");
    for kind in ["Backup", "Restore", REQUEST] {
        let names = world.api.all("velero.io/v1", kind);
        let names: Vec<&str> = names
            .iter()
            .filter_map(|object| object["metadata"]["name"].as_str())
            .collect();
        let expected: &[&str] = if kind == "Backup" { &["other"] } else { &[] };
        assert_eq!(names, expected, "{when}: {kind}");
    }
}

async fn dies_at(every: usize) {
    let world = asked().await;
    let writes = world.serve_and_count().await;
    assert!(writes > 15, "{writes}");
    assert_gone(&world, "undisturbed");
    for dies in (1..=writes)
        .step_by(every)
        .flat_map(|nth| [Dies::Before(nth), Dies::After(nth)])
    {
        let world = asked().await;
        assert_eq!(world.serve(dies).await, End::Died, "{dies:?}");
        assert_eq!(world.serve(Dies::Never).await, End::Settled, "{dies:?}");
        assert_gone(&world, &format!("{dies:?}"));
    }
}

#[tokio::test]
async fn wherever_the_server_of_a_deletion_dies_the_next_one_comes_to_the_same_end() {
    dies_at(4).await;
}

#[tokio::test]
#[ignore = "takes half a minute: make test-long"]
async fn whichever_effect_of_a_deletion_the_server_dies_at_the_next_one_comes_to_the_same_end() {
    dies_at(1).await;
}

#[tokio::test]
async fn no_cluster_sees_half_a_backup_at_any_point_of_its_deletion() {
    for nth in 1..=asked().await.serve_and_count().await {
        let world = asked().await;
        assert_eq!(world.serve(Dies::After(nth)).await, End::Died);
        let files = world.files();
        if files.contains(&BackupFile::Metadata.key("b")) {
            assert!(
                FILES.iter().all(|file| files.iter().any(|f| f == file)),
                "after {nth}: {files:#?}"
            );
        }
        // The name is not free before its last file is gone.
        let rest = files.iter().filter(|file| file.starts_with("backups/b/")).count();
        let is_locked = files.contains(&backup_claim("b"));
        assert!(rest == 0 || rest >= FILES.len() || is_locked, "after {nth}: {files:#?}");
    }
}

#[tokio::test]
async fn the_files_go_though_the_backup_is_deleted_by_another_hand_in_the_middle() {
    let mut halves = 0;
    for nth in 1..=asked().await.serve_and_count().await {
        let world = asked().await;
        assert_eq!(world.serve(Dies::After(nth)).await, End::Died);
        let begun = world.files().contains(&backup_claim("b"));
        if !begun || !world.has("Backup", "b") {
            continue;
        }
        halves += 1;
        world.delete("Backup", "b").await;
        assert_eq!(world.serve(Dies::Never).await, End::Settled);
        assert_gone(&world, &format!("after {nth}"));
    }
    assert!(halves > 5, "{halves}");
}

#[tokio::test]
async fn the_files_go_though_the_backup_is_deleted_by_another_hand_before_the_first_of_them() {
    let deleted = async || {
        let world = completed().await;
        world.ask(REQUEST, "d", json!({"backupName": "b"}));
        world
    };
    let mut whole = 0;
    for nth in 1..=deleted().await.serve_and_count().await {
        let world = deleted().await;
        assert_eq!(world.serve(Dies::After(nth)).await, End::Died);
        let is_accepted = world.has(REQUEST, "d") && world.phase(REQUEST, "d") == "InProgress";
        if !is_accepted || !world.has("Backup", "b") || world.files() != FILES {
            continue;
        }
        whole += 1;
        world.delete("Backup", "b").await;
        assert_eq!(world.serve(Dies::Never).await, End::Settled);
        assert_eq!(world.files(), [""; 0], "after {nth}");
    }
    assert!(whole > 1, "{whole}");
}

#[tokio::test]
async fn of_two_requests_one_works_and_both_end() {
    let world = asked().await;
    world.ask(REQUEST, "c", json!({"backupName": "b"}));
    world.ask(REQUEST, "e", json!({"backupName": "b"}));
    let process = Process::start(&world, Dies::Never).await;
    // Passes over all of them, each with a store that is behind the writes of the pass before.
    let watch = world.watch();
    for name in ["e", "d", "c"] {
        let request: DeleteBackupRequest = serde_json::from_value(world.object(REQUEST, name)).unwrap();
        let deletions = Deletions::new(
            process.ctx.clone(),
            watch.clone(),
            world.watch(),
            world.watch(),
            world.watch(),
        );
        deletions.reconcile(Arc::new(request)).await.unwrap();
        if !["c", "d", "e"].iter().all(|name| world.has(REQUEST, name)) {
            break;
        }
    }
    let left = world.api.all("velero.io/v1", REQUEST);
    assert_eq!(left.len(), 1, "{left:#?}");
    assert_eq!(left[0]["status"]["phase"], "InProgress");
    process.settle(&world).await;
    process.kill().await;
    assert_gone(&world, "three requests");
}

/// One pass over a request; its errors afterwards.
async fn refused(world: &World) -> String {
    let process = Process::start(world, Dies::Never).await;
    let failed = process.pass(world).await;
    assert_eq!(failed, None);
    process.kill().await;
    assert_eq!(world.phase(REQUEST, "d"), "Processed");
    let errors = world.object(REQUEST, "d")["status"]["errors"].clone();
    assert_eq!(errors.as_array().unwrap().len(), 1, "{errors}");
    let condition = world.object(REQUEST, "d")["status"]["conditions"][0].clone();
    assert_eq!(
        (&condition["type"], &condition["status"], &condition["message"]),
        (&json!("Accepted"), &json!("False"), &errors[0])
    );
    errors[0].as_str().unwrap().to_owned()
}

/// Changes an object as a user with an editor would.
fn edit(world: &World, kind: &str, name: &str, change: impl FnOnce(&mut Value)) {
    let mut object = world.object(kind, name);
    change(&mut object);
    world.api.insert(object);
}

#[tokio::test]
async fn a_request_that_cannot_be_carried_out_says_why_and_touches_nothing() {
    for (what, error) in [
        ("no name", "spec.backupName is required"),
        ("no backup", "backup not found"),
        ("an odd name", "backup not found"),
        ("in progress", "backup is still in progress"),
        ("waiting", "backup is still in progress"),
        ("no location", "backup storage location default not found"),
        (
            "read-only",
            "cannot delete backup because backup storage location default is currently in read-only mode",
        ),
        (
            "unavailable",
            "cannot delete backup because backup storage location default is currently in Unavailable state",
        ),
        ("another uid", "backup not found"),
    ] {
        let world = completed().await;
        let mut name = "b";
        match what {
            "no name" => name = "",
            "no backup" => name = "other",
            "an odd name" => name = "b?dryRun=All",
            "in progress" => edit(&world, "Backup", "b", |b| b["status"]["phase"] = json!("Finalizing")),
            "waiting" => {
                edit(&world, "Backup", "b", |b| {
                    b["status"]["phase"] = json!("WaitingForPluginOperations");
                });
            }
            "no location" => world.delete("BackupStorageLocation", "default").await,
            "read-only" => edit(&world, "BackupStorageLocation", "default", |l| {
                l["spec"]["accessMode"] = json!("ReadOnly");
            }),
            "unavailable" => edit(&world, "BackupStorageLocation", "default", |l| {
                l["status"]["phase"] = json!("Unavailable");
            }),
            _ => {}
        }
        world.ask(REQUEST, "d", json!({"backupName": name}));
        edit(&world, REQUEST, "d", |request| {
            request["metadata"]["creationTimestamp"] = json!("2030-01-01T00:00:00Z");
            if what == "another uid" {
                request["metadata"]["labels"] = json!({"velero.io/backup-uid": "another"});
            }
        });
        assert_eq!(refused(&world).await, error, "{what}");
        assert_eq!(world.files(), FILES, "{what}");
        assert_ne!(world.phase("Backup", "b"), "Deleting", "{what}");
        // It is shown for a day.
        let process = Process::start(&world, Dies::Never).await;
        process.pass(&world).await;
        assert!(world.has(REQUEST, "d"), "{what}");
        world.clock.advance(std::time::Duration::from_hours(24));
        process.pass(&world).await;
        assert!(!world.has(REQUEST, "d"), "{what}");
        process.kill().await;
    }
}

/// The reason of a condition of the request that is true.
fn waits_for(world: &World, type_: &str) -> (String, String) {
    let request = world.object(REQUEST, "d");
    let conditions = request["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.iter().find(|c| c["type"] == type_ && c["status"] == "True");
    let found = found.unwrap_or_else(|| panic!("{type_} is not true: {request:#}"));
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    (text("reason"), text("message"))
}

#[tokio::test]
async fn an_open_deletion_waits_for_its_location_and_goes_on() {
    for (change, reason) in [
        (json!({"status": {"phase": "Unavailable"}}), "LocationUnavailable"),
        (json!({"spec": {"accessMode": "ReadOnly"}}), "LocationReadOnly"),
        (Value::Null, "LocationGone"),
    ] {
        let world = completed().await;
        let before = world.object("BackupStorageLocation", "default");
        world.ask(REQUEST, "d", json!({"backupName": "b"}));
        let process = Process::start(&world, Dies::Never).await;
        process.pass(&world).await;
        assert_eq!(world.phase(REQUEST, "d"), "InProgress");
        if change.is_null() {
            world.delete("BackupStorageLocation", "default").await;
        } else {
            edit(&world, "BackupStorageLocation", "default", |l| {
                json_patch::merge(l, &change);
            });
        }
        process.pass(&world).await;
        process.pass(&world).await;
        assert_eq!(waits_for(&world, "Blocked").0, reason);
        assert_eq!(world.phase("Backup", "b"), "Completed", "a way leads back");
        assert_eq!(world.files(), FILES, "{reason}");
        world.api.insert(before);
        process.settle_open(&world).await;
        process.kill().await;
        assert!(!world.has("Backup", "b") && world.files().is_empty(), "{reason}");
    }
}

#[tokio::test]
async fn a_restore_that_reads_the_backup_delays_its_deletion() {
    for spec in [json!({"backupName": "b"}), json!({"scheduleName": "nightly"})] {
        let world = completed().await;
        edit(&world, "Backup", "b", |b| {
            b["metadata"]["labels"]["velero.io/schedule-name"] = json!("nightly");
        });
        world.ask(REQUEST, "d", json!({"backupName": "b"}));
        world.ask("Restore", "r", spec);
        // Of a phase that this server leaves alone, so that the restore goes on for long.
        let phase = if world.object("Restore", "r")["spec"]["backupName"] == "b" {
            "WaitingForPluginOperations"
        } else {
            ""
        };
        edit(&world, "Restore", "r", |r| r["status"]["phase"] = json!(phase));
        let process = Process::start(&world, Dies::Never).await;
        let pass = || async {
            let request: DeleteBackupRequest = serde_json::from_value(world.object(REQUEST, "d")).unwrap();
            let watch = (world.watch(), world.watch(), world.watch(), world.watch());
            let deletions = Deletions::new(process.ctx.clone(), watch.0, watch.1, watch.2, watch.3);
            deletions.reconcile(Arc::new(request)).await.unwrap();
        };
        for _ in 0..4 {
            pass().await;
        }
        let (reason, message) = waits_for(&world, "Blocked");
        assert_eq!(reason, "RestoreRunning");
        assert!(message.contains("ended: r;"), "{message}");
        assert_eq!(world.files(), FILES);
        edit(&world, "Restore", "r", |r| r["status"]["phase"] = json!("Completed"));
        process.settle_open(&world).await;
        process.kill().await;
        assert!(!world.has("Backup", "b") && world.files().is_empty());
    }
}

#[tokio::test]
async fn a_backup_whose_name_was_taken_leaves_the_files_of_the_other() {
    for (what, phase) in [
        ("sealed", "Failed"),
        ("being made", "Failed"),
        ("refused", "FailedValidation"),
    ] {
        let first = completed().await;
        let mut files: Vec<String> = FILES.iter().map(|file| (*file).to_owned()).collect();
        if what == "being made" {
            let seal = BackupFile::Metadata.key("b");
            fs::remove_file(first.bucket().join(&seal)).unwrap();
            fs::write(
                first.bucket().join(backup_claim("b")),
                r#"{"version":1,"uid":"another"}"#,
            )
            .unwrap();
            files.retain(|file| *file != seal);
            files.push(backup_claim("b"));
        }
        files.sort();
        let second = first.neighbour();
        second.api.insert(json!({
            "apiVersion": "velero.io/v1", "kind": "Backup", "metadata": {"name": "b", "namespace": "velero", "uid": "second"},
            "spec": {"storageLocation": "default"},
            "status": {"phase": phase, "failureReason": "already exists in object storage"},
        }));
        second.ask(REQUEST, "d", json!({"backupName": "b"}));
        assert_eq!(second.serve(Dies::Never).await, End::Settled);
        assert!(!second.has("Backup", "b") && !second.has(REQUEST, "d"), "{what}");
        assert_eq!(first.files(), files, "{what}");
    }
}

#[tokio::test]
async fn a_failed_backup_takes_its_log_and_results_with_it() {
    let world = completed().await;
    for file in BackupFile::ALL {
        if !matches!(file, BackupFile::Log | BackupFile::Results) {
            let _ = fs::remove_file(world.bucket().join(file.key("b")));
        }
    }
    edit(&world, "Backup", "b", |b| {
        b["status"]["phase"] = json!("Failed");
        b["status"]["failureReason"] = json!("the store was full");
    });
    world.ask(REQUEST, "d", json!({"backupName": "b"}));
    assert_eq!(world.serve(Dies::Never).await, End::Settled);
    assert!(world.files().is_empty(), "{:#?}", world.files());
    assert!(!world.has("Backup", "b"));
}

/// A backup with the data of a pod's volume in a repository, and a native snapshot.
async fn with_data() -> World {
    let world = completed().await;
    let snapshots = json!([{
        "spec": {"location": "ebs", "persistentVolumeName": "data"}, "status": {"providerSnapshotID": "snap-1"},
    }]);
    let file = world.bucket().join(BackupFile::VolumeSnapshots.key("b"));
    fs::write(file, json_gz::write(&snapshots).unwrap()).unwrap();
    let uid = world.object("Backup", "b")["metadata"]["uid"].clone();
    world.api.insert(json!({
        "apiVersion": "velero.io/v1", "kind": "PodVolumeBackup",
        "metadata": {"name": "b-1", "namespace": "velero", "labels": {"velero.io/backup-uid": uid}},
        "spec": {"uploaderType": "kopia", "pod": {"namespace": "shop", "name": "web"}, "volume": "d"},
        "status": {"phase": "Completed", "snapshotID": "k1"},
    }));
    world.ask(REQUEST, "d", json!({"backupName": "b"}));
    world
}

#[tokio::test]
async fn what_cannot_be_removed_keeps_the_deletion_open_until_it_is_let_go() {
    let world = with_data().await;
    assert_eq!(world.serve(Dies::Never).await, End::Settled);
    let (reason, message) = waits_for(&world, "Leftovers");
    assert_eq!(reason, "LeftoversFound");
    for part in [
        "snap-1",
        "k1",
        "kopia snapshot delete k1",
        "delete-leaving-leftovers=true",
        "annotate -n velero deletebackuprequest d ",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert_eq!(world.phase("Backup", "b"), "Completed", "a way leads back");
    assert_eq!(world.files(), FILES);
    let let_go = |world: &World| {
        edit(world, REQUEST, "d", |request| {
            request["metadata"]["annotations"] = json!({"velero.io/delete-leaving-leftovers": "true"});
            // Written by the pass before, and none of it is needed.
            request["status"]["conditions"] = json!([]);
        });
    };
    let_go(&world);
    let uid = world.object("Backup", "b")["metadata"]["uid"]
        .as_str()
        .unwrap()
        .to_owned();
    let noted = format!("metadata/leftovers/b/{uid}.json");
    let writes = world.serve_and_count().await;
    assert_eq!(world.files(), [noted]);
    let text = fs::read(world.bucket().join(&world.files()[0])).unwrap();
    let left: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(left["backup"], "b");
    let ids: Vec<&str> = left["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|d| d["id"].as_str())
        .collect();
    assert_eq!(ids, ["k1", "snap-1"]);
    for nth in 1..=writes {
        let world = with_data().await;
        assert_eq!(world.serve(Dies::Never).await, End::Settled);
        let_go(&world);
        assert_eq!(world.serve(Dies::After(nth)).await, End::Died);
        assert_eq!(world.serve(Dies::Never).await, End::Settled);
        let files = world.files();
        assert!(
            files.len() == 1 && files[0].starts_with("metadata/leftovers/b/"),
            "after {nth}: {files:#?}"
        );
        assert!(!world.has("Backup", "b"), "after {nth}");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_read_may_name_data_and_keeps_the_deletion_open() {
    let world = completed().await;
    fs::write(world.bucket().join(BackupFile::VolumeInfo.key("b")), "no gzip").unwrap();
    world.ask(REQUEST, "d", json!({"backupName": "b"}));
    assert_eq!(world.serve(Dies::Never).await, End::Settled);
    let (_, message) = waits_for(&world, "Leftovers");
    assert!(
        message.contains("unreadable file `backups/b/b-volumeinfo.json.gz`"),
        "{message}"
    );
}

/// Removes everything.
#[derive(Default)]
struct Everything(parking_lot::Mutex<Vec<String>>);

impl Remover for Everything {
    fn removes(&self, _: DataKind) -> bool {
        true
    }

    fn remove<'a>(&'a self, _: &'a Backup, data: &'a ExternalData) -> BoxFuture<'a, Result<(), String>> {
        async {
            self.0.lock().push(data.id.clone());
            Ok(())
        }
        .boxed()
    }
}

#[tokio::test]
async fn data_that_a_remover_knows_are_removed_before_the_files_that_name_them() {
    let world = with_data().await;
    let process = Process::start(&world, Dies::Never).await;
    let remover = Arc::new(Everything::default());
    while world.has(REQUEST, "d") {
        let request: DeleteBackupRequest = serde_json::from_value(world.object(REQUEST, "d")).unwrap();
        let watch = (world.watch(), world.watch(), world.watch(), world.watch());
        let deletions = Deletions::new(process.ctx.clone(), watch.0, watch.1, watch.2, watch.3).with(remover.clone());
        deletions.reconcile(Arc::new(request)).await.unwrap();
    }
    process.kill().await;
    assert_eq!(*remover.0.lock(), ["k1", "snap-1"]);
    assert!(world.files().is_empty() && !world.has("Backup", "b"));
}

#[tokio::test]
async fn a_backup_of_two_clusters_is_deleted_by_the_one_that_did_not_make_it() {
    let first = completed().await;
    let second = first.neighbour();
    let mut synced = first.object("Backup", "b");
    synced["metadata"]["annotations"]["velero.io/origin-uid"] = synced["metadata"]["uid"].clone();
    synced["metadata"]["uid"] = json!("synced");
    second.api.insert(synced);
    fill(&second, "shop");
    second.ask(REQUEST, "d", json!({"backupName": "b"}));
    assert_eq!(second.serve(Dies::Never).await, End::Settled);
    assert!(first.files().is_empty(), "{:#?}", first.files());
    assert!(!second.has("Backup", "b"));
}

#[tokio::test]
async fn snapshots_that_the_status_counts_keep_the_deletion_open_though_the_file_that_names_them_is_lost() {
    let world = completed().await;
    edit(&world, "Backup", "b", |backup| {
        backup["status"]["volumeSnapshotsCompleted"] = json!(3);
    });
    std::fs::remove_file(world.bucket().join("backups/b/b-volumesnapshots.json.gz")).unwrap();
    world.ask(REQUEST, "d", json!({"backupName": "b"}));
    assert_eq!(world.serve(Dies::Never).await, End::Settled);
    let (_, message) = waits_for(&world, "Leftovers");
    assert!(message.contains("backups/b/b-volumesnapshots.json.gz"), "{message}");
    assert!(world.has("Backup", "b"));
}

#[tokio::test]
async fn a_request_that_is_refused_deletes_no_other() {
    let world = completed().await;
    world.ask(REQUEST, "a-stale-one", json!({"backupName": "b"}));
    edit(&world, REQUEST, "a-stale-one", |request| {
        request["metadata"]["labels"] = json!({"velero.io/backup-uid": "of-an-earlier-backup"});
    });
    world.ask(REQUEST, "d", json!({"backupName": "b"}));
    assert_eq!(world.serve(Dies::Never).await, End::Settled);
    assert!(!world.has("Backup", "b"), "the request that is meant for it goes on");
}

#[tokio::test]
async fn a_backup_that_was_cancelled_before_it_began_ends_and_can_be_deleted() {
    for expires in [false, true] {
        let world = World::new();
        world.ask("Backup", "b", json!({}));
        edit(&world, "Backup", "b", |backup| {
            backup["metadata"]["annotations"] = json!({"velero.io/cancel": "true"});
        });
        assert_eq!(world.serve(Dies::Never).await, End::Settled);
        assert_eq!(world.phase("Backup", "b"), "Failed");
        if expires {
            world.clock.advance(Duration::from_hours(24 * 365));
        } else {
            world.ask(REQUEST, "d", json!({"backupName": "b"}));
        }
        assert_eq!(world.serve(Dies::Never).await, End::Settled);
        assert!(!world.has("Backup", "b"), "expires: {expires}");
    }
}

#[tokio::test]
async fn an_empty_mount_point_in_place_of_the_store_deletes_nothing() {
    let world = completed().await;
    edit(&world, "BackupStorageLocation", "default", |location| {
        location["metadata"]["annotations"] = json!({"velero.io/store-id": "the-right-one"});
    });
    world.ask(REQUEST, "d", json!({"backupName": "b"}));
    let process = Process::start(&world, Dies::Never).await;
    for _ in 0..4 {
        process.pass(&world).await;
    }
    process.kill().await;
    assert!(world.has("Backup", "b"));
    assert_eq!(world.phase(REQUEST, "d"), "InProgress");
    assert_eq!(waits_for(&world, "Blocked").0, "BucketUnreadable");
}
