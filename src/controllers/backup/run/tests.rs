//! What becomes of frozen applications when the process of a backup dies, or the backup is cancelled, fails, or is deleted.

use std::convert::Infallible;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt;
use futures::future::BoxFuture;
use http::Method;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, from_value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::api::HookStatus;
use crate::cluster::Cluster;
use crate::cluster::exec::{Exec, ExecError, Ran};
use crate::controllers::backup::reconcile::{BackupOperations, Backups};
use crate::controllers::context::ItemActions;
use crate::controllers::freeze::FreezeLocks;
use crate::controllers::freeze::reconcile::OpenFreezes;
use crate::controllers::run::cancel::Cancels;
use crate::controllers::served::Served;
use crate::controllers::testing::{available, settings};
use crate::controllers::write::ObjectWriter;
use crate::hook::{Executor, Standing};
use crate::runtime::clock::System;
use crate::runtime::lease::WriteGate;
use crate::runtime::operation::{AttemptEnd, Run as _};
use crate::runtime::report::EventRecorder;
use crate::runtime::task::Group;
use crate::runtime::{ObjectRef, Reconciler, uid_of};
use crate::telemetry::metrics::Registry;
use crate::telemetry::velero::VeleroMetrics;
use crate::testing::fake_api::FakeApi;
use crate::testing::fake_pods::FakePods;

/// Ends a process at one of its effects: just before it, or just after it and before the process knows.
#[derive(Clone)]
struct Death {
    steps: Arc<AtomicUsize>,
    at: usize,
    came: CancellationToken,
}

impl Death {
    fn at(at: usize) -> Self {
        Self {
            steps: Arc::default(),
            at,
            came: CancellationToken::new(),
        }
    }

    fn never() -> Self {
        Self::at(usize::MAX)
    }

    async fn step(&self) {
        if self.steps.fetch_add(1, Ordering::SeqCst) == self.at {
            self.came.cancel();
        }
        if self.came.is_cancelled() {
            pending::<()>().await;
        }
    }
}

/// Commands of a process that may die.
struct Mortal(FakePods, Death);

impl Executor for Mortal {
    fn execute<'a>(&'a self, exec: &'a Exec) -> BoxFuture<'a, Ran> {
        async move {
            self.1.step().await;
            let ran = self.0.execute(exec).await;
            self.1.step().await;
            ran
        }
        .boxed()
    }

    fn look<'a>(&'a self, namespace: &'a str, pod: &'a str) -> BoxFuture<'a, Result<Option<Standing>, ExecError>> {
        self.0.look(namespace, pod)
    }
}

/// What outlives every process.
struct World {
    api: FakeApi,
    pods: FakePods,
    files: TempDir,
    location: BackupStorageLocation,
}

const PRE: &str = "pre.hook.backup.velero.io/command";
const POST: &str = "post.hook.backup.velero.io/command";

fn pod(name: &str, pre: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": "shop", "name": name, "annotations": {PRE: pre, POST: "thaw"}},
        "spec": {"containers": [{"name": "db"}], "volumes": [{"persistentVolumeClaim": {"claimName": "data"}}]},
        "status": {"phase": "Running"}})
}

fn named(kind: &str, namespace: Option<&str>, name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}})
}

impl World {
    /// A shop with two pods that share a claim and are frozen together.
    fn new() -> Self {
        let api = FakeApi::new();
        api.insert_all([
            named("Namespace", None, "velero"),
            named("Namespace", None, "shop"),
            named("PersistentVolumeClaim", Some("shop"), "data"),
            pod("a", "freeze"),
            pod("b", "freeze"),
        ]);
        let files = TempDir::new().unwrap();
        std::fs::create_dir(files.path().join("bucket")).unwrap();
        let mut location = (*available("default")).clone();
        location.spec = from_value(json!({
            "provider": "velero.io/fs", "config": {"fspath": files.path()}, "objectStorage": {"bucket": "bucket"}}))
        .unwrap();
        Self {
            api,
            pods: FakePods::new(),
            files,
            location,
        }
    }

    /// A connection of a process that may die.
    fn cluster(&self, death: &Death) -> Cluster {
        let (api, death) = (self.api.client(), death.clone());
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let (api, death) = (api.clone(), death.clone());
            async move {
                let write = request.method() != Method::GET;
                if write {
                    death.step().await;
                }
                let answer = api.send(request).await;
                if write {
                    death.step().await;
                }
                Ok::<_, Infallible>(answer.unwrap())
            }
        });
        Cluster::from_client(kube::Client::new(service, "default"))
    }

    fn ctx(&self, death: &Death) -> Arc<Context> {
        let cluster = self.cluster(death);
        Arc::new(Context {
            engine: cluster.clone(),
            cluster: cluster.clone(),
            exec: Arc::new(Mortal(self.pods.clone(), death.clone())),
            freezes: FreezeLocks::default(),
            cancels: Cancels::default(),
            gate: WriteGate::open(),
            writer: ObjectWriter::new(
                cluster.clone(),
                Served::default(),
                WriteGate::open(),
                EventRecorder::silent(),
            ),
            events: EventRecorder::silent(),
            clock: Arc::new(System),
            namespace: "velero".to_owned(),
            scratch: self.files.path().to_owned(),
            actions: ItemActions::default(),
            metrics: VeleroMetrics::new(&Registry::new()).unwrap(),
            settings: settings(),
        })
    }

    fn job(&self, death: &Death) -> Job {
        let mut backup = Backup::new("velero", "b");
        backup.metadata.uid = Some("uid-of-b".to_owned());
        backup.spec.included_namespaces = vec!["shop".to_owned()];
        backup.status.phase = Some(BackupPhase::InProgress);
        Job {
            ctx: self.ctx(death),
            live_logs: LiveLogs::default(),
            backup: Arc::new(backup),
            location: Arc::new(self.location.clone()),
        }
    }

    /// The records of open freezes.
    fn records(&self) -> Vec<Value> {
        let mut maps = self.api.all("v1", "ConfigMap");
        maps.retain(|map| {
            map["metadata"]["name"]
                .as_str()
                .is_some_and(|name| name.starts_with("velero-freezes-"))
        });
        maps
    }

    fn is_sealed(&self) -> bool {
        self.files.path().join("bucket/backups/b/velero-backup.json").is_file()
    }
}

/// One process that carries the backup out: how it ended, or nothing if it died before.
fn live(world: &World, death: &Death) -> Option<AttemptEnd<BackupEnd>> {
    live_with(world, death, |_| async {})
}

/// The same, and meanwhile something happens that may cancel the backup.
fn live_with<F: Future<Output = ()>>(
    world: &World,
    death: &Death,
    meanwhile: impl FnOnce(Box<dyn Fn()>) -> F,
) -> Option<AttemptEnd<BackupEnd>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let ended = runtime.block_on(async {
        let job = world.job(death);
        let group = Group::new();
        let operations = BackupOperations::new().open_in(&group);
        let (uid, key) = (uid_of(&*job.backup), ObjectRef::from_obj(&*job.backup));
        let (send, ended) = oneshot::channel();
        operations.start_if_absent(&uid, &key, "backup", |handle| async move {
            let ended = Backups::attempt(job, handle).await;
            let _ = send.send(ended.clone());
            ended
        });
        let cancel = Box::new(move || assert!(operations.cancel(&uid)));
        let life = async { tokio::join!(ended, meanwhile(cancel)).0.unwrap() };
        tokio::select! {
            biased;
            () = death.came.cancelled() => None,
            ended = life => Some(ended),
        }
    });
    // With the process everything in it ends, also tasks that are not awaited.
    runtime.shutdown_background();
    ended
}

fn finally(ended: Option<AttemptEnd<BackupEnd>>) -> BackupStatus {
    match ended {
        Some(AttemptEnd::Final(end)) => end.status,
        other => panic!("not a final end: {other:?}"),
    }
}

/// How many steps an undisturbed backup takes, and how it ends.
fn undisturbed() -> (usize, BackupStatus) {
    let (world, death) = (World::new(), Death::never());
    let status = finally(live(&world, &death));
    assert_eq!(*status.phase(), BackupPhase::Completed, "{status:?}");
    let hooks = HookStatus {
        hooks_attempted: 4,
        hooks_failed: 0,
    };
    assert_eq!(status.hook_status, Some(hooks));
    assert!(world.is_sealed() && world.records().is_empty() && world.pods.frozen().is_empty());
    (death.steps.load(Ordering::SeqCst), status)
}

/// A world for each step at which a backup may die, after it has.
fn deaths() -> impl Iterator<Item = (String, World)> {
    let (steps, _) = undisturbed();
    assert!(steps >= 16, "the commands and what is written down: {steps}");
    (0..steps).map(|step| {
        let world = World::new();
        assert_eq!(live(&world, &Death::at(step)), None, "died at step {step}");
        let what = format!("died at step {step} after {:?}", world.pods.events());
        world.pods.forget_events();
        (what, world)
    })
}

#[test]
fn whenever_a_backup_dies_the_next_process_thaws_first_and_comes_to_the_same_end() {
    let (_, expected) = undisturbed();
    let mut left_frozen = 0;
    for (what, world) in deaths() {
        let frozen = world.pods.frozen();
        let status = finally(live(&world, &Death::never()));
        assert_eq!(
            (status.phase(), &status.hook_status, status.errors, &status.progress),
            (expected.phase(), &expected.hook_status, 0, &expected.progress),
            "{what}, then {:?}",
            world.pods.events()
        );
        assert!(world.pods.frozen().is_empty(), "{what}");
        assert!(world.records().is_empty() && world.is_sealed(), "{what}");
        let events = world.pods.events();
        for (pod, event) in frozen.iter().zip(&events) {
            assert!(
                event.starts_with("shop/") && event.ends_with(" db: thaw"),
                "{what}: {pod} first, not {events:?}"
            );
        }
        left_frozen += usize::from(!frozen.is_empty());
    }
    assert!(left_frozen > 4, "{left_frozen}");
}

#[test]
fn a_backup_that_died_and_then_fails_leaves_nothing_frozen() {
    for (what, mut world) in deaths() {
        let sealed = world.is_sealed();
        world.location.spec.object_storage = None;
        let status = finally(live(&world, &Death::never()));
        assert_eq!(*status.phase(), BackupPhase::Failed, "{what} sealed {sealed}");
        assert!(world.pods.frozen().is_empty() && world.records().is_empty(), "{what}");
    }
}

#[test]
fn a_backup_that_died_and_was_deleted_leaves_nothing_frozen() {
    for (what, world) in deaths() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let ctx = world.ctx(&Death::never());
            let reconciler = OpenFreezes::new(ctx);
            for record in world.records() {
                assert_eq!(
                    record["metadata"].get("ownerReferences"),
                    None,
                    "it would go with the Backup"
                );
                let record: ConfigMap = from_value(record).unwrap();
                reconciler.reconcile(Arc::new(record)).await.unwrap();
            }
        });
        assert!(world.pods.frozen().is_empty() && world.records().is_empty(), "{what}");
    }
}

#[test]
fn what_a_run_takes_care_of_is_left_to_it() {
    let world = World::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let ctx = world.ctx(&Death::never());
        let record = json!({"metadata": {"name": "velero-freezes-x", "labels": {"velero.io/open-freezes": "x"}}});
        let record: Arc<ConfigMap> = Arc::new(from_value(record).unwrap());
        let reconciler = OpenFreezes::new(ctx.clone());
        let lock = ctx.freezes.lock("x").await;
        reconciler.reconcile(record.clone()).await.unwrap();
        assert!(world.api.seen().is_empty());
        drop(lock);
        reconciler.reconcile(record).await.unwrap();
        assert_eq!(world.api.seen().len(), 1, "it looks at what is frozen now");
    });
}

#[test]
fn a_backup_that_is_told_to_stop_thaws_and_stays_in_progress() {
    let world = World::new();
    world.api.insert(pod("b", "freeze slowly"));
    let slow = world.pods.hold("freeze slowly");
    let until = |event: &'static str| {
        let pods = world.pods.clone();
        async move {
            let came = async {
                while !pods.events().contains(&event.to_owned()) {
                    tokio::task::yield_now().await;
                }
            };
            let came = tokio::time::timeout(std::time::Duration::from_mins(1), came).await;
            came.unwrap_or_else(|_| panic!("{event} did not come"));
        }
    };
    let ended = live_with(&world, &Death::never(), |cancel| async move {
        until("shop/b db: freeze slowly").await;
        cancel();
        until("shop/a db: thaw").await;
        // The command that is under way is waited for, or it would freeze the pod afterwards.
        slow.release();
    });
    assert!(matches!(ended, Some(AttemptEnd::Retry(_))), "{ended:?}");
    assert_eq!(world.pods.events().last().unwrap(), "shop/b db: thaw");
    assert!(world.pods.frozen().is_empty() && world.records().is_empty());
    assert!(!world.is_sealed());
}
