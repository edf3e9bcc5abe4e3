//! Backups of a schedule with retention rules: wherever the server dies, the same ones stay (decision 53).

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use super::backup_death::{FILES, fill};
use crate::controllers::testing::world::{End, World};
use crate::runtime::testing::death::Dies;

/// A cluster with a schedule and its backups `b0`, `b1` and `b2`, taken an hour apart with a TTL of two days.
async fn scheduled() -> World {
    let world = World::new();
    fill(&world, "shop");
    world.ask(
        "Schedule",
        "daily",
        json!({"schedule": "@daily", "paused": true, "template": {}}),
    );
    let uid = world.object("Schedule", "daily")["metadata"]["uid"].clone();
    for name in ["b0", "b1", "b2"] {
        world.ask("Backup", name, json!({"includedNamespaces": ["shop"], "ttl": "48h"}));
        let annotations = json!({"velero.io/schedule-uid": uid});
        edit(&world, "Backup", name, |backup| {
            backup["metadata"]["annotations"] = annotations;
            backup["metadata"]["labels"] = json!({"velero.io/schedule-name": "daily"});
        });
        assert_eq!(world.serve(Dies::Never).await, End::Settled);
        assert_eq!(world.phase("Backup", name), "Completed");
        world.clock.advance(Duration::from_hours(1));
    }
    world
}

fn edit(world: &World, kind: &str, name: &str, change: impl FnOnce(&mut Value)) {
    let mut object = world.object(kind, name);
    change(&mut object);
    world.api.insert(object);
}

fn set_rules(world: &World, rules: Value) {
    edit(world, "Schedule", "daily", |schedule| {
        schedule["metadata"]["annotations"] = rules;
    });
}

fn backups(world: &World) -> Vec<String> {
    let all = world.api.all("velero.io/v1", "Backup");
    all.iter()
        .map(|b| b["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

fn files_of(world: &World, backup: &str) -> usize {
    let dir = format!("backups/{backup}/");
    world.files().iter().filter(|file| file.starts_with(&dir)).count()
}

/// The expirations of a backup: of the object, and of its metadata in the bucket.
fn expirations(world: &World, backup: &str) -> (String, String) {
    let key = format!("backups/{backup}/velero-backup.json");
    let stored: Value = serde_json::from_slice(&fs::read(world.bucket().join(key)).unwrap()).unwrap();
    let of = |object: &Value| object["status"]["expiration"].as_str().unwrap().to_owned();
    (of(&world.object("Backup", backup)), of(&stored))
}

#[tokio::test]
async fn what_no_rule_keeps_is_deleted_wherever_the_server_dies() {
    let world = scheduled().await;
    set_rules(&world, json!({"velero.io/keep-last": "1"}));
    let writes = world.serve_and_count().await;
    assert_eq!(backups(&world), ["b2"]);
    assert!(writes > 20, "{writes}");
    for nth in (1..=writes).step_by(5) {
        for dies in [Dies::Before(nth), Dies::After(nth)] {
            let world = scheduled().await;
            set_rules(&world, json!({"velero.io/keep-last": "1"}));
            assert_eq!(world.serve(dies).await, End::Died, "{dies:?}");
            assert_eq!(world.serve(Dies::Never).await, End::Settled, "{dies:?}");
            assert_eq!(backups(&world), ["b2"], "{dies:?}");
            let left = (files_of(&world, "b0"), files_of(&world, "b1"), files_of(&world, "b2"));
            assert_eq!(left, (0, 0, FILES.len()), "{dies:?}");
        }
    }
}

#[tokio::test]
async fn the_life_of_a_kept_backup_is_prolonged_in_the_bucket_and_the_object_wherever_the_server_dies() {
    let kept = async || {
        let world = scheduled().await;
        set_rules(&world, json!({"velero.io/keep-last": "5"}));
        // Two days and more later: the server was away when the expirations passed.
        world.clock.advance(Duration::from_hours(60));
        world
    };
    let world = kept().await;
    let writes = world.serve_and_count().await;
    let prolonged = expirations(&world, "b0");
    assert_eq!(prolonged.0, "2030-01-05T15:00:10Z");
    assert!(writes >= 6, "{writes}");
    for dies in (1..=writes).flat_map(|nth| [Dies::Before(nth), Dies::After(nth)]) {
        let world = kept().await;
        assert_eq!(world.serve(dies).await, End::Died, "{dies:?}");
        for backup in ["b0", "b1", "b2"] {
            let (object, bucket) = expirations(&world, backup);
            assert!(
                object <= bucket,
                "the bucket is not behind: {dies:?} {backup} {object} {bucket}"
            );
        }
        assert_eq!(world.serve(Dies::Never).await, End::Settled, "{dies:?}");
        assert_eq!(backups(&world), ["b0", "b1", "b2"], "{dies:?}");
        for backup in ["b0", "b1", "b2"] {
            let (object, bucket) = expirations(&world, backup);
            assert_eq!((&object, &bucket), (&prolonged.0, &prolonged.1), "{dies:?}");
        }
    }
}

#[tokio::test]
async fn rules_that_cannot_be_followed_delete_nothing_not_even_by_ttl() {
    let world = scheduled().await;
    set_rules(&world, json!({"velero.io/keep-last": "one"}));
    world.clock.advance(Duration::from_hours(60));
    let process = crate::controllers::testing::world::Process::start(&world, Dies::Never).await;
    for _ in 0..3 {
        assert_eq!(process.pass(&world).await, None);
    }
    process.kill().await;
    assert_eq!(backups(&world), ["b0", "b1", "b2"]);
    assert!(world.api.all("velero.io/v1", "DeleteBackupRequest").is_empty());
    // Another server on the bucket would delete what has expired there.
    for backup in ["b0", "b1", "b2"] {
        let (object, bucket) = expirations(&world, backup);
        assert_eq!(
            (object.as_str(), bucket.as_str()),
            ("2030-01-05T15:00:10Z", "2030-01-05T15:00:10Z")
        );
    }
    // Without rules the TTL counts again.
    set_rules(&world, json!({}));
    world.clock.advance(Duration::from_hours(48));
    assert_eq!(world.serve(Dies::Never).await, End::Settled);
    assert_eq!(backups(&world), Vec::<String>::new());
}

#[tokio::test]
async fn rules_do_nothing_to_backups_of_another_schedule_and_in_locations_that_are_read_only() {
    let world = scheduled().await;
    set_rules(&world, json!({"velero.io/keep-last": "1"}));
    edit(&world, "BackupStorageLocation", "default", |location| {
        location["spec"]["accessMode"] = json!("ReadOnly");
    });
    assert_eq!(world.serve(Dies::Never).await, End::Settled);
    assert_eq!(backups(&world), ["b0", "b1", "b2"]);
    edit(&world, "BackupStorageLocation", "default", |location| {
        location["spec"]["accessMode"] = json!("ReadWrite");
    });
    edit(&world, "Backup", "b0", |backup| {
        backup["metadata"]["annotations"] = json!({"velero.io/schedule-uid": "of-a-schedule-that-is-gone"});
    });
    assert_eq!(world.serve(Dies::Never).await, End::Settled);
    assert_eq!(backups(&world), ["b0", "b2"]);
}
