use serde_json::{Value, json};

use super::*;
use crate::controllers::context::Settings;
use crate::controllers::testing::world::{Process, World};
use crate::runtime::testing::death::Dies;
use crate::testing::fake_api::Fault;

fn queue(process: &Process, world: &World) -> Queue {
    Queue::new(process.ctx.clone(), world.watch(), world.watch())
}

async fn pass(queue: &Queue, name: &str) -> Next {
    let seen = queue.watch.get(&ObjectRef::new(name).within("velero")).unwrap();
    queue.reconcile(seen).await.unwrap()
}

fn places(world: &World, names: &[&str]) -> Vec<(String, Value)> {
    let of = |name: &&str| {
        (
            world.phase("Backup", name),
            world.object("Backup", name)["status"]["queuePosition"].clone(),
        )
    };
    names.iter().map(of).collect()
}

fn waits(position: i64) -> (String, Value) {
    ("Queued".to_owned(), json!(position))
}

fn starts() -> (String, Value) {
    ("ReadyToStart".to_owned(), Value::Null)
}

/// Three backups of a namespace each, and a server with one place.
async fn three() -> (World, Process) {
    three_with(|_| {}).await
}

async fn three_with(flags: impl FnOnce(&mut Settings)) -> (World, Process) {
    let world = World::new();
    for name in ["a", "b", "c"] {
        world
            .api
            .insert(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
        world.ask("Backup", name, json!({"includedNamespaces": [name]}));
    }
    let process = Process::start_with(&world, Dies::Never, flags).await;
    (world, process)
}

fn change(world: &World, name: &str, change: impl FnOnce(&mut Value)) {
    let mut object = world.object("Backup", name);
    change(&mut object);
    world.api.insert(object);
}

#[tokio::test]
async fn one_pass_carries_the_whole_queue_out_and_repeating_it_writes_nothing() {
    let (world, process) = three().await;
    // Whosever pass it is.
    pass(&queue(&process, &world), "c").await;
    assert_eq!(places(&world, &["a", "b", "c"]), [starts(), waits(1), waits(2)]);
    let waiting = world.object("Backup", "b")["status"]["conditions"][0].clone();
    assert_eq!(
        (&waiting["type"], &waiting["status"], &waiting["reason"]),
        (&json!("Queued"), &json!("True"), &json!("NoFreePlace"))
    );
    let writes = process.death.writes();
    for name in ["a", "b", "c"] {
        pass(&queue(&process, &world), name).await;
    }
    assert_eq!(process.death.writes(), writes);

    change(&world, "a", |a| a["status"]["phase"] = json!("Completed"));
    pass(&queue(&process, &world), "b").await;
    assert_eq!(places(&world, &["b", "c"]), [starts(), waits(1)]);
    let started = world.object("Backup", "b")["status"]["conditions"][0].clone();
    assert_eq!((&started["status"], &started["message"]), (&json!("False"), &json!("")));
    process.kill().await;
}

#[tokio::test]
async fn a_store_that_does_not_show_yet_what_was_written_gives_no_place_away_twice() {
    let (world, process) = three().await;
    let stale = queue(&process, &world);
    pass(&stale, "a").await;
    assert_eq!(places(&world, &["a", "b", "c"]), [starts(), waits(1), waits(2)]);
    // The first has not been seen to start, and is now behind the others, or gone.
    for other in ["b", "c"] {
        pass(&stale, other).await;
    }
    assert_eq!(places(&world, &["a", "b", "c"]), [starts(), waits(1), waits(2)]);
    world.delete("Backup", "a").await;
    pass(&stale, "c").await;
    assert_eq!(
        places(&world, &["b", "c"]),
        [starts(), waits(1)],
        "what is fresh decides"
    );
    change(&world, "c", |c| c["spec"]["includedNamespaces"] = json!(["b"]));
    pass(&stale, "c").await;
    assert_eq!(places(&world, &["b", "c"]), [starts(), waits(1)]);
    process.kill().await;
}

#[tokio::test]
async fn namespaces_of_another_keep_a_backup_waiting_and_it_says_whose() {
    let (world, process) = three_with(|settings| settings.concurrent_backups = 2).await;
    change(&world, "a", |a| a["status"] = json!({"phase": "InProgress"}));
    change(&world, "b", |b| b["spec"] = json!({"includedNamespaces": ["a", "b"]}));
    pass(&queue(&process, &world), "c").await;
    assert_eq!(places(&world, &["b", "c"]), [waits(1), starts()]);
    let condition = world.object("Backup", "b")["status"]["conditions"][0].clone();
    assert_eq!(condition["reason"], "NamespaceConflict");
    let message = condition["message"].as_str().unwrap();
    assert!(
        message.contains("namespace `a`") && message.contains("backup `a`"),
        "{message}"
    );
    process.kill().await;
}

#[tokio::test]
async fn backups_wait_where_none_are_carried_out_and_say_why() {
    let (world, process) = three_with(|settings| settings.runs_backups = false).await;
    pass(&queue(&process, &world), "a").await;
    assert_eq!(places(&world, &["a", "b", "c"]), [waits(1), waits(2), waits(3)]);
    let condition = world.object("Backup", "a")["status"]["conditions"][0].clone();
    assert_eq!(condition["reason"], "BackupsNotCarriedOut");
    process.kill().await;
}

#[tokio::test]
async fn the_first_is_woken_by_what_concerns_the_queue() {
    let (world, process) = three().await;
    change(&world, "c", |c| {
        c["status"] = json!({"phase": "Queued", "queuePosition": 1});
    });
    let first = |world: &World| Queue::first(&world.watch()).map(|key| key.name);
    assert_eq!(first(&world).as_deref(), Some("c"));
    for name in ["a", "b", "c"] {
        change(&world, name, |it| it["status"] = json!({"phase": "Completed"}));
    }
    assert_eq!(first(&world), None);
    process.kill().await;
}

#[tokio::test]
async fn a_backup_that_the_api_server_does_not_let_begin_is_named_and_holds_up_nobody() {
    let (world, process) = three().await;
    world.api.fault(Fault::new(usize::MAX, 403, "Forbidden", |seen| {
        seen.method == "PATCH" && seen.path.ends_with("/backups/a")
    }));
    let queue = queue(&process, &world);
    let seen = queue.watch.get(&ObjectRef::new("c").within("velero")).unwrap();
    let error = queue.reconcile(seen).await.unwrap_err().to_string();
    assert!(error.contains("backup `a`"), "{error}");
    assert_eq!(places(&world, &["b", "c"]), [starts(), waits(1)]);
    assert_eq!(world.phase("Backup", "a"), "");
    process.kill().await;
}

#[test]
fn what_ended_long_ago_does_not_wake_the_queue() {
    let backup = |phase: &str| {
        let mut backup = Backup::new("velero", "b");
        backup.status.phase = Some(phase.into());
        Arc::new(backup)
    };
    for (before, after, expected) in [
        (None, Some("Completed"), false),
        (Some("Completed"), Some("Completed"), false),
        (Some("Completed"), Some("Deleting"), false),
        (Some("Completed"), None, false),
        (None, Some("New"), true),
        (Some("InProgress"), Some("Completed"), true),
        (Some("InProgress"), None, true),
        (Some("Queued"), Some("Failed"), true),
    ] {
        let change = Change {
            key: ObjectRef::new("b").within("velero"),
            before: before.map(backup),
            after: after.map(backup),
        };
        assert_eq!(queue_may_change().holds(&change), expected, "{before:?} {after:?}");
    }
}
