//! Persistent volumes and their claims.

use serde_json::{Value, json};

use super::scene::{Scene, claim, pod, texts, volume};
use crate::restore::object::volume::{Kept, KeptVolumes};

fn bound(policy: &str) -> Scene {
    Scene::of(&[
        volume("pv", policy, ("shop", "data")),
        claim("shop", "data", "pv"),
        pod("shop", "web", &["data"]),
    ])
    .with_spec(json!({"namespaceMapping": {"shop": "copy"}}))
}

fn kept(how: Option<Kept>) -> KeptVolumes {
    KeptVolumes {
        by_volume: [("pv".to_owned(), how)].into(),
        ..KeptVolumes::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_retained_volume_waits_for_its_claim_in_the_target_namespace() {
    let scene = bound("Retain");
    let report = scene.run().await;
    assert_eq!(
        scene.created(),
        [
            "persistentvolumes/pv",
            "namespaces/copy",
            "persistentvolumeclaims/copy/data",
            "pods/copy/web"
        ]
    );
    let pv = scene.api.get("v1", "PersistentVolume", None, "pv").unwrap();
    assert_eq!(pv["spec"]["claimRef"], json!({"namespace": "copy", "name": "data"}));
    let pvc = scene
        .api
        .get("v1", "PersistentVolumeClaim", Some("copy"), "data")
        .unwrap();
    assert_eq!(pvc["spec"]["volumeName"], "pv");
    assert_eq!(texts(&report.results.errors), "{}");
}

#[tokio::test(start_paused = true)]
async fn a_claim_of_a_volume_that_is_gone_gets_a_new_one() {
    let scene = bound("Delete");
    let report = scene.run().await;
    assert_eq!(
        scene.created(),
        ["namespaces/copy", "persistentvolumeclaims/copy/data", "pods/copy/web"]
    );
    let pvc = scene
        .api
        .get("v1", "PersistentVolumeClaim", Some("copy"), "data")
        .unwrap();
    assert_eq!(pvc["spec"].get("volumeName"), None::<&Value>);
    assert_eq!(report.resources.0["v1/PersistentVolume"], ["pv(skipped)"]);
    assert_eq!(texts(&report.results.errors), "{}");
}

#[tokio::test(start_paused = true)]
async fn data_that_cannot_be_restored_is_an_error() {
    let table = [
        (Kept::NativeSnapshot, json!(null), Some("native snapshot"), "pv(failed)"),
        (Kept::NativeSnapshot, json!(false), None, "pv(created)"),
        (Kept::CsiSnapshot, json!(null), Some("CSI snapshot"), "pv(skipped)"),
        (Kept::CsiSnapshot, json!(false), None, "pv(skipped)"),
    ];
    for (how, restore_pvs, error, listed) in table {
        let mut scene = bound("Delete").with_spec(json!({"restorePVs": restore_pvs}));
        scene.kept = kept(Some(how));
        let report = scene.run().await;
        let errors = report.results.errors.cluster.join("\n");
        assert_eq!(error.is_some(), !errors.is_empty(), "{errors}");
        assert!(errors.contains(error.unwrap_or_default()), "{errors}");
        assert_eq!(report.resources.0["v1/PersistentVolume"], [listed]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_with_file_system_backups_is_an_error() {
    let mut scene = bound("Retain");
    scene.kept = kept(Some(Kept::PodVolume));
    scene.kept.pods.insert(("shop".to_owned(), "web".to_owned()));
    let report = scene.run().await;
    assert_eq!(report.messages.errors, 1);
    assert!(report.results.errors.namespaces["copy"][0].contains("pods/copy/web"));
    assert!(!scene.created().contains(&"persistentvolumes/pv".to_owned()));
}
