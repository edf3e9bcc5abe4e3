//! What `gc` asks of the API server before it deletes, and how often.

use serde_json::{Value, json};

use super::*;
use crate::controllers::gc::Gc;
use crate::controllers::testing::world::{Process, World};
use crate::runtime::Reconciler as _;
use crate::runtime::clock::Clock as _;
use crate::runtime::testing::death::Dies;

const BACKUPS: usize = 600;

/// A schedule with these annotations, and its backups, which have all expired.
fn expired(rules: &Value) -> World {
    let world = World::new();
    set_rules(&world, rules);
    for number in 0..BACKUPS {
        world.api.insert(json!({
            "apiVersion": "velero.io/v1", "kind": "Backup",
            "metadata": {
                "name": format!("b{number:03}"), "namespace": "velero", "uid": format!("backup-{number:03}"),
                "labels": {"velero.io/schedule-name": "daily"}, "annotations": {"velero.io/schedule-uid": "s"},
            },
            "spec": {"storageLocation": "default"},
            "status": {
                "phase": "Completed", "expiration": "2029-12-31T00:00:00Z",
                "startTimestamp": format!("2029-12-30T00:{:02}:{:02}Z", number / 60, number % 60),
            },
        }));
    }
    world
}

fn set_rules(world: &World, rules: &Value) {
    world.api.insert(json!({
        "apiVersion": "velero.io/v1", "kind": "Schedule",
        "metadata": {"name": "daily", "namespace": "velero", "uid": "s", "annotations": rules},
        "spec": {"schedule": "0 0 1 1 *"},
    }));
}

fn backups(world: &World) -> Vec<Backup> {
    let all = world.api.all("velero.io/v1", "Backup");
    all.into_iter().map(|b| serde_json::from_value(b).unwrap()).collect()
}

/// One pass of `gc` over each backup; the names of those of which the deletion was requested.
async fn pass(world: &World, process: &Process, schedules: SharedWatch<Schedule>) -> Vec<String> {
    let gc = Gc::new(
        process.ctx.clone(),
        world.watch(),
        Keeper::new(process.ctx.clone(), schedules),
    );
    for backup in backups(world) {
        gc.reconcile(Arc::new(backup)).await.unwrap();
    }
    let requests = world.api.all("velero.io/v1", "DeleteBackupRequest");
    let name = |request: &Value| request["spec"]["backupName"].as_str().unwrap().to_owned();
    requests.iter().map(name).collect()
}

/// Requests for the schedule, and for pages of backups.
fn reads(world: &World) -> (usize, usize) {
    let seen = world.api.seen();
    let count = |end: &str| {
        let is_read = |path: &str| path.ends_with(end);
        seen.iter()
            .filter(|seen| seen.method == "GET" && is_read(&seen.path))
            .count()
    };
    (count("/schedules/daily"), count("/backups"))
}

#[tokio::test]
async fn hundreds_of_expired_backups_of_a_schedule_cost_one_plan() {
    let world = expired(&json!({"velero.io/keep-last": "2"}));
    let process = Process::start(&world, Dies::Never).await;
    world.api.forget_seen();
    let requested = pass(&world, &process, world.watch()).await;
    assert_eq!(requested.len(), BACKUPS - 2);
    assert!(!requested.contains(&"b599".to_owned()) && !requested.contains(&"b598".to_owned()));
    assert_eq!(reads(&world), (1, 2), "the backups are two pages");
    process.kill().await;
}

#[tokio::test]
async fn hundreds_of_expired_backups_that_a_rule_keeps_are_not_read_one_by_one() {
    let world = expired(&json!({"velero.io/keep-last": "unlimited"}));
    let process = Process::start(&world, Dies::Never).await;
    world.api.forget_seen();
    assert_eq!(pass(&world, &process, world.watch()).await, [""; 0]);
    assert_eq!(world.api.seen().len(), 4, "one backup, its schedule, and two pages");
    process.kill().await;
}

#[tokio::test]
async fn without_rules_no_backups_are_listed() {
    for annotations in [Value::Null, json!({"velero.io/schedule-jitter": "1m"})] {
        let world = expired(&annotations);
        let process = Process::start(&world, Dies::Never).await;
        world.api.forget_seen();
        assert_eq!(pass(&world, &process, world.watch()).await.len(), BACKUPS);
        assert_eq!(reads(&world), (1, 0));
        process.kill().await;
    }
}

#[tokio::test]
async fn a_watch_that_lacks_the_rules_deletes_nothing_that_they_keep() {
    for rule in ["unlimited", "a typing error"] {
        let world = expired(&json!({}));
        let before: SharedWatch<Schedule> = world.watch();
        set_rules(&world, &json!({"velero.io/keep-last": rule}));
        let process = Process::start(&world, Dies::Never).await;
        assert_eq!(pass(&world, &process, before).await, [""; 0]);
        let without = SharedWatch::fixed(Vec::new());
        assert_eq!(pass(&world, &process, without).await, [""; 0]);
        process.kill().await;
    }
}

#[tokio::test]
async fn what_the_api_server_said_is_used_for_some_seconds_and_until_the_schedule_changes() {
    let world = expired(&json!({"velero.io/keep-last": "unlimited"}));
    let process = Process::start(&world, Dies::Never).await;
    let backup = backups(&world).remove(0);
    let keeper = Keeper::new(process.ctx.clone(), world.watch());
    let start = world.clock.now();
    let mut known = Vec::new();
    for second in [0, 1, 9, 10, 11] {
        world.api.forget_seen();
        let now = later(start, Duration::from_secs(second));
        let lately = keeper.kept_lately(&backup, now);
        assert!(keeper.keeps(&backup, now).await.unwrap());
        assert_eq!(lately, world.api.seen().is_empty());
        known.push(lately);
    }
    assert_eq!(known, [false, true, true, false, true]);
    set_rules(&world, &json!({"velero.io/keep-last": "1"}));
    let changed = Keeper {
        schedules: world.watch(),
        ..keeper
    };
    let now = later(start, Duration::from_secs(12));
    assert!(!changed.kept_lately(&backup, now));
    assert!(!changed.keeps(&backup, now).await.unwrap());
    process.kill().await;
}

#[tokio::test]
async fn a_backup_without_its_label_is_judged_beside_the_others() {
    let world = expired(&json!({"velero.io/keep-last": "1"}));
    let process = Process::start(&world, Dies::Never).await;
    let keeper = Keeper::new(process.ctx.clone(), world.watch());
    let now = world.clock.now();
    for (number, kept) in [(0, false), (BACKUPS - 1, true)] {
        let mut backup = backups(&world).remove(number);
        backup.metadata.labels = None;
        let mut object = serde_json::to_value(&backup).unwrap();
        object["apiVersion"] = json!("velero.io/v1");
        object["kind"] = json!("Backup");
        world.api.insert(object);
        assert_eq!(keeper.keeps(&backup, now).await.unwrap(), kept, "{number}");
    }
    process.kill().await;
}
