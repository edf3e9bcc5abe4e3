//! A tick whose server dies, or that two servers see: it is made once (decision 52).

use std::sync::Arc;

use serde_json::{Value, json};

use super::backup_death::fill;
use crate::api::v1::{Backup, Schedule};
use crate::controllers::schedule::Schedules;
use crate::controllers::testing::world::{End, Process, World};
use crate::runtime::testing::death::Dies;
use crate::runtime::{Class, Classify, Next, ObjectRef, Reconciler, SharedWatch};
use crate::testing::fake_api::{Fault, Seen};

/// A cluster whose schedule of minutes has missed two and is due.
fn due() -> World {
    let world = World::new();
    fill(&world, "shop");
    world.clock.set("2030-01-01T00:03:20Z".parse().unwrap());
    world.ask(
        "Schedule",
        "minutely",
        json!({"schedule": "* * * * *", "template": {"includedNamespaces": ["shop"]}}),
    );
    world
}

const TICK: &str = "minutely-20300101000300";

/// What must be equal however often the server died.
#[derive(Debug, PartialEq)]
struct Outcome {
    backups: Vec<(String, String)>,
    tick: Value,
    status: Value,
}

fn outcome(world: &World) -> Outcome {
    let backups = world.api.all("velero.io/v1", "Backup");
    let text = |object: &Value, pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or("").to_owned();
    let named = backups
        .iter()
        .map(|b| (text(b, "/metadata/name"), text(b, "/status/phase")));
    let mut status = world.object("Schedule", "minutely")["status"].clone();
    // A server that finds what was made does not know what had been missed.
    if let Some(conditions) = status["conditions"].as_array_mut() {
        conditions.retain(|condition| condition["type"] != "TicksMissed");
    }
    Outcome {
        tick: backups[0]["metadata"]["annotations"]["velero.io/schedule-tick"].clone(),
        backups: named.collect(),
        status,
    }
}

#[tokio::test]
async fn wherever_the_server_of_a_tick_dies_exactly_one_backup_is_made() {
    let world = due();
    let writes = world.serve_and_count().await;
    let expected = outcome(&world);
    assert_eq!(expected.backups, [(TICK.to_owned(), "Completed".to_owned())]);
    assert_eq!(expected.tick, "2030-01-01T00:03:00Z");
    assert_eq!(expected.status["phase"], "Enabled");
    assert!(writes > 15, "{writes}");
    // The first two effects are those of the tick; the next server has an hour to find one missing.
    for nth in 1..=3 {
        for dies in [Dies::Before(nth), Dies::Within(nth), Dies::After(nth)] {
            let world = due();
            assert_eq!(world.serve(dies).await, End::Died, "{dies:?}");
            assert_eq!(world.serve(Dies::Never).await, End::Settled);
            let mut found = outcome(&world);
            // Without the answer to the creation, the time is that of the tick.
            if found.status["lastBackup"] == "2030-01-01T00:03:00Z" {
                found.status["lastBackup"] = expected.status["lastBackup"].clone();
            }
            assert_eq!(found, expected, "died {dies:?}");
        }
    }
}

fn seen(world: &World) -> Arc<Schedule> {
    let schedules: SharedWatch<Schedule> = world.watch();
    schedules.get(&ObjectRef::new("minutely").within("velero")).unwrap()
}

fn backups(world: &World) -> Vec<String> {
    let backups = world.api.all("velero.io/v1", "Backup");
    backups
        .iter()
        .map(|backup| backup["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn two_leaders_with_one_tick_make_one_backup() {
    let world = due();
    let (first, second) = (
        Process::start(&world, Dies::Never).await,
        Process::start(&world, Dies::Never).await,
    );
    // Neither watch shows what the other has done.
    let nothing: SharedWatch<Backup> = SharedWatch::fixed([]);
    let stale = seen(&world);
    let of = |process: &Process| Schedules::new(process.ctx.clone(), nothing.clone());
    let (one, other) = (of(&first), of(&second));
    let (one, other) = tokio::join!(one.reconcile(stale.clone()), other.reconcile(stale.clone()));
    one.unwrap();
    other.unwrap();
    assert_eq!(backups(&world), [TICK]);
    // One more, which still sees the Schedule as it was.
    of(&second).reconcile(stale).await.unwrap();
    assert_eq!(backups(&world), [TICK]);
    let status = &world.object("Schedule", "minutely")["status"];
    assert_eq!(status["lastBackup"], "2030-01-01T00:03:20Z");
    first.kill().await;
    second.kill().await;
}

#[tokio::test]
async fn a_backup_in_progress_is_seen_though_the_watch_is_behind() {
    let world = due();
    let process = Process::start(&world, Dies::Never).await;
    let mut other = json!({
        "apiVersion": "velero.io/v1", "kind": "Backup", "spec": {}, "status": {"phase": "Queued"},
        "metadata": {"name": "by-hand", "namespace": "velero", "labels": {"velero.io/schedule-name": "minutely"}},
    });
    world.api.insert(other.clone());
    let schedules = Schedules::new(process.ctx.clone(), SharedWatch::fixed([]));
    assert_eq!(schedules.reconcile(seen(&world)).await.unwrap(), Next::Resync);
    assert_eq!(backups(&world), ["by-hand"]);
    let conditions = world.object("Schedule", "minutely")["status"]["conditions"].clone();
    assert_eq!(conditions[0]["reason"], "Postponed");
    assert!(conditions[0]["message"].as_str().unwrap().contains("backup `by-hand`"));

    other["status"]["phase"] = json!("Completed");
    world.api.insert(other);
    schedules.reconcile(seen(&world)).await.unwrap();
    assert_eq!(backups(&world), ["by-hand", TICK]);
    let conditions = world.object("Schedule", "minutely")["status"]["conditions"].clone();
    assert_eq!(conditions[1]["reason"], "BackupInProgress");
    process.kill().await;
}

#[tokio::test]
async fn a_backup_of_another_origin_keeps_its_name_and_the_tick_takes_the_next() {
    let world = due();
    world.ask("Backup", TICK, json!({}));
    let process = Process::start(&world, Dies::Never).await;
    let schedules = Schedules::new(process.ctx.clone(), world.watch());
    schedules.reconcile(seen(&world)).await.unwrap();
    assert_eq!(backups(&world), [TICK, "minutely-20300101000301"]);
    // The next pass knows that it was made, whatever its name.
    let schedules = Schedules::new(process.ctx.clone(), world.watch());
    schedules.reconcile(seen(&world)).await.unwrap();
    assert_eq!(backups(&world).len(), 2);
    process.kill().await;
}

#[tokio::test]
async fn a_tick_without_a_free_name_says_so_and_is_not_tried_in_a_loop() {
    let world = due();
    for second in 0..10 {
        world.ask("Backup", &format!("minutely-2030010100030{second}"), json!({}));
    }
    let process = Process::start(&world, Dies::Never).await;
    let schedules = Schedules::new(process.ctx.clone(), world.watch());
    let error = schedules.reconcile(seen(&world)).await.unwrap_err();
    assert_eq!((error.class(), error.reason()), (Class::Invalid, "BackupNameTaken"));
    assert!(error.to_string().contains(TICK), "{error}");
    assert_eq!(backups(&world).len(), 10);
    process.kill().await;
}

#[tokio::test]
async fn a_schedule_that_is_gone_takes_its_series_along() {
    let world = due();
    let process = Process::start(&world, Dies::Never).await;
    let schedules = Schedules::new(process.ctx.clone(), world.watch());
    let schedule = seen(&world);
    schedules.reconcile(schedule.clone()).await.unwrap();
    let shown = || process.registry.text().unwrap();
    assert!(shown().contains("velero_schedule_expected_interval_seconds{schedule=\"minutely\"} 60"));
    assert!(shown().contains("velero_backup_last_status{schedule=\"minutely\"} 1"));
    schedules.gone(&ObjectRef::from_obj(&*schedule), &crate::runtime::uid_of(&*schedule));
    assert!(!shown().contains("minutely"), "{}", shown());
    process.kill().await;
}

/// A failed backup is not hidden by a restart of the server.
#[tokio::test]
async fn the_last_status_follows_from_the_backups_after_a_restart() {
    let world = due();
    for (name, phase, at) in [("a", "Completed", "00:01:00"), ("b", "Failed", "00:02:00")] {
        world.api.insert(json!({
            "apiVersion": "velero.io/v1", "kind": "Backup", "spec": {},
            "metadata": {"name": name, "namespace": "velero", "labels": {"velero.io/schedule-name": "minutely"}},
            "status": {"phase": phase, "completionTimestamp": format!("2030-01-01T{at}Z")},
        }));
    }
    let process = Process::start(&world, Dies::Never).await;
    let schedules = Schedules::new(process.ctx.clone(), world.watch());
    for _ in 0..2 {
        schedules.reconcile(seen(&world)).await.unwrap();
        let text = process.registry.text().unwrap();
        for line in [
            "velero_backup_last_status{schedule=\"minutely\"} 0",
            "velero_backup_last_successful_timestamp{schedule=\"minutely\"} 1893456060",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
    }
    process.kill().await;
}

/// A tick that is refused stays due, and the Schedule shows why; what was missed meanwhile is counted with that reason.
#[tokio::test]
async fn a_backup_that_is_not_taken_shows_in_its_schedule_and_is_made_later() {
    for (code, reason, class, shown) in [
        (422, "Invalid", Class::Invalid, "BackupRefused"),
        (403, "Forbidden", Class::Transient, "BackupNotCreated"),
        (500, "InternalError", Class::Transient, "BackupNotCreated"),
    ] {
        let world = due();
        let process = Process::start(&world, Dies::Never).await;
        let schedules = Schedules::new(process.ctx.clone(), world.watch());
        let creates = |seen: &Seen| seen.method == "POST" && seen.path.ends_with("/backups");
        world
            .api
            .fault(Fault::new(1, code, reason, creates).message("quota of backups exceeded"));
        let error = schedules.reconcile(seen(&world)).await.unwrap_err();
        assert_eq!((error.class(), error.reason()), (class, shown));
        let status = world.object("Schedule", "minutely")["status"].clone();
        let conditions = status["conditions"].as_array().unwrap();
        assert_eq!(conditions.len(), 1, "{status}");
        assert_eq!(
            (
                &conditions[0]["type"],
                &conditions[0]["status"],
                &conditions[0]["reason"]
            ),
            (&json!("Scheduled"), &json!("False"), &json!(shown))
        );
        let message = conditions[0]["message"].as_str().unwrap();
        assert!(
            message.contains(TICK) && message.contains("quota of backups exceeded"),
            "{message}"
        );
        assert_eq!((&status["phase"], status.get("lastBackup")), (&json!("Enabled"), None));

        schedules.reconcile(seen(&world)).await.unwrap();
        assert_eq!(backups(&world), [TICK]);
        let status = world.object("Schedule", "minutely")["status"].clone();
        assert_eq!(status["conditions"][0]["reason"], "Waiting");
        assert_eq!(status["conditions"][1]["reason"], "BackupNotCreated");
        process.kill().await;
    }
}
