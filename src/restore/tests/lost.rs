//! Objects that a restore leaves out or that do not do what they did: each is told, and what is nobody's work is not.

use serde_json::{Value, json};

use super::dry_run::held;
use super::scene::{Scene, claim, config, object, pod, texts, volume};
use crate::restore::report::Report;

fn warnings(report: &Report) -> String {
    texts(&report.results.warnings)
}

fn namespace(name: &str) -> (&'static str, Value) {
    ("namespaces", object("v1", "Namespace", "", name))
}

#[tokio::test(start_paused = true)]
async fn an_object_that_loses_its_place_to_one_of_its_name_is_told_with_both_sources() {
    let account = |namespace: &str, secret: &str| {
        let mut account = object("v1", "ServiceAccount", namespace, "default");
        account["secrets"] = json!([{"name": secret}]);
        ("serviceaccounts", account)
    };
    let objects = [
        namespace("a"),
        namespace("b"),
        config("a", "same"),
        config("b", "same"),
        config("a", "alone"),
        ("configmaps", with_data("a", "differs", "1")),
        ("configmaps", with_data("b", "differs", "2")),
        ("configmaps", with_data("a", "kube-root-ca.crt", "1")),
        ("configmaps", with_data("b", "kube-root-ca.crt", "2")),
        account("a", "one"),
        account("b", "two"),
    ];
    for (mapping, target) in [(json!({"a": "c", "b": "c"}), "c"), (json!({"a": "b"}), "b")] {
        let scene = Scene::of(&objects).with_spec(json!({"namespaceMapping": mapping}));
        let report = scene.run().await;
        let told = &report.results.warnings.namespaces[target];
        assert_eq!(told.len(), 2, "{told:?}");
        for what in ["configmaps/", "serviceaccounts/"] {
            let text = told.iter().find(|text| text.contains(what)).unwrap();
            assert!(text.contains("namespaces a and b"), "{text}");
        }
        assert!(told.iter().any(|text| text.contains("differs")), "{told:?}");
        assert_eq!(
            scene.api.get("v1", "ConfigMap", Some(target), "differs").unwrap()["data"],
            json!({"key": "1"})
        );
    }
    // what is not selected is not lost
    let spec = json!({"namespaceMapping": {"a": "c"}, "includedNamespaces": ["a"]});
    let report = Scene::of(&objects).with_spec(spec).run().await;
    assert_eq!(warnings(&report), "{}");
}

fn with_data(namespace: &str, name: &str, value: &str) -> Value {
    let mut config = config(namespace, name).1;
    config["data"] = json!({"key": value});
    config
}

#[tokio::test(start_paused = true)]
async fn endpoints_that_a_person_took_over_are_restored() {
    let service = |selector: Value| {
        let mut service = object("v1", "Service", "default", "web");
        service["spec"] = json!({"selector": selector});
        service
    };
    let endpoints = {
        let mut endpoints = object("v1", "Endpoints", "default", "web");
        endpoints["metadata"]["labels"] = json!({"endpoints.kubernetes.io/managed-by": "endpoint-controller"});
        endpoints["metadata"]["annotations"] = json!({"endpoints.kubernetes.io/last-change-trigger-time": "t"});
        endpoints
    };
    let slice = |by: &str| {
        let mut slice = object("discovery.k8s.io/v1", "EndpointSlice", "default", "web-1");
        slice["metadata"]["labels"] =
            json!({"endpointslice.kubernetes.io/managed-by": by, "kubernetes.io/service-name": "web"});
        slice
    };
    let controllers = "endpointslice-controller.k8s.io";
    let mirrored = "endpointslicemirroring-controller.k8s.io";
    let (bare, selecting) = (service(json!(null)), service(json!({"app": "web"})));
    // the service of the backup, that of the cluster -> whether they are the controller's
    let table = [
        (Some(bare.clone()), None, false),
        (Some(selecting.clone()), None, true),
        (None, Some(bare.clone()), false),
        (None, Some(selecting.clone()), true),
        (Some(bare), Some(selecting), true),
        (None, None, true),
    ];
    for (archived, live, owned) in table {
        let mut all = vec![
            ("endpoints", endpoints.clone()),
            ("endpointslices.discovery.k8s.io", slice(controllers)),
        ];
        all.extend(archived.clone().map(|service| ("services", service)));
        let scene = Scene::of(&all);
        if let Some(live) = live.clone() {
            scene.api.insert(live);
        }
        held(&scene).await;
        let there = [
            scene.api.get("v1", "Endpoints", Some("default"), "web"),
            scene
                .api
                .get("discovery.k8s.io/v1", "EndpointSlice", Some("default"), "web-1"),
        ];
        assert_eq!(there.map(|one| one.is_none()), [owned; 2], "{archived:?} {live:?}");
    }
    // a copy of what a person wrote is made from that again
    let scene = Scene::of(&[
        ("endpointslices.discovery.k8s.io", slice(mirrored)),
        ("services", service(json!(null))),
    ]);
    held(&scene).await;
    assert_eq!(
        scene
            .api
            .get("discovery.k8s.io/v1", "EndpointSlice", Some("default"), "web-1"),
        None
    );
}
