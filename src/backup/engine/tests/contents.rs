//! What is in an archive, and in which order.

use super::*;

#[tokio::test]
async fn a_namespace_is_saved_with_what_its_objects_need_from_outside() {
    let ran = backed_up(&shop(), of_shop()).await;
    assert_eq!(ran.sorted(), SHOP[..12]);
    assert_eq!(ran.log.counts(), (0, 0), "{}", ran.log_text());
    assert_eq!((ran.report.saved, ran.report.skipped, ran.report.failed), (12, 0, 0));
}

#[tokio::test]
async fn a_role_is_saved_with_the_roles_that_it_aggregates() {
    let api = shop();
    let role = |name: &str, labels: Value, selected: &str| {
        let rule = json!({"clusterRoleSelectors": [{"matchLabels": {(selected): "true"}}]});
        let rest = json!({"metadata": {"labels": labels}, "aggregationRule": rule});
        object("rbac.authorization.k8s.io/v1", "ClusterRole", None, name, rest)
    };
    api.insert_all([
        role("reader", json!({}), "to-reader"),
        role("part", json!({"to-reader": "true"}), "to-part"),
        role("leaf", json!({"to-part": "true"}), "to-nothing"),
        role("beside", json!({"to-other": "true"}), "to-part"),
        role(
            "default",
            json!({"to-reader": "true", "kubernetes.io/bootstrapping": "rbac-defaults"}),
            "to-nothing",
        ),
    ]);
    let ran = backed_up(&api, of_shop()).await;
    let roles = ran
        .sorted()
        .into_iter()
        .filter(|name| name.starts_with("clusterroles."));
    let roles: Vec<String> = roles
        .map(|name| name.replace("clusterroles.rbac.authorization.k8s.io ", ""))
        .collect();
    assert_eq!(roles, ["leaf", "part", "reader"]);
    assert_eq!(ran.log.counts(), (0, 0), "{}", ran.log_text());
}

#[tokio::test]
async fn a_name_that_no_archive_can_hold_fails_only_its_item() {
    let api = shop();
    let long = "x".repeat(1100);
    api.insert(object(
        "rbac.authorization.k8s.io/v1",
        "ClusterRole",
        None,
        &long,
        json!({}),
    ));
    let spec = BackupSpec {
        included_resources: vec!["clusterroles".to_owned()],
        ..BackupSpec::default()
    };
    let ran = backed_up(&api, spec).await;
    assert_eq!((ran.report.failed, ran.errors().len()), (1, 1), "{:?}", ran.errors());
    assert!(
        ran.errors()[0].contains("more than the 1024 that a restore accepts"),
        "{:?}",
        ran.errors()
    );
    assert!(ran.members.iter().all(|member| !member.contains(&long)));
    assert!(ran.report.saved > 0);
}

#[tokio::test]
async fn needed_objects_come_first_in_the_archive_and_crds_last() {
    let ran = backed_up(&shop(), of_shop()).await;
    for (first, second) in [
        ("persistentvolumes shop-data", "persistentvolumeclaims shop/data"),
        ("persistentvolumeclaims shop/data", "pods shop/db-0"),
        ("priorityclasses.scheduling.k8s.io high", "pods shop/db-0"),
        (
            "clusterroles.rbac.authorization.k8s.io reader",
            "serviceaccounts shop/web",
        ),
        ("widgets.example.com shop/blue", "namespaces shop"),
        (
            "namespaces shop",
            "customresourcedefinitions.apiextensions.k8s.io widgets.example.com",
        ),
    ] {
        assert!(ran.place(first) < ran.place(second), "{first} before {second}");
    }
}

#[tokio::test]
async fn an_object_is_saved_as_the_api_server_has_it() {
    let api = shop();
    let ran = backed_up(&api, of_shop()).await;
    let pod = api.get("v1", "Pod", Some("shop"), "db-0").unwrap();
    assert_eq!(ran.objects["pods shop/db-0"], pod);
    assert_eq!(
        ran.objects["deployments.apps shop/web"]["spec"]["big"],
        json!(9_007_199_254_740_993_i64)
    );
    // The action for claims removes the fields that bind it to its old volume.
    let mut claim = api.get("v1", "PersistentVolumeClaim", Some("shop"), "data").unwrap();
    claim["spec"].as_object_mut().unwrap().remove("dataSource");
    assert_eq!(ran.objects["persistentvolumeclaims shop/data"], claim);
}

#[tokio::test]
async fn the_resource_list_names_what_was_saved_and_nothing_else() {
    let ran = backed_up(&shop(), of_shop()).await;
    assert_eq!(
        ran.resource_list,
        json!({
            "apiextensions.k8s.io/v1/CustomResourceDefinition": ["widgets.example.com"],
            "apps/v1/Deployment": ["shop/web"],
            "example.com/v1/Widget": ["shop/blue"],
            "rbac.authorization.k8s.io/v1/ClusterRole": ["reader"],
            "rbac.authorization.k8s.io/v1/ClusterRoleBinding": ["web"],
            "scheduling.k8s.io/v1/PriorityClass": ["high"],
            "v1/ConfigMap": ["shop/settings"],
            "v1/Namespace": ["shop"],
            "v1/PersistentVolume": ["shop-data"],
            "v1/PersistentVolumeClaim": ["shop/data"],
            "v1/Pod": ["shop/db-0"],
            "v1/ServiceAccount": ["shop/web"],
        })
    );
}

#[tokio::test]
async fn volumes_with_unsaved_data_are_reported() {
    let ran = backed_up(&shop(), of_shop()).await;
    let volumes = serde_json::to_value(&ran.report.volumes).unwrap();
    assert_eq!(volumes[0]["pvName"], "shop-data");
    assert_eq!(volumes[0]["pvcName"], "data");
    assert_eq!(volumes[0]["skipped"], true);
    assert_eq!(ran.report.volumes.len(), 1);
}

#[tokio::test]
async fn the_users_order_is_kept_among_pods() {
    let api = FakeApi::new();
    api.insert_all(["a", "b", "c", "d"].map(|name| object("v1", "Pod", Some("default"), name, json!({}))));
    let ordered = BTreeMap::from([("pods".to_owned(), "default/d,default/b,default/x".to_owned())]);
    let ran = backed_up(
        &api,
        BackupSpec {
            ordered_resources: ordered,
            ..BackupSpec::default()
        },
    )
    .await;
    assert!(ran.place("pods default/d") < ran.place("pods default/b"));
    assert_eq!(ran.warnings().len(), 1, "the one that is not there");
}

#[tokio::test]
async fn more_items_than_fit_on_a_page_or_in_the_log_are_all_saved() {
    let api = FakeApi::new();
    api.insert_all((0..3_000).map(|i| config_map("default", &format!("m-{i:04}"), json!({}))));
    let ran = backed_up(&api, BackupSpec::default()).await;
    assert_eq!(ran.report.saved, 3_001);
    assert_eq!(
        ran.log_text().matches("Backed up ").count(),
        2_000 + 1 + 1,
        "the total is logged too"
    );
    let pages = api
        .seen()
        .iter()
        .filter(|seen| seen.path == "/api/v1/configmaps")
        .count();
    assert!(pages > 1, "{pages}");
}

#[tokio::test]
async fn an_object_that_is_listed_twice_is_saved_and_counted_once() {
    let api = FakeApi::new();
    api.insert_all((0..1_200).map(|i| config_map("default", &format!("m-{i:04}"), json!({}))));
    api.insert_all((0..1_200).map(|i| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "default", "name": format!("p-{i:04}")}})
    }));
    // The view expires, and the server has no newer one to continue in: both lists, the staged and the streamed one, start
    // over after a page was handed out.
    for path in ["/api/v1/pods", "/api/v1/configmaps"] {
        api.fault(Fault::new(1, 410, "Expired", move |seen| {
            seen.path == path && seen.param("continue").is_some()
        }));
    }
    let ran = backed_up(&api, BackupSpec::default()).await;
    assert_eq!(ran.report.saved, 2_401);
    assert_eq!(ran.progress.expected, 2_401, "no more was ever expected than there is");
    assert_eq!(ran.log_text().matches("The list starts over").count(), 2);
    assert_eq!(ran.errors(), Vec::<String>::new());
}
