//! Backups and Restores that are deleted while they run, with a server and without one.

use std::fs;

use serde_json::json;

use super::backup_death::{FILES, fill, shop};
use crate::controllers::testing::world::{End, Process, World};
use crate::runtime::testing::death::Dies;
use crate::store::layout::backup_claim;

/// Nothing, or a whole backup that the next sync brings in again.
fn assert_nothing_orphaned(world: &World, when: &str) {
    let files = world.files();
    assert!(files.is_empty() || files == FILES, "{when}: {files:#?}");
    assert!(world.records().is_empty(), "{when}");
}

async fn writes() -> usize {
    shop().serve_and_count().await
}

#[tokio::test]
async fn a_backup_that_is_deleted_while_it_runs_leaves_nothing_that_is_nobodys() {
    for nth in 1..=writes().await {
        let world = shop();
        let uid = world.object("Backup", "b")["metadata"]["uid"]
            .as_str()
            .unwrap()
            .to_owned();
        let process = Process::start(&world, Dies::Before(nth)).await;
        tokio::select! {
            biased;
            () = process.death.come() => {}
            () = process.settle(&world) => panic!("it was not stopped at {nth}"),
        }
        world.delete("Backup", "b").await;
        process.backup_gone(&uid);
        process.death.thaw();
        process.settle(&world).await;
        process.kill().await;
        assert!(!world.has("Backup", "b"));
        assert_nothing_orphaned(&world, &format!("deleted before write {nth}"));
    }
}

#[tokio::test]
async fn what_a_dead_server_left_of_a_deleted_backup_is_put_in_order_by_the_next() {
    for nth in 1..=writes().await {
        let world = shop();
        assert_eq!(world.serve(Dies::After(nth)).await, End::Died);
        world.delete("Backup", "b").await;
        assert_eq!(world.serve(Dies::Never).await, End::Settled);
        assert_nothing_orphaned(&world, &format!("died after write {nth}"));
    }
}

#[tokio::test]
async fn half_a_claim_of_a_deleted_backup_is_put_in_order_as_well() {
    let mut tried = 0;
    let world = loop {
        tried += 1;
        let world = shop();
        assert_eq!(world.serve(Dies::Before(tried)).await, End::Died);
        if !world.records().is_empty() {
            break world;
        }
    };
    assert!(world.files().is_empty(), "the claim is what comes next");
    let staging = world.bucket().join(".velero-uploads");
    fs::create_dir_all(&staging).unwrap();
    let id = "11111111-1111-4111-8111-111111111111";
    fs::write(staging.join(id), "{").unwrap();
    fs::write(staging.join(format!("{id}.key")), backup_claim("b")).unwrap();
    world.delete("Backup", "b").await;
    assert_eq!(world.serve(Dies::Never).await, End::Settled);
    assert_nothing_orphaned(&world, "died in the middle of the claim");
}

#[tokio::test]
async fn a_name_is_free_again_when_its_backup_was_deleted_before_its_end() {
    for nth in 1..=writes().await {
        let world = shop();
        assert_eq!(world.serve(Dies::Before(nth)).await, End::Died);
        let sealed = world.bucket().join("backups/b/velero-backup.json").exists();
        world.delete("Backup", "b").await;
        world.ask("Backup", "b", json!({"includedNamespaces": ["shop"]}));
        assert_eq!(world.serve(Dies::Never).await, End::Settled);
        let expected = if sealed { "Failed" } else { "Completed" };
        assert_eq!(world.phase("Backup", "b"), expected, "died before write {nth}");
        assert_eq!(world.files(), FILES, "died before write {nth}");
    }
}

/// A cluster with a completed backup and a restore of it that is under way.
async fn restoring() -> World {
    let world = World::new();
    fill(&world, "shop");
    world.ask("Backup", "b", json!({"includedNamespaces": ["shop"]}));
    assert_eq!(world.serve(Dies::Never).await, End::Settled);
    world.ask(
        "Restore",
        "r",
        json!({"backupName": "b", "namespaceMapping": {"shop": "copy"}}),
    );
    world
}

#[tokio::test]
async fn a_restore_that_is_deleted_takes_its_files_with_it_wherever_it_was() {
    for nth in 1..=restoring().await.serve_and_count().await {
        let world = restoring().await;
        assert_eq!(world.serve(Dies::After(nth)).await, End::Died);
        world.delete("Restore", "r").await;
        // Deleting is a matter of several steps as well.
        let mut lives = 0;
        while world.serve(Dies::After(1 + lives / 2)).await == End::Died {
            lives += 1;
            assert!(lives < 20, "it does not get on");
        }
        assert!(!world.has("Restore", "r"), "died after write {nth}");
        assert_eq!(world.files(), FILES, "died after write {nth}");
        assert!(world.records().is_empty(), "died after write {nth}");
    }
}

#[tokio::test]
async fn a_restore_waits_for_its_unavailable_location_says_so_and_goes_when_that_is_deleted() {
    let world = restoring().await;
    assert_eq!(world.serve(Dies::Never).await, End::Settled);
    let mut location = world.object("BackupStorageLocation", "default");
    location["status"]["phase"] = json!("Unavailable");
    world.api.insert(location);
    world.delete("Restore", "r").await;
    let process = Process::start(&world, Dies::Never).await;
    let error = process.pass(&world).await.expect("it cannot");
    assert!(
        error.contains("`default`") && error.contains("delete the location"),
        "{error}"
    );
    assert!(world.has("Restore", "r"));
    let shown = world.object("Restore", "r");
    let conditions = shown["status"]["conditions"].as_array().unwrap();
    let blocked = conditions.iter().find(|c| c["type"] == "Blocked").unwrap();
    assert_eq!(
        (&blocked["status"], &blocked["reason"]),
        (&json!("True"), &json!("LocationUnavailable"))
    );
    assert!(blocked["message"].as_str().unwrap().contains("`default`"), "{blocked}");
    process.pass(&world).await;
    assert_eq!(world.object("Restore", "r"), shown, "it is written once");
    world.delete("BackupStorageLocation", "default").await;
    assert_eq!(process.pass(&world).await, None);
    assert!(!world.has("Restore", "r"));
    process.kill().await;
}

#[tokio::test]
async fn a_deletion_that_may_leave_everything_ends_though_the_location_is_gone() {
    for may_leave in [false, true] {
        let world = shop();
        assert_eq!(world.serve(Dies::Never).await, End::Settled);
        let files = world.files();
        world.delete("BackupStorageLocation", "default").await;
        world.ask("DeleteBackupRequest", "d", json!({"backupName": "b"}));
        let mut request = world.object("DeleteBackupRequest", "d");
        if may_leave {
            request["metadata"]["annotations"] = json!({"velero.io/delete-leaving-leftovers": "true"});
            world.api.insert(request);
        }
        assert_eq!(world.serve(Dies::Never).await, End::Settled);
        assert_eq!(world.has("Backup", "b"), !may_leave);
        assert_eq!(world.has("DeleteBackupRequest", "d"), !may_leave);
        assert_eq!(world.files(), files, "they are out of reach");
    }
}
