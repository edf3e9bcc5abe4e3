//! Objects that are in the cluster already.

use std::time::Duration;

use serde_json::{Value, json};

use super::scene::{Scene, config, object, texts};
use crate::testing::fake_api::Fault;

fn live(data: &Value) -> Value {
    let mut object = object("v1", "ConfigMap", "default", "settings");
    object["data"] = data.clone();
    object
}

fn scene(policy: &str) -> Scene {
    Scene::of(&[config("default", "settings")]).with_spec(json!({"existingResourcePolicy": policy}))
}

#[tokio::test(start_paused = true)]
async fn an_equal_object_is_skipped() {
    let scene = scene("");
    scene.api.insert(live(&json!({"key": "settings"})));
    let report = scene.run().await;
    assert_eq!(report.resources.0["v1/ConfigMap"], ["default/settings(skipped)"]);
    assert_eq!(texts(&report.results.warnings), "{}");
}

#[tokio::test(start_paused = true)]
async fn a_different_object_is_a_warning_and_not_changed() {
    for policy in ["", "none"] {
        let scene = scene(policy);
        scene.api.insert(live(&json!({"key": "other"})));
        let report = scene.run().await;
        assert_eq!(report.resources.0["v1/ConfigMap"], ["default/settings(failed)"]);
        assert_eq!(
            report.results.warnings.namespaces["default"],
            [
                "could not restore, ConfigMap:settings already exists. Warning: the in-cluster version is different than the backed-up version"
            ]
        );
        assert_eq!(
            scene.api.get("v1", "ConfigMap", Some("default"), "settings").unwrap()["data"],
            json!({"key": "other"})
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_different_object_is_made_equal_on_request() {
    let scene = scene("update");
    scene.api.insert(live(&json!({"key": "other", "more": "x"})));
    let report = scene.run().await;
    let live = scene.api.get("v1", "ConfigMap", Some("default"), "settings").unwrap();
    assert_eq!(live["data"], json!({"key": "settings"}));
    assert_eq!(live["metadata"]["labels"]["velero.io/restore-name"], "r");
    assert_eq!(report.resources.0["v1/ConfigMap"], ["default/settings(updated)"]);
}

#[tokio::test(start_paused = true)]
async fn an_equal_object_is_relabelled_by_a_restore_that_updates() {
    let scene = scene("update");
    scene.api.insert(live(&json!({"key": "settings"})));
    let report = scene.run().await;
    let live = scene.api.get("v1", "ConfigMap", Some("default"), "settings").unwrap();
    assert_eq!(
        live["metadata"]["labels"],
        json!({"velero.io/backup-name": "b", "velero.io/restore-name": "r"})
    );
    assert_eq!(report.resources.0["v1/ConfigMap"], ["default/settings(skipped)"]);
}

#[tokio::test(start_paused = true)]
async fn an_update_that_is_refused_is_a_warning_and_still_labels() {
    let scene = scene("update");
    scene.api.insert(live(&json!({"key": "other"})));
    scene
        .api
        .fault(Fault::new(1, 422, "Invalid", |seen| seen.method == "PATCH").message("immutable"));
    let report = scene.run().await;
    assert!(report.results.warnings.namespaces["default"][0].contains("immutable"));
    let live = scene.api.get("v1", "ConfigMap", Some("default"), "settings").unwrap();
    assert_eq!(live["metadata"]["labels"]["velero.io/restore-name"], "r");
    assert_eq!(live["data"], json!({"key": "other"}));
    assert_eq!(report.resources.0["v1/ConfigMap"], ["default/settings(failed)"]);
}

#[tokio::test(start_paused = true)]
async fn a_service_account_is_completed_with_any_policy() {
    let mut backup = object("v1", "ServiceAccount", "default", "default");
    backup["imagePullSecrets"] = json!([{"name": "registry"}]);
    backup["secrets"] = json!([{"name": "default-token-bcdfg"}, {"name": "mine"}]);
    let scene = Scene::of(&[("serviceaccounts", backup)]);
    let mut live = object("v1", "ServiceAccount", "default", "default");
    live["secrets"] = json!([{"name": "new"}]);
    scene.api.insert(live);
    let report = scene.run().await;
    let live = scene
        .api
        .get("v1", "ServiceAccount", Some("default"), "default")
        .unwrap();
    assert_eq!(live["secrets"], json!([{"name": "new"}, {"name": "mine"}]));
    assert_eq!(live["imagePullSecrets"], json!([{"name": "registry"}]));
    assert_eq!(live["metadata"]["labels"], Value::Null);
    assert_eq!(report.resources.0["v1/ServiceAccount"], ["default/default(updated)"]);
}

#[tokio::test(start_paused = true)]
async fn a_port_taken_by_the_service_itself_means_that_it_exists() {
    let mut service = object("v1", "Service", "default", "web");
    service["spec"] = json!({"ports": [{"port": 80}]});
    let taken = || {
        let mut fault = Fault::new(1, 422, "Invalid", |seen| seen.method == "POST" && seen.path.ends_with("services"))
            .message("Service \"web\" is invalid: spec.ports[0].nodePort: Invalid value: 30081: provided port is already allocated");
        fault.body["details"] = json!({"name": "web", "kind": "Service", "causes": [
            {"reason": "FieldValueInvalid", "message": "Invalid value: 30081: provided port is already allocated", "field": "spec.ports[0].nodePort"},
        ]});
        fault
    };
    let scene = Scene::of(&[("services", service.clone())]);
    scene.api.fault(taken());
    let report = scene.run().await;
    assert_eq!(
        report.results.errors.namespaces["default"],
        [
            "error restoring services/default/web: Service \"web\" is invalid: spec.ports[0].nodePort: Invalid value: 30081: provided port is already allocated"
        ]
    );
    assert_eq!(report.resources.0["v1/Service"], ["default/web(failed)"]);

    let scene = Scene::of(&[("services", service.clone())]);
    scene.api.insert(service);
    scene.api.fault(taken());
    let report = scene.run().await;
    assert_eq!(texts(&report.results.errors), "{}");
    assert_eq!(report.resources.0["v1/Service"], ["default/web(skipped)"]);
}

#[tokio::test(start_paused = true)]
async fn after_an_existing_object_the_next_ones_are_read_first() {
    let names: Vec<String> = (0..400).map(|at| format!("settings-{at:03}")).collect();
    let archived: Vec<_> = names.iter().map(|name| config("default", name)).collect();
    let scene = Scene::of(&archived).delayed(|_, _| Duration::from_millis(5));
    let (there, missing) = names.split_at(300);
    for name in there {
        scene.api.insert(config("default", name).1);
    }
    let report = scene.run().await;
    assert_eq!(report.objects.skipped, 300);
    assert_eq!(report.objects.created, 100);
    assert_eq!(scene.created().len(), missing.len());
    let refused = scene
        .sent_requests
        .lock()
        .unwrap()
        .iter()
        .filter(|sent| sent.code == 409)
        .count();
    assert!(
        (1..=150).contains(&refused),
        "only those under way at the first answer: {refused}"
    );
}
