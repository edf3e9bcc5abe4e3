//! A backup under way whose location is taken away: it waits, says so, and is given up in the end (decisions 15 and 34).

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::api::v1::{Backup, BackupStorageLocation};
use crate::controllers::backup::reconcile::{BackupOperations, Backups};
use crate::controllers::backup_storage_location::Locations;
use crate::controllers::run::live_log::LiveLogs;
use crate::controllers::testing::world::{Process, World};
use crate::runtime::task::Group;
use crate::runtime::testing::death::Dies;
use crate::runtime::{Classify, Next, ObjectRef, Reconciler, SharedWatch};

#[tokio::test(start_paused = true)]
async fn a_backup_without_a_location_to_write_to_says_so_and_is_given_up_after_an_hour() {
    for (read_only, reason, says) in [
        (false, "LocationGone", "`default` of a backup under way is not there"),
        (
            true,
            "LocationReadOnly",
            "`default` of a backup under way has become read-only",
        ),
    ] {
        let world = World::new();
        world.ask("Backup", "b", json!({"storageLocation": "default"}));
        let mut backup = world.object("Backup", "b");
        backup["status"] = json!({"phase": "InProgress", "startTimestamp": "2030-01-01T00:00:00Z"});
        world.api.insert(backup);
        if read_only {
            let mut location = world.object("BackupStorageLocation", "default");
            location["spec"]["accessMode"] = json!("ReadOnly");
            world.api.insert(location);
        } else {
            world.delete("BackupStorageLocation", "default").await;
        }
        let process = Process::start(&world, Dies::Never).await;
        let operations = BackupOperations::new().open_in(&Group::new());
        let backups = Backups::new(
            process.ctx.clone(),
            world.watch(),
            operations.clone(),
            LiveLogs::default(),
        );
        let pass = async || {
            let seen = world.watch::<Backup>().get(&ObjectRef::new("b").within("velero"));
            backups.reconcile(seen.unwrap()).await
        };
        for minute in 0..=60 {
            let error = pass().await.expect_err("it cannot go on");
            assert_eq!(error.reason(), reason, "after {minute} minutes");
            assert!(error.to_string().contains(says), "{error}");
            assert_eq!(operations.running(), 0);
            tokio::time::advance(Duration::from_mins(1)).await;
        }
        pass().await.unwrap();
        assert_eq!(world.phase("Backup", "b"), "Failed");
        let status = world.object("Backup", "b")["status"].clone();
        let failure = status["failureReason"].as_str().unwrap();
        assert!(
            failure.contains("gave up after one hour") && failure.contains(says),
            "{failure}"
        );
        assert!(status["completionTimestamp"].is_string());
        process.kill().await;
    }
}

#[tokio::test]
async fn a_location_concerns_the_backups_under_way_in_it() {
    let world = World::new();
    for (name, phase, location) in [
        ("runs", "InProgress", "default"),
        ("elsewhere", "InProgress", "other"),
        ("waits", "Queued", "default"),
        ("done", "Completed", "default"),
    ] {
        world.ask("Backup", name, json!({"storageLocation": location}));
        let mut backup = world.object("Backup", name);
        backup["status"] = json!({"phase": phase});
        world.api.insert(backup);
    }
    let location = serde_json::from_value(world.object("BackupStorageLocation", "default")).unwrap();
    let found = Backups::under_way_in(&location, &world.watch());
    let found: Vec<_> = found.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(found, ["runs"]);
}

/// The server, its clock at this second, and one pass over the location.
async fn look(world: &World, locations: &Locations, second: i64) -> Next {
    world
        .clock
        .set(format!("2030-01-01T00:00:{second:02}Z").parse().unwrap());
    let seen = world.object("BackupStorageLocation", "default");
    let seen: BackupStorageLocation = serde_json::from_value(seen).unwrap();
    locations.reconcile(Arc::new(seen)).await.unwrap()
}

#[tokio::test]
async fn a_location_in_doubt_is_asked_again_at_its_time_and_its_gauge_shows_each_verdict_at_once() {
    let world = World::new();
    let mut location = world.object("BackupStorageLocation", "default");
    // The server makes the directory of a location that it may write to.
    location["spec"]["accessMode"] = json!("ReadOnly");
    world.api.insert(location);
    let process = Process::start(&world, Dies::Never).await;
    let locations = Locations::new(process.ctx.clone(), world.watch(), SharedWatch::fixed([]));
    let gauge = |value: u8| {
        let shown = process.registry.text().unwrap();
        let wanted = format!("velero_backup_location_status_gauge{{backup_location_name=\"default\"}} {value}\n");
        assert!(shown.contains(&wanted), "{shown}");
    };
    let at = |second: i64| Next::At(format!("2030-01-01T00:00:{second:02}Z").parse().unwrap());
    look(&world, &locations, 0).await;
    gauge(1);
    // The spec has not changed, and the time of its next validation has come.
    let mut location = world.object("BackupStorageLocation", "default");
    location["status"]["lastValidationTime"] = json!("2029-12-31T23:00:00Z");
    world.api.insert(location);
    let moved = world.bucket().with_extension("moved");
    fs::rename(world.bucket(), &moved).unwrap();
    assert_eq!(look(&world, &locations, 10).await, Next::After(Duration::from_secs(5)));
    // Changes of other locations lead here.
    for second in 10..15 {
        assert_eq!(look(&world, &locations, second).await, at(15));
        assert_eq!(world.phase("BackupStorageLocation", "default"), "Available");
        gauge(1);
    }
    look(&world, &locations, 15).await;
    assert_eq!(world.phase("BackupStorageLocation", "default"), "Unavailable");
    gauge(0);
    fs::rename(&moved, world.bucket()).unwrap();
    let mut location = world.object("BackupStorageLocation", "default");
    location["status"]["lastValidationTime"] = json!("2029-12-31T23:00:00Z");
    world.api.insert(location);
    look(&world, &locations, 16).await;
    assert_eq!(world.phase("BackupStorageLocation", "default"), "Available");
    gauge(1);
    process.kill().await;
}
