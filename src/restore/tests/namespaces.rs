//! Target namespaces that terminate or cannot be created.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::faults::creates;
use super::scene::{Scene, config, object, secret};
use crate::restore::plan::NAMESPACES;
use crate::testing::fake_api::Fault;

#[tokio::test(start_paused = true)]
async fn a_terminating_namespace_delays_only_its_own_items() {
    let scene = Scene::of(&[config("leaving", "a"), config("default", "b"), secret("leaving", "c")]);
    let mut leaving = object("v1", "Namespace", "", "leaving");
    leaving["status"] = json!({"phase": "Terminating"});
    scene.api.insert(leaving);
    let api = scene.api.clone();
    let gone_after = tokio::time::sleep(Duration::from_secs(30));
    let leave = async {
        gone_after.await;
        api.remove("v1", "Namespace", None, "leaving");
    };
    let (report, ()) = tokio::join!(scene.run(), leave);
    assert_eq!(scene.created()[0], "configmaps/default/b");
    assert_eq!(
        (report.objects.created, report.messages.errors),
        (4, 0),
        "with the namespace"
    );
    let asked = scene
        .sent_requests
        .lock()
        .unwrap()
        .iter()
        .filter(|sent| sent.what == "GET /api/v1/namespaces/leaving")
        .count();
    assert!(asked < 25, "asked once for all items: {asked}");
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_never_terminates_is_one_error() {
    let scene = Scene::of(&[
        config("leaving", "a"),
        config("leaving", "b"),
        (NAMESPACES, object("v1", "Namespace", "", "leaving")),
    ]);
    let mut leaving = object("v1", "Namespace", "", "leaving");
    leaving["metadata"]["deletionTimestamp"] = json!("2029-01-01T00:00:00Z");
    scene.api.insert(leaving);
    let report = scene.run().await;
    let [error] = report.results.errors.velero.as_slice() else {
        panic!("{:?}", report.results.errors)
    };
    assert!(
        error.contains("namespace leaving is being deleted") && error.contains("3 items"),
        "{error}"
    );
    assert_eq!(report.messages.errors, 1);
    assert_eq!(report.objects.failed, 3);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_not_created_in_time_is_one_error_with_its_reason() {
    let namespace = (NAMESPACES, object("v1", "Namespace", "", "source"));
    let mut scene = Scene::of(&[config("source", "a"), namespace])
        .with_spec(json!({"namespaceMapping": {"source": "new"}, "includeClusterResources": true}));
    // the wait for the namespace has the timeout of a creation, not that of a deletion
    scene.options.terminating_timeout = Duration::from_hours(1);
    scene.api.fault(
        Fault::new(usize::MAX, 500, "InternalError", creates("namespaces"))
            .message("failed calling webhook \"w\": connection refused"),
    );
    let start = Instant::now();
    let report = scene.run().await;
    assert_eq!(
        report.results.errors.velero,
        [
            "namespace new could not be created in time: 2 items were not restored: failed calling webhook \"w\": \
             connection refused"
        ]
    );
    assert!(start.elapsed() < Duration::from_mins(11));
}

#[tokio::test(start_paused = true)]
async fn a_namespace_created_after_a_timeout_is_listed_as_created() {
    let scene = Scene::of(&[config("new", "a")]);
    let mut fault = Fault::new(1, 504, "Timeout", creates("namespaces"));
    fault.applied = true;
    scene.api.fault(fault);
    let report = scene.run().await;
    assert_eq!(report.resources.0["v1/Namespace"], ["new(created)"]);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_cannot_be_created_is_one_error() {
    let scene = Scene::of(&[config("new", "a"), config("new", "b")]);
    scene
        .api
        .fault(Fault::new(1, 403, "Forbidden", creates("namespaces")).message("not allowed"));
    let report = scene.run().await;
    assert_eq!(
        report.results.errors.velero,
        ["error creating namespace new: not allowed"]
    );
    assert_eq!((report.messages.errors, report.objects.failed), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn an_existing_namespace_is_used_without_its_creation() {
    for (code, reason, message) in [
        (
            403,
            "Forbidden",
            "ValidatingAdmissionPolicy 'labels' denied request: namespaces need an owner",
        ),
        (500, "InternalError", "failed calling webhook \"w\": connection refused"),
        (403, "Forbidden", "status unknown for quota: q, resources: configmaps"),
        (
            500,
            "",
            "conversion webhook for example.com/v2, Kind=W failed: Post \"https://w/\": connection refused",
        ),
    ] {
        let scene = Scene::of(&[config("default", "a")]);
        let refused = Fault::new(100, code, reason, creates("/api/v1/namespaces")).message(message);
        scene.api.fault(refused);
        let start = Instant::now();
        let report = scene.run().await;
        assert_eq!((report.objects.created, report.messages.errors), (1, 0), "{code}");
        assert!(start.elapsed() < Duration::from_secs(1), "nothing is waited for");
    }
}
