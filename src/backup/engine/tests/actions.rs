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
