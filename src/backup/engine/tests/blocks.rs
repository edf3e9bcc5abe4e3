//! Which objects are saved together, by how many workers, and what the built-in actions change.

use super::hooks::{BOTH, Witness, running};
use super::*;
use crate::cluster::exec::ExecError;
use crate::testing::fake_api::FakeKind;

/// Runs a backup, and beside it a future that may inspect the pods and release held commands.
async fn beside(
    api: &FakeApi,
    pods: &FakePods,
    request: Request,
    watch: impl Future<Output = ()>,
) -> Result<Report, Fatal> {
    let actions: Vec<Arc<dyn BackupItemAction>> = vec![Arc::new(Witness(pods.clone()))];
    let (mut kept, cancel) = (Kept::default(), CancellationToken::new());
    let run = backup_of(api, pods, request, actions, &mut kept, &cancel);
    let ((outcome, ..), ()) = tokio::join!(run, watch);
    outcome
}

/// Waits until nothing new has happened for a while.
async fn calm(pods: &FakePods) -> Vec<String> {
    let (mut events, mut unchanged) = (pods.events(), 0);
    while unchanged < 50 {
        // Another thread reads staged objects.
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        let now = pods.events();
        unchanged = if now == events && !now.is_empty() {
            unchanged + 1
        } else {
            0
        };
        events = now;
    }
    events
}

fn commands(events: &[String]) -> Vec<&str> {
    let events = events.iter().map(String::as_str);
    events.filter(|event| event.contains(" db: ")).collect()
}

#[tokio::test]
async fn as_many_blocks_are_saved_at_once_as_there_are_workers() {
    for workers in [1, 3] {
        let (api, pods) = (shop(), FakePods::new());
        api.insert_all(["a", "b", "c", "d", "e"].map(|name| running(name, &BOTH, &[])));
        let held = pods.hold("freeze");
        let asked = Request {
            workers,
            ..request(of_shop())
        };
        let watch = async {
            let events = calm(&pods).await;
            assert_eq!(commands(&events).len(), workers, "{events:?}");
            held.release();
        };
        let report = beside(&api, &pods, asked, watch).await.unwrap();
        assert_eq!(report.failed, 0);
        assert_eq!(commands(&pods.events()).len(), 10);
        assert!(pods.frozen().is_empty());
    }
}

#[tokio::test]
async fn the_claim_of_an_ended_pod_is_saved_after_its_users_are_frozen() {
    let (api, pods) = (shop(), FakePods::new());
    let mut ended = running("migration", &[], &["data"]);
    ended["status"]["phase"] = json!("Succeeded");
    api.insert_all([running("web", &BOTH, &["data"]), ended]);
    let held = pods.hold("freeze");
    let watch = async {
        let events = calm(&pods).await;
        assert!(!events.iter().any(|event| event.starts_with("saved: ")), "{events:?}");
        held.release();
    };
    let asked = Request {
        workers: 4,
        ..request(of_shop())
    };
    beside(&api, &pods, asked, watch).await.unwrap();
    let events = pods.events();
    let place = |event: &str| events.iter().position(|e| e == event).unwrap();
    assert!(place("shop/web db: freeze") < place("saved: data"), "{events:?}");
    assert!(place("saved: migration") < place("shop/web db: thaw"), "{events:?}");
}

#[tokio::test]
async fn pods_that_share_an_unselected_claim_are_frozen_together() {
    let (api, pods) = (shop(), FakePods::new());
    api.insert_all(["a", "b"].map(|name| {
        let mut pod = running(name, &BOTH, &["data"]);
        pod["metadata"]["labels"]["app"] = json!("web");
        pod
    }));
    let spec = BackupSpec {
        label_selector: Some(LabelSelector {
            match_labels: BTreeMap::from([("app".to_owned(), "web".to_owned())]),
            ..LabelSelector::default()
        }),
        ..of_shop()
    };
    let (ran, _) = backed_up_of(&api, &pods, request(spec), vec![Arc::new(Witness(pods.clone()))]).await;
    let events = pods.events();
    assert_eq!(
        events[..3],
        ["written: shop/a, shop/b", "shop/a db: freeze", "shop/b db: freeze"]
    );
    assert!(ran.members.contains(&"persistentvolumeclaims shop/data".to_owned()));
}

#[tokio::test]
async fn unselected_pods_with_a_claim_of_the_backup_are_saved_too() {
    let (api, pods) = (shop(), FakePods::new());
    let mut selected = running("selected", &BOTH, &["data"]);
    selected["metadata"]["labels"]["app"] = json!("web");
    let mut ended = running("ended", &BOTH, &["data"]);
    ended["status"]["phase"] = json!("Succeeded");
    // It is selected but skipped, so no pod can share a claim with it.
    let mut labelled = running("labelled", &BOTH, &["own"]);
    labelled["metadata"]["labels"] = json!({"app": "web", "velero.io/exclude-from-backup": "true"});
    let mut elsewhere = running("elsewhere", &BOTH, &["data"]);
    elsewhere["metadata"]["namespace"] = json!("other");
    api.insert_all([
        selected,
        ended,
        labelled,
        elsewhere,
        // By a claim of a pod that is itself saved only for a claim.
        running("further", &BOTH, &["more"]),
        running("sharing", &BOTH, &["more", "data"]),
        running("alone", &BOTH, &["own"]),
    ]);
    api.insert_all(["more", "own"].map(|name| object("v1", "PersistentVolumeClaim", Some("shop"), name, json!({}))));
    api.remove("v1", "Pod", Some("shop"), "db-0");
    let spec = BackupSpec {
        label_selector: Some(LabelSelector {
            match_labels: BTreeMap::from([("app".to_owned(), "web".to_owned())]),
            ..LabelSelector::default()
        }),
        ..BackupSpec::default()
    };
    let (ran, _) = backed_up_of(&api, &pods, request(spec.clone()), Vec::new()).await;
    assert_eq!(
        ran.sorted(),
        [
            "namespaces shop",
            "persistentvolumeclaims shop/data",
            "persistentvolumeclaims shop/more",
            "persistentvolumes shop-data",
            "pods shop/further",
            "pods shop/selected",
            "pods shop/sharing",
        ]
    );
    assert_eq!(pods.events()[0], "written: shop/selected, shop/sharing, shop/further");
    assert_eq!(ran.progress.expected, ran.report.saved);

    // A backup without claims has none to share.
    let spec = BackupSpec {
        included_resources: vec!["pods".to_owned()],
        ..spec
    };
    let ran = backed_up(&api, spec).await;
    assert_eq!(ran.sorted(), ["pods shop/selected"]);
}

#[tokio::test]
async fn ordered_items_are_frozen_together_and_saved_in_order() {
    let (api, pods) = (shop(), FakePods::new());
    api.insert_all(["a", "b", "c", "d"].map(|name| running(name, &BOTH, &[])));
    let spec = BackupSpec {
        ordered_resources: BTreeMap::from([("pods".to_owned(), "shop/d,shop/b".to_owned())]),
        ..of_shop()
    };
    let asked = Request {
        workers: 1,
        ..request(spec)
    };
    let (ran, _) = backed_up_of(&api, &pods, asked, vec![Arc::new(Witness(pods.clone()))]).await;
    let events = pods.events();
    assert_eq!(
        events[..7],
        [
            "written: shop/d, shop/b",
            "shop/d db: freeze",
            "shop/b db: freeze",
            "saved: d",
            "saved: b",
            "shop/d db: thaw",
            "written: shop/b"
        ],
        "{events:?}"
    );
    assert_eq!(ran.log.counts(), (0, 0), "{}", ran.log_text());
}

#[tokio::test]
async fn any_type_can_be_ordered() {
    let api = FakeApi::new();
    api.insert_all(["a", "b", "c"].map(|name| config_map("default", name, json!({}))));
    let spec = BackupSpec {
        ordered_resources: BTreeMap::from([("configmaps".to_owned(), "default/c,default/a".to_owned())]),
        ..BackupSpec::default()
    };
    let asked = Request {
        workers: 1,
        ..request(spec)
    };
    let ran = backed_up_by(&api, asked, Vec::new()).await;
    let places = ["c", "a", "b"].map(|name| ran.place(&format!("configmaps default/{name}")));
    assert!(places.is_sorted(), "{:?}", ran.members);
}

#[tokio::test]
async fn a_crd_written_for_v1beta1_is_saved_as_v1beta1_if_served() {
    let schema = json!({"openAPIV3Schema": {"type": "object"}});
    let gadgets = object(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        None,
        "gadgets.example.com",
        json!({"spec": {"group": "example.com", "scope": "Cluster", "names": {"plural": "gadgets", "kind": "Gadget"},
                        "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}]}}),
    );
    let [widgets, gadget] = ["widgets", "gadgets"]
        .map(|plural| format!("customresourcedefinitions.apiextensions.k8s.io {plural}.example.com"));
    for (old_is_served, expected) in [(false, "v1"), (true, "v1beta1")] {
        let api = shop();
        api.insert(gadgets.clone());
        if old_is_served {
            api.serve(FakeKind::new(
                "apiextensions.k8s.io/v1beta1",
                "customresourcedefinitions",
                "CustomResourceDefinition",
                false,
            ));
        }
        let ran = backed_up(&api, BackupSpec::default()).await;
        let version = |name: &str| ran.objects[name]["apiVersion"].as_str().unwrap().to_owned();
        assert_eq!(version(&widgets), format!("apiextensions.k8s.io/{expected}"));
        assert_eq!(version(&gadget), "apiextensions.k8s.io/v1", "it has a schema");
        assert_eq!((&*ran.versions[&widgets], &*ran.versions[&gadget]), ("v1", "v1"));
        assert_eq!(ran.log.counts(), (0, 0), "{}", ran.log_text());
    }
}

#[tokio::test]
async fn a_claim_that_is_not_bound_is_saved_as_it_is() {
    let api = shop();
    let pending =
        json!({"spec": {"volumeName": "shop-data", "dataSource": {"name": "x"}}, "status": {"phase": "Pending"}});
    let claim = object("v1", "PersistentVolumeClaim", Some("shop"), "pending", pending);
    api.insert(claim);
    api.remove("v1", "PersistentVolumeClaim", Some("shop"), "data");
    api.remove("v1", "Pod", Some("shop"), "db-0");
    let ran = backed_up(&api, of_shop()).await;
    let claim = api.get("v1", "PersistentVolumeClaim", Some("shop"), "pending").unwrap();
    assert_eq!(ran.objects["persistentvolumeclaims shop/pending"], claim);
    assert!(!ran.members.contains(&"persistentvolumes shop-data".to_owned()));
}

#[tokio::test]
async fn hooks_that_cannot_run_fail_only_their_pods() {
    let (api, pods) = (shop(), FakePods::new());
    let elsewhere = ("pre.hook.backup.velero.io/container", "web");
    api.insert_all([
        running("elsewhere", &[BOTH[0], elsewhere, BOTH[1]], &[]),
        running("endless", &[(BOTH[0].0, "sleep"), (BOTH[1].0, "wake")], &[]),
        running("speechless", &[(BOTH[0].0, "[]"), BOTH[1]], &[]),
        running("well", &BOTH, &[]),
    ]);
    pods.script("sleep", Err(ExecError::TimedOut(std::time::Duration::from_secs(30))));
    let (ran, tally) = backed_up_of(&api, &pods, request(of_shop()), Vec::new()).await;
    let mut errors = ran.errors();
    errors.sort_unstable();
    let expected = [
        "name: /elsewhere message: /Error backing up item: a pre hook of the pod failed, so it is not saved",
        "name: /elsewhere message: /Error executing hook error: /container `web` is not in the pod; it has db, side",
        "name: /endless message: /Error backing up item: a pre hook of the pod failed, so it is not saved",
        "name: /endless message: /Error executing hook error: /the command did not end within 30s and was given up",
        "name: /speechless message: /Error backing up item: a pre hook of the pod failed, so it is not saved",
        "name: /speechless message: /Error executing hook error: /the command is empty: name the program to run",
    ];
    for (error, expected) in errors.iter().zip(expected) {
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!((errors.len(), tally.failed), (6, 3), "{errors:?}");
    assert_eq!(
        ran.sorted().iter().filter(|name| name.starts_with("pods ")).count(),
        2,
        "db-0 and well"
    );
    assert_eq!(ran.report.saved, 13);
    assert!(pods.written().is_empty() && pods.frozen().is_empty());
}
