//! The reports of dry runs, and that the run after them does the same.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::scene::{Scene, claim, config, crd, object, pod, secret, texts, volume, widget};
use crate::api::restore_plan::{PlannedAction, PlannedItem};
use crate::restore::dry_run::plan_changes;
use crate::restore::engine::{EngineDeps, Fatal};
use crate::restore::report::Report;
use crate::restore::tests::scene::Kept;
use crate::testing::fake_api::Fault;

/// The report of a dry run of this scene, and its messages about the whole. Fails if anything was written.
async fn planned(scene: &Scene) -> (Vec<PlannedItem>, Vec<String>) {
    let before = scene.api.everything();
    scene.forget();
    let (sender, mut lines) = mpsc::channel(1);
    let (request, sink) = (scene.request(), Kept::default());
    let deps = EngineDeps {
        cluster: scene.cluster(),
        actions: scene.actions.clone(),
        log: super::scene::log(),
        sink: &sink,
    };
    let planning = async {
        let warnings = plan_changes(&request, &deps, &sender).await;
        drop(sender);
        warnings
    };
    let read = async {
        let mut items = Vec::new();
        while let Some(item) = lines.recv().await {
            items.push(item);
        }
        items
    };
    let (warnings, items) = tokio::join!(planning, read);
    for seen in scene.api.seen() {
        let dry = seen.param("dryRun") == Some("All");
        assert!(seen.method == "GET" || dry, "{} {} is a write", seen.method, seen.path);
    }
    assert_eq!(scene.api.everything(), before);
    assert_eq!(sink.times.into_inner(), 0);
    (items, warnings.unwrap())
}

fn names(item: &PlannedItem) -> String {
    let name = match &item.namespace {
        Some(namespace) => format!("{}/{namespace}/{}", item.kind, item.name),
        None => format!("{}/{}", item.kind, item.name),
    };
    format!("{} {name}", item.action)
}

fn all(items: &[PlannedItem]) -> Vec<String> {
    let mut all: Vec<_> = items.iter().map(names).collect();
    all.sort();
    all
}

fn of<'a>(items: &'a [PlannedItem], kind: &str, name: &str) -> &'a PlannedItem {
    let found: Vec<_> = items
        .iter()
        .filter(|item| item.kind == kind && item.name == name)
        .collect();
    assert_eq!(found.len(), 1, "{kind} {name} in {items:#?}");
    found[0]
}

/// The resource list of a restore that does what was reported.
fn list_of(items: &[PlannedItem]) -> BTreeMap<String, Vec<String>> {
    let mut list: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for item in items {
        let word = match item.action {
            PlannedAction::Create | PlannedAction::Unknown => "created",
            PlannedAction::Patch => "updated",
            PlannedAction::Unchanged if item.kind == "Namespace" => continue,
            PlannedAction::Deny => "failed",
            PlannedAction::Skip if item.reason.contains("is different") => "failed",
            PlannedAction::Skip if item.reason.starts_with("it has ") => continue,
            PlannedAction::Unchanged | PlannedAction::Skip => "skipped",
            PlannedAction::Wait => continue,
        };
        let name = item
            .namespace
            .as_ref()
            .map_or_else(|| item.name.clone(), |namespace| format!("{namespace}/{}", item.name));
        let kind = format!("{}/{}", item.api_version, item.kind);
        list.entry(kind).or_default().push(format!("{name}({word})"));
    }
    for names in list.values_mut() {
        names.sort();
    }
    list
}

/// Does a dry run and a restore, and asserts that both agree.
pub(super) async fn held(scene: &Scene) -> (Vec<PlannedItem>, Report) {
    let (items, _) = planned(scene).await;
    let report = scene.run().await;
    assert_eq!(
        list_of(&items),
        report.resources.0.clone().into_iter().collect(),
        "{items:#?}"
    );
    let warnings: usize = items.iter().map(|item| item.warnings.len()).sum();
    assert_eq!(
        warnings as u64,
        report.messages.warnings,
        "{}",
        texts(&report.results.warnings)
    );
    (items, report)
}

fn live(name: &str, data: &Value) -> Value {
    let mut object = object("v1", "ConfigMap", "default", name);
    object["data"] = data.clone();
    object
}

#[tokio::test(start_paused = true)]
async fn an_application_is_planned_into_an_empty_cluster() {
    let scene = Scene::of(&[
        config("shop", "settings"),
        secret("shop", "token"),
        crd("widgets", "Widget"),
        widget("shop", "blue"),
        ("namespaces", object("v1", "Namespace", "", "shop")),
        config("default", "here"),
    ]);
    let (items, _) = held(&scene).await;
    assert_eq!(
        all(&items),
        [
            "create ConfigMap/default/here",
            "create ConfigMap/shop/settings",
            "create CustomResourceDefinition/widgets.example.com",
            "create Namespace/shop",
            "create Secret/shop/token",
            "create Widget/shop/blue",
            "unchanged Namespace/default",
        ]
    );
    assert_eq!(of(&items, "ConfigMap", "here").reason, "");
    assert!(
        of(&items, "ConfigMap", "settings")
            .reason
            .contains("namespace is created by this restore")
    );
    assert!(
        of(&items, "Widget", "blue")
            .reason
            .contains("type is created by this restore")
    );
    let waves: Vec<u64> = ["widgets.example.com", "shop", "token", "settings", "blue"]
        .iter()
        .filter_map(|name| items.iter().find(|item| item.name == *name))
        .map(|item| item.wave)
        .collect();
    assert!(waves.is_sorted() && waves[0] == 1, "{waves:?}");
}

#[tokio::test(start_paused = true)]
async fn existing_objects_are_reported_by_policy_with_differences() {
    for (policy, action) in [("", PlannedAction::Skip), ("update", PlannedAction::Patch)] {
        let scene = Scene::of(&[
            config("default", "same"),
            config("default", "other"),
            config("default", "new"),
        ])
        .with_spec(json!({"existingResourcePolicy": policy}));
        scene.api.insert(live("same", &json!({"key": "same"})));
        scene.api.insert(live("other", &json!({"key": "changed", "more": "x"})));
        let (items, _) = held(&scene).await;
        assert_eq!(of(&items, "ConfigMap", "same").action, PlannedAction::Unchanged);
        assert_eq!(of(&items, "ConfigMap", "new").action, PlannedAction::Create);
        let other = of(&items, "ConfigMap", "other");
        assert_eq!(other.action, action);
        let changes: Vec<_> = other.changes.iter().map(ToString::to_string).collect();
        assert_eq!(
            changes,
            [r#"data.key: "changed" -> "other""#, r#"data.more: "x" -> (none)"#]
        );
        assert_eq!(other.warnings.is_empty(), policy == "update");
    }
}

#[tokio::test(start_paused = true)]
async fn values_of_secrets_are_not_shown() {
    let mut archived = secret("default", "s").1;
    archived["data"] = json!({"password": "bmV3"});
    let scene = Scene::of(&[("secrets", archived)]).with_spec(json!({"existingResourcePolicy": "update"}));
    let mut there = object("v1", "Secret", "default", "s");
    there["data"] = json!({"password": "b2xk"});
    scene.api.insert(there);
    let (items, _) = held(&scene).await;
    let text = serde_json::to_string(&items).unwrap();
    assert!(
        text.contains("data.password") && !text.contains("bmV3") && !text.contains("b2xk"),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_service_account_is_reported_with_its_additions() {
    let mut backup = object("v1", "ServiceAccount", "default", "web");
    backup["imagePullSecrets"] = json!([{"name": "registry"}]);
    let scene = Scene::of(&[("serviceaccounts", backup)]);
    scene.api.insert(object("v1", "ServiceAccount", "default", "web"));
    let (items, _) = held(&scene).await;
    let account = of(&items, "ServiceAccount", "web");
    assert_eq!(account.action, PlannedAction::Patch);
    assert_eq!(account.changes[0].path, "imagePullSecrets");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_api_server_is_denied_in_its_words() {
    let scene = Scene::of(&[config("default", "a"), secret("default", "b"), config("default", "c")])
        .with_spec(json!({"existingResourcePolicy": "update"}));
    scene.api.insert(live("c", &json!({})));
    for (method, path, message) in [
        (
            "POST",
            "secrets",
            "admission webhook \"w\" denied the request: no secrets here",
        ),
        ("PATCH", "c", "data is immutable"),
    ] {
        let refuses = move |seen: &crate::testing::fake_api::Seen| seen.method == method && seen.path.ends_with(path);
        scene
            .api
            .fault(Fault::new(20, 422, "Invalid", refuses).message(message));
    }
    // the labels of a refused update are still written, and this fault refuses that too
    let (items, _) = planned(&scene).await;
    let denied = of(&items, "Secret", "b");
    assert_eq!(denied.action, PlannedAction::Deny);
    assert!(denied.reason.contains("no secrets here"), "{}", denied.reason);
    assert!(denied.errors.is_empty(), "it is reported once");
    let patched = of(&items, "ConfigMap", "c");
    assert_eq!(patched.action, PlannedAction::Deny);
    assert!(
        format!("{} {:?}", patched.reason, patched.errors).contains("immutable"),
        "{patched:#?}"
    );
    assert_eq!(of(&items, "ConfigMap", "a").action, PlannedAction::Create);
}

#[tokio::test(start_paused = true)]
async fn waits_and_unknowns_are_reported_at_once() {
    let table = [
        (403, "Forbidden", "exceeded quota: q", PlannedAction::Deny),
        (
            500,
            "InternalError",
            "failed calling webhook \"w\": refused",
            PlannedAction::Wait,
        ),
        (
            400,
            "BadRequest",
            "admission webhook \"w\" does not support dry run",
            PlannedAction::Unknown,
        ),
        (503, "ServiceUnavailable", "shutting down", PlannedAction::Unknown),
    ];
    for (code, reason, message, action) in table {
        let scene = Scene::of(&[secret("default", "b")]);
        let creates = |seen: &crate::testing::fake_api::Seen| seen.method == "POST" && seen.path.ends_with("secrets");
        scene.api.fault(Fault::new(1, code, reason, creates).message(message));
        let start = tokio::time::Instant::now();
        let (items, _) = planned(&scene).await;
        let item = of(&items, "Secret", "b");
        assert_eq!(item.action, action, "{code}");
        assert!(item.reason.len() > 10, "{item:?}");
        assert!(start.elapsed() < Duration::from_secs(1), "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_terminating_namespace_waits_and_a_refused_one_denies() {
    let scene = Scene::of(&[config("going", "a"), config("going", "b"), config("never", "c")]);
    let mut going = object("v1", "Namespace", "", "going");
    going["status"] = json!({"phase": "Terminating"});
    scene.api.insert(going);
    let never = |seen: &crate::testing::fake_api::Seen| {
        seen.method == "POST"
            && String::from_utf8_lossy(&seen.body).contains("never")
            && seen.path.ends_with("/namespaces")
    };
    scene
        .api
        .fault(Fault::new(1, 403, "Forbidden", never).message("not that one"));
    let (items, warnings) = planned(&scene).await;
    assert_eq!(
        all(&items),
        [
            "deny ConfigMap/never/c",
            "deny Namespace/never",
            "wait ConfigMap/going/a",
            "wait ConfigMap/going/b",
            "wait Namespace/going",
        ]
    );
    assert!(of(&items, "Namespace", "never").reason.contains("not that one"));
    assert!(warnings.is_empty(), "it is reported once: {warnings:?}");
}

#[tokio::test(start_paused = true)]
async fn terminating_objects_and_their_dependents_wait() {
    let scene = Scene::of(&[pod("default", "web", &["data"]), claim("default", "data", "")]);
    let mut going = claim("default", "data", "").1;
    going["metadata"]["deletionTimestamp"] = json!("2030-01-01T00:00:00Z");
    going["metadata"]["finalizers"] = json!(["x/y"]);
    scene.api.insert(going);
    let (items, _) = planned(&scene).await;
    assert!(
        of(&items, "PersistentVolumeClaim", "data")
            .reason
            .contains("being deleted")
    );
    let web = of(&items, "Pod", "web");
    assert_eq!(web.action, PlannedAction::Wait);
    assert!(
        web.reason.contains("persistentvolumeclaims/default/data"),
        "{}",
        web.reason
    );
}

#[tokio::test(start_paused = true)]
async fn an_object_of_an_unserved_type_is_denied() {
    let scene = Scene::of(&[widget("default", "blue")]);
    let (items, _) = planned(&scene).await;
    let widget = of(&items, "Widget", "blue");
    assert_eq!(widget.action, PlannedAction::Deny);
    assert!(
        widget.reason.contains("does not serve Widget of example.com/v1"),
        "{}",
        widget.reason
    );
}

#[tokio::test(start_paused = true)]
async fn a_pod_is_not_checked_before_its_restored_account() {
    let mut web = pod("default", "web", &[]).1;
    web["spec"]["serviceAccountName"] = json!("web");
    let account = object("v1", "ServiceAccount", "default", "web");
    let scene = Scene::of(&[("pods", web.clone()), ("serviceaccounts", account.clone())]);
    // the answer of a real API server's admission
    let pods = |seen: &crate::testing::fake_api::Seen| seen.method == "POST" && seen.path.ends_with("/pods");
    let fault = || Fault::new(1, 403, "Forbidden", pods).message("error looking up service account default/web");
    scene.api.fault(fault());
    let (items, _) = planned(&scene).await;
    let web_pod = of(&items, "Pod", "web");
    assert_eq!(web_pod.action, PlannedAction::Create);
    assert_eq!(
        web_pod.reason,
        "not checked: serviceaccounts/default/web is created by this restore"
    );

    let scene = Scene::of(&[("pods", web)]);
    scene.api.fault(fault());
    let (items, _) = planned(&scene).await;
    assert_eq!(
        of(&items, "Pod", "web").action,
        PlannedAction::Deny,
        "nothing brings it"
    );
}

#[tokio::test(start_paused = true)]
async fn skipped_objects_are_reported_with_their_reason() {
    let mut done = pod("default", "done", &[]).1;
    done["status"]["phase"] = json!("Succeeded");
    let mut mirror = pod("default", "mirror", &[]).1;
    mirror["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "x"});
    let scene = Scene::of(&[
        ("pods", done),
        ("pods", mirror),
        volume("data", "Delete", ("default", "data")),
        claim("default", "data", "data"),
        ("endpoints", object("v1", "Endpoints", "default", "left")),
        config("default", "kube-root-ca.crt"),
    ])
    .with_spec(json!({"excludedResources": ["endpoints"]}));
    let (items, _) = held(&scene).await;
    assert_eq!(
        all(&items),
        [
            "create PersistentVolumeClaim/default/data",
            "skip ConfigMap/default/kube-root-ca.crt",
            "skip PersistentVolume/data",
            "skip Pod/default/done",
            "skip Pod/default/mirror",
            "unchanged Namespace/default",
        ]
    );
    assert_eq!(of(&items, "Pod", "done").reason, "it has completed");
    let authority = of(&items, "ConfigMap", "kube-root-ca.crt");
    assert!(
        authority.reason.contains("certificates of the old cluster"),
        "{}",
        authority.reason
    );
    assert!(of(&items, "Pod", "mirror").reason.contains("static pod"));
    assert!(of(&items, "PersistentVolume", "data").reason.contains("new volume"));
}

#[tokio::test(start_paused = true)]
async fn a_mapped_object_is_reported_with_both_namespaces() {
    let scene = Scene::of(&[config("shop", "settings")]).with_spec(json!({"namespaceMapping": {"shop": "copy"}}));
    let (items, _) = held(&scene).await;
    for (kind, name) in [("Namespace", "copy"), ("ConfigMap", "settings")] {
        assert_eq!(
            of(&items, kind, name).source_namespace.as_deref(),
            Some("shop"),
            "{kind}"
        );
    }
    assert_eq!(of(&items, "ConfigMap", "settings").namespace.as_deref(), Some("copy"));
}

#[tokio::test(start_paused = true)]
async fn an_object_that_cannot_be_read_is_denied() {
    for spec in [json!({}), json!({"labelSelector": {"matchLabels": {"a": "b"}}})] {
        let archive = crate::restore::testing::spool(&[("configmaps", Some("default"), "broken", "{")]);
        let scene = Scene::over(archive).with_spec(spec);
        let (items, _) = planned(&scene).await;
        let broken = of(&items, "configmaps", "broken");
        assert_eq!(broken.action, PlannedAction::Deny);
        assert!(broken.reason.contains("error decoding"), "{}", broken.reason);
    }
}

#[tokio::test(start_paused = true)]
async fn it_ends_when_the_receiver_is_dropped() {
    let objects: Vec<_> = (0..500)
        .map(|number| config("default", &format!("c{number}")))
        .collect();
    let scene = Scene::of(&objects).delayed(|_, _| Duration::from_millis(50));
    let (sender, mut lines) = mpsc::channel(1);
    let (request, sink) = (scene.request(), Kept::default());
    let deps = EngineDeps {
        cluster: scene.cluster(),
        actions: scene.actions.clone(),
        log: super::scene::log(),
        sink: &sink,
    };
    let reader = async move {
        lines.recv().await.unwrap();
        drop(lines);
    };
    let (ended, ()) = tokio::join!(plan_changes(&request, &deps, &sender), reader);
    assert!(matches!(ended, Err(Fatal::Cancelled)));
    assert!(
        scene.sent_requests.lock().unwrap().len() < 300,
        "it continued after its receiver was gone"
    );
}
