//! What actions change, require and exclude.

use super::*;

/// Does what a plugin may do.
struct Meddler {
    change: fn(&mut Value),
    additional: Vec<ItemRef>,
}

impl BackupItemAction for Meddler {
    fn name(&self) -> &'static str {
        "example.com/meddler"
    }

    fn applies_to(&self) -> AppliesTo {
        AppliesTo::types(&["cm"])
    }

    fn execute<'a>(
        &'a self,
        item: &'a mut Item,
        _: &'a ActionContext<'a>,
    ) -> BoxFuture<'a, Result<Executed, ActionError>> {
        Box::pin(async move {
            (self.change)(item.edit()?);
            Ok(Executed {
                additional: self.additional.clone(),
                ..Executed::default()
            })
        })
    }
}

#[tokio::test]
async fn the_item_is_saved_as_the_action_changed_it() {
    let meddler = Meddler {
        change: |item| item["data"]["more"] = json!(true),
        additional: Vec::new(),
    };
    let ran = backed_up_with(&shop(), of_shop(), vec![Arc::new(meddler)]).await;
    assert_eq!(ran.objects["configmaps shop/settings"]["data"]["more"], true);
}

#[tokio::test]
async fn a_claim_keeps_the_label_of_a_backup_with_any_name() {
    let name = "b".repeat(70);
    let api = shop();
    let labels = json!({"velero.io/backup-name": crate::api::names::label_value(&name)});
    let claim = json!({"metadata": {"labels": labels}, "spec": {"volumeName": "loose"}, "status": {"phase": "Bound"}});
    api.insert(object("v1", "PersistentVolumeClaim", Some("shop"), "own", claim));
    let mut request = request(of_shop());
    request.name = name;
    let ran = backed_up_by(&api, request, Vec::new()).await;
    let saved = &ran.objects["persistentvolumeclaims shop/own"];
    assert_eq!(saved["metadata"]["labels"], labels);
}

#[tokio::test]
async fn an_action_can_exclude_an_item_and_still_add_others() {
    let change: fn(&mut Value) = |item| {
        if item["metadata"]["name"] == "settings" {
            item["metadata"]["annotations"]["velero.io/skip-from-backup"] = json!("");
        }
    };
    let api = shop();
    api.insert(config_map("shop", "zz", json!({})));
    let additional = vec![ItemRef::namespaced("", "configmaps", "shop", "zz")];
    let ran = backed_up_with(&api, of_shop(), vec![Arc::new(Meddler { change, additional })]).await;
    assert!(!ran.members.contains(&"configmaps shop/settings".to_owned()));
    assert!(ran.members.contains(&"configmaps shop/zz".to_owned()));
    assert_eq!(ran.resource_list["v1/ConfigMap"], json!(["shop/zz"]));
    assert_eq!((ran.report.skipped, ran.report.failed), (1, 0));
}

#[tokio::test]
async fn additional_items_obey_the_filters_unless_required() {
    let elsewhere = ItemRef::namespaced("", "configmaps", "other", "elsewhere");
    let asks = Meddler {
        change: |_| (),
        additional: vec![elsewhere.clone()],
    };
    let ran = backed_up_with(&shop(), of_shop(), vec![Arc::new(asks)]).await;
    assert!(!ran.members.contains(&"configmaps other/elsewhere".to_owned()));

    let change: fn(&mut Value) =
        |item| item["metadata"]["annotations"]["backup.velero.io/must-include-additional-items"] = json!("true");
    let ran = backed_up_with(
        &shop(),
        of_shop(),
        vec![Arc::new(Meddler {
            change,
            additional: vec![elsewhere],
        })],
    )
    .await;
    assert!(ran.members.contains(&"configmaps other/elsewhere".to_owned()));
    let annotations = &ran.objects["configmaps shop/settings"]["metadata"]["annotations"];
    assert_eq!(
        annotations.get("backup.velero.io/must-include-additional-items"),
        None,
        "it is not saved"
    );
}

#[tokio::test]
async fn items_that_ask_for_each_other_are_saved_once() {
    let api = FakeApi::new();
    api.insert_all([
        config_map("default", "a", json!({})),
        config_map("default", "b", json!({})),
    ]);
    let both = ["a", "b"]
        .map(|name| ItemRef::namespaced("", "configmaps", "default", name))
        .to_vec();
    let ran = backed_up_with(
        &api,
        BackupSpec::default(),
        vec![Arc::new(Meddler {
            change: |_| (),
            additional: both,
        })],
    )
    .await;
    assert_eq!(
        ran.sorted(),
        ["configmaps default/a", "configmaps default/b", "namespaces default"]
    );
}

/// Starts an operation on each ConfigMap, and asks for its claim to be collected again.
struct Starter;

impl BackupItemAction for Starter {
    fn name(&self) -> &'static str {
        "example.com/starter"
    }

    fn applies_to(&self) -> AppliesTo {
        AppliesTo::types(&["cm"])
    }

    fn execute<'a>(
        &'a self,
        item: &'a mut Item,
        context: &'a ActionContext<'a>,
    ) -> BoxFuture<'a, Result<Executed, ActionError>> {
        Box::pin(async move {
            Ok(Executed {
                operation: Some(StartedOperation {
                    id: format!("{}-{}", context.request.uid, item.head().name),
                    post_items: vec![ItemRef::cluster_scoped("", "persistentvolumes", "shop-data")],
                }),
                ..Executed::default()
            })
        })
    }
}

#[tokio::test]
async fn an_operation_is_recorded_once_whatever_the_number_of_workers() {
    let api = shop();
    for number in 0..50 {
        api.insert(config_map("shop", &format!("c{number}"), json!({})));
    }
    let mut request = request(of_shop());
    request.workers = 8;
    let ran = backed_up_by(&api, request, vec![Arc::new(Starter)]).await;
    let mut ids: Vec<_> = ran
        .report
        .operations
        .iter()
        .map(|one| &*one.spec.operation_id)
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), ran.report.operations.len()), (51, 51));
    let spec = &ran.report.operations[0].spec;
    assert_eq!(
        (&*spec.backup_name, &*spec.backup_item_action),
        ("nightly", "example.com/starter")
    );
    let post = spec.post_operation_items.as_ref().unwrap();
    assert_eq!((&*post[0].resource, &*post[0].namespace), ("persistentvolumes", ""));
}

/// Collects items again, and returns the paths in the archive of them, the number of saved ones, and the log.
async fn again(
    api: &FakeApi,
    items: &[ItemRef],
    actions: Vec<Arc<dyn BackupItemAction>>,
) -> (Vec<String>, u64, RunLog) {
    let cluster = Cluster::from_client(api.client());
    let discovery = Discovery::read(&cluster).await.unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let log = run_log();
    let deps = AgainDeps {
        cluster: &cluster,
        discovery: &discovery,
        scratch: scratch.path(),
        log: &log,
        now: "2026-11-24T01:02:03Z".parse().unwrap(),
        actions,
    };
    let mut kept = Kept::default();
    let saved = collect_again(&request(of_shop()), deps, items, &mut kept)
        .await
        .unwrap();
    let mut members = Members::default();
    read(kept.0.as_slice(), &Limits::default(), &mut members).unwrap();
    (members.plain.into_iter().map(|(name, _)| name).collect(), saved, log)
}

#[tokio::test]
async fn items_of_every_kind_are_collected_again_without_hooks() {
    let api = shop();
    let hooked = json!({
        "metadata": {"annotations": {"pre.hook.backup.velero.io/command": "[\"/bin/false\"]"}},
        "spec": {"containers": [{"name": "db"}], "volumes": [{"persistentVolumeClaim": {"claimName": "data"}}]},
        "status": {"phase": "Running"},
    });
    api.insert(object("v1", "Pod", Some("shop"), "hooked", hooked));
    let items = [
        ItemRef::namespaced("", "pods", "shop", "hooked"),
        ItemRef::namespaced("", "configmaps", "other", "elsewhere"),
        ItemRef::namespaced("", "configmaps", "shop", "gone"),
        ItemRef::namespaced("example.com", "unknowns", "shop", "x"),
    ];
    let (mut members, saved, log) = again(&api, &items, Vec::new()).await;
    members.sort();
    // The pod brings its claim, and that its volume; the filters do not apply to what is named.
    assert_eq!(
        members,
        [
            "configmaps other/elsewhere",
            "persistentvolumeclaims shop/data",
            "persistentvolumes shop-data",
            "pods shop/hooked"
        ]
    );
    assert_eq!(saved, 4);
    assert_eq!(log.counts().1, 1, "the type that is not served: {:?}", log.errors());
    assert!(
        log.warnings()
            .by_scope
            .into_values()
            .flatten()
            .any(|text| text.contains("/gone"))
    );
}

#[tokio::test]
async fn an_operation_that_is_started_while_items_are_collected_again_fails_its_item() {
    let items = [ItemRef::namespaced("", "configmaps", "shop", "settings")];
    let (members, _, log) = again(&shop(), &items, vec![Arc::new(Starter)]).await;
    assert!(members.is_empty(), "{members:?}");
    let errors: Vec<String> = log.errors().by_scope.into_values().flatten().collect();
    assert!(
        errors[0].contains("started an operation while the backup is finalized"),
        "{errors:?}"
    );
}
