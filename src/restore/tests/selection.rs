//! Which items are restored, under which names, and the messages about the others.

use serde_json::{Value, json};

use super::scene::{Kept, Scene, claim, config, crd, object, pod, secret, texts, volume, widget};
use crate::restore::engine::Fatal;
use crate::restore::ledger::Ledger;
use crate::restore::object::managed_fields::ManagedFields;
use crate::restore::testing::spool;
use crate::testing::fake_api::{Fault, Seen};

fn list(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn an_application_is_restored_in_order_with_labels() {
    let mut namespace = object("v1", "Namespace", "", "shop");
    namespace["metadata"]["labels"] = json!({"team": "web"});
    let scene = Scene::of(&[
        config("shop", "settings"),
        secret("shop", "token"),
        pod("shop", "web", &[]),
        crd("widgets", "Widget"),
        widget("shop", "blue"),
        ("namespaces", namespace),
    ]);
    let report = scene.run().await;
    assert_eq!(
        scene.created(),
        [
            "customresourcedefinitions/widgets.example.com",
            "namespaces/shop",
            "secrets/shop/token",
            "configmaps/shop/settings",
            "pods/shop/web",
            "widgets/shop/blue",
        ]
    );
    let live = scene.api.get("v1", "ConfigMap", Some("shop"), "settings").unwrap();
    assert_eq!(
        live["metadata"]["labels"],
        json!({"velero.io/backup-name": "b", "velero.io/restore-name": "r"})
    );
    assert_ne!(live["metadata"]["uid"], "old");
    assert_eq!(live["data"], json!({"key": "settings"}));
    let namespace = scene.api.get("v1", "Namespace", None, "shop").unwrap();
    assert_eq!(namespace["metadata"]["labels"], json!({"team": "web"}), "none of ours");
    assert_eq!(texts(&report.results.errors) + &texts(&report.results.warnings), "{}{}");
    assert_eq!(
        serde_json::to_value(&report.resources).unwrap(),
        json!({
            "apiextensions.k8s.io/v1/CustomResourceDefinition": ["widgets.example.com(created)"],
            "example.com/v1/Widget": ["shop/blue(created)"],
            "v1/ConfigMap": ["shop/settings(created)"],
            "v1/Namespace": ["shop(created)"],
            "v1/Pod": ["shop/web(created)"],
            "v1/Secret": ["shop/token(created)"],
        })
    );
}

#[tokio::test(start_paused = true)]
async fn a_second_restore_writes_nothing_and_has_no_warnings() {
    let mut service = object("v1", "Service", "shop", "web");
    service["spec"] = json!({"type": "NodePort", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ports": [{"port": 1, "nodePort": 31000}]});
    let mut deployment = object("apps/v1", "Deployment", "shop", "web");
    deployment["spec"] = json!({"template": {"metadata": {"creationTimestamp": null}}});
    let mut scene = Scene::of(&[
        config("shop", "settings"),
        pod("shop", "web", &["data"]),
        volume("pv-1", "Retain", ("shop", "data")),
        claim("shop", "data", "pv-1"),
        ("services", service),
        ("deployments.apps", deployment),
    ]);
    let first = scene.run().await;
    assert_eq!(first.objects.created, 7);
    // the fields that a cluster adds
    let mut live = scene.api.get("v1", "Service", Some("shop"), "web").unwrap();
    live["spec"]["clusterIP"] = json!("10.0.0.7");
    live["spec"]["clusterIPs"] = json!(["10.0.0.7"]);
    live["spec"]["ports"][0]["nodePort"] = json!(32000);
    scene.api.insert(live);
    let mut live = scene.api.get("v1", "Pod", Some("shop"), "web").unwrap();
    live["spec"]["nodeName"] = json!("node-1");
    live["status"] = json!({"phase": "Running"});
    scene.api.insert(live);
    let mut live = scene
        .api
        .get("v1", "PersistentVolumeClaim", Some("shop"), "data")
        .unwrap();
    live["metadata"]["annotations"] = json!({"pv.kubernetes.io/bind-completed": "yes"});
    scene.api.insert(live);
    scene.forget();
    scene.name = "second".to_owned();
    let second = scene.run().await;
    let writes: Vec<String> = scene
        .writes()
        .into_iter()
        .filter(|what| !what.starts_with("POST"))
        .collect();
    assert_eq!(writes, Vec::<String>::new());
    assert_eq!(scene.created(), Vec::<String>::new());
    assert_eq!(texts(&second.results.errors) + &texts(&second.results.warnings), "{}{}");
    assert_eq!((second.objects.skipped, second.objects.created), (6, 0));
}

#[tokio::test(start_paused = true)]
async fn a_mapped_namespace_gets_the_objects_and_the_messages() {
    let mut binding = object("rbac.authorization.k8s.io/v1", "RoleBinding", "shop", "web");
    binding["subjects"] = json!([{"kind": "ServiceAccount", "name": "web", "namespace": "shop"}]);
    let scene = Scene::of(&[
        config("shop", "settings"),
        ("rolebindings.rbac.authorization.k8s.io", binding),
        ("gadgets.example.com", object("example.com/v1", "Gadget", "shop", "odd")),
    ])
    .with_spec(json!({"namespaceMapping": {"shop": "copy"}}));
    let report = scene.run().await;
    assert!(scene.api.get("v1", "ConfigMap", Some("copy"), "settings").is_some());
    let binding = scene
        .api
        .get("rbac.authorization.k8s.io/v1", "RoleBinding", Some("copy"), "web")
        .unwrap();
    assert_eq!(binding["subjects"][0]["namespace"], "copy");
    assert_eq!(report.results.errors.namespaces.keys().collect::<Vec<_>>(), ["copy"]);
    assert_eq!(report.resources.0["v1/Namespace"], ["copy(created)"]);
}

#[tokio::test(start_paused = true)]
async fn completed_pods_are_left_out_everywhere() {
    let (_, mut done) = pod("shop", "done", &[]);
    done["status"]["phase"] = json!("Succeeded");
    let mut job = object("batch/v1", "Job", "shop", "once");
    job["status"] = json!({"completionTime": "2026-01-01T00:00:00Z"});
    let (_, mut mirror) = pod("shop", "mirror", &[]);
    mirror["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "x"});
    let scene = Scene::of(&[
        ("pods", done),
        ("jobs.batch", job),
        ("pods", mirror),
        pod("shop", "web", &[]),
    ]);
    let report = scene.run().await;
    assert_eq!(scene.created(), ["namespaces/shop", "pods/shop/web"]);
    assert_eq!(
        report.resources.0["v1/Pod"],
        ["shop/mirror(skipped)", "shop/web(created)"]
    );
    assert!(!report.resources.0.contains_key("batch/v1/Job"));
    assert_eq!((report.progress.restored, report.progress.total), (3, 3));
    let progress = scene.progress.lock().unwrap();
    assert!(progress.is_sorted_by_key(|progress| progress.restored), "{progress:?}");
    assert_eq!(progress.first().unwrap().total, 4);
    assert_eq!(progress.last().unwrap(), &report.progress);
}

#[tokio::test(start_paused = true)]
async fn bad_items_are_errors_of_their_namespace_only() {
    let named = |namespace: &str, name: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}}).to_string()
    };
    let (good, stray, renamed) = (
        named("shop", "good"),
        named("kube-system", "stray"),
        named("shop", "other"),
    );
    let smuggled = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "smuggled", "namespace": "shop"}})
        .to_string();
    let odd_name = named("shop", "system:odd%2F..name");
    let scene = Scene::over(spool(&[
        ("configmaps", Some("shop"), "aaa-broken", "{\"apiVersion\": "),
        ("configmaps", Some("shop"), "empty", ""),
        ("configmaps", Some("shop"), "good", &good),
        ("configmaps", Some("shop"), "list", "[]"),
        ("configmaps", Some("shop"), "null", "null"),
        ("configmaps", Some("shop"), "renamed", &renamed),
        ("configmaps", Some("shop"), "smuggled", &smuggled),
        ("configmaps", Some("shop"), "stray", &stray),
        ("configmaps", Some("shop"), "system:odd%2F..name", &odd_name),
    ]))
    .with_spec(json!({"namespaceMapping": {"shop": "copy"}}));
    let report = scene.run().await;
    let mut created = scene.created();
    created.sort();
    assert_eq!(
        created,
        [
            "configmaps/copy/good",
            "configmaps/copy/system:odd%2F..name",
            "namespaces/copy"
        ]
    );
    let errors = &report.results.errors.namespaces["copy"];
    assert_eq!(errors.len(), 7, "{errors:#?}");
    for name in ["aaa-broken", "empty", "list", "null", "renamed", "smuggled", "stray"] {
        assert_eq!(
            errors
                .iter()
                .filter(|error| error.contains(&format!("shop/{name}:")))
                .count(),
            1,
            "{name}"
        );
    }
    assert_eq!(report.objects.failed, 7);
    assert_eq!(
        report.resources.0["v1/ConfigMap"],
        ["copy/good(created)", "copy/system:odd%2F..name(created)"]
    );
}

#[tokio::test(start_paused = true)]
async fn names_that_are_paths_reach_no_other_object() {
    let odd = "system:a/../b";
    let object =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": odd, "namespace": "shop"}}).to_string();
    // an archive cannot hold such a name, which is not a file name either; a plugin could still ask for it
    let scene = Scene::over(spool(&[("configmaps", Some("shop"), "..%2Fb", &object)]));
    let report = scene.run().await;
    assert_eq!(report.messages.errors, 1);
    assert_eq!(scene.created(), ["namespaces/shop"]);
}

#[tokio::test(start_paused = true)]
async fn selectors_take_matching_items_and_their_additional_items() {
    let (_, mut web) = pod("shop", "web", &["data"]);
    web["metadata"]["labels"] = json!({"app": "web"});
    let scene = Scene::of(&[
        ("pods", web),
        pod("shop", "db", &["other"]),
        claim("shop", "data", ""),
        claim("shop", "other", ""),
    ])
    .with_spec(json!({"labelSelector": {"matchLabels": {"app": "web"}}}));
    let report = scene.run().await;
    assert_eq!(
        scene.created(),
        ["namespaces/shop", "persistentvolumeclaims/shop/data", "pods/shop/web"]
    );
    assert_eq!((report.progress.restored, report.progress.total), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn an_item_that_is_needed_and_not_in_the_backup_is_a_warning() {
    let scene = Scene::of(&[pod("shop", "web", &["data"])]).with_spec(json!({"namespaceMapping": {"shop": "copy"}}));
    let report = scene.run().await;
    let warning = &report.results.warnings.namespaces["shop"][0];
    assert!(
        warning.contains("pods/copy/web needs persistentvolumeclaims/shop/data"),
        "{warning}"
    );
    assert!(scene.created().contains(&"pods/copy/web".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn an_item_that_is_needed_obeys_the_filters() {
    let scene = Scene::of(&[pod("shop", "web", &["data"]), claim("shop", "data", "pv")])
        .with_spec(json!({"excludedResources": ["pvc"]}));
    let report = scene.run().await;
    assert_eq!(scene.created(), ["namespaces/shop", "pods/shop/web"]);
    assert_eq!(report.messages.warnings, 0);
}

#[tokio::test(start_paused = true)]
async fn a_name_of_a_type_of_a_restored_crd_is_resolved() {
    let scene = Scene::of(&[
        crd("widgets", "Widget"),
        widget("shop", "blue"),
        config("shop", "settings"),
    ])
    .with_spec(json!({"includedResources": ["widget", "crd"]}));
    scene.run().await;
    assert_eq!(
        scene.created(),
        [
            "customresourcedefinitions/widgets.example.com",
            "namespaces/shop",
            "widgets/shop/blue"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn namespaces_restored_into_one_have_one_winner() {
    let (_, mut one) = config("a", "same");
    one["data"] = json!({"from": "a"});
    let (_, mut two) = config("b", "same");
    two["data"] = json!({"from": "b"});
    let mut from_a = object("v1", "Namespace", "", "a");
    from_a["metadata"]["labels"] = json!({"from": "a"});
    let scene = Scene::of(&[
        ("configmaps", two),
        ("configmaps", one),
        ("namespaces", from_a),
        config("b", "other"),
    ])
    .with_spec(json!({"namespaceMapping": {"a": "x", "b": "x"}}));
    let report = scene.run().await;
    assert_eq!(
        scene.api.get("v1", "ConfigMap", Some("x"), "same").unwrap()["data"],
        json!({"from": "a"})
    );
    assert!(scene.api.get("v1", "ConfigMap", Some("x"), "other").is_some());
    assert_eq!(
        scene.api.get("v1", "Namespace", None, "x").unwrap()["metadata"]["labels"],
        json!({"from": "a"})
    );
    assert_eq!(
        report.resources.0["v1/ConfigMap"],
        ["x/other(created)", "x/same(created)"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_target_namespace_is_that_of_the_first_restored_source() {
    let labelled = |name: &str| {
        let mut namespace = object("v1", "Namespace", "", name);
        namespace["metadata"]["labels"] = json!({"from": name});
        ("namespaces", namespace)
    };
    let scene = Scene::of(&[labelled("a"), labelled("b"), labelled("c"), config("a", "one"), config("c", "two")])
        .with_spec(json!({
            "namespaceMapping": {"a": "x", "b": "x", "c": "x"}, "excludedNamespaces": ["a"], "includedResources": ["configmaps"],
        }));
    scene.run().await;
    let labels = scene.api.get("v1", "Namespace", None, "x").unwrap()["metadata"]["labels"].clone();
    assert_eq!(labels, json!({"from": "b"}));
}

#[tokio::test(start_paused = true)]
async fn a_status_is_restored_on_request_if_possible() {
    let with_status = |mut item: (&'static str, Value)| {
        item.1["status"] = json!({"phase": "Old", "note": item.1["metadata"]["name"]});
        item
    };
    let (resource, mut asked) = with_status(widget("shop", "asked"));
    asked["metadata"]["annotations"] = json!({"velero.io/restore-status": "true"});
    let (_, mut refused) = with_status(pod("shop", "refused", &[]));
    refused["metadata"]["annotations"] = json!({"velero.io/restore-status": "False"});
    let scene = Scene::of(&[
        crd("widgets", "Widget"),
        (resource, asked),
        with_status(widget("shop", "silent")),
        ("pods", refused),
        with_status(pod("shop", "listed", &[])),
        with_status(config("shop", "without-subresource")),
    ])
    .with_spec(json!({"restoreStatus": {"includedResources": ["po", "configmaps"]}}));
    // a transient error is no reason to leave a status out
    let of_status = |seen: &Seen| seen.path.ends_with("/status");
    scene.api.fault(Fault::new(2, 503, "ServiceUnavailable", of_status));
    let report = scene.run().await;
    let status = |version: &str, kind: &str, name: &str| {
        scene.api.get(version, kind, Some("shop"), name).unwrap()["status"].clone()
    };
    assert_eq!(status("example.com/v1", "Widget", "asked")["note"], "asked");
    assert_eq!(status("example.com/v1", "Widget", "silent"), Value::Null);
    assert_eq!(status("v1", "Pod", "refused"), Value::Null);
    assert_eq!(status("v1", "Pod", "listed")["note"], "listed");
    assert_eq!(texts(&report.results.warnings), "{}");
}

#[tokio::test(start_paused = true)]
async fn managed_fields_are_restored_for_applied_objects() {
    let with_fields = |name: &str, operation: &str| {
        let (resource, mut object) = config("shop", name);
        object["metadata"]["managedFields"] = json!([{"manager": "m", "operation": operation}]);
        (resource, object)
    };
    let mut scene = Scene::of(&[with_fields("applied", "Apply"), with_fields("updated", "Update")]);
    scene.run().await;
    let patches: Vec<String> = scene
        .writes()
        .into_iter()
        .filter(|what| what.starts_with("PATCH"))
        .collect();
    assert_eq!(patches, ["PATCH /api/v1/namespaces/shop/configmaps/applied"]);
    let live = scene.api.get("v1", "ConfigMap", Some("shop"), "applied").unwrap();
    assert_eq!(list(&live["metadata"]["managedFields"][0]["operation"]).len(), 0);
    assert_eq!(live["metadata"]["managedFields"][0]["manager"], "m");
    scene.api = crate::testing::fake_api::FakeApi::new();
    scene.options.managed_fields = ManagedFields::All;
    scene.forget();
    scene.run().await;
    assert_eq!(
        scene.writes().iter().filter(|what| what.starts_with("PATCH")).count(),
        2
    );
}

#[tokio::test(start_paused = true)]
async fn unsupported_features_of_a_spec_are_refused_at_the_start() {
    let scene = Scene::of(&[config("shop", "settings")])
        .with_spec(json!({"hooks": {"resources": [{"name": "h", "postHooks": []}]}}));
    let cancel = tokio_util::sync::CancellationToken::new();
    let ended = scene
        .attempt(Ledger::new(&scene.archive), &Kept::default(), &cancel)
        .await;
    assert!(matches!(ended, Err(Fatal::Unsupported(_))), "{ended:?}");
    assert_eq!(scene.writes(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn unsupported_annotations_of_a_pod_are_one_warning() {
    let (_, mut web) = pod("shop", "web", &[]);
    web["metadata"]["annotations"] =
        json!({"post.hook.restore.velero.io/command": "true", "init.hook.restore.velero.io/container-image": "i"});
    let scene = Scene::of(&[("pods", web)]);
    let report = scene.run().await;
    assert_eq!(report.results.warnings.namespaces["shop"].len(), 1);
    assert_eq!(report.objects.created, 2, "it is restored all the same");
}

#[tokio::test(start_paused = true)]
async fn a_backup_of_nothing_restores_nothing_with_a_warning() {
    let scene = Scene::over(spool(&[]));
    let report = scene.run().await;
    assert!(report.results.warnings.velero[0].contains("zero items to be restored"));
    assert_eq!((report.messages.warnings, report.messages.errors), (1, 0));
}
