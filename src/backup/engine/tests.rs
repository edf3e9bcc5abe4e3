mod blocks;
mod hooks;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use flate2::read::{GzDecoder, MultiGzDecoder};
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::*;
use crate::api::LabelSelector;
use crate::archive::layout::{ItemCopy, Member};
use crate::archive::reader::{Limits, Sink, read};
use crate::backup::actions::{ActionContext, ActionError, AppliesTo, BackupItemAction, Executed};
use crate::backup::item::{Item, ItemRef};
use crate::backup::progress::Snapshot;
use crate::cluster::Cluster;
use crate::cluster::discovery::Discovery;
use crate::hook::{Runner, Tally};
use crate::select::resource_policies::ResourcePolicies;
use crate::telemetry::logrus::{Format, Level};
use crate::testing::fake_api::{FakeApi, Fault};
use crate::testing::fake_pods::FakePods;

mod versions;
mod volumes;

/// Keeps the archive's bytes.
#[derive(Default)]
struct Kept(Vec<u8>);

impl ArchiveSink for Kept {
    type Error = Infallible;

    async fn write(&mut self, bytes: Bytes) -> Result<(), Infallible> {
        self.0.extend_from_slice(&bytes);
        Ok(())
    }
}

/// Refuses after so many pieces.
struct Refusing;

impl ArchiveSink for Refusing {
    type Error = io::Error;

    async fn write(&mut self, _: Bytes) -> Result<(), io::Error> {
        Err(io::Error::other("the disk is full"))
    }
}

/// What a finished run left.
struct Ran {
    report: Report,
    /// Plain copies in their order: `pods shop/db-0`.
    members: Vec<String>,
    /// Copies in other versions than the preferred: `v1beta1 pods shop/db-0`.
    other_versions: Vec<String>,
    objects: BTreeMap<String, Value>,
    /// The versions under which the other copies lie.
    versions: BTreeMap<String, String>,
    log: RunLog,
    progress: Snapshot,
    resource_list: Value,
}

impl Ran {
    fn log_text(&self) -> String {
        let mut text = String::new();
        MultiGzDecoder::new(self.log.snapshot().unwrap())
            .read_to_string(&mut text)
            .unwrap();
        text
    }

    fn errors(&self) -> Vec<String> {
        self.log.errors().by_scope.into_values().flatten().collect()
    }

    fn warnings(&self) -> Vec<String> {
        self.log.warnings().by_scope.into_values().flatten().collect()
    }

    /// The members, sorted.
    fn sorted(&self) -> Vec<&str> {
        let mut sorted: Vec<&str> = self.members.iter().map(String::as_str).collect();
        sorted.sort_unstable();
        sorted
    }

    fn place(&self, member: &str) -> usize {
        self.members
            .iter()
            .position(|name| name == member)
            .unwrap_or_else(|| panic!("{member} is not in the archive"))
    }
}

#[derive(Default)]
struct Members {
    plain: Vec<(String, Vec<u8>)>,
    versioned: BTreeMap<String, Vec<u8>>,
    other_versions: Vec<String>,
    versions: BTreeMap<String, String>,
}

impl Sink for Members {
    fn member(&mut self, member: Member<'_>, _: &str, content: &[u8]) -> io::Result<()> {
        match member {
            Member::FormatVersion => {
                assert!(self.plain.is_empty(), "the version comes first");
                assert_eq!(content, b"1.1.0\n");
            }
            Member::Item(item, ItemCopy::Plain) => self.plain.push((item.to_string(), content.to_vec())),
            Member::Item(
                item,
                ItemCopy::Versioned {
                    version,
                    preferred: true,
                },
            ) => {
                self.versions.insert(item.to_string(), version.to_owned());
                self.versioned.insert(item.to_string(), content.to_vec());
            }
            Member::Item(item, ItemCopy::Versioned { version, .. }) => {
                let object: Value = serde_json::from_slice(content).unwrap();
                assert!(object["apiVersion"].as_str().unwrap().ends_with(version));
                self.other_versions.push(format!("{version} {item}"));
            }
            Member::Stray | Member::Other => panic!("an unknown member"),
        }
        Ok(())
    }
}

fn request(spec: BackupSpec) -> Request {
    Request {
        namespace: "velero".to_owned(),
        name: "nightly".to_owned(),
        uid: "0b1".to_owned(),
        labels: BTreeMap::new(),
        spec,
        policies: ResourcePolicies::default(),
        every_version: false,
        workers: 2,
    }
}

fn run_log() -> RunLog {
    let now = || "2026-11-24T01:02:03Z".parse().unwrap();
    RunLog::create(
        tempfile::tempfile().unwrap(),
        Format::Text,
        Level::Debug,
        Vec::new(),
        Arc::new(now),
    )
}

/// Runs a backup into a sink.
async fn backup<S: ArchiveSink>(
    api: &FakeApi,
    request: Request,
    actions: Vec<Arc<dyn BackupItemAction>>,
    sink: &mut S,
    cancel: &CancellationToken,
) -> (Result<Report, Fatal>, RunLog, Snapshot) {
    let (outcome, log, progress, _) = backup_of(api, &FakePods::new(), request, actions, sink, cancel).await;
    (outcome, log, progress)
}

/// As [`backup`], of an API server whose pods run commands.
async fn backup_of<S: ArchiveSink>(
    api: &FakeApi,
    pods: &FakePods,
    request: Request,
    actions: Vec<Arc<dyn BackupItemAction>>,
    sink: &mut S,
    cancel: &CancellationToken,
) -> (Result<Report, Fatal>, RunLog, Snapshot, Tally) {
    let cluster = Cluster::from_client(api.client());
    let discovery = Discovery::read(&cluster).await.unwrap();
    api.forget_seen();
    let scratch = tempfile::tempdir().unwrap();
    let log = run_log();
    let (progress, seen) = Progress::new();
    let hooks = Runner::new(Arc::new(pods.clone()), pods.journal(), log.clone(), Vec::new());
    let deps = Deps {
        cluster: &cluster,
        discovery: &discovery,
        scratch: scratch.path(),
        log: &log,
        hooks: &hooks,
        now: "2026-11-24T01:02:03Z".parse().unwrap(),
        actions,
    };
    let run = run(&request, deps, sink, &progress, cancel);
    let outcome = is_send(run).await;
    assert_eq!(
        scratch.path().read_dir().unwrap().count(),
        0,
        "nothing stays behind in scratch"
    );
    let seen = *seen.borrow();
    (outcome, log, seen, hooks.tally())
}

/// Controllers run it on a runtime of many threads.
fn is_send<T: Send>(future: T) -> T {
    future
}

async fn backed_up_with(api: &FakeApi, spec: BackupSpec, actions: Vec<Arc<dyn BackupItemAction>>) -> Ran {
    backed_up_by(api, request(spec), actions).await
}

async fn backed_up_by(api: &FakeApi, request: Request, actions: Vec<Arc<dyn BackupItemAction>>) -> Ran {
    backed_up_of(api, &FakePods::new(), request, actions).await.0
}

async fn backed_up_of(
    api: &FakeApi,
    pods: &FakePods,
    request: Request,
    actions: Vec<Arc<dyn BackupItemAction>>,
) -> (Ran, Tally) {
    let mut kept = Kept::default();
    let (outcome, log, progress, tally) =
        backup_of(api, pods, request, actions, &mut kept, &CancellationToken::new()).await;
    let report = outcome.unwrap();
    assert_eq!(report.archive_bytes, kept.0.len() as u64);
    let mut members = Members::default();
    read(kept.0.as_slice(), &Limits::default(), &mut members).unwrap();
    let mut list = String::new();
    GzDecoder::new(report.resource_list.try_clone().unwrap())
        .read_to_string(&mut list)
        .unwrap();
    for (name, content) in &members.plain {
        assert_eq!(
            members.versioned.get(name),
            Some(content),
            "both copies of {name} are the same"
        );
    }
    assert_eq!(members.versioned.len(), members.plain.len());
    assert_eq!(
        report.saved,
        (members.plain.len() + members.other_versions.len()) as u64
    );
    assert_eq!((progress.saved, progress.complete), (report.saved, true));
    assert!(progress.expected >= progress.saved);
    let ran = Ran {
        report,
        objects: members
            .plain
            .iter()
            .map(|(n, json)| (n.clone(), serde_json::from_slice(json).unwrap()))
            .collect(),
        members: members.plain.into_iter().map(|(name, _)| name).collect(),
        other_versions: members.other_versions,
        versions: members.versions,
        log,
        progress,
        resource_list: serde_json::from_str(&list).unwrap(),
    };
    (ran, tally)
}

async fn backed_up(api: &FakeApi, spec: BackupSpec) -> Ran {
    backed_up_with(api, spec, Vec::new()).await
}

#[expect(clippy::needless_pass_by_value, reason = "`json!` in place reads better")]
fn object(api_version: &str, kind: &str, namespace: Option<&str>, name: &str, rest: Value) -> Value {
    let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}});
    if let Some(namespace) = namespace {
        object["metadata"]["namespace"] = json!(namespace);
    }
    json_patch::merge(&mut object, &rest);
    object
}

#[expect(clippy::needless_pass_by_value, reason = "`json!` in place reads better")]
fn config_map(namespace: &str, name: &str, labels: Value) -> Value {
    object(
        "v1",
        "ConfigMap",
        Some(namespace),
        name,
        json!({"metadata": {"labels": labels}}),
    )
}

#[expect(clippy::needless_pass_by_value, reason = "`json!` in place reads better")]
fn namespace(name: &str, labels: Value) -> Value {
    object("v1", "Namespace", None, name, json!({"metadata": {"labels": labels}}))
}

/// A namespace `shop` with an application, and something beside it.
fn shop() -> FakeApi {
    let api = FakeApi::new();
    let shop =
        |api_version: &str, kind: &str, name: &str, rest: Value| object(api_version, kind, Some("shop"), name, rest);
    let account = json!([{"kind": "ServiceAccount", "name": "web", "namespace": "shop"}]);
    api.insert_all([
        namespace("shop", json!({})),
        namespace("other", json!({})),
        object("v1", "Node", None, "n1", json!({})),
        object(
            "v1",
            "PersistentVolume",
            None,
            "shop-data",
            json!({
            "spec": {"claimRef": {"namespace": "shop", "name": "data"}, "persistentVolumeReclaimPolicy": "Retain"}}),
        ),
        object("v1", "PersistentVolume", None, "loose", json!({})),
        shop(
            "v1",
            "PersistentVolumeClaim",
            "data",
            json!({
            "spec": {"volumeName": "shop-data", "dataSource": {"name": "x"}}, "status": {"phase": "Bound"}}),
        ),
        shop(
            "v1",
            "Pod",
            "db-0",
            json!({
            "spec": {"priorityClassName": "high", "volumes": [{"persistentVolumeClaim": {"claimName": "data"}}]},
            "status": {"phase": "Running"}}),
        ),
        shop("v1", "ServiceAccount", "web", json!({})),
        shop(
            "v1",
            "ConfigMap",
            "settings",
            json!({"data": {"greeting": "hello, wörld <&>"}}),
        ),
        shop(
            "apps/v1",
            "Deployment",
            "web",
            json!({"spec": {"big": 9_007_199_254_740_993_i64}}),
        ),
        object(
            "scheduling.k8s.io/v1",
            "PriorityClass",
            None,
            "high",
            json!({"value": 1}),
        ),
        object("rbac.authorization.k8s.io/v1", "ClusterRole", None, "reader", json!({})),
        object(
            "rbac.authorization.k8s.io/v1",
            "ClusterRoleBinding",
            None,
            "web",
            json!({
            "roleRef": {"name": "reader"}, "subjects": account}),
        ),
        object(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            None,
            "widgets.example.com",
            json!({
            "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
                     "versions": [{"name": "v1", "served": true, "storage": true}]}}),
        ),
        object("example.com/v1", "Widget", Some("shop"), "blue", json!({})),
        config_map("other", "elsewhere", json!({})),
    ]);
    api
}

fn of_shop() -> BackupSpec {
    BackupSpec {
        included_namespaces: vec!["shop".to_owned()],
        ..BackupSpec::default()
    }
}

const SHOP: [&str; 13] = [
    "clusterrolebindings.rbac.authorization.k8s.io web",
    "clusterroles.rbac.authorization.k8s.io reader",
    "configmaps shop/settings",
    "customresourcedefinitions.apiextensions.k8s.io widgets.example.com",
    "deployments.apps shop/web",
    "namespaces shop",
    "persistentvolumeclaims shop/data",
    "persistentvolumes shop-data",
    "pods shop/db-0",
    "priorityclasses.scheduling.k8s.io high",
    "serviceaccounts shop/web",
    "widgets.example.com shop/blue",
    "",
];

#[tokio::test]
async fn a_namespace_is_saved_with_what_its_objects_need_from_outside() {
    let ran = backed_up(&shop(), of_shop()).await;
    assert_eq!(ran.sorted(), SHOP[..12]);
    assert_eq!(ran.log.counts(), (0, 0), "{}", ran.log_text());
    assert_eq!((ran.report.saved, ran.report.skipped, ran.report.failed), (12, 0, 0));
}

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
async fn a_role_comes_with_the_roles_that_it_aggregates() {
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
async fn a_name_that_no_archive_can_hold_is_an_error_of_its_item_alone() {
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
async fn a_role_is_saved_where_roles_cannot_be_listed() {
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
async fn what_an_object_needs_stands_before_it_in_the_archive_and_definitions_come_last() {
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
    // The action for claims takes out what ties a restored claim to the past.
    let mut claim = api.get("v1", "PersistentVolumeClaim", Some("shop"), "data").unwrap();
    claim["spec"].as_object_mut().unwrap().remove("dataSource");
    assert_eq!(ran.objects["persistentvolumeclaims shop/data"], claim);
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
async fn a_namespace_that_is_labelled_out_does_not_make_a_whole_backup_a_part() {
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
async fn volumes_whose_data_is_not_saved_are_reported() {
    let ran = backed_up(&shop(), of_shop()).await;
    let volumes = serde_json::to_value(&ran.report.volumes).unwrap();
    assert_eq!(volumes[0]["pvName"], "shop-data");
    assert_eq!(volumes[0]["pvcName"], "data");
    assert_eq!(volumes[0]["skipped"], true);
    assert_eq!(ran.report.volumes.len(), 1);
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

    // One selector's list fails: what the other finds is saved, and the failure is told.
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
async fn labelled_and_dying_objects_are_passed_over() {
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
async fn a_type_that_cannot_be_listed_is_an_error_and_the_others_are_saved() {
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

#[tokio::test]
async fn a_namespace_named_that_is_not_there_is_an_error() {
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

#[tokio::test(start_paused = true)]
async fn a_server_that_is_busy_for_a_while_costs_nothing_but_time() {
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
async fn service_accounts_are_saved_where_their_bindings_cannot_be_listed() {
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

/// Does what a plugin might do.
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
async fn what_an_action_changes_is_what_is_saved() {
    let meddler = Meddler {
        change: |item| item["data"]["more"] = json!(true),
        additional: Vec::new(),
    };
    let ran = backed_up_with(&shop(), of_shop(), vec![Arc::new(meddler)]).await;
    assert_eq!(ran.objects["configmaps shop/settings"]["data"]["more"], true);
}

#[tokio::test]
async fn a_claim_keeps_the_label_of_this_very_backup_however_long_its_name() {
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
async fn an_action_can_keep_an_item_out_and_what_it_asks_for_in() {
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
async fn additional_items_respect_the_filters_unless_an_action_insists() {
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
async fn without_namespaces_there_is_no_backup() {
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
async fn what_a_list_brings_twice_is_saved_and_counted_once() {
    let api = FakeApi::new();
    api.insert_all((0..1_200).map(|i| config_map("default", &format!("m-{i:04}"), json!({}))));
    api.insert_all((0..1_200).map(|i| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "default", "name": format!("p-{i:04}")}})
    }));
    // The view expires, and the server has no newer one to go on in: both lists, the one put aside and the streamed
    // one, begin again after a page was handed out.
    for path in ["/api/v1/pods", "/api/v1/configmaps"] {
        api.fault(Fault::new(1, 410, "Expired", move |seen| {
            seen.path == path && seen.param("continue").is_some()
        }));
    }
    let ran = backed_up(&api, BackupSpec::default()).await;
    assert_eq!(ran.report.saved, 2_401);
    assert_eq!(ran.progress.expected, 2_401, "no more was ever expected than there is");
    assert_eq!(ran.log_text().matches("The list lost its place").count(), 2);
    assert_eq!(ran.errors(), Vec::<String>::new());
}

#[tokio::test]
async fn a_group_that_cannot_be_discovered_is_warned_of() {
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
