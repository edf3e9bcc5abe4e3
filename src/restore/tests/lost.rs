//! Objects that a restore leaves out or that behave differently: each is a warning, but only if something is lost.

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
async fn a_displaced_object_is_a_warning_with_both_sources() {
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
        let warned = &report.results.warnings.namespaces[target];
        assert_eq!(warned.len(), 2, "{warned:?}");
        for what in ["configmaps/", "serviceaccounts/"] {
            let text = warned.iter().find(|text| text.contains(what)).unwrap();
            assert!(text.contains("namespaces a and b"), "{text}");
        }
        assert!(warned.iter().any(|text| text.contains("differs")), "{warned:?}");
        assert_eq!(
            scene.api.get("v1", "ConfigMap", Some(target), "differs").unwrap()["data"],
            json!({"key": "1"})
        );
    }
    // an object that is not selected is not lost
    let spec = json!({"namespaceMapping": {"a": "c"}, "includedNamespaces": ["a"]});
    let report = Scene::of(&objects).with_spec(spec).run().await;
    assert_eq!(warnings(&report), "{}");
}

fn with_data(namespace: &str, name: &str, value: &str) -> Value {
    let mut config = config(namespace, name).1;
    config["data"] = json!({"key": value});
    config
}

fn merged(mut object: Value, more: &Value) -> Value {
    json_patch::merge(&mut object, more);
    object
}

fn kept(phase: &str) -> Value {
    let mut volume = volume("pv", "Retain", ("shop", "data")).1;
    volume["spec"]["hostPath"] = json!({"path": "/a"});
    volume["status"] = json!({"phase": phase});
    volume
}

#[tokio::test(start_paused = true)]
async fn a_volume_is_reused_only_by_an_unbound_claim_of_this_restore() {
    let labelled = |mut object: (&'static str, Value)| {
        object.1["metadata"]["labels"] = json!({"app": "x"});
        object
    };
    let selector = json!({"labelSelector": {"matchLabels": {"app": "x"}}});
    let volume = || labelled(("persistentvolumes", kept("Bound")));
    let (bare, user) = (claim("shop", "data", "pv"), pod("shop", "web", &["data"]));
    let other = |volume: &str| {
        let mut other = claim("shop", "data", volume).1;
        other["metadata"]["uid"] = json!("new");
        other
    };
    let table = [
        ("all of it", vec![volume(), bare.clone()], json!({}), None, true),
        (
            "no claims",
            vec![volume(), bare.clone()],
            json!({"includedResources": ["persistentvolumes"]}),
            None,
            false,
        ),
        (
            "another namespace",
            vec![volume(), bare.clone()],
            json!({"excludedNamespaces": ["shop"], "includeClusterResources": true}),
            None,
            false,
        ),
        (
            "a claim that no label selects",
            vec![volume(), bare.clone()],
            selector.clone(),
            None,
            false,
        ),
        (
            "and that a pod brings",
            vec![volume(), bare.clone(), labelled(user.clone())],
            selector.clone(),
            None,
            true,
        ),
        (
            "and that a pod would bring",
            vec![volume(), bare.clone(), user],
            selector,
            None,
            false,
        ),
        (
            "a claim with another volume",
            vec![volume(), bare.clone()],
            json!({}),
            Some(other("else")),
            false,
        ),
        (
            "a claim that waits",
            vec![volume(), bare.clone()],
            json!({}),
            Some(other("")),
            true,
        ),
    ];
    for (name, archived, spec, live, goes_back) in table {
        let scene = Scene::of(&archived).with_spec(spec);
        let released = json!({"status": {"phase": "Released"}});
        scene.api.insert(merged(volume().1, &released));
        if let Some(live) = live {
            scene.api.insert(object("v1", "Namespace", "", "shop"));
            scene.api.insert(live);
        }
        let (_, report) = held(&scene).await;
        let claim = scene.api.get("v1", "PersistentVolume", None, "pv").unwrap()["spec"]["claimRef"].clone();
        assert_eq!(claim.get("uid").is_none(), goes_back, "{name}: {}", warnings(&report));
        let warned = report.results.warnings.cluster.join("\n");
        assert_eq!(warned.contains("PersistentVolume:pv"), !goes_back, "{name}: {warned}");
        assert!(!warned.contains("stays Pending"), "{name}: {warned}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_volume_retained_since_its_backup_is_the_same_volume() {
    for policy in ["", "update"] {
        for (phase, now, path, goes_back) in [
            ("Released", "Retain", "/a", true),
            ("Released", "Delete", "/a", false),
            ("Released", "Retain", "/b", false),
        ] {
            let mut archived = kept("Bound");
            archived["spec"]["persistentVolumeReclaimPolicy"] = json!("Delete");
            archived["spec"]["hostPath"]["path"] = json!(path);
            let scene = Scene::of(&[("persistentvolumes", archived), claim("shop", "data", "pv")])
                .with_spec(json!({"existingResourcePolicy": policy}));
            let mut live = kept(phase);
            live["spec"]["persistentVolumeReclaimPolicy"] = json!(now);
            scene.api.insert(live);
            let (_, report) = held(&scene).await;
            let volume = scene.api.get("v1", "PersistentVolume", None, "pv").unwrap();
            assert_eq!(
                volume["spec"]["claimRef"].get("uid").is_none(),
                goes_back,
                "{phase} {now} {path}"
            );
            assert_eq!(volume["spec"]["persistentVolumeReclaimPolicy"], json!(now));
            let claim = scene
                .api
                .get("v1", "PersistentVolumeClaim", Some("shop"), "data")
                .unwrap();
            assert_eq!(claim["spec"].get("volumeName").is_some(), goes_back);
            if goes_back {
                assert_eq!(report.resources.0["v1/PersistentVolume"], ["pv(updated)"]);
                assert_eq!(warnings(&report), "{}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_the_cluster_creates_for_a_pod_is_a_warning() {
    let owned = |owner: Value| {
        let mut claim = claim("default", "web-scratch", "").1;
        claim["metadata"]["ownerReferences"] = json!([owner]);
        claim
    };
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "name": "web", "uid": "1", "controller": true});
    let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web", "uid": "1"});
    for (owner, left) in [(pod, true), (set, false)] {
        let scene = Scene::of(&[("persistentvolumeclaims", owned(owner))]);
        let (_, report) = held(&scene).await;
        let live = scene
            .api
            .get("v1", "PersistentVolumeClaim", Some("default"), "web-scratch");
        assert_eq!(live.is_none(), left);
        let warned = warnings(&report);
        assert_eq!(warned.contains("pod web"), left, "{warned}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_without_its_prerequisite_is_a_warning() {
    let token = || {
        let mut secret = object("v1", "Secret", "default", "mine");
        secret["type"] = json!("kubernetes.io/service-account-token");
        secret["metadata"]["annotations"] = json!({"kubernetes.io/service-account.name": "robot"});
        ("secrets", secret)
    };
    let unbound = || {
        let mut claim = claim("default", "data", "pv").1;
        claim["status"] = json!({"phase": "Pending"});
        ("persistentvolumeclaims", claim)
    };
    let disk = || volume("pv", "Retain", ("default", "data"));
    let account = || ("serviceaccounts", object("v1", "ServiceAccount", "default", "robot"));
    let only = |what: &str| json!({"includedResources": [what]});
    let table = [
        (vec![token()], json!({}), None, Some("service account robot")),
        (vec![token(), account()], json!({}), None, None),
        (
            vec![token(), account()],
            only("secrets"),
            None,
            Some("service account robot"),
        ),
        (vec![token(), account()], only("secrets"), Some(account().1), None),
        (vec![unbound()], json!({}), None, Some("persistent volume pv")),
        (vec![unbound(), disk()], json!({}), None, None),
        (
            vec![unbound(), disk()],
            only("persistentvolumeclaims"),
            None,
            Some("persistent volume pv"),
        ),
        (
            vec![unbound(), disk()],
            only("persistentvolumeclaims"),
            Some(disk().1),
            None,
        ),
    ];
    for (archived, spec, live, phrase) in table {
        let scene = Scene::of(&archived).with_spec(spec.clone());
        scene.api.insert(object("v1", "Namespace", "", "default"));
        if let Some(live) = live {
            scene.api.insert(live);
        }
        let (_, report) = held(&scene).await;
        let warned = warnings(&report);
        assert_eq!(phrase.is_none(), warned == "{}", "{spec} {warned}");
        assert!(warned.contains(phrase.unwrap_or_default()), "{spec} {warned}");
    }
}

#[tokio::test(start_paused = true)]
async fn endpoints_that_a_user_maintains_are_restored() {
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
    // the service of the backup, that of the cluster -> whether the controller writes the endpoints
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
    // the controller mirrors the endpoints of a user again
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
