//! Errors and delays of the API server during a restore.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::scene::{Scene, claim, config, crd, object, pod, secret, texts, volume, widget};
use crate::testing::fake_api::Fault;
pub(super) fn creates(path: &'static str) -> impl Fn(&crate::testing::fake_api::Seen) -> bool + Send + 'static {
    move |seen| seen.method == "POST" && seen.path.ends_with(path)
}

#[tokio::test(start_paused = true)]
async fn a_429_slows_the_restore_down_and_fails_nothing() {
    let objects: Vec<_> = (0..50).map(|number| config("default", &format!("c{number}"))).collect();
    let scene = Scene::of(&objects);
    scene
        .api
        .fault(Fault::new(5, 429, "TooManyRequests", creates("configmaps")).retry_after(3));
    let start = Instant::now();
    let report = scene.run().await;
    assert_eq!((report.objects.created, report.messages.errors), (50, 0));
    assert!(start.elapsed() >= Duration::from_secs(3));
    assert!(
        scene
            .progress
            .lock()
            .unwrap()
            .iter()
            .all(|progress| progress.waiting == 0),
        "nothing leaves its wave"
    );
}

#[tokio::test(start_paused = true)]
async fn transient_errors_are_retried_and_not_reported() {
    for (code, reason, message) in [
        (503, "ServiceUnavailable", "shutting down"),
        (504, "Timeout", "took too long"),
        (409, "Conflict", "modified"),
        (
            500,
            "InternalError",
            "Internal error occurred: failed calling webhook \"w\": connection refused",
        ),
        (
            500,
            "",
            "conversion webhook for example.com/v2, Kind=W failed: Post \"https://w/\": connection refused",
        ),
        (500, "", "etcdserver: leader changed"),
        (403, "Forbidden", "exceeded quota: q"),
        (403, "Forbidden", "status unknown for quota: q, resources: secrets"),
    ] {
        let scene = Scene::of(&[config("default", "a"), secret("default", "b")]);
        scene
            .api
            .fault(Fault::new(3, code, reason, creates("secrets")).message(message));
        let report = scene.run().await;
        assert_eq!(texts(&report.results.errors), "{}", "{code}");
        assert_eq!(report.objects.created, 2, "{code}");
        assert_eq!(
            scene.created(),
            ["configmaps/default/a", "secrets/default/b"],
            "{code}: the wave went on without it"
        );
        let progress = scene.progress.lock().unwrap();
        let blocked = progress.iter().find(|progress| progress.waiting > 0).unwrap();
        assert_eq!(blocked.blocked[0].item, "secrets/default/b");
        assert!(
            blocked.blocked[0].why.contains(message),
            "{code}: {}",
            blocked.blocked[0].why
        );
        assert_eq!(progress.last().unwrap().waiting, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn an_existing_object_waits_for_no_quota_and_no_webhook() {
    for (code, reason, message) in [
        (403, "Forbidden", "exceeded quota: q"),
        (500, "InternalError", "failed calling webhook \"w\": connection refused"),
        (403, "Forbidden", "status unknown for quota: q, resources: configmaps"),
        (
            500,
            "",
            "conversion webhook for example.com/v2, Kind=W failed: Post \"https://w/\": connection refused",
        ),
    ] {
        let scene = Scene::of(&[config("default", "a")]);
        scene.api.insert(config("default", "a").1);
        scene
            .api
            .fault(Fault::new(usize::MAX, code, reason, creates("configmaps")).message(message));
        let start = Instant::now();
        let report = scene.run().await;
        assert_eq!((report.objects.skipped, report.messages.errors), (1, 0), "{code}");
        assert!(start.elapsed() < Duration::from_secs(1), "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn lasting_errors_are_reported_once_after_the_timeout() {
    let scene = Scene::of(&[config("default", "a")]);
    scene
        .api
        .fault(Fault::new(usize::MAX, 503, "ServiceUnavailable", creates("configmaps")).message("down"));
    let start = Instant::now();
    let report = scene.run().await;
    assert_eq!(
        report.results.errors.namespaces["default"],
        ["error restoring configmaps/default/a: down"]
    );
    assert_eq!(report.resources.0["v1/ConfigMap"], ["default/a(failed)"]);
    let elapsed = start.elapsed();
    assert!(
        elapsed >= Duration::from_mins(10) && elapsed < Duration::from_mins(11),
        "{elapsed:?}"
    );
    assert!(scene.writes().len() < 40, "with pauses: {}", scene.writes().len());
}

#[tokio::test(start_paused = true)]
async fn retries_are_logged_once_for_each_reason_and_at_the_end() {
    let scene = Scene::of(&[config("default", "a"), config("default", "b")]);
    let of_a = |seen: &crate::testing::fake_api::Seen| {
        seen.method == "POST" && String::from_utf8_lossy(&seen.body).contains("\"name\":\"a\"")
    };
    scene
        .api
        .fault(Fault::new(5, 503, "ServiceUnavailable", of_a).message("down at 12:00:01"));
    scene
        .api
        .fault(Fault::new(2, 403, "Forbidden", of_a).message("exceeded quota: q"));
    scene.run().await;
    let reported = scene.log_lines("Will be retried");
    assert_eq!(reported.len(), 2, "{reported:#?}");
    assert!(
        reported[0].contains("not available") && reported[1].contains("quota"),
        "{reported:#?}"
    );
    let ended = scene.log_lines("No longer waiting");
    assert!(ended.len() == 1 && ended[0].contains("after 7 tries"), "{ended:#?}");
}

#[tokio::test(start_paused = true)]
async fn the_log_counts_towards_a_known_total() {
    let objects: Vec<_> = (0..35).map(|number| config("default", &format!("c{number}"))).collect();
    let scene = Scene::of(&objects);
    scene.run().await;
    let phrase = scene.log_lines(" items out of an estimated total of ");
    assert_eq!(phrase.len(), 35);
    for (number, line) in phrase.iter().enumerate() {
        let expected = format!("Restored {} items out of an estimated total of 35 ", number + 1);
        assert!(line.contains(&expected), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_final_error_is_reported_at_once() {
    let scene = Scene::of(&[config("default", "a"), config("default", "b")]);
    scene
        .api
        .fault(Fault::new(1, 422, "Invalid", creates("configmaps")).message("ConfigMap is invalid"));
    let start = Instant::now();
    let report = scene.run().await;
    assert_eq!(report.results.errors.namespaces["default"].len(), 1);
    assert_eq!((report.objects.created, report.objects.failed), (1, 1));
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_not_a_conflict_with_the_restore_itself() {
    let scene = Scene::of(&[
        config("default", "a"),
        crd("widgets", "Widget"),
        widget("default", "blue"),
    ]);
    for path in ["configmaps", "customresourcedefinitions", "widgets"] {
        let mut fault = Fault::new(1, 504, "Timeout", creates(path));
        fault.applied = true;
        scene.api.fault(fault);
    }
    let report = scene.run().await;
    assert_eq!((report.objects.created, report.objects.skipped), (3, 0));
    assert_eq!(texts(&report.results.errors) + &texts(&report.results.warnings), "{}{}");
}

#[tokio::test(start_paused = true)]
async fn a_terminating_object_is_created_when_it_is_gone() {
    let scene = Scene::of(&[config("default", "a")]);
    let mut leaving = object("v1", "ConfigMap", "default", "a");
    leaving["metadata"]["deletionTimestamp"] = json!("2029-01-01T00:00:00Z");
    leaving["metadata"]["finalizers"] = json!(["x/y"]);
    scene.api.insert(leaving);
    let api = scene.api.clone();
    let leave = async {
        tokio::time::sleep(Duration::from_secs(20)).await;
        api.remove("v1", "ConfigMap", Some("default"), "a");
    };
    let (report, ()) = tokio::join!(scene.run(), leave);
    assert_eq!((report.objects.created, report.messages.errors), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_pod_waits_only_for_a_class_that_admission_does_not_see_yet() {
    let named = |class: &str| {
        let mut pod = pod("default", class, &[]);
        pod.1["spec"]["priorityClassName"] = json!(class);
        pod
    };
    let class = (
        "priorityclasses.scheduling.k8s.io",
        object("scheduling.k8s.io/v1", "PriorityClass", "", "high"),
    );
    let refused = |name: &'static str, times| {
        let hits = move |seen: &crate::testing::fake_api::Seen| {
            seen.method == "POST"
                && String::from_utf8_lossy(&seen.body).contains(&format!("\"name\":\"{name}\""))
                && seen.path.ends_with("pods")
        };
        Fault::new(times, 403, "Forbidden", hits).message(&format!(
            "pods \"{name}\" is forbidden: no PriorityClass with name {name} was found"
        ))
    };
    let scene = Scene::of(&[class, named("high"), named("gone")]);
    scene.api.fault(refused("high", 2));
    scene.api.fault(refused("gone", usize::MAX));
    let start = Instant::now();
    let report = scene.run().await;
    assert_eq!((report.objects.created, report.objects.failed), (2, 1));
    assert!(
        texts(&report.results.errors).contains("no PriorityClass with name gone"),
        "{}",
        texts(&report.results.errors)
    );
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn only_dependents_of_a_waiting_volume_wait_for_it() {
    let scene = Scene::of(&[
        volume("pv", "Retain", ("default", "data")),
        claim("default", "data", "pv"),
        pod("default", "web", &["data"]),
        pod("default", "other", &[]),
    ]);
    scene
        .api
        .fault(Fault::new(4, 503, "ServiceUnavailable", creates("persistentvolumes")));
    let report = scene.run().await;
    assert_eq!(
        scene.created(),
        [
            "pods/default/other",
            "persistentvolumes/pv",
            "persistentvolumeclaims/default/data",
            "pods/default/web"
        ]
    );
    assert_eq!(report.messages.errors, 0);
}

#[tokio::test(start_paused = true)]
async fn dependents_of_a_volume_that_never_comes_continue() {
    let scene = Scene::of(&[
        volume("pv", "Retain", ("default", "data")),
        claim("default", "data", "pv"),
        pod("default", "web", &["data"]),
    ]);
    scene.api.fault(Fault::new(
        usize::MAX,
        503,
        "ServiceUnavailable",
        creates("persistentvolumes"),
    ));
    let report = scene.run().await;
    assert_eq!(
        scene.created(),
        ["persistentvolumeclaims/default/data", "pods/default/web"]
    );
    assert_eq!((report.messages.errors, report.objects.failed), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_status_write_is_repeated_after_another_writer() {
    let (resource, mut blue) = widget("default", "blue");
    blue["status"] = json!({"note": "old"});
    let scene = Scene::of(&[crd("widgets", "Widget"), (resource, blue)])
        .with_spec(json!({"restoreStatus": {"includedResources": ["*"]}}));
    scene
        .api
        .fault(Fault::new(2, 409, "Conflict", |seen| seen.method == "PUT"));
    let report = scene.run().await;
    assert_eq!(
        scene
            .api
            .get("example.com/v1", "Widget", Some("default"), "blue")
            .unwrap()["status"],
        json!({"note": "old"})
    );
    assert_eq!(report.messages.warnings, 0);
    let scene = Scene::of(&[config("default", "a"), pod("default", "p", &[])])
        .with_spec(json!({"restoreStatus": {"includedResources": ["*"]}}));
    scene
        .api
        .fault(Fault::new(usize::MAX, 500, "InternalError", |seen| seen.method == "PUT").message("no"));
    let report = scene.run().await;
    assert!(report.results.warnings.namespaces["default"][0].contains("status of pods/default/p: no"));
    assert_eq!(report.resources.0["v1/Pod"], ["default/p(created)"]);
}
