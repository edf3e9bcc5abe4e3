//! A restore whose server dies: at every write, before and after it, the next one comes to the same end (decision 16).

use serde_json::{Value, json};

use super::backup_death::{FILES, fill};
use crate::controllers::testing::world::{End, Process, World, plain};
use crate::runtime::testing::death::Dies;
use crate::store::layout::RestoreFile;
use crate::testing::fake_api::{Fault, Seen};

/// A cluster with a backup of a small shop, whose restore under another name was asked for.
pub(super) async fn copying() -> World {
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

/// The same into a namespace that is there, with objects that are equal, objects that differ, one that may not be changed, one
/// that is refused, and two that are tried again until they are taken.
async fn copying_over(policy: &str) -> World {
    let world = World::new();
    fill(&world, "shop");
    world.ask("Backup", "b", json!({"includedNamespaces": ["shop"]}));
    assert_eq!(world.serve(Dies::Never).await, End::Settled);
    let there = |kind: &str, name: &str, rest: Value| {
        let mut object = json!({
            "apiVersion": "v1", "kind": kind,
            "metadata": {"name": name, "namespace": "copy", "creationTimestamp": "2029-01-01T00:00:00Z"},
        });
        json_patch::merge(&mut object, &rest);
        world.api.insert(object);
    };
    // an old volume that is restored as it was: by the stamp that objects get here it could be ours
    let mut volume = world.api.get("v1", "PersistentVolume", None, "data").unwrap();
    volume["metadata"]["creationTimestamp"] = json!("2029-01-01T00:00:00Z");
    world.api.insert(volume);
    there("Namespace", "copy", json!({"metadata": {"namespace": null}}));
    there("ConfigMap", "c0", json!({"data": {"n": "0"}}));
    for name in ["c1", "c2", "c3"] {
        there("ConfigMap", name, json!({"data": {"n": "else", "more": "x"}}));
    }
    there("Secret", "token", json!({"type": "Opaque", "data": {"a": "eA=="}}));
    let about = |method: &'static str, name: &'static str| {
        move |seen: &Seen| {
            let body: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
            seen.method == method
                && seen.path.contains("/namespaces/copy/")
                && (body["metadata"]["name"] == name || seen.path.ends_with(&format!("/{name}")))
        }
    };
    let always = usize::MAX;
    for fault in [
        Fault::new(always, 422, "Invalid", about("PATCH", "c3")).message("it is immutable"),
        Fault::new(always, 422, "Invalid", about("POST", "c5")).message("it is not wanted"),
        Fault::new(2, 503, "ServiceUnavailable", about("POST", "c4")),
        Fault::new(1, 403, "Forbidden", about("POST", "c6")).message("exceeded quota: q"),
    ] {
        world.api.fault(fault);
    }
    world.ask(
        "Restore",
        "r",
        json!({"backupName": "b", "namespaceMapping": {"shop": "copy"}, "existingResourcePolicy": policy}),
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

/// Kills the server at every so many writes of a restore over what is there.
async fn die_over_what_is_there(policy: &str, every: usize) -> Outcome {
    let world = copying_over(policy).await;
    let writes = world.serve_and_count().await;
    let expected = outcome(&world);
    for dies in (1..=writes)
        .step_by(every)
        .flat_map(|nth| [Dies::Before(nth), Dies::After(nth)])
    {
        let world = copying_over(policy).await;
        assert_eq!(world.serve(dies).await, End::Died, "{dies:?}");
        assert_eq!(world.serve(Dies::Never).await, End::Settled);
        assert_eq!(outcome(&world), expected, "policy {policy}, died {dies:?}");
    }
    expected
}

fn expect_mixed(left: &Outcome, updated: &Outcome) {
    let maps = |outcome: &Outcome| outcome.resources["v1/ConfigMap"].clone();
    let others = [
        "copy/c4(created)",
        "copy/c5(failed)",
        "copy/c6(created)",
        "copy/c7(created)",
    ];
    let all = |first: [&str; 4]| json!([first.as_slice(), others.as_slice()].concat());
    assert_eq!(
        maps(left),
        all([
            "copy/c0(skipped)",
            "copy/c1(failed)",
            "copy/c2(failed)",
            "copy/c3(failed)"
        ])
    );
    assert_eq!(
        maps(updated),
        all([
            "copy/c0(skipped)",
            "copy/c1(updated)",
            "copy/c2(updated)",
            "copy/c3(failed)"
        ])
    );
    // the volume of the source has one warning: it is different, so the copy's claim does not get it
    assert_eq!(left.problems, json!([1, 5, null]), "{:#}", left.results);
    assert_eq!(updated.problems, json!([2, 2, null]), "{:#}", updated.results);
    assert_eq!(left.phase, "PartiallyFailed");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_dies_over_objects_that_are_there_changes_nothing_of_what_is_reported() {
    expect_mixed(
        &Box::pin(die_over_what_is_there("none", 9)).await,
        &Box::pin(die_over_what_is_there("update", 9)).await,
    );
}

#[tokio::test(start_paused = true)]
#[ignore = "every write of two restores: for `make test-long`"]
async fn wherever_a_server_dies_over_objects_that_are_there_nothing_of_what_is_reported_changes() {
    expect_mixed(
        &Box::pin(die_over_what_is_there("none", 1)).await,
        &Box::pin(die_over_what_is_there("update", 1)).await,
    );
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
