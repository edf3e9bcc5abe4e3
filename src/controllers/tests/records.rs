//! Records of other releases: those of the last one are read, those of a later one are left alone.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::backup_death::{FILES, fill};
use crate::controllers::testing::world::{End, Process, World};
use crate::runtime::testing::death::Dies;
use crate::store::layout::backup_claim;

/// What release 0.1.0 left when it died, each in a directory of its own: the objects of the cluster, and the bucket.
fn recorded(scene: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/records/0.1.0")
        .join(scene)
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn load(scene: &str) -> World {
    let world = World::new();
    let objects = fs::read_to_string(recorded(scene).join("objects.json")).unwrap();
    let objects: Vec<Value> = serde_json::from_str(&objects).unwrap();
    world.api.insert_all(objects);
    copy(&recorded(scene).join("bucket"), &world.bucket());
    world
}

fn log(world: &World, key: &str) -> String {
    use std::io::Read;
    let mut text = String::new();
    let file = fs::File::open(world.bucket().join(key)).unwrap();
    flate2::read::MultiGzDecoder::new(file)
        .read_to_string(&mut text)
        .unwrap();
    text
}

#[tokio::test]
async fn a_backup_that_the_last_release_began_is_thawed_and_ended() {
    let world = load("backup");
    assert_eq!((world.records().len(), world.freezes().len()), (1, 1));
    assert_eq!(world.serve(Dies::Never).await, End::Settled);
    assert_eq!(world.phase("Backup", "b"), "Completed");
    assert_eq!(
        world.files(),
        FILES,
        "the upload of the last release is gone, and its lock of the name"
    );
    let thawed = world.commanded.lock().unwrap().iter().any(|(pod, _)| pod == "db");
    assert!(thawed, "the pod that it froze");
    assert!(log(&world, FILES[1]).contains("begun 1 time(s) before"));
}

#[tokio::test]
async fn a_restore_that_the_last_release_began_goes_on_from_its_ledger() {
    let world = load("restore");
    assert_eq!(world.serve(Dies::Never).await, End::Settled);
    assert_eq!(world.phase("Restore", "r"), "Completed");
    let log = log(&world, "restores/r/restore-r-logs.gz");
    assert!(log.contains("Restore was resumed"), "{log}");
    assert!(!log.contains("starting over"), "{log}");
}

#[tokio::test]
async fn the_end_that_the_last_release_recorded_stands() {
    let world = load("ended");
    let before = log(&world, "restores/r/restore-r-logs.gz");
    assert_eq!(world.serve(Dies::Never).await, End::Settled);
    assert_eq!(world.phase("Restore", "r"), "Completed");
    assert_eq!(
        log(&world, "restores/r/restore-r-logs.gz"),
        before,
        "it is not restored again"
    );
}

/// The only ConfigMap with this label.
fn labelled(world: &World, label: &str) -> Value {
    let mut maps = world.api.all("v1", "ConfigMap");
    maps.retain(|map| !map["metadata"]["labels"][label].is_null());
    assert_eq!(maps.len(), 1, "{label}");
    maps.remove(0)
}

/// Changes the run record of a scene.
fn with_record(scene: &str, change: impl FnOnce(&mut Value)) -> (World, Value) {
    let world = load(scene);
    let mut map = labelled(&world, "velero.io/run-record");
    change(&mut map);
    world.api.insert(map.clone());
    (world, map)
}

/// Some passes of a server over everything; what failed.
async fn failures(world: &World) -> Vec<String> {
    let process = Process::start(world, Dies::Never).await;
    let mut failures = Vec::new();
    for _ in 0..4 {
        failures.extend(process.pass(world).await);
        process.idle().await;
    }
    process.kill().await;
    failures
}

fn current(world: &World, map: &Value) -> Value {
    let name = map["metadata"]["name"].as_str().unwrap();
    world.api.get("v1", "ConfigMap", Some("velero"), name).unwrap()
}

#[tokio::test]
async fn records_of_a_later_release_are_left_alone_and_reported() {
    for (scene, label, kind, name) in [
        ("backup", "velero.io/run-record", "Backup", "b"),
        ("backup", "velero.io/open-freezes", "Backup", "b"),
        ("restore", "velero.io/run-record", "Restore", "r"),
        ("ended", "velero.io/run-record", "Restore", "r"),
    ] {
        for deleted in [false, true] {
            let world = load(scene);
            let mut map = labelled(&world, label);
            map["metadata"]["annotations"]["velero.io/record-version"] = json!("2");
            world.api.insert(map.clone());
            let files = world.files();
            if deleted {
                world.api.remove("velero.io/v1", kind, Some("velero"), name);
            }
            let reported = failures(&world).await;
            let what = format!("{scene} {label} deleted {deleted}: {reported:?}");
            assert!(reported.iter().any(|text| text.contains("has version `2`")), "{what}");
            assert_eq!(current(&world, &map), map, "{what}");
            if !deleted {
                assert_eq!(world.phase(kind, name), "InProgress", "{what}");
                assert_eq!(world.files(), files, "{what}");
            }
        }
    }
}

#[tokio::test]
async fn a_record_of_a_kind_that_is_not_known_is_left_alone_and_reported() {
    let (world, map) = with_record("backup", |map| {
        map["metadata"]["labels"]["velero.io/run-record"] = json!("datamovement");
    });
    world.api.remove("velero.io/v1", "Backup", Some("velero"), "b");
    let reported = failures(&world).await;
    assert!(
        reported.iter().any(|text| text.contains("is of kind `datamovement`")),
        "{reported:?}"
    );
    assert_eq!(current(&world, &map), map);
}

#[tokio::test]
async fn a_damaged_record_is_left_alone_and_reported() {
    let (world, map) = with_record("backup", |map| {
        map["binaryData"]["uploads"] = json!("bm90aGluZw==");
    });
    let reported = failures(&world).await;
    assert!(
        reported
            .iter()
            .any(|text| text.contains("part `uploads`") && text.contains("delete the ConfigMap")),
        "{reported:?}"
    );
    assert_eq!(current(&world, &map), map);
}

#[tokio::test]
async fn a_name_that_a_later_release_has_locked_stays_locked() {
    let world = World::new();
    fill(&world, "shop");
    let lock = world.bucket().join(backup_claim("b"));
    fs::create_dir_all(lock.parent().unwrap()).unwrap();
    let text = r#"{"version":2,"uid":{"cluster":"x"},"began":"2030-01-01T00:00:10Z"}"#;
    let same_shape = r#"{"version":2,"uid":"u","began":"2030-01-01T00:00:10Z"}"#;
    for text in [text, same_shape] {
        fs::write(&lock, text).unwrap();
        world.api.remove("velero.io/v1", "Backup", Some("velero"), "b");
        world.ask("Backup", "b", json!({"includedNamespaces": ["shop"]}));
        assert_eq!(world.serve(Dies::Never).await, End::Settled);
        assert_eq!(world.phase("Backup", "b"), "Failed");
        assert_eq!(world.files(), [backup_claim("b")]);
        assert_eq!(fs::read_to_string(&lock).unwrap(), text);
    }
    let reason = world.object("Backup", "b")["status"]["failureReason"].to_string();
    assert!(
        reason.contains("version 2 of `backups/b/velero-claim.json`"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_ledger_of_a_later_release_is_left_alone_and_reported() {
    // `VRL2` and more.
    let (world, map) = with_record("restore", |map| {
        map["binaryData"]["ledger"] = json!("VlJMMm5ldw==");
    });
    let reported = failures(&world).await;
    assert!(
        reported.iter().any(|text| text.contains("has version `2`")),
        "{reported:?}"
    );
    assert_eq!(world.phase("Restore", "r"), "InProgress");
    assert_eq!(
        current(&world, &map)["binaryData"]["ledger"],
        map["binaryData"]["ledger"]
    );
}
