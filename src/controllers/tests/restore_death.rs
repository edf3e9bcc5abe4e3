//! A restore whose server dies: at every write, before and after it, the next one comes to the same end (decision 16).

use serde_json::{Value, json};

use super::backup_death::{FILES, fill};
use crate::controllers::testing::world::{End, Process, World, plain};
use crate::runtime::lease::death::Dies;
use crate::store::layout::RestoreFile;

/// A cluster with a backup of a small shop, whose restore under another name was asked for.
async fn copying() -> World {
    let world = World::new();
    fill(&world, "shop");
    world.ask("Backup", "b", json!({"includedNamespaces": ["shop"]}));
    assert_eq!(world.serve(Dies::Never).await, End::Settled);
    world
        .api
        .insert(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c3", "namespace": "default"}}));
    world.ask(
        "Restore",
        "r",
        json!({"backupName": "b", "namespaceMapping": {"shop": "copy"}}),
    );
    world
}

#[derive(Debug, PartialEq)]
struct Outcome {
    phase: String,
    progress: Value,
    problems: Value,
    files: Vec<String>,
    resources: Value,
    results: Value,
    objects: Vec<std::collections::BTreeMap<String, Value>>,
    records: usize,
}

fn outcome(world: &World) -> Outcome {
    let restore = world.object("Restore", "r");
    let status = &restore["status"];
    let kinds = [
        ("v1", "Namespace"),
        ("v1", "ConfigMap"),
        ("v1", "Secret"),
        ("v1", "ServiceAccount"),
        ("v1", "Pod"),
        ("v1", "PersistentVolume"),
        ("v1", "PersistentVolumeClaim"),
        ("apps/v1", "Deployment"),
    ];
    Outcome {
        phase: status["phase"].as_str().unwrap_or_default().to_owned(),
        progress: status["progress"].clone(),
        problems: json!([status["errors"], status["warnings"], status["failureReason"]]),
        files: world.files(),
        resources: world.json(&RestoreFile::ResourceList.key("r")),
        results: world.json(&RestoreFile::Results.key("r")),
        objects: kinds
            .map(|(api_version, kind)| plain(world.api.all(api_version, kind)))
            .to_vec(),
        records: world.records().len(),
    }
}

async fn undisturbed() -> (usize, Outcome) {
    let world = copying().await;
    let writes = world.serve_and_count().await;
    (writes, outcome(&world))
}

#[tokio::test]
async fn a_restore_leaves_its_five_files_and_no_trace_of_its_running() {
    let (writes, expected) = undisturbed().await;
    assert_eq!(expected.phase, "Completed", "{expected:#?}");
    let mut files: Vec<_> = FILES.map(str::to_owned).to_vec();
    files.extend(RestoreFile::ALL.map(|file| file.key("r")));
    files.sort();
    assert_eq!(expected.files, files);
    assert_eq!(expected.records, 0);
    assert_eq!(expected.resources["v1/Namespace"], json!(["copy(created)"]));
    assert!(writes > 20, "{writes}: not every effect goes through the gate");
}

#[tokio::test]
async fn wherever_the_server_of_a_restore_dies_the_next_one_ends_as_if_nothing_had_happened() {
    let (writes, expected) = undisturbed().await;
    for dies in (1..=writes).flat_map(|nth| [Dies::Before(nth), Dies::After(nth)]) {
        let world = copying().await;
        assert_eq!(world.serve(dies).await, End::Died, "{dies:?}");
        assert_eq!(world.serve(Dies::Never).await, End::Settled);
        assert_eq!(outcome(&world), expected, "died {dies:?}");
    }
}

#[tokio::test]
async fn a_restore_survives_a_server_that_dies_again_and_again() {
    let (writes, expected) = undisturbed().await;
    let world = copying().await;
    let mut lives = 0;
    while world.serve(Dies::After(5 + lives)).await == End::Died {
        lives += 1;
        assert!(lives <= writes, "it does not get on");
    }
    assert!(lives > 3, "{lives}");
    assert_eq!(outcome(&world), expected);
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_leaves_the_restore_to_the_next() {
    let (_, expected) = undisturbed().await;
    let world = copying().await;
    let process = Process::start(&world, Dies::Never).await;
    while world.phase("Restore", "r") != "InProgress" {
        process.pass(&world).await;
    }
    process.pass(&world).await;
    process.stop(&world).await;
    assert_eq!(world.phase("Restore", "r"), "InProgress");
    process.kill().await;
    assert_eq!(world.serve(Dies::Never).await, End::Settled);
    assert_eq!(outcome(&world), expected);
}
