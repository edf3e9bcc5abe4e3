//! A cluster and a bucket in this process, and server processes over them that can die at any write.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use flate2::read::MultiGzDecoder;
use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::api::condition::{Condition, ConditionStatus};
use crate::api::v1::{
    Backup, BackupPhase, BackupStorageLocation, DeleteBackupRequest, DeleteBackupRequestPhase, Restore, RestorePhase,
    Schedule,
};
use crate::archive::layout::Member;
use crate::archive::reader::{self, Limits, Sink};
use crate::cluster::discovery::Discovery;
use crate::cluster::exec::{Exec, ExecError, Ran};
use crate::cluster::status::Conditions;
use crate::cluster::{Cluster, objects};
use crate::controllers::backup::queue::Queue;
use crate::controllers::backup::reconcile::{BackupOperations, Backups};
use crate::controllers::backup_deletion::Deletions;
use crate::controllers::context::{Context, Settings};
use crate::controllers::freeze::reconcile::OpenFreezes;
use crate::controllers::freeze::{self, FreezeLocks};
use crate::controllers::gated::gated;
use crate::controllers::gc::{End as EndOfLife, Gc, plan};
use crate::controllers::item_operations::finalizer::{Finalizations, Finalizer};
use crate::controllers::item_operations::kind::Sources;
use crate::controllers::item_operations::waiting::Waiting;
use crate::controllers::restore::reconcile::{RestoreOperations, Restores};
use crate::controllers::retention::Retention;
use crate::controllers::retention::keeper::Keeper;
use crate::controllers::run::cancel::Cancels;
use crate::controllers::run::json_gz;
use crate::controllers::run::leftovers::RunRecords;
use crate::controllers::run::live_log::LiveLogs;
use crate::controllers::run::record::LABEL;
use crate::controllers::schedule::Schedules;
use crate::controllers::served::{REQUIRED, Served};
use crate::controllers::write::ObjectWriter;
use crate::hook::{Executor, Standing};
use crate::runtime::clock::{Clock as _, Manual};
use crate::runtime::lease::WriteGate;
use crate::runtime::task::Group;
use crate::runtime::testing::death::{Death, Dies};
use crate::runtime::{Kind, Manager, Reconciler, SharedWatch, uid_of};
use crate::store::layout::BackupFile;
use crate::telemetry::metrics::Registry;
use crate::telemetry::velero::VeleroMetrics;
use crate::testing::fake_api::{FakeApi, FakeKind};
use crate::testing::fake_pods::FakePods;
use crate::testing::item_action;

use super::settings;

/// Passes over everything before a test gives up.
const PASSES: usize = 50;

/// A cluster with Velero's kinds and one location on a bucket of files.
pub(in crate::controllers) struct World {
    pub(in crate::controllers) api: FakeApi,
    pub(in crate::controllers) clock: Manual,
    /// What runs in the cluster's pods.
    pub(in crate::controllers) pods: FakePods,
    /// Commands that were begun in them.
    commands: Group,
    /// The same by pod, each with the number of the effect of its process that it was.
    pub(in crate::controllers) commanded: Arc<Mutex<Vec<(String, usize)>>>,
    directory: Arc<tempfile::TempDir>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::controllers) enum End {
    /// Everything is done.
    Settled,
    Died,
}

impl World {
    /// With a bucket of its own.
    pub(in crate::controllers) fn new() -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        fs::create_dir_all(directory.path().join("store/velero")).unwrap();
        Self::on(&directory)
    }

    /// Another cluster on the same bucket.
    pub(in crate::controllers) fn neighbour(&self) -> Self {
        Self::on(&self.directory)
    }

    fn on(directory: &Arc<tempfile::TempDir>) -> Self {
        let api = FakeApi::new();
        for (version, kind) in REQUIRED {
            let plural = match kind {
                "BackupRepository" => "backuprepositories".to_owned(),
                kind => format!("{}s", kind.to_lowercase()),
            };
            api.serve(FakeKind::new(&format!("velero.io/{version}"), &plural, kind, true).without_status());
        }
        api.insert(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "velero"}}));
        api.insert(json!({
            "apiVersion": "velero.io/v1", "kind": "BackupStorageLocation",
            "metadata": {"name": "default", "namespace": "velero"},
            "spec": {
                "provider": "velero.io/fs", "default": true, "objectStorage": {"bucket": "velero"},
                "config": {"fspath": directory.path().join("store")},
            },
            "status": {"phase": "Available"},
        }));
        Self {
            api,
            clock: Manual::new("2030-01-01T00:00:10Z".parse().unwrap()),
            pods: FakePods::new(),
            commands: Group::new(),
            commanded: Arc::default(),
            directory: Arc::clone(directory),
        }
    }

    /// Puts an object of Velero's there, as a user would.
    pub(in crate::controllers) fn ask(&self, kind: &str, name: &str, spec: Value) {
        let metadata = json!({"name": name, "namespace": "velero"});
        let mut object = json!({"apiVersion": "velero.io/v1", "kind": kind, "metadata": metadata});
        object["spec"] = spec;
        self.api.insert(object);
    }

    pub(in crate::controllers) fn object(&self, kind: &str, name: &str) -> Value {
        self.api
            .get("velero.io/v1", kind, Some("velero"), name)
            .unwrap_or_else(|| panic!("there is no {kind} {name}"))
    }

    /// Deletes an object as a user would: one with finalizers stays until they are gone.
    pub(in crate::controllers) async fn delete(&self, kind: &str, name: &str) {
        let cluster = Cluster::from_client(self.api.client());
        let discovery = Discovery::read(&cluster).await.unwrap();
        let resource = discovery.by_kind("velero.io/v1", kind).unwrap();
        let options = objects::DeleteOptions::default();
        objects::delete(&cluster, resource, Some("velero"), name, &options)
            .await
            .unwrap();
    }

    /// Whether an object is there.
    pub(in crate::controllers) fn has(&self, kind: &str, name: &str) -> bool {
        self.api.get("velero.io/v1", kind, Some("velero"), name).is_some()
    }

    pub(in crate::controllers) fn phase(&self, kind: &str, name: &str) -> String {
        let object = self.object(kind, name);
        object["status"]["phase"].as_str().unwrap_or_default().to_owned()
    }

    fn objects<K: Kind>(&self) -> Vec<K> {
        let objects = self.api.all(&K::api_version(&()), &K::kind(&()));
        objects
            .into_iter()
            .map(|o| serde_json::from_value(o).unwrap())
            .collect()
    }

    /// What is there now, as a watch shows it.
    pub(in crate::controllers) fn watch<K: Kind>(&self) -> SharedWatch<K> {
        SharedWatch::fixed(self.objects())
    }

    /// Run records there are.
    pub(in crate::controllers) fn records(&self) -> Vec<ConfigMap> {
        self.labelled(LABEL)
    }

    /// What is written down of pods that may be frozen.
    pub(in crate::controllers) fn freezes(&self) -> Vec<ConfigMap> {
        self.labelled(freeze::LABEL)
    }

    fn labelled(&self, label: &str) -> Vec<ConfigMap> {
        let mut maps: Vec<ConfigMap> = self.objects();
        maps.retain(|map| map.metadata.labels.as_ref().is_some_and(|l| l.contains_key(label)));
        maps
    }

    pub(in crate::controllers) fn bucket(&self) -> PathBuf {
        self.directory.path().join("store/velero")
    }

    /// Every file of the bucket, the store's own included.
    pub(in crate::controllers) fn files(&self) -> Vec<String> {
        fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
                if entry.is_dir() {
                    walk(&entry, found);
                } else {
                    found.push(entry);
                }
            }
        }
        let (root, mut found) = (self.bucket(), Vec::new());
        walk(&root, &mut found);
        let relative = |path: PathBuf| path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        let mut files: Vec<_> = found.into_iter().map(relative).collect();
        files.sort();
        files
    }

    /// A gzipped JSON file of the bucket.
    pub(in crate::controllers) fn json(&self, key: &str) -> Value {
        let file = File::open(self.bucket().join(key)).unwrap_or_else(|error| panic!("{key}: {error}"));
        serde_json::from_reader(MultiGzDecoder::new(file)).unwrap()
    }

    /// Writes such a file, as another server would.
    pub(in crate::controllers) fn put_json(&self, key: &str, content: &Value) {
        fs::write(self.bucket().join(key), json_gz::write(content).unwrap()).unwrap();
    }

    /// The members of a backup's archive with their contents. The reader refuses an archive that has one twice.
    pub(in crate::controllers) fn members(&self, backup: &str) -> BTreeMap<String, Vec<u8>> {
        let file = File::open(self.bucket().join(BackupFile::Contents.key(backup))).unwrap();
        let mut members = Members::default();
        reader::read(file, &Limits::default(), &mut members).unwrap();
        members.0
    }

    /// Runs a server until everything is done, or it dies.
    pub(in crate::controllers) async fn serve(&self, dies: Dies) -> End {
        let process = Process::start(self, dies).await;
        let end = tokio::select! {
            biased;
            () = process.death.come() => End::Died,
            () = process.settle(self) => End::Settled,
        };
        process.kill().await;
        end
    }

    /// How many writes an undisturbed server makes until everything is done.
    pub(in crate::controllers) async fn serve_and_count(&self) -> usize {
        let process = Process::start(self, Dies::Never).await;
        process.settle(self).await;
        let writes = process.death.writes();
        process.kill().await;
        writes
    }
}

/// A server's controllers of runs, their passes called one after another.
pub(in crate::controllers) struct Process {
    pub(in crate::controllers) ctx: Arc<Context>,
    pub(in crate::controllers) death: Arc<Death>,
    pub(in crate::controllers) registry: Registry,
    group: Group,
    backups: BackupOperations,
    restores: RestoreOperations,
    finalized_backups: Finalizations<Backup>,
    finalized_restores: Finalizations<Restore>,
    live_logs: LiveLogs,
}

impl Process {
    pub(in crate::controllers) async fn start(world: &World, dies: Dies) -> Self {
        Self::start_with(world, dies, |_| {}).await
    }

    /// With other flags.
    pub(in crate::controllers) async fn start_with(
        world: &World,
        dies: Dies,
        flags: impl FnOnce(&mut Settings),
    ) -> Self {
        let mut settings = settings();
        flags(&mut settings);
        let death = Death::new(dies);
        let gate = WriteGate::open().layered(death.clone());
        let cluster = Cluster::from_client(world.api.client());
        let registry = Registry::new();
        let discovery = Discovery::read(&cluster).await.unwrap();
        let scratch = world.directory.path().join("scratch");
        fs::create_dir_all(&scratch).unwrap();
        let served = Served::find(&discovery, &|_| Conditions::Kept).unwrap();
        let events = Manager::new("velero", &registry).unwrap().recorder();
        let ctx = Context {
            engine: gated(&cluster, gate.clone()),
            cluster: cluster.clone(),
            exec: Arc::new(Commands {
                pods: world.pods.clone(),
                group: world.commands.clone(),
                commanded: world.commanded.clone(),
                death: death.clone(),
                gate: gate.clone(),
            }),
            freezes: FreezeLocks::default(),
            cancels: Cancels::default(),
            writer: ObjectWriter::new(cluster.clone(), served, gate.clone(), events.clone()),
            gate,
            events,
            clock: Arc::new(world.clock.clone()),
            namespace: "velero".to_owned(),
            scratch,
            actions: item_action::both(&cluster),
            metrics: VeleroMetrics::new(&registry).unwrap(),
            settings,
        };
        let group = Group::new();
        Self {
            death,
            registry,
            backups: BackupOperations::at_most(ctx.settings.concurrent_backups).open_in(&group),
            restores: RestoreOperations::new().open_in(&group),
            finalized_backups: Finalizations::<Backup>::new().open_in(&group),
            finalized_restores: Finalizations::<Restore>::new().open_in(&group),
            live_logs: LiveLogs::default(),
            ctx: Arc::new(ctx),
            group,
        }
    }

    /// Passes over everything until nothing is left to do.
    pub(in crate::controllers) async fn settle(&self, world: &World) {
        let mut failed = String::new();
        for _ in 0..PASSES {
            if let Some(error) = Box::pin(self.pass(world)).await {
                failed = error;
            }
            self.idle().await;
            if is_settled(world) {
                return;
            }
        }
        panic!(
            "not settled after {PASSES} passes; the last error: {failed}\n{:#?}\n{:#?}",
            world.objects::<Backup>(),
            world.records()
        );
    }

    /// Passes until no request for a deletion is open, whatever its conditions say.
    pub(in crate::controllers) async fn settle_open(&self, world: &World) {
        for _ in 0..PASSES {
            self.pass(world).await;
            self.idle().await;
            if world.objects::<DeleteBackupRequest>().is_empty() {
                return;
            }
        }
        panic!("not deleted: {:#?}", world.objects::<DeleteBackupRequest>());
    }

    /// One pass over everything; what the last failure said.
    pub(in crate::controllers) async fn pass(&self, world: &World) -> Option<String> {
        let (ctx, mut failed) = (&self.ctx, None);
        let mut note = |result: Result<_, String>| failed = result.err().or_else(|| failed.take());
        let locations: SharedWatch<BackupStorageLocation> = world.watch();
        for schedule in world.objects::<Schedule>() {
            let schedules = Schedules::new(ctx.clone(), world.watch());
            note(schedules.reconcile(Arc::new(schedule)).await.map_err(|e| e.to_string()));
        }
        for backup in world.objects::<Backup>() {
            let queue = Queue::new(ctx.clone(), world.watch(), world.watch());
            note(queue.reconcile(Arc::new(backup)).await.map_err(|e| e.to_string()));
        }
        for backup in world.objects::<Backup>() {
            let backups = Backups::new(
                ctx.clone(),
                locations.clone(),
                self.backups.clone(),
                self.live_logs.clone(),
            );
            note(backups.reconcile(Arc::new(backup)).await.map_err(|e| e.to_string()));
        }
        for restore in world.objects::<Restore>() {
            let restores = Restores::new(
                ctx.clone(),
                world.watch(),
                locations.clone(),
                self.restores.clone(),
                self.live_logs.clone(),
            );
            note(restores.reconcile(Arc::new(restore)).await.map_err(|e| e.to_string()));
        }
        let sources = || Sources {
            backups: world.watch(),
            locations: locations.clone(),
            namespace: ctx.namespace.clone(),
        };
        for backup in world.objects::<Backup>() {
            let waiting = Waiting::new(ctx.clone(), sources());
            note(waiting.reconcile(Arc::new(backup)).await.map_err(|e| e.to_string()));
        }
        for backup in world.objects::<Backup>() {
            let finalizer = Finalizer::new(ctx.clone(), sources(), self.finalized_backups.clone());
            note(finalizer.reconcile(Arc::new(backup)).await.map_err(|e| e.to_string()));
        }
        for restore in world.objects::<Restore>() {
            let waiting = Waiting::new(ctx.clone(), sources());
            note(waiting.reconcile(Arc::new(restore)).await.map_err(|e| e.to_string()));
        }
        for restore in world.objects::<Restore>() {
            let finalizer = Finalizer::new(ctx.clone(), sources(), self.finalized_restores.clone());
            note(finalizer.reconcile(Arc::new(restore)).await.map_err(|e| e.to_string()));
        }
        for record in world.records() {
            let records = RunRecords::new(ctx.clone(), locations.clone())
                .with::<Backups>(world.watch(), self.backups.clone())
                .with::<Restores>(world.watch(), self.restores.clone());
            note(records.reconcile(Arc::new(record)).await.map_err(|e| e.to_string()));
        }
        for schedule in world.objects::<Schedule>() {
            let retention = Retention::new(ctx.clone(), world.watch(), locations.clone());
            note(retention.reconcile(Arc::new(schedule)).await.map_err(|e| e.to_string()));
        }
        for backup in world.objects::<Backup>() {
            let gc = Gc::new(ctx.clone(), world.watch(), Keeper::new(ctx.clone(), world.watch()));
            note(gc.reconcile(Arc::new(backup)).await.map_err(|e| e.to_string()));
        }
        for request in world.objects::<DeleteBackupRequest>() {
            let deletions = Deletions::new(ctx.clone(), world.watch(), world.watch(), world.watch(), world.watch());
            note(deletions.reconcile(Arc::new(request)).await.map_err(|e| e.to_string()));
        }
        for record in world.freezes() {
            let freezes = OpenFreezes::new(ctx.clone());
            note(freezes.reconcile(Arc::new(record)).await.map_err(|e| e.to_string()));
        }
        failed
    }

    /// Returns when no attempt runs.
    pub(in crate::controllers) async fn idle(&self) {
        self.backups.idle().await;
        self.restores.idle().await;
        self.finalized_backups.idle().await;
        self.finalized_restores.idle().await;
    }

    /// What its controller does when it sees that a Backup is gone.
    pub(in crate::controllers) fn backup_gone(&self, uid: &str) {
        self.backups.cancel(&uid.into());
    }

    /// Stops: attempts are cancelled and end.
    pub(in crate::controllers) async fn stop(&self, world: &World) {
        for backup in world.objects::<Backup>() {
            self.backups.cancel(&uid_of(&backup));
        }
        for restore in world.objects::<Restore>() {
            self.restores.cancel(&uid_of(&restore));
        }
        self.backups.idle().await;
        self.restores.idle().await;
    }

    pub(in crate::controllers) async fn kill(self) {
        self.group.abort();
        self.group.empty().await;
    }
}

fn is_settled(world: &World) -> bool {
    let backups = world.objects::<Backup>();
    let restores = world.objects::<Restore>();
    let unfinished = backups.iter().any(|backup| {
        let phase = backup.status.phase();
        matches!(
            phase,
            BackupPhase::New | BackupPhase::Queued | BackupPhase::ReadyToStart | BackupPhase::InProgress
        ) || phase.is_waiting_for_operations()
            || phase.is_finalizing()
    });
    let under_way = restores.iter().any(|restore| {
        let phase = restore.status.phase();
        matches!(phase, RestorePhase::New | RestorePhase::InProgress)
            || phase.is_waiting_for_operations()
            || phase.is_finalizing()
    });
    !unfinished && !under_way && !is_deleting(world) && world.records().is_empty() && world.freezes().is_empty()
}

/// Whether an expired backup or a request for a deletion is there that could go on.
fn is_deleting(world: &World) -> bool {
    let now = world.clock.now();
    let is_expired = |backup: &Backup| {
        plan::due(backup, EndOfLife::of(backup), now) == plan::Due::Now && plan::shown(backup).is_none()
    };
    let goes_on = |request: &DeleteBackupRequest| {
        let status = &request.status;
        if *status.phase() == DeleteBackupRequestPhase::Processed {
            return status.errors.is_empty();
        }
        let halts =
            |c: &Condition| c.status == ConditionStatus::True && !["Accepted", "RestoresRemain"].contains(&&*c.reason);
        !status.conditions.iter().any(halts)
    };
    world.objects::<Backup>().iter().any(is_expired) || world.objects::<DeleteBackupRequest>().iter().any(goes_on)
}

/// Runs commands as the server does: none begins when the process is dead. One that was begun is a process in a pod, and
/// ends without it.
struct Commands {
    pods: FakePods,
    group: Group,
    commanded: Arc<Mutex<Vec<(String, usize)>>>,
    death: Arc<Death>,
    gate: WriteGate,
}

impl Executor for Commands {
    fn execute<'a>(&'a self, exec: &'a Exec) -> BoxFuture<'a, Ran> {
        async {
            let (pods, exec) = (self.pods.clone(), exec.clone());
            let which = (exec.pod.clone(), self.death.writes() + 1);
            self.commanded.lock().unwrap().push(which);
            // Begun when it is polled first, as a request is sent.
            let command = async {
                let (send, ran) = oneshot::channel();
                self.group.spawn_detached("command", async move {
                    let ran = pods.execute(&exec).await;
                    // The process that began it may be dead.
                    let _ = send.send(ran);
                });
                ran.await
            };
            match self.gate.write(command).await {
                Ok(Ok(ran)) => ran,
                _ => Ran::failed(ExecError::Lost),
            }
        }
        .boxed()
    }

    fn look<'a>(&'a self, namespace: &'a str, pod: &'a str) -> BoxFuture<'a, Result<Option<Standing>, ExecError>> {
        self.pods.look(namespace, pod)
    }
}

#[derive(Default)]
struct Members(BTreeMap<String, Vec<u8>>);

impl Sink for Members {
    fn member(&mut self, _: Member<'_>, path: &str, content: &[u8]) -> io::Result<()> {
        self.0.insert(path.to_owned(), content.to_vec());
        Ok(())
    }
}

/// What is left of objects when everything is taken away that another run gives them differently.
pub(in crate::controllers) fn plain(objects: Vec<Value>) -> BTreeMap<String, Value> {
    let strip = |mut object: Value| {
        let name = format!("{}/{}", object["metadata"]["namespace"], object["metadata"]["name"]);
        for field in ["uid", "resourceVersion", "generation"] {
            object["metadata"][field] = Value::Null;
        }
        (name, object)
    };
    objects.into_iter().map(strip).collect()
}
