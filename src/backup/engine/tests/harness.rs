//! Runs backups of a fake cluster and reads their results.

use super::*;

/// Keeps the archive's bytes.
#[derive(Default)]
pub(super) struct Kept(pub(super) Vec<u8>);

impl ArchiveSink for Kept {
    type Error = Infallible;

    async fn write(&mut self, bytes: Bytes) -> Result<(), Infallible> {
        self.0.extend_from_slice(&bytes);
        Ok(())
    }
}

/// Refuses every piece.
pub(super) struct Refusing;

impl ArchiveSink for Refusing {
    type Error = io::Error;

    async fn write(&mut self, _: Bytes) -> Result<(), io::Error> {
        Err(io::Error::other("the disk is full"))
    }
}

/// The results of a finished run.
pub(super) struct Ran {
    pub(super) report: Report,
    /// Plain copies in their order: `pods shop/db-0`.
    pub(super) members: Vec<String>,
    /// Copies in other versions than the preferred: `v1beta1 pods shop/db-0`.
    pub(super) other_versions: Vec<String>,
    pub(super) objects: BTreeMap<String, Value>,
    /// The versions under which the other copies lie.
    pub(super) versions: BTreeMap<String, String>,
    pub(super) log: RunLog,
    pub(super) progress: Snapshot,
    pub(super) resource_list: Value,
}

impl Ran {
    pub(super) fn log_text(&self) -> String {
        let mut text = String::new();
        MultiGzDecoder::new(self.log.snapshot().unwrap())
            .read_to_string(&mut text)
            .unwrap();
        text
    }

    pub(super) fn errors(&self) -> Vec<String> {
        self.log.errors().by_scope.into_values().flatten().collect()
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        self.log.warnings().by_scope.into_values().flatten().collect()
    }

    /// The members, sorted.
    pub(super) fn sorted(&self) -> Vec<&str> {
        let mut sorted: Vec<&str> = self.members.iter().map(String::as_str).collect();
        sorted.sort_unstable();
        sorted
    }

    pub(super) fn place(&self, member: &str) -> usize {
        self.members
            .iter()
            .position(|name| name == member)
            .unwrap_or_else(|| panic!("{member} is not in the archive"))
    }
}

#[derive(Default)]
pub(super) struct Members {
    pub(super) plain: Vec<(String, Vec<u8>)>,
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

pub(super) fn request(spec: BackupSpec) -> Request {
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

pub(super) fn run_log() -> RunLog {
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
pub(super) async fn backup<S: ArchiveSink>(
    api: &FakeApi,
    request: Request,
    actions: Vec<Arc<dyn BackupItemAction>>,
    sink: &mut S,
    cancel: &CancellationToken,
) -> (Result<Report, Fatal>, RunLog, Snapshot) {
    let (outcome, log, progress, _) = backup_of(api, &FakePods::new(), request, actions, sink, cancel).await;
    (outcome, log, progress)
}

/// As [`backup`], with pods that run commands.
pub(super) async fn backup_of<S: ArchiveSink>(
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
    let deps = EngineDeps {
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

pub(super) async fn backed_up_with(api: &FakeApi, spec: BackupSpec, actions: Vec<Arc<dyn BackupItemAction>>) -> Ran {
    backed_up_by(api, request(spec), actions).await
}

pub(super) async fn backed_up_by(api: &FakeApi, request: Request, actions: Vec<Arc<dyn BackupItemAction>>) -> Ran {
    backed_up_of(api, &FakePods::new(), request, actions).await.0
}

pub(super) async fn backed_up_of(
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

pub(super) async fn backed_up(api: &FakeApi, spec: BackupSpec) -> Ran {
    backed_up_with(api, spec, Vec::new()).await
}

#[expect(clippy::needless_pass_by_value, reason = "`json!` in place reads better")]
pub(super) fn object(api_version: &str, kind: &str, namespace: Option<&str>, name: &str, rest: Value) -> Value {
    let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}});
    if let Some(namespace) = namespace {
        object["metadata"]["namespace"] = json!(namespace);
    }
    json_patch::merge(&mut object, &rest);
    object
}

#[expect(clippy::needless_pass_by_value, reason = "`json!` in place reads better")]
pub(super) fn config_map(namespace: &str, name: &str, labels: Value) -> Value {
    object(
        "v1",
        "ConfigMap",
        Some(namespace),
        name,
        json!({"metadata": {"labels": labels}}),
    )
}

#[expect(clippy::needless_pass_by_value, reason = "`json!` in place reads better")]
pub(super) fn namespace(name: &str, labels: Value) -> Value {
    object("v1", "Namespace", None, name, json!({"metadata": {"labels": labels}}))
}

/// A namespace `shop` with an application, and objects beside it.
pub(super) fn shop() -> FakeApi {
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

pub(super) fn of_shop() -> BackupSpec {
    BackupSpec {
        included_namespaces: vec!["shop".to_owned()],
        ..BackupSpec::default()
    }
}

pub(super) const SHOP: [&str; 13] = [
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
