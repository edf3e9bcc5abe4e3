//! Existing objects that a restore shares with others: volumes with their claims, and objects that a copy shares with its source.
//! Each dry run is compared with the run after it.

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::dry_run::held;
use super::scene::{Kept, Scene, claim, object, texts, volume};
use crate::restore::ledger::Ledger;
use crate::testing::fake_api::Fault;

const BINDINGS: &str = "clusterrolebindings.rbac.authorization.k8s.io";

fn disk(path: &str) -> Value {
    let mut volume = volume("pv", "Retain", ("shop", "data")).1;
    volume["spec"]["hostPath"] = json!({"path": path});
    volume
}

/// The volume in the cluster; its claim had the uid `old`.
fn kept(path: &str, phase: &str) -> Value {
    let mut volume = disk(path);
    volume["status"] = json!({"phase": phase});
    volume
}

fn scene(spec: Value) -> Scene {
    Scene::of(&[("persistentvolumes", disk("/a")), claim("shop", "data", "pv")]).with_spec(spec)
}

fn claim_of(scene: &Scene) -> Value {
    scene.api.get("v1", "PersistentVolume", None, "pv").unwrap()["spec"]["claimRef"].clone()
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_outlived_its_claim_is_bound_to_it_again() {
    for policy in ["", "none", "update"] {
        let scene = scene(json!({"existingResourcePolicy": policy}));
        scene.api.insert(kept("/a", "Released"));
        let (items, report) = held(&scene).await;
        assert_eq!(
            claim_of(&scene),
            json!({"namespace": "shop", "name": "data"}),
            "{policy}"
        );
        assert_eq!(report.resources.0["v1/PersistentVolume"], ["pv(updated)"], "{policy}");
        assert_eq!(texts(&report.results.warnings), "{}", "{policy}");
        assert!(items[0].reason.contains("made available"), "{:?}", items[0]);
        let changes: Vec<String> = items[0].changes.iter().map(ToString::to_string).collect();
        assert_eq!(
            changes,
            [
                r#"spec.claimRef.resourceVersion: "1" -> (none)"#,
                r#"spec.claimRef.uid: "old" -> (none)"#
            ]
        );
        assert!(!scene.log_lines("made available").is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn other_differences_of_a_reused_volume_are_warned_or_updated() {
    for (policy, class, warned) in [("", json!("fast"), true), ("update", json!(null), false)] {
        let scene = scene(json!({"existingResourcePolicy": policy}));
        let mut live = kept("/a", "Released");
        live["spec"]["storageClassName"] = json!("fast");
        scene.api.insert(live);
        let (_, report) = held(&scene).await;
        assert_eq!(
            claim_of(&scene),
            json!({"namespace": "shop", "name": "data"}),
            "{policy}"
        );
        let live = scene.api.get("v1", "PersistentVolume", None, "pv").unwrap();
        assert_eq!(live["spec"]["storageClassName"], class);
        assert_eq!(report.resources.0["v1/PersistentVolume"], ["pv(updated)"]);
        assert_eq!(report.messages.warnings, u64::from(warned));
    }
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_the_claim_cannot_get_is_a_warning() {
    let with = |mut volume: Value, at: &str, value: Value| {
        *volume.pointer_mut(at).unwrap() = value;
        volume
    };
    let mapped = json!({"shop": "copy"});
    let table = [
        (kept("/b", "Released"), json!({}), "not provably the volume"),
        (kept("/a", "Failed"), json!({}), "could not be reclaimed"),
        (
            with(
                kept("/a", "Released"),
                "/spec/persistentVolumeReclaimPolicy",
                json!("Delete"),
            ),
            json!({}),
            "about to be reclaimed",
        ),
        (
            with(kept("/a", "Released"), "/spec/claimRef/name", json!("other")),
            json!({}),
            "belongs to claim shop/other",
        ),
        (kept("/a", "Bound"), mapped.clone(), "belongs to claim shop/data"),
        (kept("/a", "Released"), mapped, "belongs to claim shop/data"),
    ];
    for policy in ["", "update"] {
        for (live, mapping, phrase) in &table {
            let scene = scene(json!({"existingResourcePolicy": policy, "namespaceMapping": mapping}));
            scene.api.insert(live.clone());
            let before = scene.api.get("v1", "PersistentVolume", None, "pv");
            let (items, report) = held(&scene).await;
            assert_eq!(scene.api.get("v1", "PersistentVolume", None, "pv"), before, "{phrase}");
            assert_eq!(report.resources.0["v1/PersistentVolume"], ["pv(failed)"], "{phrase}");
            let warnings = report.results.warnings.cluster.join("\n");
            assert!(
                warnings.contains(phrase) && warnings.contains("kubectl get pv pv"),
                "{warnings}"
            );
            assert!(items[0].reason.contains(phrase), "{:?}", items[0]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_volume_with_a_just_deleted_claim_is_waited_for() {
    let scene = scene(json!({}));
    scene.api.insert(kept("/a", "Bound"));
    let looks =
        |seen: &crate::testing::fake_api::Seen| seen.method == "GET" && seen.path.ends_with("/persistentvolumes/pv");
    let later =
        move |api: &crate::testing::fake_api::FakeApi| api.before(looks, |api| api.insert(kept("/a", "Released")));
    scene.api.before(looks, later);
    let report = scene.run().await;
    assert_eq!(claim_of(&scene), json!({"namespace": "shop", "name": "data"}));
    assert_eq!(report.resources.0["v1/PersistentVolume"], ["pv(updated)"]);
    assert!(!scene.log_lines("is not Released yet").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_is_bound_to_its_claim_is_equal() {
    let scene = scene(json!({}));
    scene.api.insert(object("v1", "Namespace", "", "shop"));
    let mut live = claim("shop", "data", "pv").1;
    live["metadata"]["uid"] = json!("old");
    scene.api.insert(live);
    scene.api.insert(kept("/a", "Bound"));
    let (_, report) = held(&scene).await;
    assert_eq!(report.resources.0["v1/PersistentVolume"], ["pv(skipped)"]);
    assert_eq!(texts(&report.results.warnings), "{}");
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_changes_at_the_same_time_is_read_again() {
    let scene = scene(json!({}));
    scene.api.insert(kept("/a", "Released"));
    scene.api.before(
        |seen| seen.method == "PATCH",
        |api| {
            let mut other = kept("/a", "Bound");
            other["spec"]["claimRef"] = json!({"namespace": "else", "name": "where", "uid": "new"});
            other["metadata"]["resourceVersion"] = json!("99");
            api.insert(other);
        },
    );
    let report = scene.run().await;
    assert_eq!(claim_of(&scene)["namespace"], "else");
    let warnings = report.results.warnings.cluster.join("\n");
    assert!(warnings.contains("belongs to claim else/where"), "{warnings}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_dies_after_reusing_a_volume_resumes_to_the_same_end() {
    let scene = scene(json!({}));
    scene.api.insert(kept("/a", "Released"));
    let sink = Kept::default();
    let cancel = CancellationToken::new();
    // the answer to the creation of the claim is lost
    let stuck = scene.delayed(|method, path| {
        std::time::Duration::from_secs(if method == "POST" && path.ends_with("claims") {
            3600
        } else {
            0
        })
    });
    let first = stuck.attempt(Ledger::new(&stuck.archive), &sink, &cancel);
    let died = tokio::time::timeout(std::time::Duration::from_millis(100), first).await;
    assert!(died.is_err());
    assert_eq!(
        claim_of(&stuck),
        json!({"namespace": "shop", "name": "data"}),
        "the patch was made"
    );
    let record = sink.record.lock().unwrap().clone().expect("kept before the patch");
    let ledger = Ledger::resume(&record, &stuck.archive).unwrap();
    let again = stuck.delayed(|_, _| std::time::Duration::ZERO);
    let report = again.attempt(ledger, &Kept::default(), &cancel).await.unwrap();
    assert_eq!(report.resources.0["v1/PersistentVolume"], ["pv(updated)"]);
    assert_eq!(texts(&report.results.warnings), "{}");
}

fn binding(namespaces: &[&str]) -> Value {
    let mut binding = object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "", "reading");
    binding["roleRef"] = json!({"kind": "ClusterRole", "name": "reader"});
    let account = |namespace: &&str| json!({"kind": "ServiceAccount", "name": "robot", "namespace": namespace});
    binding["subjects"] = namespaces.iter().map(account).collect();
    binding
}

#[tokio::test(start_paused = true)]
async fn a_copy_is_added_to_the_bindings_of_its_source() {
    let table = [
        ("update", &["shop"][..], &["shop", "copy"][..], "reading(updated)", None),
        ("update", &["shop", "copy"], &["shop", "copy"], "reading(skipped)", None),
        (
            "",
            &["shop"],
            &["shop"],
            "reading(failed)",
            Some("ServiceAccount copy/robot"),
        ),
        ("", &["shop", "copy"], &["shop", "copy"], "reading(skipped)", None),
    ];
    for (policy, before, after, listed, phrase) in table {
        let spec = json!({"existingResourcePolicy": policy, "namespaceMapping": {"shop": "copy"}});
        let scene = Scene::of(&[(BINDINGS, binding(&["shop"])), namespace("shop")]).with_spec(spec);
        scene.api.insert(binding(before));
        let (items, report) = held(&scene).await;
        let live = scene
            .api
            .get("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", None, "reading")
            .unwrap();
        assert_eq!(live["subjects"], binding(after)["subjects"], "{policy} {before:?}");
        let kind = "rbac.authorization.k8s.io/v1/ClusterRoleBinding";
        assert_eq!(report.resources.0[kind], [listed], "{policy} {before:?}");
        let warnings = report.results.warnings.cluster.join("\n");
        assert_eq!(phrase.is_some(), !warnings.is_empty(), "{warnings}");
        assert!(warnings.contains(phrase.unwrap_or_default()), "{warnings}");
        if listed.contains("updated") {
            let planned = items.iter().find(|item| item.kind == "ClusterRoleBinding").unwrap();
            assert!(
                planned.reason.contains("added: ServiceAccount copy/robot"),
                "{planned:?}"
            );
            assert!(!scene.log_lines("these are added: ServiceAccount copy/robot").is_empty());
        }
    }
}

/// A namespace of the backup, without which it has no mapping.
fn namespace(name: &str) -> (&'static str, Value) {
    ("namespaces", object("v1", "Namespace", "", name))
}

#[tokio::test(start_paused = true)]
async fn a_subject_that_is_added_concurrently_is_not_lost() {
    let spec = json!({"existingResourcePolicy": "update", "namespaceMapping": {"shop": "copy"}});
    let scene = Scene::of(&[(BINDINGS, binding(&["shop"])), namespace("shop")]).with_spec(spec);
    scene.api.insert(binding(&["shop"]));
    scene.api.before(
        |seen| seen.method == "PATCH",
        |api| {
            let mut newer = binding(&["shop", "new"]);
            newer["metadata"]["resourceVersion"] = json!("99");
            api.insert(newer);
        },
    );
    scene.run().await;
    let live = scene
        .api
        .get("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", None, "reading")
        .unwrap();
    assert_eq!(live["subjects"], binding(&["shop", "new", "copy"])["subjects"]);
}

#[tokio::test(start_paused = true)]
async fn without_a_mapping_an_update_replaces_the_binding() {
    let scene = Scene::of(&[(BINDINGS, binding(&["shop"]))]).with_spec(json!({"existingResourcePolicy": "update"}));
    scene.api.insert(binding(&["other"]));
    held(&scene).await;
    let live = scene
        .api
        .get("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", None, "reading")
        .unwrap();
    assert_eq!(live["subjects"], binding(&["shop"])["subjects"]);
}

#[tokio::test(start_paused = true)]
async fn a_copy_does_not_change_callers_of_its_sources_services() {
    let registration = |ca: &str| {
        let mut registration = object("apiregistration.k8s.io/v1", "APIService", "", "v1.shop.example.com");
        registration["spec"] = json!({"caBundle": ca, "service": {"namespace": "shop", "name": "api"}});
        registration
    };
    for (mapping, listed, phrase) in [
        (json!({"shop": "copy"}), "failed", "calls a service of namespace shop"),
        (json!({"other": "copy"}), "failed", "maps namespaces"),
        (json!({}), "updated", ""),
    ] {
        let spec = json!({"existingResourcePolicy": "update", "namespaceMapping": mapping});
        let resource = "apiservices.apiregistration.k8s.io";
        let scene =
            Scene::of(&[(resource, registration("old")), namespace("shop"), namespace("other")]).with_spec(spec);
        scene.api.insert(registration("new"));
        let (_, report) = held(&scene).await;
        let entry = format!("v1.shop.example.com({listed})");
        assert_eq!(report.resources.0["apiregistration.k8s.io/v1/APIService"], [entry]);
        let warnings = report.results.warnings.cluster.join("\n");
        assert_eq!(warnings.is_empty(), phrase.is_empty(), "{warnings}");
        assert!(warnings.contains(phrase), "{warnings}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_equal_object_that_behaves_differently_is_a_warning() {
    let owned = |kind: &str| {
        let mut config = super::scene::config("default", "c").1;
        config["metadata"]["ownerReferences"] = json!([{"apiVersion": "v1", "kind": kind, "name": "o", "uid": "1"}]);
        config
    };
    let lost = |phase: &str| {
        let mut claim = claim("default", "data", "pv").1;
        claim["status"] = json!({"phase": phase});
        claim
    };
    let ended = |phase: &str| {
        let mut pod = super::scene::pod("default", "web", &[]).1;
        pod["status"] = json!({"phase": phase});
        pod
    };
    let table = [
        ("configmaps", owned("A"), owned("A"), None),
        ("configmaps", owned("A"), owned("B"), Some("it is owned by B o")),
        ("persistentvolumeclaims", lost("Bound"), lost("Bound"), None),
        (
            "persistentvolumeclaims",
            lost("Bound"),
            lost("Lost"),
            Some("phase Lost"),
        ),
        ("pods", ended("Running"), ended("Running"), None),
        ("pods", ended("Running"), ended("Failed"), Some("it has failed")),
    ];
    for (resource, backup, live, phrase) in table {
        let scene = Scene::of(&[(resource, backup), ("persistentvolumes", disk("/a"))]);
        scene.api.insert(live);
        let (_, report) = held(&scene).await;
        assert!(
            report
                .resources
                .0
                .values()
                .flatten()
                .any(|entry| entry.ends_with("(skipped)"))
        );
        let warnings = texts(&report.results.warnings);
        assert_eq!(phrase.is_none(), warnings == "{}", "{warnings}");
        assert!(warnings.contains(phrase.unwrap_or_default()), "{warnings}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_may_not_be_patched_is_a_warning() {
    let scene = scene(json!({}));
    scene.api.insert(kept("/a", "Released"));
    scene
        .api
        .fault(Fault::new(1, 403, "Forbidden", |seen| seen.method == "PATCH").message("no"));
    let report = scene.run().await;
    let warnings = report.results.warnings.cluster.join("\n");
    assert!(warnings.contains("could not make persistentvolumes/pv"), "{warnings}");
    assert_eq!(report.resources.0["v1/PersistentVolume"], ["pv(failed)"]);
}
