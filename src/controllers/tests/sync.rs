//! A bucket and the objects of its backups: what comes in, what goes, and what stays (decision 56).

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::backup_death::fill;
use crate::api::v1::BackupStorageLocation;
use crate::controllers::backup_sync::Sync;
use crate::controllers::testing::world::{End, Process, World};
use crate::runtime::testing::death::Dies;
use crate::runtime::{Next, Reconciler};
use crate::store::layout::{BackupFile, backup_dir};
use crate::testing::fake_api::Fault;

/// Passes of a server over its location, each a while after the one before.
struct Syncs<'a> {
    world: &'a World,
    process: Process,
    sync: Option<Sync>,
}

impl<'a> Syncs<'a> {
    async fn of(world: &'a World) -> Self {
        let process = Process::start(world, Dies::Never).await;
        Self {
            world,
            process,
            sync: None,
        }
    }

    /// A server whose watches show what is there now.
    fn watching(&mut self) -> &Sync {
        let (ctx, world) = (&self.process.ctx, self.world);
        self.sync = Some(Sync::new(ctx.clone(), world.watch(), world.watch()));
        self.sync.as_ref().unwrap()
    }

    async fn pass(&self) -> Next {
        let location = self.world.object("BackupStorageLocation", "default");
        let location: BackupStorageLocation = serde_json::from_value(location).unwrap();
        let next = self.sync.as_ref().unwrap().reconcile(Arc::new(location)).await.unwrap();
        self.world.clock.advance(Duration::from_mins(3));
        next
    }
}

fn put(world: &World, file: BackupFile, backup: &str, content: &Value) {
    let path = world.bucket().join(file.key(backup));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content.to_string()).unwrap();
}

fn theirs(name: &str, phase: &str) -> Value {
    json!({
        "apiVersion": "velero.io/v1", "kind": "Backup",
        "metadata": {"name": name, "namespace": "elsewhere", "uid": format!("theirs-{name}")},
        "spec": {}, "status": {"phase": phase},
    })
}

fn names(world: &World) -> Vec<String> {
    let backups = world.api.all("velero.io/v1", "Backup");
    let name = |backup: &Value| backup["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    backups.iter().map(name).collect()
}

/// A cluster with two backups in its bucket.
async fn with_two() -> World {
    let world = World::new();
    fill(&world, "shop");
    for name in ["kept", "lost"] {
        world.ask("Backup", name, json!({"includedNamespaces": ["shop"]}));
        assert_eq!(world.serve(Dies::Never).await, End::Settled);
    }
    world
}

fn lose(world: &World, name: &str) {
    fs::remove_dir_all(world.bucket().join(backup_dir(name))).unwrap();
}

#[tokio::test]
async fn a_backup_goes_whose_files_are_gone_unless_all_are() {
    let world = with_two().await;
    let mut syncs = Syncs::of(&world).await;
    syncs.watching();
    syncs.pass().await;
    assert_eq!(names(&world), ["kept", "lost"]);
    lose(&world, "lost");
    syncs.pass().await;
    assert_eq!(names(&world), ["kept"]);
    lose(&world, "kept");
    syncs.watching();
    syncs.pass().await;
    assert_eq!(names(&world), ["kept"], "an empty bucket is no reason");
    syncs.process.kill().await;
}

#[tokio::test]
async fn the_backups_of_another_location_and_those_under_way_are_never_orphans() {
    let world = with_two().await;
    let change = |name: &str, change: &dyn Fn(&mut Value)| {
        let mut backup = world.object("Backup", name);
        change(&mut backup);
        world.api.insert(backup);
    };
    lose(&world, "lost");
    let mut syncs = Syncs::of(&world).await;
    for under_way in ["InProgress", "Deleting", "Finalizing", "Failed"] {
        change("lost", &|backup| backup["status"]["phase"] = json!(under_way));
        syncs.watching();
        syncs.pass().await;
        assert_eq!(names(&world), ["kept", "lost"], "{under_way}");
    }
    change("lost", &|backup| {
        backup["status"]["phase"] = json!("Completed");
        backup["metadata"]["labels"]["velero.io/storage-location"] = json!("other");
        backup["spec"]["storageLocation"] = json!("other");
    });
    syncs.watching();
    syncs.pass().await;
    assert_eq!(names(&world), ["kept", "lost"]);
    syncs.process.kill().await;
}

/// Whether the object that the watch shows was deleted and created again under its name.
#[tokio::test]
async fn a_backup_that_took_the_name_of_an_orphan_stays() {
    let world = with_two().await;
    let mut syncs = Syncs::of(&world).await;
    syncs.watching();
    lose(&world, "lost");
    let mut again = world.object("Backup", "lost");
    again["metadata"]["uid"] = json!("another");
    world.api.remove("velero.io/v1", "Backup", Some("velero"), "lost");
    world.api.insert(again);
    syncs.pass().await;
    assert_eq!(names(&world), ["kept", "lost"]);
    syncs.process.kill().await;
}

#[tokio::test]
async fn what_made_no_backup_is_looked_at_again_later() {
    let world = World::new();
    put(&world, BackupFile::Contents, "running", &json!("half"));
    put(&world, BackupFile::Metadata, "odd", &json!("odd"));
    put(&world, BackupFile::Metadata, "waits", &theirs("waits", "Finalizing"));
    let mut syncs = Syncs::of(&world).await;
    syncs.watching();
    syncs.pass().await;
    assert_eq!(names(&world), [""; 0]);
    put(&world, BackupFile::Metadata, "running", &theirs("running", "Completed"));
    put(&world, BackupFile::Metadata, "odd", &theirs("odd", "PartiallyFailed"));
    put(&world, BackupFile::Metadata, "waits", &theirs("waits", "Failed"));
    syncs.pass().await;
    assert_eq!(names(&world), ["odd", "running", "waits"]);
    syncs.process.kill().await;
}

/// How often a Backup was sent to be created.
fn creations(world: &World) -> usize {
    let seen = world.api.seen();
    let is_one = |path: &str| path.ends_with("/backups");
    seen.iter()
        .filter(|seen| seen.method == "POST" && is_one(&seen.path))
        .count()
}

#[tokio::test]
async fn a_backup_that_the_api_server_refuses_rests_longer_each_time_and_comes_in_when_it_is_taken() {
    let world = World::new();
    put(&world, BackupFile::Metadata, "b", &theirs("b", "Completed"));
    let is_one = |path: &str| path.ends_with("/backups");
    world.api.fault(Fault::new(4, 422, "Invalid", move |seen| {
        seen.method == "POST" && is_one(&seen.path)
    }));
    let mut syncs = Syncs::of(&world).await;
    syncs.watching();
    let mut sent = Vec::new();
    // Three minutes lie between two passes; it rests for one, two, four and eight of them.
    for _ in 0..8 {
        world.api.forget_seen();
        syncs.pass().await;
        sent.push(creations(&world));
    }
    assert_eq!(sent, [1, 1, 1, 0, 1, 0, 0, 1]);
    assert_eq!(names(&world), ["b"]);
    syncs.process.kill().await;
}

#[tokio::test]
async fn of_the_owners_and_finalizers_of_a_backup_only_a_schedule_that_is_here_comes_in() {
    let world = World::new();
    world.api.insert(json!({
        "apiVersion": "velero.io/v1", "kind": "Schedule",
        "metadata": {"name": "daily", "namespace": "velero", "uid": "here"}, "spec": {"schedule": "@daily"},
    }));
    let owner = |kind: &str, name: &str, uid: &str| json!({"apiVersion": "velero.io/v1", "kind": kind, "name": name, "uid": uid, "controller": true});
    let mut stored = theirs("b", "Completed");
    stored["metadata"]["finalizers"] = json!(["example.com/kept"]);
    stored["metadata"]["ownerReferences"] = json!([
        owner("Schedule", "daily", "here"),
        owner("Schedule", "daily", "there"),
        owner("Schedule", "weekly", "here"),
        owner("Deployment", "daily", "here"),
    ]);
    put(&world, BackupFile::Metadata, "b", &stored);
    let mut foreign = theirs("foreign", "Completed");
    foreign["metadata"]["ownerReferences"] = json!([owner("Deployment", "daily", "here")]);
    put(&world, BackupFile::Metadata, "foreign", &foreign);
    let mut syncs = Syncs::of(&world).await;
    syncs.watching();
    syncs.pass().await;
    let meta = &world.object("Backup", "b")["metadata"];
    assert_eq!(meta["ownerReferences"], json!([owner("Schedule", "daily", "here")]));
    assert_eq!(meta["finalizers"], Value::Null);
    assert_eq!(
        world.object("Backup", "foreign")["metadata"]["ownerReferences"],
        Value::Null
    );
    syncs.process.kill().await;
}

#[tokio::test]
async fn hundreds_of_backups_come_in_with_one_pass_and_two_clusters_agree() {
    let world = World::new();
    let other = world.neighbour();
    for number in 0..300 {
        let name = format!("b{number:03}");
        put(&world, BackupFile::Metadata, &name, &theirs(&name, "Completed"));
    }
    put(&world, BackupFile::Contents, "foreign", &json!("half"));
    for world in [&world, &other] {
        let mut syncs = Syncs::of(world).await;
        syncs.watching();
        syncs.pass().await;
        assert_eq!(names(world).len(), 300);
        syncs.process.kill().await;
    }
    lose(&world, "b007");
    for world in [&world, &other] {
        let mut syncs = Syncs::of(world).await;
        syncs.watching();
        syncs.pass().await;
        assert_eq!(names(world).len(), 299);
        syncs.process.kill().await;
    }
}
