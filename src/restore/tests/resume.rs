//! A run that dies, and the run that resumes.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::scene::{Kept, Scene, claim, config, crd, object, pod, secret, texts, volume, widget};
use crate::restore::engine::Fatal;
use crate::restore::ledger::{Ledger, Note, State};
use crate::testing::fake_api::Fault;

fn scene() -> Scene {
    let mut objects = vec![
        crd("widgets", "Widget"),
        volume("gone", "Delete", ("shop", "data")),
        claim("shop", "data", "gone"),
        pod("shop", "web", &["data"]),
        widget("shop", "blue"),
        ("configmaps", object("v1", "Secret", "shop", "misfiled")),
    ];
    objects.extend((0..20).map(|number| config("shop", &format!("c{number:02}"))));
    objects.extend((0..5).map(|number| secret("shop", &format!("s{number}"))));
    let scene = Scene::of(&objects);
    let mut other = config("shop", "c07").1;
    other["data"] = json!({"another": "owner"});
    let mut namespace = object("v1", "Namespace", "", "shop");
    namespace["metadata"]["creationTimestamp"] = json!("2029-01-01T00:00:00Z");
    scene.api.insert(namespace);
    scene.api.insert(other);
    scene.delayed(|method, _| {
        if method == "POST" {
            Duration::from_millis(300)
        } else {
            Duration::from_millis(30)
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_run_that_dies_anywhere_is_resumed_to_the_same_end() {
    let whole = scene();
    let expected = whole.run().await;
    assert_eq!(expected.messages.errors, 1);
    let mut died = 0;
    for tenths in 1..60 {
        let scene = scene();
        let sink = Kept::default();
        let cancel = CancellationToken::new();
        let die = async {
            tokio::time::sleep(Duration::from_millis(100 * tenths)).await;
            cancel.cancel();
            std::future::pending::<()>().await;
        };
        let first = tokio::select! {
            ended = scene.attempt(Ledger::new(&scene.archive), &sink, &cancel) => ended,
            () = die => unreachable!(),
        };
        if first.is_ok() {
            break;
        }
        assert!(matches!(first, Err(Fatal::Cancelled)));
        died += 1;
        let record = sink.record.lock().unwrap().clone();
        let ledger = record.map_or_else(
            || Ledger::new(&scene.archive),
            |record| Ledger::resume(&record, &scene.archive).unwrap(),
        );
        let report = scene
            .attempt(ledger, &Kept::default(), &CancellationToken::new())
            .await
            .unwrap();
        let mut created = scene.created();
        let count = created.len();
        created.sort();
        created.dedup();
        assert_eq!(created.len(), count, "nothing twice after {tenths}");
        assert_eq!(report.resources, expected.resources, "after {tenths}");
        assert_eq!(
            texts(&report.results.errors),
            texts(&expected.results.errors),
            "after {tenths}"
        );
        assert_eq!(
            texts(&report.results.warnings),
            texts(&expected.results.warnings),
            "after {tenths}"
        );
        assert_eq!(report.progress, expected.progress);
    }
    assert!(died > 10, "{died}");
}

#[tokio::test(start_paused = true)]
async fn an_outdated_record_only_costs_work() {
    let scene = scene();
    // killed: the last stored record is up to a second old
    let sink = Kept::default();
    let run = async {
        scene
            .attempt(Ledger::new(&scene.archive), &sink, &CancellationToken::new())
            .await
    };
    let _ = tokio::time::timeout(Duration::from_millis(2_150), run).await;
    let record = sink.record.lock().unwrap().clone().expect("kept at least once");
    let ledger = Ledger::resume(&record, &scene.archive).unwrap();
    let before = scene.created().len();
    let report = scene
        .attempt(ledger, &Kept::default(), &CancellationToken::new())
        .await
        .unwrap();
    assert!(before > 0 && before < scene.created().len());
    let actions = |word: &str| {
        report
            .resources
            .0
            .values()
            .flatten()
            .filter(|entry| entry.ends_with(word))
            .count()
    };
    assert_eq!(actions("(created)"), 28, "{:?}", report.resources);
    assert_eq!(report.messages.warnings, 1, "{}", texts(&report.results.warnings));
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_cannot_be_created_is_one_error_over_all_runs() {
    let scene = Scene::of(&[config("new", "a"), secret("new", "b")]).delayed(|_, _| Duration::from_millis(400));
    scene.api.fault(
        Fault::new(usize::MAX, 403, "Forbidden", |seen| seen.path.ends_with("/namespaces")).message("not allowed"),
    );
    let sink = Kept::default();
    let cancel = CancellationToken::new();
    let run = async { scene.attempt(Ledger::new(&scene.archive), &sink, &cancel).await };
    let _ = tokio::time::timeout(Duration::from_secs(5), run).await;
    let record = sink.record.lock().unwrap().clone().unwrap();
    // the first run reported it, and died before it recorded the last of its items
    let mut ledger = Ledger::resume(&record, &scene.archive).unwrap();
    let last = scene.archive.items().last().unwrap();
    ledger.record(last, State::Pending, Vec::new(), Note::default());
    let report = scene
        .attempt(ledger, &Kept::default(), &CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(
        report.results.errors.velero,
        ["error creating namespace new: not allowed"]
    );
}

#[tokio::test(start_paused = true)]
async fn an_update_with_an_unrecorded_result_counts_as_an_update() {
    let scene = Scene::of(&[config("default", "changed"), config("default", "equal")])
        .with_spec(json!({"existingResourcePolicy": "update"}))
        .delayed(|method, _| Duration::from_millis(if method == "PATCH" { 500 } else { 10 }));
    let old = |(_, mut object): (&str, serde_json::Value), data: &str| {
        object["metadata"]["creationTimestamp"] = json!("2029-01-01T00:00:00Z");
        object["data"]["key"] = json!(data);
        scene.api.insert(object);
    };
    old(config("default", "changed"), "else");
    old(config("default", "equal"), "equal");
    let sink = Kept::default();
    let cancel = CancellationToken::new();
    // until both are patched, but the record of that is not stored
    let run = async { scene.attempt(Ledger::new(&scene.archive), &sink, &cancel).await };
    let _ = tokio::time::timeout(Duration::from_millis(700), run).await;
    let patched = |what: &&String| what.starts_with("PATCH");
    assert_eq!(scene.writes().iter().filter(patched).count(), 2);
    let record = sink.record.lock().unwrap().clone().unwrap();
    let ledger = Ledger::resume(&record, &scene.archive).unwrap();
    let report = scene
        .attempt(ledger, &Kept::default(), &CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(
        report.resources.0["v1/ConfigMap"],
        ["default/changed(updated)", "default/equal(skipped)"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_finished_restore_that_is_resumed_does_nothing_more() {
    let scene = scene();
    let sink = Kept::default();
    let first = scene
        .attempt(Ledger::new(&scene.archive), &sink, &CancellationToken::new())
        .await
        .unwrap();
    let record = sink.record.lock().unwrap().clone().unwrap();
    scene.forget();
    let ledger = Ledger::resume(&record, &scene.archive).unwrap();
    let again = scene
        .attempt(ledger, &Kept::default(), &CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(scene.writes(), Vec::<String>::new());
    assert_eq!(again, first);
}

#[tokio::test(start_paused = true)]
async fn the_ledger_is_stored_first_once_a_second_and_at_the_end() {
    let objects: Vec<_> = (0..200)
        .map(|number| config("default", &format!("c{number}")))
        .collect();
    let mut scene = Scene::of(&objects).delayed(|_, _| Duration::from_millis(100));
    scene.options.max_requests = 4;
    let sink = Kept::default();
    let start = tokio::time::Instant::now();
    scene
        .attempt(Ledger::new(&scene.archive), &sink, &CancellationToken::new())
        .await
        .unwrap();
    let seconds = start.elapsed().as_secs();
    let kept = sink.times.load(Ordering::SeqCst) as u64;
    assert!(
        seconds >= 4 && kept <= seconds + 2 && kept >= seconds,
        "{kept} times in {seconds} s"
    );
}
