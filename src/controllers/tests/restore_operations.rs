//! Restores with operations of items, and a server that dies at every step of them (decision 57).

use serde_json::{Value, json};

use super::backup_death::fill;
use super::operations::{operation, unpacked};
use crate::controllers::testing::world::{End, Process, World};
use crate::runtime::testing::death::Dies;
use crate::store::layout::RestoreFile;
use crate::testing::item_action::OF_RESTORES;

/// A finished backup with two items that have operations, one of which fails in the restore that was asked for.
async fn backed_up() -> World {
    let world = World::new();
    fill(&world, "shop");
    operation(&world, "good", json!({"operation": "completes"}));
    operation(&world, "other", json!({"operation": "completes"}));
    world.ask("Backup", "b", json!({"includedNamespaces": ["shop"]}));
    assert_eq!(world.serve(Dies::Never).await, End::Settled);
    assert_eq!(world.phase("Backup", "b"), "Completed");
    operation(&world, "other", json!({"operation": "fails"}));
    world.ask("Restore", "r", json!({"backupName": "b"}));
    world
}

/// What must be equal however often the server died.
#[derive(Debug, PartialEq)]
struct Outcome {
    status: Value,
    files: Vec<String>,
    results: Value,
    failures: usize,
    operations: Value,
    records: usize,
}

fn outcome(world: &World) -> Outcome {
    let restore = world.object("Restore", "r");
    let status = &restore["status"];
    let uid = restore["metadata"]["uid"].as_str().unwrap();
    let without_uid = |key: String| -> Value {
        let text = world.json(&key).to_string().replace(uid, "UID");
        serde_json::from_str(&text).unwrap()
    };
    Outcome {
        status: json!([
            status["phase"],
            status["errors"],
            status["failureReason"],
            status["restoreItemOperationsAttempted"],
            status["restoreItemOperationsCompleted"],
            status["restoreItemOperationsFailed"],
            status["completionTimestamp"].is_string(),
        ]),
        files: world.files(),
        results: without_uid(RestoreFile::Results.key("r"))["errors"].clone(),
        failures: unpacked(world, &RestoreFile::Log.key("r"))
            .matches("Item operation")
            .count(),
        operations: without_uid(RestoreFile::ItemOperations.key("r")),
        records: world.records().len(),
    }
}

#[tokio::test]
async fn a_failed_operation_is_an_error_of_the_restore_under_its_target_namespace() {
    let world = backed_up().await;
    assert_eq!(world.serve(Dies::Never).await, End::Settled);
    let ended = outcome(&world);
    assert_eq!(
        ended.status,
        json!(["PartiallyFailed", 1, null, 2, 1, 1, true]),
        "{ended:#?}"
    );
    let errors = ended.results["namespaces"]["shop"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{errors:?}");
    let error = errors[0].as_str().unwrap();
    assert!(
        error.contains("the disk is full, plugin: example.com/restore-operation"),
        "{error}"
    );
    assert_eq!(ended.failures, 1);
    assert_eq!(ended.operations[0]["spec"]["restoreItemAction"], OF_RESTORES);
    assert_eq!(ended.operations[0]["spec"]["resourceIdentifier"]["Namespace"], "shop");
    assert_eq!(ended.records, 0);
}

#[tokio::test]
async fn wherever_the_server_dies_operations_of_a_restore_end_as_if_nothing_had_happened() {
    let (writes, expected) = {
        let world = backed_up().await;
        (world.serve_and_count().await, outcome(&world))
    };
    for dies in (1..=writes).flat_map(|nth| [Dies::Before(nth), Dies::After(nth)]) {
        let world = backed_up().await;
        assert_eq!(world.serve(dies).await, End::Died, "{dies:?}");
        assert_eq!(world.serve(Dies::Never).await, End::Settled);
        assert_eq!(outcome(&world), expected, "died {dies:?}");
    }
}

#[tokio::test]
async fn a_restore_whose_backup_is_gone_ends_though_operations_run() {
    let world = backed_up().await;
    operation(&world, "other", json!({"operation": "runs"}));
    let process = Process::start(&world, Dies::Never).await;
    for _ in 0..10 {
        process.pass(&world).await;
        process.idle().await;
    }
    assert_eq!(world.phase("Restore", "r"), "WaitingForPluginOperations");
    world.delete("Backup", "b").await;
    process.pass(&world).await;
    process.kill().await;
    let status = world.object("Restore", "r")["status"].clone();
    assert_eq!(status["phase"], "PartiallyFailed");
    assert!(
        status["failureReason"]
            .as_str()
            .unwrap()
            .contains("backup `b` of the restore is not there"),
        "{status}"
    );
    assert!(status["completionTimestamp"].is_string());
}
