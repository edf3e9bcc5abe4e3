//! Existing objects of cluster scope when a restore copies namespaces beside their sources, and objects of the API server. Each dry
//! run is compared with the run after it.

use serde_json::{Value, json};

use super::dry_run::held;
use super::scene::{Scene, object, texts};

const RBAC: &str = "rbac.authorization.k8s.io/v1";
const DIFFERENT: &str = "Warning: the in-cluster version is different than the backed-up version";

/// A namespace of the backup, without which it has no mapping.
fn namespace(name: &str) -> (&'static str, Value) {
    ("namespaces", object("v1", "Namespace", "", name))
}

/// A restore that updates and copies `shop` to `copy`.
fn copying(objects: &[(&'static str, Value)]) -> Scene {
    let mut all = objects.to_vec();
    all.push(namespace("shop"));
    Scene::of(&all).with_spec(json!({"existingResourcePolicy": "update", "namespaceMapping": {"shop": "copy"}}))
}

fn with(mut object: Value, key: &str, value: Value) -> Value {
    object[key] = value;
    object
}

#[tokio::test(start_paused = true)]
async fn a_copy_changes_nothing_of_cluster_scope() {
    let rule = |verb: &str| json!([{"apiGroups": [""], "resources": ["pods"], "verbs": [verb]}]);
    let table = [
        (
            "clusterroles.rbac.authorization.k8s.io",
            object(RBAC, "ClusterRole", "", "reader"),
            "rules",
            rule("get"),
            rule("list"),
        ),
        (
            "storageclasses.storage.k8s.io",
            object("storage.k8s.io/v1", "StorageClass", "", "fast"),
            "allowVolumeExpansion",
            json!(true),
            json!(false),
        ),
        (
            "priorityclasses.scheduling.k8s.io",
            object("scheduling.k8s.io/v1", "PriorityClass", "", "high"),
            "description",
            json!("live"),
            json!("old"),
        ),
        (
            "customresourcedefinitions.apiextensions.k8s.io",
            super::scene::crd("widgets", "Widget").1,
            "spec",
            super::scene::crd("widgets", "Widget").1["spec"].clone(),
            json!({"group": "example.com", "versions": []}),
        ),
    ];
    for (resource, base, key, live, old) in table {
        let scene = copying(&[(resource, with(base.clone(), key, old))]);
        scene.api.insert(with(base.clone(), key, live.clone()));
        let text = |key: &str| base[key].as_str().unwrap();
        let name = base["metadata"]["name"].as_str().unwrap();
        let before = scene.api.get(text("apiVersion"), text("kind"), None, name);
        let (_, report) = held(&scene).await;
        let after = scene.api.get(text("apiVersion"), text("kind"), None, name);
        assert_eq!(after, before, "{resource}");
        let listed = &report.resources.0[&format!("{}/{}", text("apiVersion"), text("kind"))];
        assert_eq!(*listed, [format!("{name}(failed)")]);
        let warnings = &report.results.warnings.cluster;
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(
            warnings[0].contains(DIFFERENT) && warnings[0].contains("maps namespaces"),
            "{warnings:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_equal_object_is_not_changed_and_not_reported() {
    let class = object("storage.k8s.io/v1", "StorageClass", "", "fast");
    let scene = copying(&[("storageclasses.storage.k8s.io", class.clone())]);
    scene.api.insert(class);
    let (_, report) = held(&scene).await;
    assert_eq!(report.resources.0["storage.k8s.io/v1/StorageClass"], ["fast(skipped)"]);
    assert_eq!(texts(&report.results.warnings), "{}");
}

fn calling(kind: &str, namespace: &str) -> (&'static str, Value) {
    let service = json!({"namespace": namespace, "name": "hook", "path": "/x"});
    match kind {
        "ValidatingWebhookConfiguration" => {
            let mut hooks = object("admissionregistration.k8s.io/v1", kind, "", "hooks");
            hooks["webhooks"] = json!([{"name": "a.b.c", "sideEffects": "None", "clientConfig": {"service": service}}]);
            ("validatingwebhookconfigurations.admissionregistration.k8s.io", hooks)
        }
        "APIService" => {
            let mut registered = object("apiregistration.k8s.io/v1", kind, "", "v1.shop.example.com");
            registered["spec"] = json!({"service": service});
            ("apiservices.apiregistration.k8s.io", registered)
        }
        _ => {
            let mut crd = super::scene::crd("widgets", "Widget").1;
            crd["spec"]["conversion"] = json!({"webhook": {"clientConfig": {"service": service}}});
            // accepted at once, as the API server does
            crd["status"] = json!({});
            ("customresourcedefinitions.apiextensions.k8s.io", crd)
        }
    }
}

#[tokio::test(start_paused = true)]
async fn created_callers_of_a_copied_service_call_the_copy() {
    for kind in ["ValidatingWebhookConfiguration", "APIService"] {
        let scene = copying(&[calling(kind, "shop")]);
        let (_, report) = held(&scene).await;
        let wanted = calling(kind, "copy").1;
        let text = |key: &str| wanted[key].as_str().unwrap();
        let name = wanted["metadata"]["name"].as_str().unwrap();
        let live = scene.api.get(text("apiVersion"), text("kind"), None, name).unwrap();
        for key in ["webhooks", "spec"] {
            assert_eq!(live.get(key), wanted.get(key), "{kind}");
        }
        let warnings = report.results.warnings.cluster.join("\n");
        assert!(
            warnings.contains("namespace copy") && warnings.contains("certificate"),
            "{warnings}"
        );

        // the next restore finds the object of this one
        let report = scene.run().await;
        assert_eq!(texts(&report.results.warnings), "{}");

        // an existing one belongs to the source, and is equal to the backup's
        let scene = copying(&[calling(kind, "shop")]);
        scene.api.insert(calling(kind, "shop").1);
        let before = scene.api.everything();
        let (_, report) = held(&scene).await;
        assert_eq!(texts(&report.results.warnings), "{}");
        let same = |everything: &[Value]| {
            everything
                .iter()
                .filter(|one| one["kind"] == kind)
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(same(&scene.api.everything()), same(&before));

        // without a mapping no service is mapped
        let scene = Scene::of(&[calling(kind, "shop"), namespace("shop")]);
        held(&scene).await;
        let live = scene.api.get(text("apiVersion"), text("kind"), None, name).unwrap();
        assert_eq!(live.get("spec"), calling(kind, "shop").1.get("spec"));
        assert_eq!(live.get("webhooks"), calling(kind, "shop").1.get("webhooks"));
    }
}

fn default_one(kind: &str, name: &str) -> Value {
    let mut one = object(RBAC, kind, "", name);
    one["metadata"]["labels"] = json!({"kubernetes.io/bootstrapping": "rbac-defaults"});
    one["metadata"]["annotations"] = json!({"rbac.authorization.kubernetes.io/autoupdate": "true"});
    one
}

#[tokio::test(start_paused = true)]
async fn user_additions_to_default_rights_are_warned_or_added() {
    let group = |name: &str| json!({"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": name});
    let rule = |resource: &str| json!({"apiGroups": [""], "resources": [resource], "verbs": ["get"]});
    let table = [
        (
            "clusterrolebindings.rbac.authorization.k8s.io",
            default_one("ClusterRoleBinding", "cluster-admin"),
            "subjects",
            [group("system:masters"), group("mine"), group("new")],
            "Group mine",
        ),
        (
            "clusterroles.rbac.authorization.k8s.io",
            default_one("ClusterRole", "system:discovery"),
            "rules",
            [rule("a"), rule("b"), rule("c")],
            "\"b\"",
        ),
    ];
    for (resource, base, list, [default, mine, new], named) in table {
        for policy in ["", "none", "update"] {
            let spec = json!({"existingResourcePolicy": policy});
            let archived = with(base.clone(), list, json!([default, mine]));
            let scene = Scene::of(&[(resource, archived.clone())]).with_spec(spec.clone());
            scene.api.insert(with(base.clone(), list, json!([default, new])));
            let (_, report) = held(&scene).await;
            let kind = base["kind"].as_str().unwrap();
            let name = base["metadata"]["name"].as_str().unwrap();
            let live = scene.api.get(RBAC, kind, None, name).unwrap();
            let warnings = report.results.warnings.cluster.join("\n");
            if policy == "update" {
                assert_eq!(live[list], json!([default, new, mine]));
                assert_eq!(warnings, "");
                assert_eq!(
                    report.resources.0[&format!("{RBAC}/{kind}")],
                    [format!("{name}(updated)")]
                );
            } else {
                assert_eq!(live[list], json!([default, new]));
                assert_eq!(report.results.warnings.cluster.len(), 1, "{warnings}");
                assert!(warnings.contains(named), "{warnings}");
            }

            // the cluster has all of the backup's: no change
            let scene = Scene::of(&[(resource, archived)]).with_spec(spec);
            let more = with(base.clone(), list, json!([new, mine, default]));
            scene.api.insert(more.clone());
            let (_, report) = held(&scene).await;
            assert_eq!(texts(&report.results.warnings), "{}");
            assert_eq!(scene.api.get(RBAC, kind, None, name).unwrap()[list], more[list]);
        }
    }
}
