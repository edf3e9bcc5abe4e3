//! Types that the API server does not serve, or not yet.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::faults::creates;
use super::scene::{Scene, config, crd, object, widget};
use crate::testing::fake_api::Fault;

#[tokio::test(start_paused = true)]
async fn a_type_that_will_never_be_served_fails_at_once() {
    let scene = Scene::of(&[widget("default", "blue"), config("default", "a")]);
    let start = Instant::now();
    let report = scene.run().await;
    assert_eq!(report.objects.created, 1);
    let error = &report.results.errors.namespaces["default"][0];
    assert!(
        error.starts_with("error restoring widgets.example.com/default/blue: the API server does not serve"),
        "{error}"
    );
    assert!(
        error.contains("CustomResourceDefinition widgets.example.com"),
        "what to check: {error}"
    );
    assert_eq!(report.resources.0["example.com/v1/Widget"], ["default/blue(failed)"]);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_type_that_may_still_be_served_fails_after_the_timeout() {
    let scene = Scene::of(&[widget("default", "blue"), config("default", "a")]);
    scene.api.insert(api_service());
    let start = Instant::now();
    let report = scene.run().await;
    assert_eq!((report.objects.created, report.objects.failed), (1, 1));
    let waiting = |progress: &crate::restore::progress::Progress| progress.waiting == 1;
    assert!(scene.progress.lock().unwrap().iter().any(waiting));
    assert!(start.elapsed() >= Duration::from_mins(10), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn objects_of_a_failed_crd_fail_with_its_reason_at_once() {
    let scene = Scene::of(&[
        crd("widgets", "Widget"),
        widget("default", "blue"),
        widget("default", "red"),
    ]);
    scene
        .api
        .fault(Fault::new(1, 422, "Invalid", creates("customresourcedefinitions")).message("schemas are required"));
    let start = Instant::now();
    let report = scene.run().await;
    for error in &report.results.errors.namespaces["default"] {
        assert!(
            error.ends_with("could not be restored: schemas are required"),
            "{error}"
        );
    }
    assert_eq!(report.objects.failed, 3);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

/// An API service with a server that does not answer.
fn api_service() -> serde_json::Value {
    let mut service = object("apiregistration.k8s.io/v1", "APIService", "", "v1.example.com");
    service["spec"] =
        json!({"group": "example.com", "version": "v1", "service": {"namespace": "default", "name": "w"}});
    service
}

#[tokio::test(start_paused = true)]
async fn an_object_is_not_created_as_another_type_of_its_kind() {
    let scene = Scene::of(&[widget("default", "blue")]);
    scene.api.insert(crd("wodgets", "Widget").1);
    let report = scene.run().await;
    assert_eq!(scene.created(), Vec::<String>::new());
    assert_eq!(report.resources.0["example.com/v1/Widget"], ["default/blue(failed)"]);
}

#[tokio::test(start_paused = true)]
async fn a_type_that_is_served_later_is_restored_then() {
    let scene = Scene::of(&[widget("default", "blue")]);
    scene.api.insert(api_service());
    let api = scene.api.clone();
    let bring = async {
        tokio::time::sleep(Duration::from_secs(100)).await;
        api.insert(crd("widgets", "Widget").1);
    };
    let (report, ()) = tokio::join!(scene.run(), bring);
    assert_eq!((report.objects.created, report.messages.errors), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_not_served_any_more_is_an_error_at_once() {
    let scene = Scene::of(&[(
        "deployments.apps",
        object("apps/v1beta1", "Deployment", "default", "old"),
    )]);
    let start = Instant::now();
    let report = scene.run().await;
    assert_eq!(
        report.results.errors.namespaces["default"],
        ["error restoring deployments.apps/default/old: the API server serves it as apps/v1, not as apps/v1beta1"]
    );
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_crd_that_is_not_accepted_delays_only_its_instances() {
    let mut stuck = crd("widgets", "Widget");
    stuck.1["spec"]["versions"] = json!([]);
    let scene = Scene::of(&[stuck, widget("default", "blue"), config("default", "a")]);
    scene.api.before(
        |seen| seen.method == "GET" && seen.path.ends_with("widgets.example.com"),
        |api| {
            let mut crd = api
                .get(
                    "apiextensions.k8s.io/v1",
                    "CustomResourceDefinition",
                    None,
                    "widgets.example.com",
                )
                .unwrap();
            crd["status"] = json!({"conditions": [{"type": "NamesAccepted", "status": "False"}]});
            api.insert(crd);
        },
    );
    // the fake accepts every CRD at once, so the first answer is changed
    let mut fault = Fault::new(1, 201, "", creates("customresourcedefinitions"));
    fault.body = object(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "",
        "widgets.example.com",
    );
    fault.applied = true;
    scene.api.fault(fault);
    let report = scene.run().await;
    assert!(scene.created().contains(&"configmaps/default/a".to_owned()));
    assert!(
        report.results.errors.cluster[0].contains("has not accepted it"),
        "{:?}",
        report.results.errors
    );
    assert_eq!(
        report.resources.0["apiextensions.k8s.io/v1/CustomResourceDefinition"],
        ["widgets.example.com(created)"]
    );
    assert_eq!(report.resources.0["example.com/v1/Widget"], ["default/blue(failed)"]);
}
