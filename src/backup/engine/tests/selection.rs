//! Which objects a backup saves.

use super::*;

#[tokio::test]
async fn a_backup_that_selects_nothing_warns() {
    let spec = BackupSpec {
        included_resources: vec!["nodes".to_owned()],
        include_cluster_resources: Some(false),
        ..of_shop()
    };
    let ran = backed_up(&shop(), spec).await;
    assert_eq!(ran.report.saved, 0);
    let warnings = ran.warnings();
    let last = warnings.last().map(String::as_str).unwrap_or_default();
    assert!(
        last.ends_with("the filters of the backup select nothing: zero items were backed up"),
        "{last}"
    );
}

#[tokio::test]
async fn a_backup_without_filters_saves_everything() {
    let api = shop();
    // As the spec is prepared: the automatic excludes are not the user's.
    let spec = BackupSpec {
        included_namespaces: vec!["*".to_owned()],
        excluded_cluster_scoped_resources: vec!["volumesnapshotcontents.snapshot.storage.k8s.io".to_owned()],
        excluded_namespace_scoped_resources: vec!["volumesnapshots.snapshot.storage.k8s.io".to_owned()],
        ..BackupSpec::default()
    };
    let ran = backed_up(&api, spec).await;
    let mut expected: Vec<&str> = SHOP[..12].to_vec();
    expected.extend([
        "configmaps other/elsewhere",
        "namespaces default",
        "namespaces other",
        "nodes n1",
    ]);
    expected.push("persistentvolumes loose");
    expected.sort_unstable();
    assert_eq!(ran.sorted(), expected);
    assert_eq!(
        ran.progress.expected, ran.report.saved,
        "every list announced its length"
    );
}

#[tokio::test]
async fn a_labelled_out_namespace_keeps_a_full_backup_full() {
    let api = shop();
    api.insert(namespace("hidden", json!({"velero.io/exclude-from-backup": "true"})));
    api.insert(config_map("hidden", "secret", json!({})));
    let spec = BackupSpec {
        excluded_namespaces: vec!["hidden".to_owned()],
        ..BackupSpec::default()
    };
    let ran = backed_up(&api, spec).await;
    assert!(ran.members.contains(&"nodes n1".to_owned()));
    assert!(!ran.members.iter().any(|member| member.contains("hidden")));
}

#[tokio::test]
async fn few_namespaces_are_listed_by_name_and_many_in_one_list() {
    let api = shop();
    backed_up(&api, of_shop()).await;
    let lists = |path: &str| api.seen().iter().filter(|seen| seen.path == path).count();
    assert_eq!(
        (lists("/api/v1/namespaces/shop/configmaps"), lists("/api/v1/configmaps")),
        (1, 0)
    );
    api.insert_all((0..10).map(|i| namespace(&format!("shop-{i}"), json!({}))));
    let spec = BackupSpec {
        included_namespaces: vec!["shop*".to_owned()],
        ..BackupSpec::default()
    };
    let ran = backed_up(&api, spec).await;
    assert_eq!(
        (lists("/api/v1/namespaces/shop/configmaps"), lists("/api/v1/configmaps")),
        (0, 1)
    );
    assert!(
        !ran.members.iter().any(|member| member.contains("other")),
        "what else the list brought is left out"
    );
}

#[tokio::test]
async fn or_selectors_find_each_object_once() {
    let api = FakeApi::new();
    api.insert_all([
        config_map("default", "one", json!({"app": "a"})),
        config_map("default", "both", json!({"app": "a", "tier": "b"})),
        config_map("default", "two", json!({"tier": "b"})),
        config_map("default", "none", json!({})),
        namespace("empty", json!({})),
    ]);
    let selector = |key: &str, value: &str| LabelSelector {
        match_labels: BTreeMap::from([(key.to_owned(), value.to_owned())]),
        ..LabelSelector::default()
    };
    let spec = BackupSpec {
        or_label_selectors: vec![selector("app", "a"), selector("tier", "b")],
        ..BackupSpec::default()
    };
    let ran = backed_up(&api, spec.clone()).await;
    let expected = [
        "configmaps default/both",
        "configmaps default/one",
        "configmaps default/two",
        "namespaces default",
    ];
    assert_eq!(ran.sorted(), expected);

    // One selector's list fails: the objects of the other are saved, and the failure is an error.
    api.fault(Fault::new(1, 403, "Forbidden", |seen| {
        seen.path.ends_with("/configmaps") && seen.param("labelSelector") == Some("tier=b")
    }));
    let ran = backed_up(&api, spec).await;
    assert_eq!(
        ran.sorted(),
        [
            "configmaps default/both",
            "configmaps default/one",
            "namespaces default"
        ]
    );
    assert_eq!(ran.log.counts(), (0, 1));
    assert!(ran.errors()[0].contains("scripted by the test"), "{:?}", ran.errors());
}

#[tokio::test]
async fn an_empty_selector_selects_everything() {
    let api = FakeApi::new();
    api.insert(config_map("default", "one", json!({})));
    let spec = BackupSpec {
        label_selector: Some(LabelSelector::default()),
        ..BackupSpec::default()
    };
    assert!(
        backed_up(&api, spec)
            .await
            .members
            .contains(&"configmaps default/one".to_owned())
    );
}

#[tokio::test]
async fn labelled_and_terminating_objects_are_skipped() {
    let api = FakeApi::new();
    api.insert_all([
        config_map("default", "kept", json!({})),
        config_map("default", "labelled", json!({"velero.io/exclude-from-backup": "true"})),
        object(
            "v1",
            "Secret",
            Some("default"),
            "dying",
            json!({"metadata": {
            "deletionTimestamp": "2026-11-24T00:00:00Z", "finalizers": ["example.com/wait"]}}),
        ),
    ]);
    let ran = backed_up(&api, BackupSpec::default()).await;
    assert_eq!(ran.sorted(), ["configmaps default/kept", "namespaces default"]);
    assert_eq!((ran.report.skipped, ran.log.counts()), (2, (0, 0)));
    for words in [
        "Excluding item because it has label",
        "Skipping item because it's being deleted.",
    ] {
        assert!(ran.log_text().contains(words), "{words}");
    }
}

#[tokio::test]
async fn an_included_namespace_that_does_not_exist_is_an_error() {
    let spec = BackupSpec {
        included_namespaces: vec!["shop".to_owned(), "gone".to_owned()],
        ..BackupSpec::default()
    };
    let ran = backed_up(&shop(), spec).await;
    assert_eq!(ran.sorted(), SHOP[..12]);
    assert_eq!(ran.errors().len(), 1);
    assert!(ran.errors()[0].contains("name: /gone"), "{:?}", ran.errors());
}

#[tokio::test]
async fn patterns_that_match_no_namespace_save_nothing() {
    let spec = BackupSpec {
        included_namespaces: vec!["nothing-*".to_owned()],
        ..BackupSpec::default()
    };
    let ran = backed_up(&shop(), spec).await;
    assert_eq!(ran.sorted(), [""; 0]);
    assert_eq!(ran.resource_list, json!({}));
}
