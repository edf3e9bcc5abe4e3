//! A run of a kind that has only its own decisions survives its process as backups and restores do.

use std::sync::Arc;

use serde_json::json;

use super::third_kind::{DIR, Thirds};
use crate::api::v1::DeleteBackupRequest;
use crate::controllers::run::leftovers::RunRecords;
use crate::controllers::testing::world::{Process, World};
use crate::runtime::Reconciler as _;
use crate::runtime::operation::{Driver, RunOperations};
use crate::runtime::task::Group;
use crate::runtime::testing::death::Dies;

const KIND: &str = "DeleteBackupRequest";

fn asked() -> World {
    let world = World::new();
    world.ask(KIND, "d", json!({"backupName": "b"}));
    world
}

fn phase(world: &World) -> String {
    world.phase(KIND, "d")
}

/// Passes of one process until the request is processed and its record gone. Ends early when the process dies.
async fn live(world: &World, dies: Dies, deleted: bool) -> (bool, usize) {
    let process = Process::start(world, dies).await;
    let group = Group::new();
    let operations = RunOperations::<Thirds>::new().open_in(&group);
    let driver = Driver::new(operations.clone());
    let passes = async {
        for _ in 0..20 {
            let thirds = Thirds {
                ctx: process.ctx.clone(),
                locations: world.watch(),
            };
            if !deleted && phase(world).is_empty() {
                let seen: DeleteBackupRequest = serde_json::from_value(world.object(KIND, "d")).unwrap();
                let _ = driver.pass(&thirds, &Arc::new(seen)).await;
            }
            operations.idle().await;
            for record in world.records() {
                let records = RunRecords::new(process.ctx.clone(), world.watch())
                    .with::<Thirds>(world.watch(), operations.clone());
                records.reconcile(Arc::new(record)).await.unwrap();
            }
        }
    };
    let died = tokio::select! {
        biased;
        () = process.death.come() => true,
        () = passes => false,
    };
    group.abort();
    group.empty().await;
    let writes = process.death.writes();
    process.kill().await;
    (died, writes)
}

fn assert_done(world: &World, what: &str) {
    assert_eq!(phase(world), "Processed", "{what}");
    assert_eq!(world.object(KIND, "d")["status"].get("errors"), None, "{what}");
    assert_eq!(world.files(), [format!("{DIR}large"), format!("{DIR}small")], "{what}");
    assert!(world.records().is_empty(), "{what}");
}

#[tokio::test]
async fn a_third_kind_survives_its_process_at_every_write() {
    let world = asked();
    let (died, writes) = live(&world, Dies::Never, false).await;
    assert!(!died && writes > 6, "{writes}");
    assert_done(&world, "undisturbed");
    for dies in (1..=writes).flat_map(|nth| [Dies::Before(nth), Dies::After(nth)]) {
        let world = asked();
        assert!(live(&world, dies, false).await.0, "{dies:?}");
        assert!(!live(&world, Dies::Never, false).await.0);
        assert_done(&world, &format!("{dies:?}"));
    }
}

#[tokio::test]
async fn an_object_of_a_third_kind_that_is_deleted_leaves_no_upload_and_no_record() {
    let (_, writes) = live(&asked(), Dies::Never, false).await;
    for nth in 1..=writes {
        let world = asked();
        live(&world, Dies::After(nth), false).await;
        world.delete(KIND, "d").await;
        assert!(!live(&world, Dies::Never, true).await.0);
        assert!(world.records().is_empty(), "died after {nth}");
        let half: Vec<_> = world
            .files()
            .into_iter()
            .filter(|file| !file.starts_with(DIR))
            .collect();
        assert!(half.is_empty(), "died after {nth}: {half:?}");
    }
}

#[tokio::test]
async fn a_run_of_a_third_kind_that_fails_leaves_its_log_and_results() {
    let world = asked();
    // A directory where the file is to be.
    std::fs::create_dir_all(world.bucket().join(DIR).join("small/x")).unwrap();
    live(&world, Dies::Never, false).await;
    assert_eq!(phase(&world), "Processed");
    let errors = world.object(KIND, "d")["status"]["errors"].to_string();
    assert!(errors.contains("restores/third/small"), "{errors}");
    let results = world.json(&format!("{DIR}results.gz"));
    assert!(
        results["errors"].to_string().contains("restores/third/small"),
        "{results}"
    );
    assert!(world.bucket().join(DIR).join("log.gz").is_file());
}
