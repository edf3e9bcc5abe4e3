//! Hooks around blocks.

use super::*;

/// Notes what is saved, between the commands.
pub(super) struct Witness(pub(super) FakePods);

impl BackupItemAction for Witness {
    fn name(&self) -> &'static str {
        "example.com/witness"
    }

    fn applies_to(&self) -> AppliesTo {
        AppliesTo::types(&["pods", "persistentvolumeclaims"])
    }

    fn execute<'a>(
        &'a self,
        item: &'a mut Item,
        _: &'a ActionContext<'a>,
    ) -> BoxFuture<'a, Result<Executed, ActionError>> {
        Box::pin(async move {
            self.0.note(format!("saved: {}", item.head().name));
            Ok(Executed::default())
        })
    }
}

/// A running pod of the shop with annotations, and the claims it mounts.
pub(super) fn running(name: &str, annotations: &[(&str, &str)], claims: &[&str]) -> Value {
    let annotations: BTreeMap<String, &str> = annotations
        .iter()
        .map(|(key, value)| ((*key).to_owned(), *value))
        .collect();
    let volumes: Vec<Value> = claims
        .iter()
        .map(|claim| json!({"persistentVolumeClaim": {"claimName": claim}}))
        .collect();
    object(
        "v1",
        "Pod",
        Some("shop"),
        name,
        json!({
            "metadata": {"annotations": annotations, "labels": {"pod": name}},
            "spec": {"containers": [{"name": "db"}, {"name": "side"}], "volumes": volumes},
            "status": {"phase": "Running"}}),
    )
}

const PRE: &str = "pre.hook.backup.velero.io/command";
const POST: &str = "post.hook.backup.velero.io/command";
pub(super) const BOTH: [(&str, &str); 2] = [(PRE, "freeze"), (POST, "thaw")];

async fn backed_up_beside(api: &FakeApi, pods: &FakePods, spec: BackupSpec) -> (Ran, Tally) {
    let witness: Arc<dyn BackupItemAction> = Arc::new(Witness(pods.clone()));
    backed_up_of(api, pods, request(spec), vec![witness]).await
}

#[tokio::test]
async fn pods_that_share_a_claim_are_frozen_while_all_of_it_is_saved() {
    let (api, pods) = (shop(), FakePods::new());
    api.insert(running("a", &BOTH, &["data"]));
    api.insert(running("b", &BOTH, &["data"]));
    let spec = BackupSpec {
        included_resources: vec!["pods".to_owned(), "persistentvolumeclaims".to_owned()],
        ..of_shop()
    };
    let (ran, tally) = backed_up_beside(&api, &pods, spec).await;
    let events = pods.events();
    assert_eq!(
        events[..3],
        ["written: shop/a, shop/b", "shop/a db: freeze", "shop/b db: freeze"]
    );
    let mut saved = events[3..events.len() - 4].to_vec();
    saved.sort_unstable();
    assert_eq!(saved, ["saved: a", "saved: b", "saved: data", "saved: db-0"]);
    assert_eq!(
        events[events.len() - 4..],
        ["shop/a db: thaw", "written: shop/b", "shop/b db: thaw", "written: "]
    );
    assert_eq!(
        tally,
        Tally {
            attempted: 4,
            failed: 0
        }
    );
    assert_eq!(ran.log.counts(), (0, 0), "{}", ran.log_text());
}

#[tokio::test]
async fn a_pod_with_a_failed_pre_hook_is_not_saved_but_its_claims_are() {
    let (api, pods) = (shop(), FakePods::new());
    api.insert(running("a", &BOTH, &["data"]));
    pods.script("freeze", Ok(1));
    let (ran, tally) = backed_up_of(&api, &pods, request(of_shop()), Vec::new()).await;
    assert_eq!(ran.sorted(), SHOP[..12], "all but that pod");
    assert_eq!((ran.report.failed, ran.log.counts()), (1, (0, 2)), "{:?}", ran.errors());
    assert!(
        ran.errors()[1].contains("name: /a message: /Error backing up item"),
        "{:?}",
        ran.errors()
    );
    assert_eq!(
        tally,
        Tally {
            attempted: 1,
            failed: 1
        }
    );
}

#[tokio::test]
async fn a_pre_hook_that_may_fail_does_not_prevent_the_save() {
    let (api, pods) = (shop(), FakePods::new());
    let annotations = [BOTH[0], BOTH[1], ("pre.hook.backup.velero.io/on-error", "Continue")];
    api.insert(running("a", &annotations, &[]));
    pods.script("freeze", Ok(1));
    let (ran, tally) = backed_up_of(&api, &pods, request(of_shop()), Vec::new()).await;
    assert!(ran.members.contains(&"pods shop/a".to_owned()));
    assert_eq!(ran.report.failed, 0);
    // The application is as strict as fsfreeze: a thaw fails if it is not frozen.
    assert_eq!((ran.log.counts(), tally.failed), ((0, 2), 2), "{:?}", ran.errors());
}

#[tokio::test]
async fn hooks_of_the_spec_run_in_the_pods_that_they_select() {
    let (api, pods) = (shop(), FakePods::new());
    api.insert(running("a", &[], &[]));
    api.insert(running("b", &[], &[]));
    api.insert(running("own", &[(PRE, "own")], &[]));
    let hook = |name: &str, labels: Value, container: &str| {
        json!({"name": name, "labelSelector": {"matchLabels": labels}, "includedResources": ["po"],
               "pre": [{"exec": {"command": [name], "container": container}}],
               "post": [{"exec": {"command": ["after", name]}}]})
    };
    let hooks = json!({"resources": [
        hook("for-a", json!({"pod": "a"}), "side"),
        hook("for-own", json!({"pod": "own"}), ""),
        {"name": "elsewhere", "includedNamespaces": ["other"], "pre": [{"exec": {"command": ["never"]}}]},
        {"name": "nowhere", "includedResources": ["deployments"], "pre": [{"exec": {"command": ["never"]}}]},
    ]});
    let spec = BackupSpec {
        hooks: serde_json::from_value(hooks).unwrap(),
        ..of_shop()
    };
    let (ran, tally) = backed_up_of(&api, &pods, request(spec), Vec::new()).await;
    let commands: Vec<String> = pods
        .events()
        .into_iter()
        .filter(|event| !event.starts_with("written"))
        .collect();
    assert_eq!(
        commands,
        [
            "shop/a side: for-a",
            "shop/a db: after for-a",
            "shop/own db: own",
            "shop/own db: after for-own"
        ]
    );
    assert_eq!(tally.attempted, 4);
    assert_eq!(ran.log.counts(), (1, 0));
    assert!(
        ran.warnings()[0].contains(r#"Hook "nowhere" of the backup never runs"#),
        "{:?}",
        ran.warnings()
    );
}

#[tokio::test]
async fn a_pod_that_is_not_saved_has_no_hooks_run() {
    let (api, pods) = (shop(), FakePods::new());
    let mut labelled = running("labelled", &BOTH, &[]);
    labelled["metadata"]["labels"]["velero.io/exclude-from-backup"] = json!("true");
    let mut leaving = running("leaving", &BOTH, &[]);
    leaving["metadata"]["deletionTimestamp"] = json!("2026-11-24T01:02:03Z");
    leaving["metadata"]["finalizers"] = json!(["example.com/wait"]);
    let mut elsewhere = running("elsewhere", &BOTH, &[]);
    elsewhere["metadata"]["namespace"] = json!("other");
    api.insert_all([labelled, leaving, elsewhere]);
    backed_up_of(&api, &pods, request(of_shop()), Vec::new()).await;
    assert_eq!(pods.events(), [""; 0]);
}

/// Asks for a pod that is not listed.
struct Bringer;

impl BackupItemAction for Bringer {
    fn name(&self) -> &'static str {
        "example.com/bringer"
    }

    fn applies_to(&self) -> AppliesTo {
        AppliesTo::types(&["cm"])
    }

    fn execute<'a>(
        &'a self,
        _: &'a mut Item,
        _: &'a ActionContext<'a>,
    ) -> BoxFuture<'a, Result<Executed, ActionError>> {
        Box::pin(async {
            Ok(Executed {
                additional: vec![ItemRef::namespaced("", "pods", "shop", "brought")],
                ..Executed::default()
            })
        })
    }
}

#[tokio::test]
async fn an_additional_pod_has_its_own_hooks_around_it() {
    let selected = BackupSpec {
        label_selector: Some(LabelSelector {
            match_labels: BTreeMap::from([("app".to_owned(), "web".to_owned())]),
            ..LabelSelector::default()
        }),
        ..of_shop()
    };
    for (outcome, saved) in [(Ok(0), true), (Ok(1), false)] {
        let (api, pods) = (shop(), FakePods::new());
        api.insert(config_map("shop", "labelled", json!({"app": "web"})));
        api.insert(running("brought", &BOTH, &[]));
        pods.script("freeze", outcome);
        let actions: Vec<Arc<dyn BackupItemAction>> = vec![Arc::new(Bringer), Arc::new(Witness(pods.clone()))];
        let (ran, _) = backed_up_of(&api, &pods, request(selected.clone()), actions).await;
        assert_eq!(ran.members.contains(&"pods shop/brought".to_owned()), saved);
        let events: Vec<String> = pods
            .events()
            .into_iter()
            .filter(|event| !event.starts_with("written"))
            .collect();
        if saved {
            assert_eq!(
                events,
                ["shop/brought db: freeze", "saved: brought", "shop/brought db: thaw"]
            );
        } else {
            assert_eq!(events, ["shop/brought db: freeze"]);
        }
    }
}

#[tokio::test]
async fn a_run_cancelled_while_pods_are_frozen_is_settled_later() {
    let (api, pods) = (shop(), FakePods::new());
    api.insert(running("a", &BOTH, &[]));
    let slow = pods.hold("thaw");
    let cancel = CancellationToken::new();
    let mut kept = Kept::default();
    let run = backup_of(&api, &pods, request(of_shop()), Vec::new(), &mut kept, &cancel);
    let watch = async {
        while !pods.events().contains(&"shop/a db: thaw".to_owned()) {
            tokio::task::yield_now().await;
        }
        cancel.cancel();
    };
    let ((outcome, ..), ()) = tokio::join!(run, watch);
    assert!(matches!(outcome, Err(Fatal::Cancelled)));
    assert_eq!(pods.written().len(), 1, "the next server reads it");
    drop(slow);
}
