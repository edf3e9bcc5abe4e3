//! Restores in which only waiting items are left.

use std::time::Duration;

use serde_json::json;

use super::faults::creates;
use super::scene::{Scene, config, object, secret};
use crate::restore::progress::Standstill;
use crate::testing::fake_api::Fault;

/// The different standstills that were reported, in order; `None` means that it was over.
fn standstills(scene: &Scene) -> Vec<Option<Standstill>> {
    let progress = scene.progress.lock().unwrap();
    let mut reported: Vec<_> = progress.iter().map(|progress| progress.standstill.clone()).collect();
    reported.dedup();
    reported
}

#[tokio::test(start_paused = true)]
async fn a_standstill_names_the_waiting_object_reason_and_timeout() {
    let scene = Scene::of(&[config("leaving", "a"), config("leaving", "b"), config("default", "c")]);
    let mut leaving = object("v1", "Namespace", "", "leaving");
    leaving["status"] = json!({"phase": "Terminating"});
    scene.api.insert(leaving);
    let api = scene.api.clone();
    let leave = async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        api.remove("v1", "Namespace", None, "leaving");
    };
    tokio::join!(scene.run(), leave);
    let reported = standstills(&scene);
    let [None, Some(reported), None] = reported.as_slice() else {
        panic!("{reported:?}")
    };
    assert_eq!(reported.reason, "NamespaceTerminating");
    assert_eq!(
        reported.message,
        "configmaps/leaving/a waits, as does another item: its namespace is being deleted; it fails 10m0s after \
         all other items are done"
    );
}

#[tokio::test(start_paused = true)]
async fn a_short_wait_is_not_a_standstill() {
    let scene = Scene::of(&[config("default", "a")]);
    scene
        .api
        .fault(Fault::new(1, 503, "ServiceUnavailable", creates("configmaps")));
    scene.run().await;
    assert_eq!(standstills(&scene), [None]);
}

#[tokio::test(start_paused = true)]
async fn a_429_for_every_request_is_a_standstill() {
    let scene = Scene::of(&[config("default", "a"), secret("default", "b")]);
    scene
        .api
        .fault(Fault::new(3, 429, "TooManyRequests", creates("secrets")).retry_after(5));
    scene.run().await;
    let reported: Vec<_> = standstills(&scene)
        .into_iter()
        .map(|reported| reported.map(|reported| reported.reason))
        .collect();
    assert_eq!(reported, [None, Some("TooManyRequests"), None]);
}
