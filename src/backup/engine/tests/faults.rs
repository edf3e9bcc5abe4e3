//! Errors of the API server and of the sink.

use super::*;

#[tokio::test]
async fn a_role_is_saved_if_roles_cannot_be_listed() {
    let api = shop();
    api.fault(Fault::new(2, 403, "Forbidden", |seen| {
        seen.path.ends_with("/clusterroles")
    }));
    let ran = backed_up(&api, of_shop()).await;
    assert_eq!(ran.sorted(), SHOP[..12]);
    assert!(
        ran.errors()[0].contains("Error listing cluster roles"),
        "{:?}",
        ran.errors()
    );
}

#[tokio::test]
async fn a_failed_list_is_an_error_and_other_types_are_saved() {
    let api = shop();
    api.fault(Fault::new(1, 403, "Forbidden", |seen| seen.path.ends_with("/deployments")).message("no entry"));
    let ran = backed_up(&api, of_shop()).await;
    assert_eq!(ran.report.saved, 11);
    let errors = ran.errors();
    assert_eq!(errors.len(), 1);
    assert!(
        errors[0].contains("resource: /deployments") && errors[0].contains("no entry"),
        "{errors:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_busy_api_server_only_delays_the_backup() {
    let api = shop();
    api.fault(
        Fault::new(2, 429, "TooManyRequests", |seen| {
            seen.path.ends_with("/priorityclasses/high")
        })
        .retry_after(1),
    );
    let ran = backed_up(&api, of_shop()).await;
    assert_eq!((ran.report.saved, ran.log.counts()), (12, (0, 0)));
}

#[tokio::test]
async fn an_additional_item_that_is_gone_is_a_warning() {
    let api = shop();
    api.remove("scheduling.k8s.io/v1", "PriorityClass", None, "high");
    let ran = backed_up(&api, of_shop()).await;
    assert!(ran.members.contains(&"pods shop/db-0".to_owned()));
    assert_eq!(ran.log.counts(), (1, 0));
    assert!(ran.warnings()[0].contains("name: /high"), "{:?}", ran.warnings());
}

#[tokio::test]
async fn an_additional_item_that_cannot_be_read_fails_its_parent() {
    let api = shop();
    api.fault(Fault::new(1, 403, "Forbidden", |seen| {
        seen.path.ends_with("/priorityclasses/high")
    }));
    let ran = backed_up(&api, of_shop()).await;
    assert!(!ran.members.contains(&"pods shop/db-0".to_owned()));
    assert!(
        ran.members.contains(&"persistentvolumeclaims shop/data".to_owned()),
        "others are not touched by it"
    );
    assert_eq!((ran.report.saved, ran.report.failed), (10, 2));
    assert_eq!(
        ran.resource_list.get("v1/Pod"),
        None,
        "what failed is not listed as saved"
    );
}

#[tokio::test]
async fn service_accounts_are_saved_if_bindings_cannot_be_listed() {
    let api = shop();
    api.insert(object("v1", "ServiceAccount", Some("shop"), "other", json!({})));
    api.fault(Fault::new(2, 403, "Forbidden", |seen| {
        seen.path.ends_with("/clusterrolebindings")
    }));
    let ran = backed_up(&api, of_shop()).await;
    for account in ["serviceaccounts shop/web", "serviceaccounts shop/other"] {
        assert!(
            ran.members.contains(&account.to_owned()),
            "{account}: {:?}",
            ran.members
        );
    }
    assert_eq!((ran.report.failed, ran.log.counts()), (0, (0, 1)), "{:?}", ran.errors());
    assert!(
        ran.errors()[0].contains("Error listing cluster role bindings: the service accounts are saved without"),
        "{:?}",
        ran.errors()
    );
}

#[tokio::test]
async fn a_sink_that_refuses_ends_the_run() {
    let (outcome, ..) = backup(
        &shop(),
        request(of_shop()),
        Vec::new(),
        &mut Refusing,
        &CancellationToken::new(),
    )
    .await;
    assert_eq!(
        outcome.unwrap_err().to_string(),
        "store the backup archive: the disk is full"
    );
}

#[tokio::test]
async fn a_run_that_is_cancelled_ends() {
    let api = shop();
    let cancel = CancellationToken::new();
    let at_secrets = cancel.clone();
    api.before(|seen| seen.path.ends_with("/secrets"), move |_| at_secrets.cancel());
    let (outcome, ..) = backup(&api, request(of_shop()), Vec::new(), &mut Kept::default(), &cancel).await;
    assert!(matches!(outcome, Err(Fatal::Cancelled)));
}

#[tokio::test]
async fn a_backup_fails_without_served_namespaces() {
    let api = shop();
    api.fault(Fault::new(9, 403, "Forbidden", |seen| {
        seen.path == "/api/v1/namespaces"
    }));
    let (outcome, ..) = backup(
        &api,
        request(of_shop()),
        Vec::new(),
        &mut Kept::default(),
        &CancellationToken::new(),
    )
    .await;
    assert!(matches!(outcome, Err(Fatal::Namespaces(_))));
}

#[tokio::test]
async fn a_group_that_cannot_be_discovered_is_a_warning() {
    let api = FakeApi::new();
    let stale = json!({"version": "v1", "freshness": "Stale", "resources": []});
    api.fault(Fault {
        body: json!({
            "kind": "APIGroupDiscoveryList",
            "items": [{"metadata": {"name": "metrics.example.com"}, "versions": [stale]}],
        }),
        ..Fault::new(1, 200, "", |seen| seen.path == "/apis")
    });
    let ran = backed_up(&api, BackupSpec::default()).await;
    let warnings = ran.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("metrics.example.com"), "{warnings:?}");
}
