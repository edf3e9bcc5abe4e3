//! Jobs and their pods.

use serde_json::{Value, json};

use super::dry_run::held;
use super::scene::{Scene, object, pod, texts};

fn job(name: &str, spec: Value, status: Value) -> (&'static str, Value) {
    let mut job = object("batch/v1", "Job", "shop", name);
    job["spec"] = spec;
    job["status"] = status;
    ("jobs.batch", job)
}

fn pod_of(kind: &str, owner: &str, name: &str) -> (&'static str, Value) {
    let (resource, mut pod) = pod("shop", name, &[]);
    let version = if kind == "Job" { "batch/v1" } else { "apps/v1" };
    pod["metadata"]["ownerReferences"] =
        json!([{"apiVersion": version, "kind": kind, "name": owner, "uid": "1", "controller": true}]);
    pod["metadata"]["labels"] = json!({"run": "mine"});
    (resource, pod)
}

fn condition(kind: &str) -> Value {
    json!({"conditions": [{"type": kind, "status": "True", "reason": "Why"}]})
}

#[tokio::test(start_paused = true)]
async fn an_ended_job_and_its_pods_are_left_out_with_a_warning() {
    for (kind, phrase) in [("Complete", "has completed"), ("Failed", "has failed (Why)")] {
        let scene = Scene::of(&[
            job("over", json!({}), condition(kind)),
            pod_of("Job", "over", "over-x"),
            ("namespaces", object("v1", "Namespace", "", "shop")),
        ]);
        let (items, report) = held(&scene).await;
        assert!(
            scene.created().iter().all(|what| what.starts_with("namespaces")),
            "{:?}",
            scene.created()
        );
        assert_eq!(
            report.results.warnings.namespaces["shop"],
            [format!(
                "jobs.batch/shop/over {phrase}: it is not restored, because it would run again"
            )]
        );
        let reasons: Vec<&str> = items.iter().map(|item| item.reason.as_str()).collect();
        assert!(
            reasons.contains(&format!("its job over {phrase}").as_str()),
            "{reasons:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_belongs_to_the_job_of_its_restore_or_is_not_restored() {
    let by_hand = json!({"manualSelector": true, "selector": {"matchLabels": {"run": "mine"}}});
    let scene = Scene::of(&[
        job(
            "running",
            json!({"selector": {"matchLabels": {"controller-uid": "1"}}}),
            json!({"active": 1}),
        ),
        job("manual", by_hand, json!({"active": 1})),
        pod_of("Job", "running", "running-x"),
        pod_of("Job", "manual", "manual-x"),
        pod_of("Job", "gone", "gone-x"),
        pod_of("ReplicaSet", "web", "web-x"),
        pod_of("StatefulSet", "db", "db-0"),
        pod_of("DaemonSet", "agent", "agent-x"),
    ]);
    let (items, report) = held(&scene).await;
    let mut created = scene.created();
    created.retain(|what| !what.starts_with("namespaces"));
    // the dry run has sent a request for each of them too
    created.sort();
    created.dedup();
    assert_eq!(
        created,
        [
            "jobs/shop/manual",
            "jobs/shop/running",
            "pods/shop/agent-x",
            "pods/shop/db-0",
            "pods/shop/manual-x",
            "pods/shop/web-x"
        ]
    );
    let warnings = texts(&report.results.warnings);
    assert_eq!(report.messages.warnings, 1, "{warnings}");
    assert!(warnings.contains("pods/shop/gone-x belongs to job gone"), "{warnings}");
    let reason = |name: &str| items.iter().find(|item| item.name == name).unwrap().reason.as_str();
    assert_eq!(reason("running-x"), "its job running creates another");
}

#[tokio::test(start_paused = true)]
async fn pods_are_not_restored_without_their_job() {
    let scene = Scene::of(&[
        job("running", json!({}), json!({})),
        pod_of("Job", "running", "running-x"),
    ])
    .with_spec(json!({"includedResources": ["pods"]}));
    let (_, report) = held(&scene).await;
    assert!(
        scene.created().iter().all(|what| what.starts_with("namespaces")),
        "{:?}",
        scene.created()
    );
    assert_eq!(report.messages.warnings, 1);
}
