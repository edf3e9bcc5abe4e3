//! Runs that are cancelled at any of their effects, by a server that lives or by the next one, and servers that die while they cancel
//! (decision 55).

use std::future::pending;

use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::{backup_death, hook_death, restore_death};
use crate::api::v1::{Backup, Restore};
use crate::controllers::testing::world::{End, Process, World};
use crate::runtime::testing::death::Dies;
use crate::store::layout::{BackupFile, RestoreFile};

const CANCEL: &str = "velero.io/cancel";

async fn cancel(world: &World, kind: &str, name: &str) {
    let patch = Patch::Merge(json!({"metadata": {"annotations": {CANCEL: "true"}}}));
    let (client, params) = (world.api.client(), PatchParams::default());
    if kind == "Backup" {
        let api: Api<Backup> = Api::namespaced(client, "velero");
        api.patch(name, &params, &patch).await.unwrap();
    } else {
        let api: Api<Restore> = Api::namespaced(client, "velero");
        api.patch(name, &params, &patch).await.unwrap();
    }
}

/// Runs a server that dies, or not; the object is cancelled once that has begun this many effects.
async fn serve_and_cancel(world: &World, kind: &str, name: &str, nth: usize, dies: Dies) -> End {
    let process = Process::start(world, dies).await;
    let settle = Box::pin(process.settle(world));
    let cancel = Box::pin(async {
        while process.death.writes() < nth {
            tokio::task::yield_now().await;
        }
        cancel(world, kind, name).await;
        process.pass(world).await;
        pending::<()>().await;
    });
    let end = tokio::select! {
        biased;
        () = process.death.come() => End::Died,
        () = settle => End::Settled,
        () = cancel => unreachable!(),
    };
    process.kill().await;
    end
}

fn condition(object: &Value) -> (String, String) {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.iter().find(|condition| condition["type"] == "Cancelled");
    let text = |key: &str| {
        found.map_or(String::new(), |found| {
            found[key].as_str().unwrap_or_default().to_owned()
        })
    };
    (text("status"), text("reason"))
}

/// Nothing is frozen, and the bucket has a whole backup or no more than the log and the results. Returns whether it was cancelled.
fn is_in_order(world: &World, what: &str) -> bool {
    let backup = world.object("Backup", "b");
    assert_eq!(world.pods.frozen(), [""; 0], "{what}");
    assert_eq!(world.freezes(), [], "{what}");
    assert_eq!(world.records(), [], "{what}");
    let cancelled = condition(&backup);
    let files = world.files();
    if cancelled.0 == "True" {
        assert_eq!(backup["status"]["phase"], "Failed", "{what}");
        let reason = backup["status"]["failureReason"].as_str().unwrap();
        assert!(
            reason.starts_with("cancelled by the annotation velero.io/cancel"),
            "{what}: {reason}"
        );
        let kept = [BackupFile::Log.key("b"), BackupFile::Results.key("b")];
        assert!(files.iter().all(|file| kept.contains(file)), "{what}: {files:?}");
        return true;
    }
    // Sealed in time.
    assert_eq!(backup["status"]["phase"], "PartiallyFailed", "{what}");
    assert_eq!(files.len(), backup_death::FILES.len(), "{what}: {files:?}");
    if backup["metadata"]["annotations"][CANCEL] == "true" && !cancelled.0.is_empty() {
        assert_eq!(cancelled, ("False".to_owned(), "TooLate".to_owned()), "{what}");
    }
    false
}

async fn effects_of_backup() -> usize {
    hook_death::shop().serve_and_count().await
}

async fn backups_cancelled_at_every(step: usize) {
    let effects = effects_of_backup().await;
    let mut cancelled = [0, 0];
    for nth in (0..=effects).step_by(step) {
        let world = hook_death::shop();
        let end = serve_and_cancel(&world, "Backup", "b", nth, Dies::Never).await;
        assert_eq!(end, End::Settled, "cancelled at {nth}");
        cancelled[0] += usize::from(is_in_order(&world, &format!("cancelled at {nth} of {effects}")));
    }
    for nth in (1..=effects).step_by(step) {
        let world = hook_death::shop();
        assert_eq!(world.serve(Dies::After(nth)).await, End::Died);
        cancel(&world, "Backup", "b").await;
        assert_eq!(world.serve(Dies::Never).await, End::Settled);
        let what = format!("cancelled when the server had died after {nth} of {effects}");
        cancelled[1] += usize::from(is_in_order(&world, &what));
    }
    let most = effects / step * 3 / 4;
    assert!(
        cancelled.iter().all(|count| *count > most),
        "only {cancelled:?} were cancelled"
    );
}

/// A sample: each fifth effect.
#[tokio::test]
async fn a_backup_cancelled_at_any_effect_is_thawed_and_leaves_only_its_log() {
    backups_cancelled_at_every(5).await;
}

#[tokio::test]
#[ignore = "every effect of a backup: `make test-long` runs it"]
async fn a_backup_cancelled_at_every_effect_is_thawed_and_leaves_only_its_log() {
    backups_cancelled_at_every(1).await;
}

/// Cancels a backup in the middle, by servers that die at their effects from there on, and of each first one in `step`.
async fn servers_die_while_they_cancel(step: usize) {
    let middle = effects_of_backup().await / 2;
    let mut deaths = 0;
    for after in (0..).step_by(step) {
        for dies in [
            Dies::Before(middle + after),
            Dies::Within(middle + after),
            Dies::After(middle + after),
        ] {
            let world = hook_death::shop();
            if serve_and_cancel(&world, "Backup", "b", middle, dies).await == End::Settled {
                assert!(is_in_order(&world, "undisturbed"));
                assert!(deaths > 3, "{deaths}: no effect of the cancelling was met");
                return;
            }
            deaths += 1;
            // The process may have died before it was asked.
            cancel(&world, "Backup", "b").await;
            assert_eq!(world.serve(Dies::Never).await, End::Settled);
            assert!(is_in_order(
                &world,
                &format!("died {dies:?} while it cancelled at {middle}")
            ));
        }
    }
}

#[tokio::test]
async fn when_a_server_dies_while_it_cancels_a_backup_the_next_one_goes_on() {
    servers_die_while_they_cancel(3).await;
}

#[tokio::test]
#[ignore = "every effect of a cancelling: `make test-long` runs it"]
async fn wherever_a_server_dies_while_it_cancels_a_backup_the_next_one_goes_on() {
    servers_die_while_they_cancel(1).await;
}

/// What was restored is there and in the list of the results, and no more files than those of a restore. Returns whether it was cancelled.
fn is_reported(world: &World, what: &str) -> bool {
    let restore = world.object("Restore", "r");
    assert_eq!(world.records(), [], "{what}");
    let files: Vec<_> = world
        .files()
        .into_iter()
        .filter(|file| file.starts_with("restores/"))
        .collect();
    assert!(files.len() <= RestoreFile::ALL.len(), "{what}: {files:?}");
    let made = world
        .api
        .all("v1", "ConfigMap")
        .into_iter()
        .filter(|map| map["metadata"]["namespace"] == "copy")
        .count();
    if condition(&restore).0 != "True" {
        assert_eq!(restore["status"]["phase"], "Completed", "{what}");
        assert_eq!(made, 8, "{what}");
        return false;
    }
    assert_eq!(restore["status"]["phase"], "Failed", "{what}");
    if restore["status"]["startTimestamp"].is_null() {
        assert_eq!(made, 0, "{what}");
        return true;
    }
    let results = world.json(&RestoreFile::Results.key("r"));
    let results = results["warnings"]["velero"].to_string();
    assert!(results.contains("cancelled: "), "{what}: {results}");
    if let Some(list) = files
        .contains(&RestoreFile::ResourceList.key("r"))
        .then(|| world.json(&RestoreFile::ResourceList.key("r")))
    {
        let listed = list["v1/ConfigMap"].as_array().map_or(0, Vec::len);
        assert!(listed <= made, "{what}: {listed} are listed, and {made} are there");
    } else {
        assert_eq!(made, 0, "{what}");
    }
    true
}

async fn restores_cancelled_at_every(step: usize) {
    let effects = restore_death::copying().await.serve_and_count().await;
    let mut cancelled = [0, 0];
    for nth in (0..=effects).step_by(step) {
        let world = restore_death::copying().await;
        assert_eq!(
            serve_and_cancel(&world, "Restore", "r", nth, Dies::Never).await,
            End::Settled
        );
        cancelled[0] += usize::from(is_reported(&world, &format!("cancelled at {nth} of {effects}")));
    }
    for nth in (1..=effects).step_by(step) {
        let world = restore_death::copying().await;
        assert_eq!(world.serve(Dies::After(nth)).await, End::Died);
        cancel(&world, "Restore", "r").await;
        assert_eq!(world.serve(Dies::Never).await, End::Settled);
        let what = format!("cancelled when the server had died after {nth} of {effects}");
        cancelled[1] += usize::from(is_reported(&world, &what));
    }
    // The fake API server answers at once, so a restore under way is often over before it is cancelled.
    assert!(
        cancelled[0] > 0 && cancelled[1] > effects / step / 2,
        "only {cancelled:?} were cancelled"
    );
}

#[tokio::test]
async fn a_restore_cancelled_at_any_effect_keeps_what_it_made_and_reports_it() {
    restores_cancelled_at_every(5).await;
}

#[tokio::test]
#[ignore = "every effect of a restore: `make test-long` runs it"]
async fn a_restore_cancelled_at_every_effect_keeps_what_it_made_and_reports_it() {
    restores_cancelled_at_every(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_backup_without_its_location_is_cancelled_all_the_same() {
    let world = hook_death::shop();
    assert_eq!(world.serve(Dies::After(effects_of_backup().await / 2)).await, End::Died);
    assert!(
        world
            .api
            .remove("velero.io/v1", "BackupStorageLocation", Some("velero"), "default")
    );
    cancel(&world, "Backup", "b").await;
    let process = Process::start(&world, Dies::Never).await;
    process.pass(&world).await;
    assert_eq!(world.phase("Backup", "b"), "Failed");
    process.settle(&world).await;
    process.kill().await;
    assert_eq!(world.pods.frozen(), [""; 0]);
}

#[tokio::test]
async fn what_has_ended_is_not_cancelled_any_more() {
    let world = restore_death::copying().await;
    assert_eq!(world.serve(Dies::Never).await, End::Settled);
    let before = [
        world.object("Backup", "b")["status"].clone(),
        world.object("Restore", "r")["status"].clone(),
    ];
    cancel(&world, "Backup", "b").await;
    cancel(&world, "Restore", "r").await;
    let process = Process::start(&world, Dies::Never).await;
    process.pass(&world).await;
    let writes = process.death.writes();
    process.kill().await;
    let after = [
        world.object("Backup", "b")["status"].clone(),
        world.object("Restore", "r")["status"].clone(),
    ];
    assert_eq!((before, 0), (after, writes));
}

/// Makes the location of the world unusable, or usable again.
fn set_location(world: &World, phase: &str) {
    let mut location = world.object("BackupStorageLocation", "default");
    location["status"]["phase"] = json!(phase);
    world.api.insert(location);
}

fn has_part(world: &World, part: &str) -> bool {
    let records = world.records();
    let mut parts = records.iter().filter_map(|record| record.binary_data.as_ref());
    parts.any(|parts| parts.contains_key(part))
}

fn is_sealed(world: &World) -> bool {
    world.files().contains(&BackupFile::Metadata.key("b"))
}

/// A server dies, and the next one sees that the backup is to be cancelled while the store is away. Returns whether it waited for the store,
/// and whether the backup was cancelled.
async fn cancelled_without_its_store(dies: Dies) -> Option<(bool, bool)> {
    let world = hook_death::shop();
    if world.serve(dies).await == End::Settled {
        return None;
    }
    let what = format!("died {dies:?}");
    set_location(&world, "Unavailable");
    cancel(&world, "Backup", "b").await;
    let process = Process::start(&world, Dies::Never).await;
    for _ in 0..3 {
        process.pass(&world).await;
        process.idle().await;
    }
    process.kill().await;
    let backup = world.object("Backup", "b");
    let phase = backup["status"]["phase"].clone();
    let waits = phase == "InProgress";
    if waits {
        let shown = condition(&backup);
        assert_eq!(shown, ("Unknown".to_owned(), "SealUnknown".to_owned()), "{what}");
    }
    // Another server finds the store again.
    set_location(&world, "Available");
    assert_eq!(world.serve(Dies::Never).await, End::Settled);
    let cancelled = is_in_order(&world, &what);
    assert!(waits || cancelled == (phase == "Failed"), "{what}: {phase}");
    Some((waits, cancelled))
}

async fn cancelled_without_their_store_at_every(step: usize) {
    let (effects, mut seen) = (effects_of_backup().await, Vec::new());
    for nth in 1.. {
        // The seal is near the end.
        if nth % step != 0 && nth + 8 < effects {
            continue;
        }
        for dies in [Dies::Before(nth), Dies::Within(nth), Dies::After(nth)] {
            let Some(one) = cancelled_without_its_store(dies).await else {
                for case in [(false, true), (true, true), (true, false)] {
                    assert!(seen.contains(&case), "(waits, cancelled) {case:?} was not met");
                }
                return;
            };
            seen.push(one);
        }
    }
}

/// A sample: each tenth effect, and all at the end.
#[tokio::test]
async fn a_backup_that_may_be_sealed_is_not_cancelled_before_its_store_was_seen() {
    cancelled_without_their_store_at_every(10).await;
}

#[tokio::test]
#[ignore = "every effect of a backup: `make test-long` runs it"]
async fn a_backup_cancelled_without_its_store_at_every_effect_ends_as_the_bucket_has_it() {
    cancelled_without_their_store_at_every(1).await;
}

#[tokio::test]
async fn a_backup_that_begins_anew_is_not_taken_for_one_that_is_being_sealed() {
    let mut world = hook_death::shop();
    for nth in 1..=effects_of_backup().await {
        world = hook_death::shop();
        assert_eq!(world.serve(Dies::After(nth)).await, End::Died);
        if has_part(&world, "sealing") {
            break;
        }
    }
    assert!(has_part(&world, "sealing") && !is_sealed(&world));
    let mut lives = 1;
    while has_part(&world, "sealing") {
        assert_eq!(world.serve(Dies::After(lives)).await, End::Died, "{lives}");
        lives += 1;
    }
    assert_eq!(world.phase("Backup", "b"), "InProgress");
    assert!(!is_sealed(&world));
}

#[tokio::test]
async fn a_backup_whose_location_is_unavailable_is_cancelled_at_once_and_its_files_go_later() {
    let world = hook_death::shop();
    // Before it is sealed.
    let died = Dies::After(effects_of_backup().await - 8);
    assert_eq!(world.serve(died).await, End::Died);
    let before = world.files();
    assert!(before.contains(&BackupFile::Contents.key("b")), "{before:?}");
    set_location(&world, "Unavailable");
    cancel(&world, "Backup", "b").await;
    let process = Process::start(&world, Dies::Never).await;
    process.pass(&world).await;
    assert_eq!(world.phase("Backup", "b"), "Failed");
    process.idle().await;
    process.pass(&world).await;
    assert_eq!(world.files(), before, "another store may stand in its place");
    set_location(&world, "Available");
    process.settle(&world).await;
    process.kill().await;
    assert!(is_in_order(&world, "the location is back"));
}

#[tokio::test]
async fn a_restore_that_had_ended_is_not_cancelled_though_its_backup_is_gone() {
    let effects = restore_death::copying().await.serve_and_count().await;
    let mut ended = 0;
    for nth in effects / 2..=effects {
        let world = restore_death::copying().await;
        assert_eq!(world.serve(Dies::After(nth)).await, End::Died);
        if !has_part(&world, "ended") || world.phase("Restore", "r") != "InProgress" {
            continue;
        }
        ended += 1;
        assert!(world.api.remove("velero.io/v1", "Backup", Some("velero"), "b"));
        cancel(&world, "Restore", "r").await;
        assert_eq!(world.serve(Dies::Never).await, End::Settled);
        let restore = world.object("Restore", "r");
        assert_eq!(restore["status"]["phase"], "Completed");
        assert_eq!(condition(&restore), ("False".to_owned(), "TooLate".to_owned()));
    }
    assert!(ended > 0);
}
