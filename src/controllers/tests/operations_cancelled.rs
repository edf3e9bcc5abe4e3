//! Runs that are cancelled while operations of their items go on, and a server that dies at every step of that (decision 55).

use serde_json::{Value, json};

use super::backup_death::fill;
use super::operations::{operation, unpacked};
use crate::controllers::testing::world::{End, Process, World};
use crate::runtime::testing::death::Dies;
use crate::store::layout::{BackupFile, RestoreFile};

/// A shop with an operation that goes on.
fn shop() -> World {
    let world = World::new();
    fill(&world, "shop");
    operation(&world, "good", json!({"operation": "completes"}));
    operation(&world, "other", json!({"operation": "runs"}));
    world.ask("Backup", "b", json!({"includedNamespaces": ["shop"]}));
    world
}

fn annotate(world: &World, kind: &str, name: &str) {
    let mut object = world.object(kind, name);
    object["metadata"]["annotations"]["velero.io/cancel"] = json!("true");
    world.api.insert(object);
}

/// Passes until the object waits for its operations.
async fn until_it_waits(world: &World, kind: &str, name: &str) {
    let process = Process::start(world, Dies::Never).await;
    for _ in 0..30 {
        if world.phase(kind, name) == "WaitingForPluginOperations" {
            process.kill().await;
            return;
        }
        process.pass(world).await;
        process.idle().await;
    }
    panic!("{:#}", world.object(kind, name));
}

/// A backup that waits, and is to be cancelled.
async fn waiting() -> World {
    let world = shop();
    until_it_waits(&world, "Backup", "b").await;
    annotate(&world, "Backup", "b");
    world
}

fn condition<'a>(object: &'a Value, kind: &str) -> (&'a str, &'a str) {
    let conditions = object["status"]["conditions"].as_array().unwrap();
    let found = conditions.iter().find(|one| one["type"] == kind).unwrap();
    (found["status"].as_str().unwrap(), found["reason"].as_str().unwrap())
}

fn is_cancelled(world: &World) -> bool {
    let map = world.api.get("v1", "ConfigMap", Some("shop"), "other").unwrap();
    map["data"]["cancelled"] == "true"
}

fn assert_cancelled(world: &World, case: &dyn std::fmt::Debug) {
    let backup = world.object("Backup", "b");
    let status = &backup["status"];
    assert_eq!(status["phase"], "Failed", "{case:?}");
    let why = "cancelled by the annotation velero.io/cancel while operations of its items ran; nothing of it is kept";
    assert_eq!(status["failureReason"], why, "{case:?}");
    assert_eq!(condition(&backup, "Cancelled"), ("True", "Cancelled"), "{case:?}");
    assert_eq!(condition(&backup, "Completed"), ("False", "Failed"), "{case:?}");
    assert!(is_cancelled(world), "{case:?}");
    let kept = [BackupFile::Log.key("b"), BackupFile::Results.key("b")];
    assert_eq!(world.files(), kept, "{case:?}");
    assert_eq!(unpacked(world, &kept[0]).matches(why).count(), 1, "{case:?}");
    assert!(world.json(&kept[1]).to_string().contains(why), "{case:?}");
    assert!(world.records().is_empty(), "{case:?}");
}

#[tokio::test]
async fn a_backup_that_waits_for_operations_is_cancelled_wherever_the_server_dies() {
    let world = waiting().await;
    let writes = world.serve_and_count().await;
    assert_cancelled(&world, &"undisturbed");
    assert!(writes > 8, "{writes}");
    for dies in (1..=writes).flat_map(|nth| [Dies::Before(nth), Dies::After(nth)]) {
        let world = waiting().await;
        assert_eq!(world.serve(dies).await, End::Died, "{dies:?}");
        assert_eq!(world.serve(Dies::Never).await, End::Settled, "{dies:?}");
        assert_cancelled(&world, &dies);
    }
}

#[tokio::test]
async fn a_restore_that_waits_for_operations_is_cancelled_and_says_how_far_it_came() {
    let world = shop();
    operation(&world, "other", json!({"operation": "completes"}));
    assert_eq!(world.serve(Dies::Never).await, End::Settled);
    operation(&world, "other", json!({"operation": "runs"}));
    world.ask("Restore", "r", json!({"backupName": "b"}));
    until_it_waits(&world, "Restore", "r").await;
    annotate(&world, "Restore", "r");
    assert_eq!(world.serve(Dies::Never).await, End::Settled);
    let restore = world.object("Restore", "r");
    assert_eq!(restore["status"]["phase"], "Failed");
    let why = restore["status"]["failureReason"].as_str().unwrap();
    assert!(
        why.starts_with("cancelled by the annotation velero.io/cancel while operations of its items ran: "),
        "{why}"
    );
    assert_eq!(condition(&restore, "Cancelled"), ("True", "Cancelled"));
    assert!(is_cancelled(&world));
    assert!(world.json(&RestoreFile::Results.key("r")).to_string().contains(why));
    assert_eq!(unpacked(&world, &RestoreFile::Log.key("r")).matches(why).count(), 1);
}

#[tokio::test]
async fn a_restore_that_is_cancelled_under_way_cancels_the_operations_it_has_begun() {
    let backed_up = async || {
        let world = shop();
        operation(&world, "other", json!({"operation": "completes"}));
        assert_eq!(world.serve(Dies::Never).await, End::Settled);
        operation(&world, "other", json!({"operation": "runs"}));
        world.ask("Restore", "r", json!({"backupName": "b"}));
        world
    };
    let mut begun = 0;
    for nth in 1..30 {
        let world = backed_up().await;
        assert_eq!(world.serve(Dies::After(nth)).await, End::Died, "{nth}");
        if world.phase("Restore", "r") == "WaitingForPluginOperations" {
            break;
        }
        annotate(&world, "Restore", "r");
        assert_eq!(world.serve(Dies::Never).await, End::Settled);
        let file = RestoreFile::ItemOperations.key("r");
        let has_operations = world.files().contains(&file) && !world.json(&file).as_array().unwrap().is_empty();
        if has_operations && condition(&world.object("Restore", "r"), "Cancelled").0 == "True" {
            begun += 1;
            assert!(is_cancelled(&world), "{nth}");
        }
    }
    assert!(begun > 0);
}
