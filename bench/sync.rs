//! Many backups: how they come in from a bucket, and what a server with all of them costs that has nothing to do.
//!
//! ```text
//!   each round    one listing, then for each backup one GET and one creation, 16 at a time; a server that brings the same backups in
//!   the last one  another server in the same cluster, for a minute in which nothing happens
//! ```
//!
//! The floor contains the creations: they are most of the work, and no sync can do without them.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt as _};
use http::Method;
use kube::Client;
use serde_json::Value;

use super::bucket::{self, Bucket};
use super::figures::{Aim, Figure, Series};
use super::plane::Plane;
use super::server::{NAMESPACE, Server};
use super::{Bench, PATIENCE, floor, seconds, setting};

/// Backups read and created at once by the floor, as by a sync.
const AT_ONCE: usize = 16;

/// The namespace of the floor, in the same cluster.
const FLOOR: &str = "velero-floor";

/// How long a server is watched that has nothing to do: both the sync and the validation of the location are due once in it.
const IDLE: Duration = Duration::from_mins(1);

/// A server is idle when it has used less than a tenth of a processor for so long.
const CALM: Duration = Duration::from_secs(2);

/// How often the number of backups is asked for.
const LOOK: Duration = Duration::from_millis(200);

/// What came out.
#[derive(Default)]
pub struct Measured {
    backups: usize,
    sync: Series,
    /// In MiB, the most of the servers that brought them in, what the idle one has, and the most it had.
    memory: f64,
    idle_memory: f64,
    idle_peak: f64,
    /// In the minute.
    calls: u64,
    /// Of one processor, in hundredths.
    idle_processor: f64,
}

/// Measures it.
pub fn measure(bench: &Bench) -> Measured {
    let backups = setting("VELERO_BENCH_BACKUPS", 10_000);
    let bucket = Bucket::with(&bench.runtime, backups);
    let mut measured = Measured {
        backups,
        ..Measured::default()
    };
    for round in 1..=bench.runs {
        let (plane, client) = bench.cluster(false);
        let floor = bench.runtime.block_on(bring(&plane, &client, &bucket));
        plane.apply(&schedules());
        let server = Server::start_without_location(&plane, &bench.program, bench.directory.path(), "sync");
        let (start, before) = (Instant::now(), bucket.requests());
        plane.apply(&bucket.location(NAMESPACE));
        bench.runtime.block_on(until(&client, NAMESPACE, backups, &server));
        let took = start.elapsed();
        eprintln!(
            "round {round}: sync {}, floor {}, {} store calls, {:.2} s of processor time, {:.0} MiB",
            seconds(took),
            seconds(floor),
            bucket.requests() - before,
            server.processor_time(),
            server.peak_memory(),
        );
        measured.sync.add(floor, took);
        measured.memory = measured.memory.max(server.peak_memory());
        drop(server);
        if round == bench.runs {
            measured.idle(&plane, &bench.program, bench.directory.path(), &bucket);
        }
    }
    measured
}

impl Measured {
    /// A server that starts where all backups are there.
    fn idle(&mut self, plane: &Plane, program: &Path, directory: &Path, bucket: &Bucket) {
        let (start, before) = (Instant::now(), bucket.requests());
        let server = Server::start_without_location(plane, program, directory, "idle");
        // It validates the location when it leads, and leads when the lease of the one before has run out.
        while bucket.requests() == before {
            assert!(start.elapsed() < PATIENCE, "it does not lead:\n{}", server.last_words());
            sleep(LOOK);
        }
        let leads = Instant::now();
        let until_calm = calm(&server, leads);
        eprintln!(
            "a server with all of them: ready after {}, calm {} after it led, {:.2} s of processor time until then, {:.0} MiB",
            seconds(server.ready_after),
            seconds(until_calm),
            server.processor_time(),
            server.peak_memory(),
        );
        let (calls, processor) = (bucket.requests(), server.processor_time());
        sleep(IDLE);
        self.calls = bucket.requests() - calls;
        self.idle_processor = (server.processor_time() - processor) * 100.0 / IDLE.as_secs_f64();
        self.idle_memory = server.resident_memory();
        self.idle_peak = server.peak_memory();
    }

    pub fn figures(&self) -> Vec<Figure> {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let (backups, calls) = (self.backups as f64, self.calls as f64);
        let rate = |seconds: f64| backups / seconds;
        vec![
            Figure {
                what: "sync",
                detail: format!(
                    "{:.0} backups a second, floor {:.0}",
                    rate(self.sync.here()),
                    rate(self.sync.floor())
                ),
                value: self.sync.times_the_floor(),
                unit: "of floor's time",
                aim: Aim::About(2.0),
            },
            Figure {
                what: "memory, sync",
                detail: format!("peak of the server, {} backups", self.backups),
                value: self.memory,
                unit: "MiB",
                aim: Aim::About(80.0),
            },
            Figure {
                what: "memory, idle",
                detail: format!(
                    "of a server with {} backups; its peak is {:.0} MiB",
                    self.backups, self.idle_peak
                ),
                value: self.idle_memory,
                unit: "MiB",
                aim: Aim::About(80.0),
            },
            Figure {
                what: "store, idle",
                detail: format!(
                    "{} calls in a minute, and {:.1} hundredths of a processor",
                    self.calls, self.idle_processor
                ),
                value: calls / IDLE.as_secs_f64(),
                unit: "calls a second",
                aim: Aim::About(1.0),
            },
        ]
    }
}

/// The schedules of the other cluster, which this one has as well: they make nothing, and look at their backups.
fn schedules() -> String {
    let one = |number| {
        format!(
            "---\napiVersion: velero.io/v1\nkind: Schedule\nmetadata: {{name: {}, namespace: {NAMESPACE}}}\n\
             spec: {{schedule: \"0 1 * * *\", paused: true, template: {{}}}}\n",
            bucket::schedule(number)
        )
    };
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {NAMESPACE}}}\n");
    namespace + &(0..bucket::SCHEDULES).map(one).collect::<String>()
}

/// The floor: what a sync cannot do without. How long it took.
async fn bring(plane: &Plane, client: &Client, bucket: &Bucket) -> Duration {
    plane.kubectl(&["create", "namespace", FLOOR]);
    let store = bucket.client();
    let start = Instant::now();
    stream::iter(store.names().await)
        .for_each_concurrent(AT_ONCE, |name| {
            let store = &store;
            async move {
                let mut backup = store.metadata(&name).await;
                backup["metadata"]["namespace"] = FLOOR.into();
                for own in ["uid", "resourceVersion"] {
                    backup["metadata"][own] = Value::Null;
                }
                let body = backup.to_string().into();
                floor::send(client, Method::POST, &backups_of(FLOOR), body).await;
            }
        })
        .await;
    start.elapsed()
}

fn backups_of(namespace: &str) -> String {
    format!("/apis/velero.io/v1/namespaces/{namespace}/backups")
}

/// Returns when a namespace has so many backups.
async fn until(client: &Client, namespace: &str, backups: usize, server: &Server) {
    let (start, first) = (Instant::now(), format!("{}?limit=1", backups_of(namespace)));
    loop {
        let page = floor::send(client, Method::GET, &first, bytes::Bytes::new()).await;
        let page: Value = serde_json::from_slice(&page).expect("a list");
        let shown = page["items"].as_array().map_or(0, Vec::len) as u64;
        let rest = page["metadata"]["remainingItemCount"].as_u64().unwrap_or(0);
        if shown + rest >= backups as u64 {
            return;
        }
        assert!(
            start.elapsed() < PATIENCE,
            "{} of {backups} backups came in:\n{}",
            shown + rest,
            server.last_words()
        );
        tokio::time::sleep(LOOK).await;
    }
}

/// Returns how long after `start` a server is calm.
fn calm(server: &Server, start: Instant) -> Duration {
    loop {
        let (since, before) = (start.elapsed(), server.processor_time());
        sleep(CALM);
        if server.processor_time() - before < CALM.as_secs_f64() / 10.0 {
            return since;
        }
        assert!(
            start.elapsed() < PATIENCE,
            "it does not become calm:\n{}",
            server.last_words()
        );
    }
}
