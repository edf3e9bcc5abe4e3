//! A backup whose server dies: at every write, before and after it, the next one comes to the same end (decision 14).

use serde_json::{Value, json};

use crate::controllers::testing::world::{End, Process, World};
use crate::runtime::testing::death::Dies;
use crate::store::layout::{BackupFile, backup_claim};

/// The files of a backup as upstream lays them out, and nothing else.
pub(super) const FILES: [&str; 9] = [
    "backups/b/b-itemoperations.json.gz",
    "backups/b/b-logs.gz",
    "backups/b/b-podvolumebackups.json.gz",
    "backups/b/b-resource-list.json.gz",
    "backups/b/b-results.gz",
    "backups/b/b-volumeinfo.json.gz",
    "backups/b/b-volumesnapshots.json.gz",
    "backups/b/b.tar.gz",
    "backups/b/velero-backup.json",
];

/// A cluster with a small shop, whose backup was asked for.
pub(super) fn shop() -> World {
    let world = World::new();
    fill(&world, "shop");
    world.ask("Backup", "b", json!({"includedNamespaces": ["shop"]}));
    world
}

pub(in crate::controllers) fn fill(world: &World, namespace: &str) {
    let object = |api_version: &str, kind: &str, name: &str, rest: Value| {
        let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}});
        if !namespace.is_empty() && kind != "Namespace" && kind != "PersistentVolume" {
            object["metadata"]["namespace"] = json!(namespace);
        }
        json_patch::merge(&mut object, &rest);
        world.api.insert(object);
    };
    object(
        "v1",
        "Namespace",
        namespace,
        json!({"metadata": {"labels": {"team": "web"}}}),
    );
    for number in 0..8 {
        object(
            "v1",
            "ConfigMap",
            &format!("c{number}"),
            json!({"data": {"n": number.to_string()}}),
        );
    }
    object(
        "v1",
        "Secret",
        "token",
        json!({"type": "Opaque", "data": {"a": "Yg=="}}),
    );
    object("v1", "ServiceAccount", "web", json!({}));
    object(
        "v1",
        "PersistentVolume",
        "data",
        json!({"spec": {"claimRef": {"namespace": namespace, "name": "data"}, "persistentVolumeReclaimPolicy": "Retain"}, "status": {"phase": "Bound"}}),
    );
    object(
        "v1",
        "PersistentVolumeClaim",
        "data",
        json!({"spec": {"volumeName": "data"}, "status": {"phase": "Bound"}}),
    );
    object(
        "v1",
        "Pod",
        "web",
        json!({"spec": {"serviceAccountName": "web", "containers": [], "volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]}, "status": {"phase": "Running"}}),
    );
    object("apps/v1", "Deployment", "web", json!({"spec": {"replicas": 1}}));
}

/// What must be equal however often the server died.
#[derive(Debug, PartialEq)]
pub(super) struct Outcome {
    phase: String,
    progress: Value,
    problems: Value,
    files: Vec<String>,
    members: Vec<String>,
    contents: Vec<(String, String)>,
    resources: Value,
    results: Value,
    sealed: Value,
    records: usize,
}

impl Outcome {
    /// Without the warnings that have this text, with which a server reports that another one died.
    pub(super) fn without_warnings(mut self, text: &str) -> Self {
        let scopes = self.results.pointer_mut("/warnings/namespaces");
        let Some(scopes) = scopes.and_then(Value::as_object_mut) else {
            return self;
        };
        let mut left = 0;
        for warnings in scopes.values_mut().filter_map(Value::as_array_mut) {
            warnings.retain(|warning| !warning.as_str().is_some_and(|warning| warning.contains(text)));
            left += warnings.len();
        }
        if left == 0 {
            self.results["warnings"] = json!({});
        }
        self.problems[1] = if left > 0 { json!(left) } else { Value::Null };
        self
    }

    pub(super) fn phase(&self) -> &str {
        &self.phase
    }

    pub(super) fn members(&self) -> &[String] {
        &self.members
    }
}

pub(super) fn outcome(world: &World) -> Outcome {
    let backup = world.object("Backup", "b");
    let status = &backup["status"];
    let metadata = std::fs::read(world.bucket().join(BackupFile::Metadata.key("b"))).unwrap();
    let sealed: Value = serde_json::from_slice(&metadata).unwrap();
    let members = world.members("b");
    Outcome {
        phase: status["phase"].as_str().unwrap_or_default().to_owned(),
        progress: status["progress"].clone(),
        problems: json!([status["errors"], status["warnings"], status["failureReason"]]),
        files: world.files(),
        members: members.keys().cloned().collect(),
        contents: members
            .into_iter()
            .filter(|(path, _)| path.contains("configmaps"))
            .map(|(path, json)| (path, String::from_utf8(json).unwrap()))
            .collect(),
        resources: world.json(&BackupFile::ResourceList.key("b")),
        results: world.json(&BackupFile::Results.key("b")),
        sealed: json!([
            sealed["metadata"]["uid"] == backup["metadata"]["uid"],
            sealed["status"]["phase"],
            sealed["status"]["progress"]
        ]),
        records: world.records().len(),
    }
}

async fn undisturbed() -> (usize, Outcome) {
    let world = shop();
    let writes = world.serve_and_count().await;
    (writes, outcome(&world))
}

#[tokio::test]
async fn a_backup_leaves_its_nine_files_and_no_trace_of_its_making() {
    let (writes, expected) = undisturbed().await;
    assert_eq!(expected.phase, "Completed", "{expected:#?}");
    assert_eq!(expected.files, FILES);
    assert_eq!(expected.records, 0);
    assert!(writes > 15, "{writes}: not every effect goes through the gate");
}

#[tokio::test]
async fn wherever_the_server_of_a_backup_dies_the_next_one_ends_as_if_nothing_had_happened() {
    let (writes, expected) = undisturbed().await;
    for dies in (1..=writes).flat_map(|nth| [Dies::Before(nth), Dies::After(nth)]) {
        let world = shop();
        assert_eq!(world.serve(dies).await, End::Died, "{dies:?}");
        assert_eq!(world.serve(Dies::Never).await, End::Settled);
        assert_eq!(outcome(&world), expected, "died {dies:?}");
    }
}

#[tokio::test]
async fn a_backup_survives_a_server_that_dies_again_and_again() {
    let (writes, expected) = undisturbed().await;
    let world = shop();
    // Each life comes two writes further than the one before would have.
    let mut lives = 0;
    while world.serve(Dies::After(3 + lives * 2)).await == End::Died {
        lives += 1;
        assert!(lives <= writes, "it does not get on");
    }
    assert!(lives > 3, "{lives}");
    assert_eq!(outcome(&world), expected);
}

/// A process that was stopped for longer than its lease, and wakes when another has done its work. Its gate would keep it from
/// writing; here it does not, and still nothing comes to harm (decision 8).
#[tokio::test]
async fn a_leader_that_wakes_up_late_does_no_harm_to_a_finished_backup() {
    let (writes, expected) = undisturbed().await;
    for nth in 1..=writes {
        let world = shop();
        let late = Process::start(&world, Dies::Before(nth)).await;
        tokio::select! {
            biased;
            () = late.death.come() => {}
            () = late.settle(&world) => panic!("it was not stopped at {nth}"),
        }
        assert_eq!(world.serve(Dies::Never).await, End::Settled);
        late.death.thaw();
        late.settle(&world).await;
        late.kill().await;
        assert_eq!(outcome(&world), expected, "stopped before write {nth}");
    }
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_closes_the_upload_and_leaves_the_backup_to_the_next() {
    let world = shop();
    let process = Process::start(&world, Dies::Never).await;
    while world.phase("Backup", "b") != "InProgress" {
        process.pass(&world).await;
    }
    process.pass(&world).await;
    process.stop(&world).await;
    assert_eq!(world.phase("Backup", "b"), "InProgress");
    let left: Vec<_> = world
        .files()
        .into_iter()
        .filter(|file| *file != backup_claim("b"))
        .collect();
    assert!(left.is_empty(), "the upload was closed: {left:?}");
    process.kill().await;
    assert_eq!(world.serve(Dies::Never).await, End::Settled);
    assert_eq!(world.phase("Backup", "b"), "Completed");
    assert_eq!(world.files(), FILES);
}
