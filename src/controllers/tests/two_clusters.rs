//! Two clusters, one bucket.

use std::fs;
use std::io::Write;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::backup_death::{FILES, fill};
use crate::api::v1::BackupStorageLocation;
use crate::controllers::backup_sync::{SYNC_INCOMPLETE, Sync};
use crate::controllers::testing::world::{End, Process, World};
use crate::runtime::Reconciler;
use crate::runtime::testing::death::Dies;
use crate::store::layout::{BackupFile, backup_claim};

/// Two clusters that both have a backup `b` to make, of different contents.
fn rivals() -> (World, World) {
    let first = World::new();
    let second = first.neighbour();
    for (world, which) in [(&first, "first"), (&second, "second")] {
        fill(world, "shop");
        world.api.insert(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "which", "namespace": "shop"}, "data": {"which": which},
        }));
        world.api.insert(json!({
            "apiVersion": "velero.io/v1", "kind": "Backup",
            "metadata": {"name": "b", "namespace": "velero", "uid": format!("uid-{which}")},
            "spec": {"includedNamespaces": ["shop"]},
        }));
    }
    (first, second)
}

/// One of them has the name, with all that belongs to it, and the failure of the other says so.
fn assert_one_won(first: &World, second: &World, when: &str) {
    let phases = (first.phase("Backup", "b"), second.phase("Backup", "b"));
    let (winner, loser, which) = match (phases.0.as_str(), phases.1.as_str()) {
        ("Completed", "Failed") => (first, second, "first"),
        ("Failed", "Completed") => (second, first, "second"),
        _ => panic!("{when}: {phases:?}"),
    };
    let reason = loser.object("Backup", "b")["status"]["failureReason"].to_string();
    assert!(
        reason.contains("already exists in object storage") || reason.contains("another backup of this name"),
        "{when}: {reason}"
    );
    let metadata = fs::read(winner.bucket().join(BackupFile::Metadata.key("b"))).unwrap();
    let sealed: Value = serde_json::from_slice(&metadata).unwrap();
    assert_eq!(sealed["metadata"]["uid"], format!("uid-{which}"), "{when}");
    let members = winner.members("b");
    let saved = &members["resources/configmaps/namespaces/shop/which.json"];
    let saved: Value = serde_json::from_slice(saved).unwrap();
    assert_eq!(saved["data"]["which"], which, "{when}: the archive is the winner's");
    assert_eq!(winner.files(), FILES, "{when}");
    assert!(first.records().is_empty() && second.records().is_empty(), "{when}");
}

async fn writes_of_one() -> usize {
    rivals().0.serve_and_count().await
}

#[tokio::test]
async fn of_two_clusters_that_write_one_name_one_wins_and_the_other_touches_nothing() {
    for nth in 1..=writes_of_one().await {
        let (first, second) = rivals();
        let stopped = Process::start(&first, Dies::Before(nth)).await;
        tokio::select! {
            biased;
            () = stopped.death.come() => {}
            () = stopped.settle(&first) => panic!("it was not stopped at {nth}"),
        }
        assert_eq!(second.serve(Dies::Never).await, End::Settled);
        stopped.death.thaw();
        stopped.settle(&first).await;
        stopped.kill().await;
        assert_one_won(&first, &second, &format!("stopped before write {nth}"));
    }
}

#[tokio::test]
async fn a_cluster_that_dies_keeps_the_name_it_had_claimed() {
    for nth in 1..=writes_of_one().await {
        let (first, second) = rivals();
        assert_eq!(first.serve(Dies::After(nth)).await, End::Died);
        let claimed = first.bucket().join(backup_claim("b")).exists();
        assert_eq!(second.serve(Dies::Never).await, End::Settled);
        assert!(!claimed || second.phase("Backup", "b") == "Failed", "after write {nth}");
        assert_eq!(first.serve(Dies::Never).await, End::Settled);
        assert_one_won(&first, &second, &format!("died after write {nth}"));
    }
}

fn gzipped(value: &Value) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(value.to_string().as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// A bucket with a backup of another cluster's that has the bytes of a pod's volume.
fn with_pod_volumes() -> World {
    let world = World::new();
    let backup = json!({
        "apiVersion": "velero.io/v1", "kind": "Backup",
        "metadata": {"name": "b", "namespace": "elsewhere", "uid": "theirs"}, "spec": {}, "status": {"phase": "Completed"},
    });
    let volume = |name: &str| {
        json!({
            "apiVersion": "velero.io/v1", "kind": "PodVolumeBackup",
            "metadata": {
                "name": name, "namespace": "elsewhere", "labels": {"velero.io/backup-uid": "theirs"},
                "ownerReferences": [{"apiVersion": "velero.io/v1", "kind": "Backup", "name": "b", "uid": "theirs"}],
            },
            "spec": {"backupStorageLocation": "other", "node": "n", "pod": {}, "volume": "v", "repoIdentifier": "r"},
        })
    };
    let write = |file: BackupFile, bytes: Vec<u8>| {
        let path = world.bucket().join(file.key("b"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    write(BackupFile::Metadata, backup.to_string().into_bytes());
    write(
        BackupFile::PodVolumeBackups,
        gzipped(&json!([volume("one"), volume("two")])),
    );
    world
}

async fn sync(world: &World, dies: Dies) -> (End, usize) {
    let process = Process::start(world, dies).await;
    let sync = Sync::new(process.ctx.clone(), world.watch(), world.watch());
    let location: BackupStorageLocation =
        serde_json::from_value(world.object("BackupStorageLocation", "default")).unwrap();
    let end = tokio::select! {
        biased;
        () = process.death.come() => End::Died,
        passed = sync.reconcile(Arc::new(location)) => {
            passed.unwrap();
            End::Settled
        }
    };
    let writes = process.death.writes();
    process.kill().await;
    (end, writes)
}

#[tokio::test]
async fn a_backup_is_brought_in_with_its_pod_volumes_wherever_the_server_dies() {
    let (_, writes) = sync(&with_pod_volumes(), Dies::Never).await;
    assert_eq!(
        writes, 5,
        "the backup, two volumes, the mark's end, the time of the sync"
    );
    for dies in (1..=writes).flat_map(|nth| [Dies::Before(nth), Dies::After(nth)]) {
        let world = with_pod_volumes();
        assert_eq!(sync(&world, dies).await.0, End::Died);
        // The time of the last sync may have been written: a minute later.
        world.clock.advance(std::time::Duration::from_mins(2));
        assert_eq!(sync(&world, Dies::Never).await.0, End::Settled);
        let backup = world.object("Backup", "b");
        let mark = &backup["metadata"]["annotations"][SYNC_INCOMPLETE];
        assert!(mark.is_null(), "{dies:?}: {backup:#}");
        let volumes = world.api.all("velero.io/v1", "PodVolumeBackup");
        assert_eq!(volumes.len(), 2, "{dies:?}");
        for volume in volumes {
            let uid = &backup["metadata"]["uid"];
            assert_eq!(&volume["metadata"]["labels"]["velero.io/backup-uid"], uid);
            assert_eq!(&volume["metadata"]["ownerReferences"][0]["uid"], uid);
            assert_eq!(volume["spec"]["backupStorageLocation"], "default");
        }
    }
}

#[tokio::test]
async fn a_broken_file_in_the_bucket_keeps_nothing_else_out() {
    let world = with_pod_volumes();
    for (backup, text) in [
        ("broken", "{"),
        ("odd", "[]"),
        ("other", r#"{"metadata": {"name": "b"}}"#),
    ] {
        let path = world.bucket().join(BackupFile::Metadata.key(backup));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    // Not sealed: its run goes on.
    fs::create_dir_all(world.bucket().join("backups/unsealed")).unwrap();
    fs::write(world.bucket().join(BackupFile::Contents.key("unsealed")), "half").unwrap();
    fs::write(world.bucket().join(BackupFile::PodVolumeBackups.key("b")), "no gzip").unwrap();
    assert_eq!(sync(&world, Dies::Never).await.0, End::Settled);
    let names: Vec<_> = world
        .api
        .all("velero.io/v1", "Backup")
        .iter()
        .map(|backup| backup["metadata"]["name"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(names, ["b"]);
}
