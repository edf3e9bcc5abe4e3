//! Runs of many objects: they are as fast in the end as in the beginning, and memory hardly grows with them (decision 11).
//!
//! `VELERO_TEST_OBJECTS` takes another number of objects than 100,000 (and of pods than a fifth of that), to try things out.
//! A run that is too short for a rate is only checked for its memory.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt};
use http::{Request, header};
use kube::core::NamespaceResourceScope;
use kube::runtime::wait::await_condition;
use kube::{Api, Client, Resource};
use serde_json::{Value, json};
use velero::api::v1::{Backup, Restore};
use velero::cluster::client::{ClientOptions, Cluster};
use velero::runtime::Kind;

use crate::harness::{Plane, Server, text};

/// Creations under way at once.
const WORKERS: usize = 32;

/// Namespaces that the objects are in.
const NAMESPACES: usize = 20;

/// What takes longer is not slow but stuck.
const PATIENCE: Duration = Duration::from_mins(30);

/// The rate over the last tenth of a run, as a part of that over the first.
const STEADY: f64 = 0.8;

/// The most memory that a server may ever have, in MiB.
const MEMORY: f64 = 150.0;

fn objects() -> usize {
    let set = std::env::var("VELERO_TEST_OBJECTS");
    set.map_or(100_000, |text| text.parse().expect("VELERO_TEST_OBJECTS is a number"))
}

fn namespace(at: usize) -> String {
    format!("many-{:02}", at % NAMESPACES)
}

/// A control plane, and a connection that is as fast as it can be.
struct Cloud {
    plane: Plane,
    runtime: tokio::runtime::Runtime,
    client: Client,
}

impl Cloud {
    fn start() -> Self {
        let plane = Plane::start();
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let options = ClientOptions {
            kubeconfig: Some(plane.kubeconfig().to_owned()),
            uncompressed: true,
            ..ClientOptions::default()
        };
        let cluster = runtime.block_on(Cluster::connect(&options)).expect("a connection");
        let cloud = Self {
            client: cluster.client().clone(),
            plane,
            runtime,
        };
        let mut namespaces = String::new();
        for at in 0..NAMESPACES {
            let name = namespace(at);
            let _ = write!(
                namespaces,
                "---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n---\n\
                 apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: default, namespace: {name}}}\n"
            );
        }
        cloud.plane.apply(&namespaces);
        cloud
    }

    /// Creates objects of a core type, spread over the namespaces.
    fn fill(&self, plural: &str, count: usize, object: impl Fn(usize) -> Value) {
        let start = Instant::now();
        let create = |at: usize| {
            let mut object = object(at);
            object["apiVersion"] = json!("v1");
            let request = Request::post(format!("/api/v1/namespaces/{}/{plural}", namespace(at)))
                .header(header::CONTENT_TYPE, "application/json")
                .body(object.to_string().into_bytes())
                .expect("a request");
            let client = self.client.clone();
            async move {
                let created = client.request::<Value>(request).await;
                created.unwrap_or_else(|error| panic!("create {plural} {at}: {error}"));
            }
        };
        self.runtime.block_on(
            stream::iter(0..count)
                .map(create)
                .buffer_unordered(WORKERS)
                .for_each(std::future::ready),
        );
        eprintln!("{count} {plural} created in {:.0?}", start.elapsed());
    }

    /// Follows a run to its end.
    fn follow<K>(&self, name: &str, done: impl Fn(&K) -> i64) -> Rate
    where
        K: Kind + Resource<Scope = NamespaceResourceScope>,
        K: serde::Serialize,
    {
        let start = Instant::now();
        let rate = RefCell::new(Rate::default());
        let over = await_condition(
            Api::<K>::namespaced(self.client.clone(), "velero"),
            name,
            |seen: Option<&K>| {
                let Some(seen) = seen else { return false };
                let status = serde_json::to_value(seen).expect("JSON");
                let is_over = !text(&status, "/status/completionTimestamp").is_empty();
                // The time for the upload does not count into the rate.
                if !is_over {
                    rate.borrow_mut().saw(start.elapsed(), done(seen));
                }
                is_over
            },
        );
        let over = self
            .runtime
            .block_on(async { tokio::time::timeout(PATIENCE, over).await });
        over.unwrap_or_else(|_| panic!("{name} did not end within {PATIENCE:?}"))
            .expect("a watch");
        eprintln!("{name} took {:.1?}", start.elapsed());
        rate.into_inner()
    }

    fn back_up(&self, server: &Server<'_>, items: usize) {
        server.velero(&["backup", "create", "b", "--include-namespaces", "many-*"]);
        let rate = self.follow("b", |backup: &Backup| {
            backup
                .status
                .progress
                .as_ref()
                .map_or(0, |progress| progress.items_backed_up)
        });
        let backup = server.object("backup", "b");
        assert_eq!(text(&backup, "/status/phase"), "Completed", "{backup:#}");
        assert_eq!(text(&backup, "/status/progress/itemsBackedUp"), items.to_string());
        rate.must_be_steady("the backup");
        must_be_small("the backup", server);
    }
}

/// How far a run was, and when.
#[derive(Debug, Default)]
struct Rate(Vec<(f64, f64)>);

impl Rate {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    fn saw(&mut self, at: Duration, done: i64) {
        let done = done as f64;
        if self.0.last().map_or(done > 0.0, |(_, before)| done > *before) {
            self.0.push((at.as_secs_f64(), done));
        }
    }

    /// When so much was done, in seconds; between two looks it went evenly.
    fn reached(&self, done: f64) -> f64 {
        let next = self.0.iter().position(|(_, seen)| *seen >= done).expect("it was done");
        let (until, more) = self.0[next];
        let Some((from, less)) = next.checked_sub(1).map(|before| self.0[before]) else {
            return until;
        };
        from + (until - from) * (done - less) / (more - less)
    }

    /// The rate over the last tenth of the samples, divided by that over the first tenth; `None` with too few samples.
    fn ratio(&self) -> Option<f64> {
        let (Some((began, first)), Some((ended, last))) = (self.0.first(), self.0.last()) else {
            return None;
        };
        let tenth = (last - first) / 10.0;
        // Progress is reported once a second.
        (self.0.len() > 10).then(|| (self.reached(first + tenth) - began) / (ended - self.reached(last - tenth)))
    }

    fn must_be_steady(&self, what: &str) {
        match self.ratio() {
            None => eprintln!("{what} was too short for a rate: {:?}", self.0),
            Some(ratio) => {
                eprintln!("the last tenth of {what} had {ratio:.2} of the rate of the first");
                assert!(ratio >= STEADY, "{what} became slower: {ratio:.2}, {:?}", self.0);
            }
        }
    }
}

fn must_be_small(what: &str, server: &Server<'_>) {
    let memory = server.peak_memory();
    eprintln!("the server of {what} had {memory:.0} MiB at most");
    assert!(memory < MEMORY, "{what} took {memory:.0} MiB of memory");
}

#[test]
fn the_rate_of_a_run_compares_its_first_and_last_tenth() {
    let rate = |seconds_a_step: &dyn Fn(u32) -> f64| {
        let mut rate = Rate::default();
        let mut at = 3.0;
        for step in 0..=20_u32 {
            rate.saw(Duration::from_secs_f64(at), i64::from(step) * 100 + 50);
            at += seconds_a_step(step);
        }
        rate.ratio().expect("a rate")
    };
    assert!((rate(&|_| 1.0) - 1.0).abs() < 1e-6);
    assert!((rate(&|step| if step < 10 { 1.0 } else { 2.0 }) - 0.5).abs() < 1e-6);
    assert_eq!(Rate::default().ratio(), None);
}

#[test]
#[ignore = "minutes long: `make test-long` runs it"]
fn runs_of_100000_objects_do_not_slow_down_and_stay_small() {
    let (cloud, count) = (Cloud::start(), objects());
    cloud.fill(
        "configmaps",
        count,
        |at| json!({"kind": "ConfigMap", "metadata": {"name": format!("c{at}")}, "data": {"n": at.to_string()}}),
    );
    let mut server = Server::start(&cloud.plane, "velero");
    // Each namespace has its account, and is an item itself.
    let items = count + 2 * NAMESPACES;
    cloud.back_up(&server, items);

    // A process of its own: the most memory it ever had is that of the restore.
    server.restart();
    let mappings: Vec<String> = (0..NAMESPACES)
        .map(|at| format!("{0}:copy-{0}", namespace(at)))
        .collect();
    let mappings = mappings.join(",");
    server.velero(&[
        "restore",
        "create",
        "r",
        "--from-backup",
        "b",
        "--namespace-mappings",
        &mappings,
    ]);
    let rate = cloud.follow("r", |restore: &Restore| {
        restore
            .status
            .progress
            .as_ref()
            .map_or(0, |progress| progress.items_restored)
    });
    let restore = server.object("restore", "r");
    assert_eq!(text(&restore, "/status/phase"), "Completed", "{restore:#}");
    assert_eq!(text(&restore, "/status/progress/itemsRestored"), items.to_string());
    rate.must_be_steady("the restore");
    must_be_small("the restore", &server);
}

/// Four pods share a claim, so there are a quarter as many blocks.
#[test]
#[ignore = "minutes long: `make test-long` runs it"]
fn a_backup_of_20000_pods_does_not_slow_down_and_stays_small() {
    let (cloud, count) = (Cloud::start(), objects() / 5);
    let claims = count.div_ceil(4 * NAMESPACES) * NAMESPACES;
    // Pods and claims are in the namespace of their number: four in a row must be in the same one.
    let claim_of = |pod: usize| format!("c{}", pod / (4 * NAMESPACES) * NAMESPACES + pod % NAMESPACES);
    cloud.fill("persistentvolumeclaims", claims, |at| {
        json!({"kind": "PersistentVolumeClaim", "metadata": {"name": format!("c{at}")}, "spec": {
            "accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}})
    });
    cloud.fill("pods", count, |at| {
        json!({"kind": "Pod", "metadata": {"name": format!("p{at}")}, "spec": {
            "containers": [{"name": "main", "image": "example.com/app:1", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim_of(at)}}]}})
    });
    let server = Server::start(&cloud.plane, "velero");
    cloud.back_up(&server, count + claims + 2 * NAMESPACES);
    let log = server.unpacked("backups/b/b-logs.gz");
    let blocks = format!("Collected {} items of {claims} item blocks", count + claims);
    assert!(
        log.contains(&blocks),
        "{blocks} is not in {}",
        log.lines().take(60).collect::<Vec<_>>().join("\n")
    );
}
