//! Backups whose life ends: exactly one request, at that time, wherever the server dies (decision 54).

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use super::backup_death::shop;
use crate::api::v1::{Backup, BackupStorageLocation, DeleteBackupRequest};
use crate::controllers::backup_deletion::Deletions;
use crate::controllers::gc::Gc;
use crate::controllers::retention::keeper::Keeper;
use crate::controllers::testing::world::{End, Process, World};
use crate::runtime::testing::death::Dies;
use crate::runtime::{Next, Reconciler as _};
use crate::store::layout::BackupFile;

const REQUEST: &str = "DeleteBackupRequest";

/// A cluster with a backup that lives for an hour.
async fn short_lived() -> World {
    let world = shop();
    let mut backup = world.object("Backup", "b");
    backup["spec"]["ttl"] = json!("1h");
    world.api.insert(backup);
    assert_eq!(world.serve(Dies::Never).await, End::Settled);
    world
}

async fn expired() -> World {
    let world = short_lived().await;
    world.clock.advance(Duration::from_hours(1));
    world
}

fn edit(world: &World, kind: &str, name: &str, change: impl FnOnce(&mut Value)) {
    let mut object = world.object(kind, name);
    change(&mut object);
    world.api.insert(object);
}

/// One pass of the controller for the backup.
async fn pass(world: &World) -> Result<Next, String> {
    let process = Process::start(world, Dies::Never).await;
    let backup: Backup = serde_json::from_value(world.object("Backup", "b")).unwrap();
    let gc = Gc::new(
        process.ctx.clone(),
        world.watch(),
        Keeper::new(process.ctx.clone(), world.watch()),
    );
    let next = gc.reconcile(std::sync::Arc::new(backup)).await;
    process.kill().await;
    next.map_err(|error| error.to_string())
}

fn requests(world: &World) -> usize {
    world.api.all("velero.io/v1", REQUEST).len()
}

async fn dies_at(every: usize) {
    let writes = expired().await.serve_and_count().await;
    assert!(writes > 10, "{writes}");
    for dies in (1..=writes)
        .step_by(every)
        .flat_map(|nth| [Dies::Before(nth), Dies::After(nth)])
    {
        let world = expired().await;
        assert_eq!(world.serve(dies).await, End::Died, "{dies:?}");
        assert!(requests(&world) <= 1, "{dies:?}");
        assert_eq!(world.serve(Dies::Never).await, End::Settled, "{dies:?}");
        assert!(world.files().is_empty(), "{dies:?}: {:#?}", world.files());
        assert!(!world.has("Backup", "b") && requests(&world) == 0, "{dies:?}");
    }
}

#[tokio::test]
async fn an_expired_backup_is_gone_wherever_the_server_dies() {
    dies_at(3).await;
}

#[tokio::test]
#[ignore = "takes half a minute: make test-long"]
async fn an_expired_backup_is_gone_whichever_effect_the_server_dies_at() {
    dies_at(1).await;
}

#[tokio::test]
async fn the_request_is_made_once_and_exactly_when_the_life_ends() {
    let world = short_lived().await;
    let end = "2030-01-01T01:00:10Z".parse().unwrap();
    assert_eq!(pass(&world).await, Ok(Next::At(end)));
    world.clock.advance(Duration::from_mins(59) + Duration::from_secs(59));
    assert_eq!(pass(&world).await, Ok(Next::At(end)));
    assert_eq!(requests(&world), 0);
    world.clock.advance(Duration::from_secs(1));
    for _ in 0..3 {
        assert_eq!(pass(&world).await, Ok(Next::After(Duration::from_hours(1))));
        assert_eq!(requests(&world), 1);
    }
    let request = world.api.all("velero.io/v1", REQUEST).remove(0);
    assert!(request["metadata"]["name"].as_str().unwrap().starts_with("b-"));
    let labels = &request["metadata"]["labels"];
    assert_eq!(labels["velero.io/backup-name"], "b");
    assert_eq!(
        labels["velero.io/backup-uid"],
        world.object("Backup", "b")["metadata"]["uid"]
    );
}

#[tokio::test]
async fn the_label_says_what_keeps_an_expired_backup_and_goes_when_nothing_does() {
    let world = expired().await;
    let label = |world: &World| world.object("Backup", "b")["metadata"]["labels"]["velero.io/gc-failure"].clone();
    let before = world.object("BackupStorageLocation", "default");
    for (change, value) in [
        (json!({"status": {"phase": "Unavailable"}}), "BSLUnavailable"),
        (json!({"spec": {"accessMode": "ReadOnly"}}), "BSLReadOnly"),
        (Value::Null, "BSLNotFound"),
        (json!({"spec": {"config": 7}}), "BSLCannotGet"),
    ] {
        if change.is_null() {
            world.delete("BackupStorageLocation", "default").await;
        } else {
            let mut location = before.clone();
            json_patch::merge(&mut location, &change);
            world.api.insert(location);
        }
        let next = pass(&world).await;
        assert_eq!(label(&world), value);
        let is_error = value == "BSLCannotGet";
        assert_eq!(next.is_err(), is_error, "{next:?}");
        // Not written again where nothing differs.
        let version = world.object("Backup", "b")["metadata"]["resourceVersion"].clone();
        let _ = pass(&world).await;
        assert_eq!(
            world.object("Backup", "b")["metadata"]["resourceVersion"],
            version,
            "{value}"
        );
        assert_eq!(requests(&world), 0, "{value}");
    }
    let location: BackupStorageLocation = serde_json::from_value(before.clone()).unwrap();
    let woken = Gc::kept_in(&location, &world.watch());
    assert_eq!(woken.len(), 1, "the change of the location is noticed");
    world.api.insert(before);
    assert!(pass(&world).await.is_ok());
    assert_eq!(label(&world), Value::Null);
    assert_eq!(requests(&world), 1);
    assert!(Gc::kept_in(&location, &world.watch()).is_empty());
}

#[tokio::test]
async fn a_refused_backup_is_deleted_without_its_location() {
    let world = shop();
    world.delete("BackupStorageLocation", "default").await;
    assert_eq!(world.serve(Dies::Never).await, End::Settled);
    assert_eq!(world.phase("Backup", "b"), "FailedValidation");
    world.clock.advance(Duration::from_hours(24 * 365));
    assert_eq!(world.serve(Dies::Never).await, End::Settled);
    assert!(!world.has("Backup", "b") && requests(&world) == 0);
}

#[tokio::test]
async fn a_backup_that_another_cluster_has_prolonged_lives_on() {
    // As Velero's sync brings it in: the object does not say where it comes from.
    let world = expired().await;
    let path = world.bucket().join(BackupFile::Metadata.key("b"));
    let mut sealed: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    sealed["metadata"]["uid"] = json!("of-another-cluster");
    sealed["status"]["expiration"] = json!("2031-01-01T00:00:00Z");
    fs::write(&path, sealed.to_string()).unwrap();
    assert!(pass(&world).await.is_ok());
    assert_eq!(requests(&world), 0);
    assert_eq!(
        world.object("Backup", "b")["status"]["expiration"],
        "2031-01-01T00:00:00Z"
    );
    world.clock.set("2031-01-01T00:00:00Z".parse().unwrap());
    assert!(pass(&world).await.is_ok());
    assert_eq!(requests(&world), 1);
}

#[tokio::test]
async fn a_backup_of_another_cluster_that_has_no_expiration_in_the_bucket_lives_on_and_is_not_changed() {
    let world = expired().await;
    let path = world.bucket().join(BackupFile::Metadata.key("b"));
    let mut sealed: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    sealed["metadata"]["uid"] = json!("of-another-cluster");
    sealed["status"].as_object_mut().unwrap().remove("expiration");
    fs::write(&path, sealed.to_string()).unwrap();
    let before = world.object("Backup", "b");
    for _ in 0..2 {
        assert_eq!(pass(&world).await, Ok(Next::After(Duration::from_hours(1))));
        assert_eq!(requests(&world), 0);
        assert_eq!(world.object("Backup", "b"), before);
        world.clock.advance(Duration::from_hours(24 * 3650));
    }
    // It has one again: that has passed.
    sealed["status"]["expiration"] = json!("2031-01-01T00:00:00Z");
    fs::write(&path, sealed.to_string()).unwrap();
    assert!(pass(&world).await.is_ok());
    assert_eq!(requests(&world), 1);
}

#[tokio::test]
async fn a_life_that_makes_no_sense_ends_by_its_expiration_or_not_at_all() {
    for (ttl, expiration) in [
        ("2562047h", "2322-04-1"),
        ("-1h", "2030-01-31T00:00:10Z"),
        ("forever", ""),
    ] {
        let world = shop();
        edit(&world, "Backup", "b", |backup| backup["spec"]["ttl"] = json!(ttl));
        assert_eq!(world.serve(Dies::Never).await, End::Settled);
        let shown = world.object("Backup", "b")["status"]["expiration"].clone();
        assert!(
            shown.as_str().unwrap_or_default().starts_with(expiration),
            "{ttl}: {shown}"
        );
        assert!(pass(&world).await.is_ok(), "{ttl}");
        assert_eq!(requests(&world), 0, "{ttl}");
    }
    let world = short_lived().await;
    edit(&world, "Backup", "b", |backup| {
        backup["status"].as_object_mut().unwrap().remove("expiration");
    });
    world.clock.advance(Duration::from_hours(24 * 3650));
    assert_eq!(pass(&world).await, Ok(Next::Settled));
    assert_eq!(requests(&world), 0);
}

#[tokio::test]
async fn a_deletion_is_counted_though_its_request_changes_when_it_ends() {
    let world = short_lived().await;
    world.ask(REQUEST, "d", json!({"backupName": "b"}));
    let process = Process::start(&world, Dies::Never).await;
    while world.has(REQUEST, "d") {
        let seen: DeleteBackupRequest = serde_json::from_value(world.object(REQUEST, "d")).unwrap();
        if world.phase("Backup", "b") == "Deleting" {
            // As the write of the pass before, when the watch is behind it: another version.
            edit(&world, REQUEST, "d", |request| {
                _ = request["metadata"].as_object_mut().unwrap().remove("resourceVersion");
            });
        }
        let watches = (world.watch(), world.watch(), world.watch(), world.watch());
        let deletions = Deletions::new(process.ctx.clone(), watches.0, watches.1, watches.2, watches.3);
        deletions.reconcile(std::sync::Arc::new(seen)).await.unwrap();
    }
    let shown = process.registry.text().unwrap();
    process.kill().await;
    assert!(!world.has("Backup", "b"));
    let counted = "velero_backup_deletion_success_total{schedule=\"\"} 1";
    assert!(shown.contains(counted), "{shown}");
}
