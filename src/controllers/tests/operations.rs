//! Backups with operations of items: their course, and a server that dies at every step of it (decision 57).

use std::fs::File;
use std::io::Read;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use serde_json::{Value, json};

use super::backup_death::{FILES, fill};
use crate::controllers::testing::world::{End, Process, World};
use crate::runtime::testing::death::Dies;
use crate::store::layout::BackupFile;
use crate::testing::item_action::{LABEL, OF_BACKUPS};

/// A ConfigMap with an operation.
pub(super) fn operation(world: &World, name: &str, data: Value) {
    let mut map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "shop", "labels": {LABEL: "yes"}},
    });
    map["data"] = data;
    world.api.insert(map);
}

/// A shop with two operations, one of which fails, whose backup was asked for.
fn shop(more: Value) -> World {
    let world = World::new();
    fill(&world, "shop");
    let post = "configmaps shop/good; persistentvolumeclaims shop/data; persistentvolumes data; pods shop/web; configmaps shop/c1";
    operation(&world, "good", json!({"operation": "completes", "post": post}));
    operation(&world, "other", more);
    world.ask("Backup", "b", json!({"includedNamespaces": ["shop"]}));
    world
}

pub(super) fn unpacked(world: &World, key: &str) -> String {
    let file = File::open(world.bucket().join(key)).unwrap_or_else(|error| panic!("{key}: {error}"));
    let mut text = String::new();
    MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    text
}

fn sealed(world: &World) -> Value {
    let metadata = std::fs::read(world.bucket().join(BackupFile::Metadata.key("b"))).unwrap();
    serde_json::from_slice(&metadata).unwrap()
}

/// Passes until the backup has this phase.
async fn pass_until(process: &Process, world: &World, phase: &str) {
    for _ in 0..30 {
        if world.phase("Backup", "b") == phase {
            return;
        }
        process.pass(world).await;
        process.idle().await;
    }
    panic!("{phase} was not reached: {:#}", world.object("Backup", "b"));
}

/// What must be equal however often the server died.
#[derive(Debug, PartialEq)]
struct Outcome {
    status: Value,
    sealed: Value,
    files: Vec<String>,
    again: Vec<String>,
    results: Value,
    failures: usize,
    finalized: usize,
    operations: Value,
    records: usize,
}

fn outcome(world: &World) -> Outcome {
    let status = world.object("Backup", "b")["status"].clone();
    let kept = |status: &Value| {
        let field = |name: &str| status[name].clone();
        json!([
            field("phase"),
            field("errors"),
            field("warnings"),
            field("failureReason"),
            field("progress"),
            field("backupItemOperationsAttempted"),
            field("backupItemOperationsCompleted"),
            field("backupItemOperationsFailed"),
            status["completionTimestamp"].is_string(),
        ])
    };
    let members = world.members("b");
    let again = members
        .iter()
        .filter(|(_, json)| String::from_utf8_lossy(json).contains("\"again\""));
    let log = unpacked(world, &BackupFile::Log.key("b"));
    let mut operations = world.json(&BackupFile::ItemOperations.key("b"));
    for operation in operations.as_array_mut().unwrap() {
        operation["spec"]["backupUID"] = Value::Null;
        operation["spec"]["operationID"] = Value::Null;
    }
    let uid = world.object("Backup", "b")["metadata"]["uid"]
        .as_str()
        .unwrap()
        .to_owned();
    let results = world
        .json(&BackupFile::Results.key("b"))
        .to_string()
        .replace(&uid, "UID");
    Outcome {
        status: kept(&status),
        sealed: kept(&sealed(world)["status"]),
        files: world.files(),
        again: again.map(|(path, _)| path.clone()).collect(),
        results: serde_json::from_str(&results).unwrap(),
        failures: log.matches("Item operation").count(),
        finalized: log.matches("Backup was finalized").count(),
        operations,
        records: world.records().len(),
    }
}

fn failing() -> World {
    shop(json!({"operation": "fails"}))
}

#[tokio::test]
async fn a_backup_with_operations_waits_for_them_and_collects_their_items_again() {
    let world = shop(json!({"operation": "runs", "done": "3"}));
    let process = Process::start(&world, Dies::Never).await;
    pass_until(&process, &world, "WaitingForPluginOperations").await;
    process.pass(&world).await;
    let status = world.object("Backup", "b")["status"].clone();
    assert_eq!(status["backupItemOperationsAttempted"], 2);
    assert_eq!(status["backupItemOperationsCompleted"], 1);
    assert_eq!(status["completionTimestamp"], Value::Null);
    assert_eq!(sealed(&world)["status"]["phase"], "WaitingForPluginOperations");
    let running = world.json(&BackupFile::ItemOperations.key("b"));
    let running = &running.as_array().unwrap()[1];
    assert_eq!(running["spec"]["backupItemAction"], OF_BACKUPS);
    assert_eq!(running["status"]["nCompleted"], 3);
    assert_eq!(running["status"]["phase"], "InProgress");

    operation(&world, "other", json!({"operation": "completes"}));
    process.settle(&world).await;
    process.kill().await;
    let expected = outcome(&world);
    assert_eq!(expected.status[0], "Completed", "{expected:#?}");
    assert_eq!(expected.sealed, expected.status);
    assert_eq!(expected.files, FILES);
    assert_eq!(
        expected.again,
        [
            "resources/configmaps/namespaces/shop/good.json",
            "resources/configmaps/v1-preferredversion/namespaces/shop/good.json"
        ],
        "only items that are named are collected again, in both copies"
    );
    assert_eq!((expected.failures, expected.finalized), (0, 1));
}

#[tokio::test]
async fn a_failed_operation_is_an_error_in_status_results_and_log() {
    let world = failing();
    assert_eq!(world.serve(Dies::Never).await, End::Settled);
    let expected = outcome(&world);
    assert_eq!(expected.status[0], "PartiallyFailed", "{expected:#?}");
    assert_eq!(expected.status[1], 1, "one error");
    let errors = &expected.results["errors"]["namespaces"]["shop"];
    assert_eq!(errors.as_array().unwrap().len(), 1, "{errors}");
    let error = errors[0].as_str().unwrap();
    assert!(
        error.contains("the disk is full, plugin: example.com/backup-operation"),
        "{error}"
    );
    assert!(error.contains(" resource: /configmaps name: /other"), "{error}");
    assert_eq!((expected.failures, expected.finalized), (1, 1));
}

#[tokio::test]
async fn wherever_the_server_dies_operations_end_as_if_nothing_had_happened() {
    let world = failing();
    let writes = world.serve_and_count().await;
    let expected = outcome(&world);
    for dies in (1..=writes).flat_map(|nth| [Dies::Before(nth), Dies::After(nth)]) {
        let world = failing();
        assert_eq!(world.serve(dies).await, End::Died, "{dies:?}");
        assert_eq!(world.serve(Dies::Never).await, End::Settled);
        assert_eq!(outcome(&world), expected, "died {dies:?}");
    }
}

#[tokio::test]
async fn a_finalizer_that_dies_again_and_again_doubles_nothing() {
    let world = failing();
    let expected = {
        let world = failing();
        world.serve(Dies::Never).await;
        outcome(&world)
    };
    let mut lives = 0;
    // Each life comes one write further than the one before would have.
    while world.serve(Dies::After(1 + lives)).await == End::Died {
        lives += 1;
        assert!(lives < 30, "it does not get on");
    }
    assert!(lives > 3, "{lives}");
    assert_eq!(outcome(&world), expected);
}

#[tokio::test]
async fn an_operation_whose_time_is_over_is_cancelled_whatever_its_action_says() {
    for (course, text) in [
        ("runs", "Asynchronous action timed out"),
        (
            "breaks",
            "Asynchronous action timed out: its progress is not known: the plugin does not answer",
        ),
    ] {
        let world = shop(json!({"operation": course}));
        let process = Process::start(&world, Dies::Never).await;
        pass_until(&process, &world, "WaitingForPluginOperations").await;
        world.clock.advance(Duration::from_hours(4) - Duration::from_secs(1));
        process.pass(&world).await;
        assert_eq!(world.phase("Backup", "b"), "WaitingForPluginOperations", "{course}");
        world.clock.advance(Duration::from_secs(1));
        process.settle(&world).await;
        process.kill().await;
        assert_eq!(world.phase("Backup", "b"), "PartiallyFailed", "{course}");
        let operations = world.json(&BackupFile::ItemOperations.key("b"));
        assert_eq!(operations[1]["status"]["error"], text);
        let map = world.api.get("v1", "ConfigMap", Some("shop"), "other").unwrap();
        assert_eq!(map["data"]["cancelled"], "true", "{course}");
    }
}

#[tokio::test]
async fn a_backup_of_a_server_with_other_actions_ends_when_the_time_of_its_operations_is_over() {
    let world = shop(json!({"operation": "runs"}));
    let process = Process::start(&world, Dies::Never).await;
    pass_until(&process, &world, "WaitingForPluginOperations").await;
    process.kill().await;
    // As an upgrade from a server with another plugin finds it: no record, and an action that is not here.
    let key = BackupFile::ItemOperations.key("b");
    let mut operations = world.json(&key);
    operations[1]["spec"]["backupItemAction"] = json!("example.com/gone");
    world.put_json(&key, &operations);
    let process = Process::start(&world, Dies::Never).await;
    process.pass(&world).await;
    assert_eq!(world.phase("Backup", "b"), "WaitingForPluginOperations");
    let shown = world.json(&key)[1]["status"]["description"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        shown.contains("the item action `example.com/gone` is not installed here"),
        "{shown}"
    );
    world.clock.advance(Duration::from_hours(4));
    process.settle(&world).await;
    process.kill().await;
    let results = world.json(&BackupFile::Results.key("b")).to_string();
    assert!(results.contains("plugin: example.com/gone"), "{results}");
    assert_eq!(world.phase("Backup", "b"), "PartiallyFailed");
}

/// Makes the location of the world unusable, or usable again.
fn set_phase(world: &World, phase: &str) {
    let mut location = world.object("BackupStorageLocation", "default");
    location["status"]["phase"] = json!(phase);
    world.api.insert(location);
}

#[tokio::test]
async fn a_waiting_backup_outlives_its_unavailable_location() {
    let world = shop(json!({"operation": "runs"}));
    let process = Process::start(&world, Dies::Never).await;
    pass_until(&process, &world, "WaitingForPluginOperations").await;
    set_phase(&world, "Unavailable");
    process.pass(&world).await;
    let blocked = |world: &World| {
        let conditions = world.object("Backup", "b")["status"]["conditions"].clone();
        let all = conditions.as_array().unwrap().clone();
        let found = all
            .into_iter()
            .find(|condition| condition["type"] == "Blocked")
            .unwrap();
        (found["status"].clone(), found["reason"].clone())
    };
    assert_eq!(blocked(&world), (json!("True"), json!("LocationUnavailable")));
    assert_eq!(world.phase("Backup", "b"), "WaitingForPluginOperations");
    process.kill().await;

    world.clock.advance(Duration::from_hours(3));
    set_phase(&world, "Available");
    operation(&world, "other", json!({"operation": "completes"}));
    assert_eq!(world.serve(Dies::Never).await, End::Settled);
    assert_eq!(blocked(&world), (json!("False"), json!("Released")));
    assert_eq!(world.phase("Backup", "b"), "Completed");
}

#[tokio::test]
async fn a_waiting_backup_gives_up_its_location_when_its_time_is_over_also_in_another_process() {
    let world = shop(json!({"operation": "runs"}));
    let process = Process::start(&world, Dies::Never).await;
    pass_until(&process, &world, "WaitingForPluginOperations").await;
    set_phase(&world, "Unavailable");
    process.pass(&world).await;
    process.kill().await;

    world.clock.advance(Duration::from_hours(4));
    let process = Process::start(&world, Dies::Never).await;
    process.pass(&world).await;
    let status = world.object("Backup", "b")["status"].clone();
    assert_eq!(status["phase"], "PartiallyFailed");
    assert!(status["completionTimestamp"].is_string());
    let why = status["failureReason"].as_str().unwrap();
    assert!(
        why.starts_with("gave up when the time of the item operations was over"),
        "{why}"
    );
    process.kill().await;
}

#[tokio::test]
async fn an_action_that_never_answers_keeps_no_other_operation_from_its_end() {
    let world = shop(json!({"operation": "hangs"}));
    let process = Process::start(&world, Dies::Never).await;
    while world.phase("Backup", "b") != "InProgress" {
        process.pass(&world).await;
    }
    process.pass(&world).await;
    process.idle().await;
    tokio::time::pause();
    process.pass(&world).await;
    let operations = world.json(&BackupFile::ItemOperations.key("b"));
    assert_eq!(operations[0]["status"]["phase"], "Completed");
    assert_eq!(operations[1]["status"]["phase"], "New");
    assert_eq!(
        operations[1]["status"]["description"],
        "its progress is not known: no answer in 10 seconds"
    );
    process.kill().await;
}

#[tokio::test]
async fn a_finalizer_whose_backup_is_deleted_ends() {
    let world = failing();
    let process = Process::start(&world, Dies::Never).await;
    pass_until(&process, &world, "FinalizingPartiallyFailed").await;
    // Its attempt has ended; the write of the status finds no object.
    world.delete("Backup", "b").await;
    process.pass(&world).await;
    process.idle().await;
    process.pass(&world).await;
    assert!(!world.has("Backup", "b"));
    assert!(world.records().is_empty(), "{:?}", world.records());
    process.kill().await;
    assert_eq!(
        sealed(&world)["status"]["phase"],
        "PartiallyFailed",
        "the bucket has it to its end"
    );
}

#[tokio::test]
async fn a_waiting_backup_whose_file_of_operations_is_lost_is_not_completed() {
    let world = shop(json!({"operation": "runs"}));
    let process = Process::start(&world, Dies::Never).await;
    pass_until(&process, &world, "WaitingForPluginOperations").await;
    std::fs::remove_file(world.bucket().join(BackupFile::ItemOperations.key("b"))).unwrap();
    for _ in 0..3 {
        process.pass(&world).await;
    }
    process.kill().await;
    let status = &world.object("Backup", "b")["status"];
    assert_eq!(status["phase"], "WaitingForPluginOperations");
    assert_eq!(status["backupItemOperationsAttempted"], 2);
    let conditions = status["conditions"].to_string();
    assert!(
        conditions.contains("lacks item operations that the status counts"),
        "{conditions}"
    );
}
