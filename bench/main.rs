//! What a backup, a restore and many backups cost, as ratios against floors that are measured next to them (decision 30): `make bench`.
//!
//! ```text
//!   source cluster   filled; each round: floor of a backup, then a backup; pairs of backups, without and with an exporter
//!   each round       an empty cluster: raw creations; another one: a restore of the same objects
//!   the last one     the same restore again, which must write nothing
//!   many backups     see `sync`
//! ```
//!
//! Set by the environment: `VELERO_BENCH_OBJECTS` (30,000), `VELERO_BENCH_BACKUPS` (10,000), `VELERO_BENCH_RUNS` (3),
//! `VELERO_BENCH_SERVER` (the program to measure instead of the one built for the benchmark), `VELERO_BENCH_ONLY` (`runs` or
//! `sync`). Ends with 1 if an aim is missed.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints, and ends when something is not as it must be"
)]

#[expect(dead_code, reason = "the integration tests' own, of which only a part is used here")]
#[path = "../tests/it/harness/api.rs"]
mod api;
mod bucket;
mod counter;
mod figures;
mod floor;
#[path = "../tests/it/harness/launched.rs"]
mod launched;
mod plane;
#[expect(dead_code, reason = "the integration tests' own, of which only a part is used here")]
#[path = "../tests/it/harness/running.rs"]
mod running;
mod server;
mod set;
mod sink;
#[expect(dead_code, reason = "the integration tests' own, of which only a part is used here")]
#[path = "../tests/it/harness/store.rs"]
mod store;
mod sync;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use kube::api::PostParams;
use kube::core::NamespaceResourceScope;
use kube::runtime::wait::await_condition;
use kube::{Api, Client, Resource};
use serde_json::json;
use velero::api::v1::{Backup, BackupPhase, Restore, RestorePhase};
use velero::cluster::client::{ClientOptions, Cluster};
use velero::runtime::Kind;

use self::figures::{Aim, Figure, Series, median};
use self::floor::Archived;
use self::plane::Plane;
use self::server::{NAMESPACE, Server};
use self::set::Body;

/// A field by its JSON pointer, as text; empty if it is not there.
fn text(object: &serde_json::Value, pointer: &str) -> String {
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    object.pointer(pointer).map_or_else(String::new, text)
}

/// What takes longer than this is not measured but broken.
const PATIENCE: Duration = Duration::from_mins(30);

/// Pairs of backups without and with an exporter: the difference is less than the noise of a few.
const PAIRS: usize = 11;

/// The backup of the last round, which is restored.
const LAST: &str = "last";

/// What is measured, and with how much.
struct Bench {
    runtime: tokio::runtime::Runtime,
    program: PathBuf,
    directory: tempfile::TempDir,
    namespaces: Vec<Body>,
    objects: Vec<Body>,
    runs: usize,
    measured: Measured,
}

/// What came out.
#[derive(Default)]
struct Measured {
    archived: Archived,
    backup: Series,
    /// Processor time of backups with an exporter, and without one as their floor.
    traced: Series,
    restore: Series,
    again: Duration,
    ready: Vec<f64>,
    backup_memory: f64,
    restore_memory: f64,
}

fn main() -> ExitCode {
    let mut bench = Bench::prepare();
    let only = std::env::var("VELERO_BENCH_ONLY").unwrap_or_default();
    let mut figures = Vec::new();
    if only != "sync" {
        bench.back_up();
        for round in 1..=bench.runs {
            bench.restore(round);
        }
        figures.extend(bench.figures());
        println!(
            "\n{} objects, {} MB of JSON in the backup",
            bench.objects.len(),
            bench.measured.archived.bytes / 1_000_000,
        );
    }
    if only != "runs" {
        figures.extend(sync::measure(&bench).figures());
    }
    println!(
        "\n{} rounds, {} processors",
        bench.runs,
        std::thread::available_parallelism().map_or(0, usize::from),
    );
    for figure in &figures {
        println!("{figure}");
    }
    if figures.iter().any(Figure::is_missed) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// A number from the environment.
fn setting(name: &str, default: usize) -> usize {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")),
        Err(_) => default,
    }
}

impl Bench {
    fn prepare() -> Self {
        let count = setting("VELERO_BENCH_OBJECTS", 30_000);
        let program =
            std::env::var_os("VELERO_BENCH_SERVER").map_or_else(|| env!("CARGO_BIN_EXE_velero").into(), PathBuf::from);
        Self {
            runtime: tokio::runtime::Runtime::new().expect("a runtime"),
            program,
            directory: tempfile::Builder::new().prefix("bench").tempdir().expect("a directory"),
            namespaces: set::namespaces(),
            objects: set::objects(count),
            runs: setting("VELERO_BENCH_RUNS", 3).max(1),
            measured: Measured::default(),
        }
    }

    /// A cluster with the part `prepared` of the set, and a client without rate limit.
    fn cluster(&self, prepared: bool) -> (Plane, Client) {
        let plane = Plane::start();
        if prepared {
            plane.apply(set::DEFINITION);
            plane.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]);
        }
        let options = ClientOptions {
            kubeconfig: Some(plane.kubeconfig().to_owned()),
            uncompressed: true,
            ..ClientOptions::default()
        };
        let client = self.runtime.block_on(async {
            let cluster = Cluster::connect(&options).await.expect("a connection");
            if prepared {
                floor::create(cluster.client(), &self.namespaces).await;
            }
            cluster.client().clone()
        });
        (plane, client)
    }

    fn server(&mut self, plane: &Plane, name: &str) -> Server {
        let server = Server::start(plane, &self.program, self.directory.path(), name);
        self.measured.ready.push(server.ready_after.as_secs_f64());
        server
    }

    fn back_up(&mut self) {
        let (plane, client) = self.cluster(true);
        let filled = self.runtime.block_on(floor::create(&client, &self.objects));
        eprintln!("filled the source cluster in {}", seconds(filled));
        let server = self.server(&plane, "backup");
        let archive: &Path = &self.directory.path().join("floor.tar.gz");
        for round in 1..=self.runs {
            let archived = self.runtime.block_on(floor::back_up(&client, archive));
            assert!(
                archived.objects >= self.objects.len() as u64,
                "the floor saves the whole set"
            );
            let name = if round == self.runs {
                LAST.to_owned()
            } else {
                format!("round-{round}")
            };
            let (took, processor) = self.one_backup(&client, &server, &name);
            eprintln!(
                "round {round}: backup {}, floor {}, {processor:.2} s of processor time, {:.0} MiB",
                seconds(took),
                seconds(archived.took),
                server.peak_memory(),
            );
            self.measured.backup.add(archived.took, took);
            self.measured.archived = archived;
        }
        self.measured.backup_memory = server.peak_memory();
        self.trace(&plane, &client, &server);
    }

    /// Backups without and with an exporter, in turn, so that both of a pair meet the same machine.
    fn trace(&mut self, plane: &Plane, client: &Client, untraced: &Server) {
        let collector = sink::start(&self.runtime);
        let traced = Server::start_traced(plane, &self.program, self.directory.path(), &collector);
        // The first one finds nothing in its caches.
        self.one_backup(client, &traced, "first");
        for pair in 1..=PAIRS {
            let name = format!("pair-{pair}");
            let ((_, without), (_, with)) = (
                self.one_backup(client, untraced, &name),
                self.one_backup(client, &traced, &name),
            );
            eprintln!("pair {pair}: {without:.2} s of processor time without an exporter, {with:.2} s with one");
            let seconds = Duration::from_secs_f64;
            self.measured.traced.add(seconds(without), seconds(with));
        }
    }

    /// Makes a backup; how long it took, and how much processor time of the server.
    fn one_backup(&self, client: &Client, server: &Server, name: &str) -> (Duration, f64) {
        let before = server.processor_time();
        let backup = object::<Backup>(server.namespace, name, &json!({}));
        let over = run(client, &backup, |backup| backup.status.phase().is_terminal());
        let (took, backup) = self.runtime.block_on(over);
        assert_eq!(
            *backup.status.phase(),
            BackupPhase::Completed,
            "{}",
            server.last_words()
        );
        (took, server.processor_time() - before)
    }

    fn restore(&mut self, round: usize) {
        let floor = {
            let (_plane, client) = self.cluster(true);
            self.runtime.block_on(floor::create(&client, &self.objects))
        };
        let (plane, client) = self.cluster(false);
        let server = self.server(&plane, &format!("restore-{round}"));
        let backups: Api<Backup> = Api::namespaced(client.clone(), NAMESPACE);
        self.runtime.block_on(async {
            let synced = await_condition(backups, LAST, |backup: Option<&Backup>| backup.is_some());
            let synced = tokio::time::timeout(PATIENCE, synced).await;
            synced.expect("the backup in time").expect("a watch");
        });
        let restore = |name: &str| {
            let before = server.processor_time();
            let spec = json!({"backupName": LAST});
            let (took, restore) =
                self.runtime
                    .block_on(run(&client, &object::<Restore>(NAMESPACE, name, &spec), |restore| {
                        restore.status.phase().is_terminal()
                    }));
            assert_eq!(
                *restore.status.phase(),
                RestorePhase::Completed,
                "{}",
                server.last_words()
            );
            (took, server.processor_time() - before)
        };
        let (took, processor) = restore("first");
        eprintln!(
            "round {round}: restore {}, floor {}, {processor:.2} s of processor time, {:.0} MiB",
            seconds(took),
            seconds(floor),
            server.peak_memory(),
        );
        if round == self.runs {
            let newest = || self.runtime.block_on(floor::newest_version(&client));
            let before = newest();
            let (again, processor) = restore("again");
            assert_eq!(
                newest(),
                before,
                "the second restore has written to objects that are equal"
            );
            eprintln!(
                "the same restore again {}, {processor:.2} s of processor time",
                seconds(again)
            );
            self.measured.again = again;
        }
        self.measured.restore.add(floor, took);
        self.measured.restore_memory = self.measured.restore_memory.max(server.peak_memory());
    }

    fn figures(&self) -> Vec<Figure> {
        let Measured {
            backup,
            traced,
            restore,
            again,
            ready,
            backup_memory,
            restore_memory,
            ..
        } = &self.measured;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let count = self.objects.len() as f64;
        // the aims are about 30,000 objects, and about 100,000
        let memory = Aim::AtMost(if self.objects.len() > 30_000 { 150.0 } else { 100.0 });
        let rates = |seconds: f64, floor: f64| format!("{:.0} a second, floor {:.0}", count / seconds, count / floor);
        vec![
            Figure {
                what: "backup",
                detail: format!("{:.2} s, floor {:.2} s", backup.here(), backup.floor()),
                value: backup.times_the_floor(),
                unit: "of floor's time",
                aim: Aim::AtMost(2.0),
            },
            Figure {
                what: "traced backup",
                detail: format!(
                    "{:.2} s of processor time, without an exporter {:.2} s",
                    traced.here(),
                    traced.floor()
                ),
                value: traced.times_the_floor(),
                unit: "of untraced's",
                aim: Aim::AtMost(1.03),
            },
            Figure {
                what: "restore",
                detail: rates(restore.here(), restore.floor()),
                value: 1.0 / restore.times_the_floor(),
                unit: "of floor's rate",
                aim: Aim::AtLeast(0.5),
            },
            Figure {
                what: "restore again",
                detail: format!("{}, nothing written", seconds(*again)),
                value: again.as_secs_f64() / restore.here(),
                unit: "of first's time",
                aim: Aim::AtMost(1.0),
            },
            Figure {
                what: "memory, backup",
                detail: "peak of the server".to_owned(),
                value: *backup_memory,
                unit: "MiB",
                aim: memory,
            },
            Figure {
                what: "memory, restore",
                detail: "peak of the server".to_owned(),
                value: *restore_memory,
                unit: "MiB",
                aim: memory,
            },
            Figure {
                what: "server ready",
                detail: "from the start of its process".to_owned(),
                value: median(ready),
                unit: "s",
                aim: Aim::AtMost(2.0),
            },
        ]
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

fn object<K: Kind>(namespace: &str, name: &str, spec: &serde_json::Value) -> K {
    let object = json!({"metadata": {"name": name, "namespace": namespace}, "spec": spec});
    serde_json::from_value(object).expect("an object")
}

/// Creates an object and waits for its end; how long that took, and how it was then.
async fn run<K>(client: &Client, object: &K, is_over: impl Fn(&K) -> bool) -> (Duration, K)
where
    K: Kind + Resource<Scope = NamespaceResourceScope> + serde::Serialize,
{
    let namespace = object.meta().namespace.clone().unwrap_or_default();
    let api: Api<K> = Api::namespaced(client.clone(), &namespace);
    let name = object.meta().name.clone().unwrap_or_default();
    let start = Instant::now();
    api.create(&PostParams::default(), object).await.expect("it is created");
    let over = await_condition(api, &name, |object: Option<&K>| object.is_some_and(&is_over));
    let object = tokio::time::timeout(PATIENCE, over).await.expect("an end in time");
    (start.elapsed(), object.expect("a watch").expect("it is there"))
}
