use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::stream;
use k8s_openapi::api::core::v1::ConfigMap;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::fixture::{Answer, EXACT, LeaseServer, Probe, SECOND, Script, object, pass, refused};
use crate::reconciler::Next;
use crate::task::{self, Task};
use crate::watch::Guarded;

/// Remembers what happened, in order.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().push(what.into());
    }

    fn read(&self) -> Vec<String> {
        self.0.lock().clone()
    }

    /// A task that notes when it starts and when it stops.
    fn task(
        &self,
        name: &'static str,
    ) -> impl Fn(Group) -> BoxFuture<'static, Result<(), Infallible>> + Send + Sync + use<> {
        let diary = self.clone();
        move |group| {
            let diary = diary.clone();
            async move {
                diary.note(format!("{name} starts"));
                group.stop().cancelled().await;
                diary.note(format!("{name} stops"));
                Ok(())
            }
            .boxed()
        }
    }
}

fn manager() -> Manager {
    Manager::new("test", &Registry::new()).unwrap()
}

/// Adds a watch that follows a script.
fn script(manager: &mut Manager, name: &str) -> (Script, SharedWatch<ConfigMap>) {
    let (script, events) = Script::new();
    let (watch, drive) = SharedWatch::from_events(events);
    manager.add_watch(name.into(), &watch, drive);
    (script, watch)
}

fn start(manager: Manager) -> (CancellationToken, Task<Result<(), ManagerError>>) {
    let stop = CancellationToken::new();
    let running = task::spawn("manager", manager.run_until(stop.clone()));
    (stop, running)
}

async fn ends(running: Task<Result<(), ManagerError>>) -> String {
    running.await.unwrap().unwrap_err().to_string()
}

#[tokio::test(start_paused = true)]
async fn what_starts_first_stops_last() {
    let diary = Diary::default();
    let server = LeaseServer::default();
    let mut manager = manager().lease(LeaseConfig::new(server.client("me"), "ns", "lease", "me"));
    let (first_list, _) = script(&mut manager, "ConfigMap");
    manager.task(When::Leading, "leader", diary.task("leading"));
    manager.task(When::Always, "server", diary.task("always"));
    let (stop, running) = start(manager);
    sleep(SECOND).await;
    assert_eq!(diary.read(), [""; 0], "the first lists are not complete");
    first_list.list([]);
    sleep(SECOND).await;
    assert_eq!(diary.read(), ["always starts", "leading starts"]);
    assert_eq!(server.holder(), "me");
    stop.cancel();
    running.await.unwrap().unwrap();
    assert_eq!(diary.read()[2..], ["leading stops", "always stops"]);
    assert_eq!(server.holder(), "", "the lease was given back");
}

#[tokio::test(start_paused = true)]
async fn stores_that_are_not_filled_in_time_are_named() {
    let mut manager = manager();
    let (_fine, _) = {
        let (script, watch) = script(&mut manager, "Order in shop");
        script.list([]);
        (script, watch)
    };
    let (late, _) = script(&mut manager, "Parcel in shop");
    let start_time = Instant::now();
    let (_stop, running) = start(manager);
    late.fails(kube_runtime::watcher::Error::InitialListFailed(refused(403)));
    let error = ends(running).await;
    assert_eq!(start_time.elapsed(), Duration::from_mins(2));
    assert!(
        error.starts_with("the first lists were not complete after 120s: Parcel in shop (failed to"),
        "{error}"
    );
    assert!(!error.contains("Order"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_ends_early_ends_the_manager_with_its_name() {
    for (case, when) in [("always", When::Always), ("leading", When::Leading)] {
        let diary = Diary::default();
        let mut manager = manager();
        manager.task(When::Always, "server", diary.task("server"));
        manager.task(when, "short", |_| async {
            sleep(SECOND).await;
            Err("the disk is full")
        });
        let (_stop, running) = start(manager);
        assert_eq!(
            ends(running).await,
            "task `short` ended early: the disk is full",
            "{case}"
        );
        assert_eq!(diary.read(), ["server starts", "server stops"], "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_panics_or_returns_ends_the_manager() {
    let mut panics = manager();
    panics.task(When::Always, "shaky", |_| async {
        sleep(SECOND).await;
        assert_eq!(1, 2, "numbers are off");
        Ok::<_, Infallible>(())
    });
    let error = ends(start(panics).1).await;
    assert!(error.starts_with("task `shaky` ended early: it panicked:"), "{error}");
    let mut returns = manager();
    returns.task(When::Always, "quiet", |_| async { Ok::<_, Infallible>(()) });
    assert_eq!(
        ends(start(returns).1).await,
        "task `quiet` ended early: it returned before it was stopped"
    );
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_ends_the_manager() {
    let mut manager = manager();
    let (watch, drive) = SharedWatch::<ConfigMap>::from_events(stream::iter([
        Ok(kube_runtime::watcher::Event::Init),
        Ok(kube_runtime::watcher::Event::InitApply(Guarded::Good(object(
            "a", "1", 1,
        )))),
    ]));
    manager.add_watch("ConfigMap".into(), &watch, drive);
    let error = ends(start(manager).1).await;
    assert_eq!(
        error,
        "task `watch ConfigMap` ended early: it returned before it was stopped"
    );
}

#[tokio::test(start_paused = true)]
async fn a_task_that_hangs_at_shutdown_is_abandoned_and_named() {
    let diary = Diary::default();
    let mut manager = manager().grace(20 * SECOND);
    let (events, watch) = script(&mut manager, "ConfigMap");
    let (probe, mut calls) = Probe::new(|_| pending::<Answer>());
    events.list([object("a", "1", 1)]);
    manager.control(Controller::new(probe, &watch));
    manager.task(When::Always, "server", diary.task("server"));
    let (stop, running) = start(manager);
    calls.next().await;
    let start_time = Instant::now();
    stop.cancel();
    let error = ends(running).await;
    assert_eq!(start_time.elapsed(), 20 * SECOND);
    assert_eq!(
        error,
        "not stopped within 20s and abandoned: controller probe, probe ns/a"
    );
    assert_eq!(
        diary.read(),
        ["server starts", "server stops"],
        "the others stop all the same"
    );
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_ends_the_waiting() {
    let mut manager = manager();
    manager.task(When::Always, "deaf", |_| pending::<Result<(), Infallible>>());
    let (stop, force) = (CancellationToken::new(), CancellationToken::new());
    let running = task::spawn("manager", run::run(manager, stop.clone(), force.clone()));
    sleep(SECOND).await;
    let start_time = Instant::now();
    stop.cancel();
    sleep(SECOND).await;
    force.cancel();
    assert_eq!(ends(running).await, "stopped by a second signal; abandoned: deaf");
    assert_eq!(start_time.elapsed(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn stopping_before_the_start_is_complete_is_a_clean_stop() {
    let mut manager = manager();
    let (_script, _) = script(&mut manager, "ConfigMap");
    let (stop, running) = start(manager);
    sleep(SECOND).await;
    stop.cancel();
    running.await.unwrap().unwrap();
}

/// A replica: its controller notes each pass, its task when it leads.
fn replica(server: &LeaseServer, process: &'static str, diary: &Diary) -> (Manager, Script) {
    let mut manager = manager().lease(LeaseConfig::new(server.client(process), "ns", "lease", process));
    let (events, watch) = script(&mut manager, "ConfigMap");
    let (notes, gate) = (diary.clone(), manager.gate());
    let (probe, _) = Probe::new(move |_| {
        let (notes, gate) = (notes.clone(), gate.clone());
        async move {
            let written = gate.write(async {}).await;
            notes.note(format!("{process} writes: {}", written.is_ok()));
            Ok(Next::Resync)
        }
    });
    events.list([object("a", "1", 1)]);
    manager.control(Controller::new(probe, &watch).backoff(EXACT));
    manager.task(When::Leading, "leads", diary.task(process));
    (manager, events)
}

#[tokio::test(start_paused = true)]
async fn the_second_manager_takes_over_when_the_first_is_cut_off() {
    let (server, diary) = (LeaseServer::default(), Diary::default());
    let (a, _events_a) = replica(&server, "a", &diary);
    let (b, _events_b) = replica(&server, "b", &diary);
    let (_stop_a, _running_a) = start(a);
    sleep(SECOND).await;
    let (stop_b, running_b) = start(b);
    sleep(Duration::from_mins(1)).await;
    assert_eq!(diary.read(), ["a starts", "a writes: true"]);
    server.cut_off("a");
    sleep(Duration::from_mins(1)).await;
    assert_eq!(diary.read()[2..], ["a stops", "b starts", "b writes: true"]);
    // The first is a standby again, and gets the lease as soon as the second releases it.
    server.mend();
    sleep(SECOND * 5).await;
    stop_b.cancel();
    running_b.await.unwrap().unwrap();
    sleep(2 * SECOND).await;
    assert_eq!(diary.read()[5..], ["b stops", "a starts", "a writes: true"]);
    assert_eq!(server.spec()["leaseTransitions"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_leaders_work_is_dropped_before_the_lease_is_over() {
    let server = LeaseServer::default();
    let stood = Arc::new(AtomicUsize::new(0));
    let mut manager = manager().lease(LeaseConfig::new(server.client("a"), "ns", "lease", "a"));
    let terms = stood.clone();
    manager.task(When::Leading, "deaf", move |_| {
        terms.fetch_add(1, Ordering::Relaxed);
        pending::<Result<(), Infallible>>()
    });
    let (_stop, running) = start(manager);
    sleep(SECOND).await;
    server.cut_off("a");
    sleep(Duration::from_secs(20)).await;
    server.mend();
    sleep(Duration::from_secs(20)).await;
    assert_eq!(
        stood.load(Ordering::Relaxed),
        2,
        "a task that does not listen is aborted, and starts anew in the next term"
    );
    drop(running);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_outlasts_the_lease_ends_the_process() {
    let server = LeaseServer::default();
    let overrun = Arc::new(Mutex::new(Vec::new()));
    let names_of = overrun.clone();
    let lease = LeaseConfig {
        duration: SECOND,
        retry: SECOND / 10,
        margin: SECOND * 3 / 10,
        on_overrun: Arc::new(move |names| names_of.lock().extend(names.to_vec())),
        ..LeaseConfig::new(server.client("a"), "ns", "lease", "a")
    };
    let mut manager = manager().lease(lease).grace(SECOND);
    let (unblock, blocked) = std::sync::mpsc::channel::<()>();
    let blocked = Arc::new(Mutex::new(blocked));
    manager.task(When::Leading, "blocking", move |_| {
        let blocked = blocked.clone();
        async move {
            let _ = blocked.lock().recv();
            Ok::<_, Infallible>(())
        }
    });
    let (_stop, running) = start(manager);
    while server.holder().is_empty() {
        tokio::task::yield_now().await;
    }
    server.cut_off("a");
    assert_eq!(ends(running).await, "still there although the lease is over: blocking");
    assert_eq!(*overrun.lock(), ["blocking"]);
    drop(unblock);
}

#[tokio::test(start_paused = true)]
async fn an_election_lost_while_stopping_still_ends_in_time() {
    let server = LeaseServer::default();
    let mut manager = manager().lease(LeaseConfig::new(server.client("a"), "ns", "lease", "a"));
    manager.task(When::Leading, "slow", |group| async move {
        group.stop().cancelled().await;
        sleep(Duration::from_secs(25)).await;
        Ok::<_, Infallible>(())
    });
    let (stop, running) = start(manager);
    sleep(SECOND).await;
    server.cut_off("a");
    let start_time = Instant::now();
    stop.cancel();
    running.await.unwrap().unwrap();
    assert!(start_time.elapsed() < 10 * SECOND, "{:?}", start_time.elapsed());
}

#[tokio::test(start_paused = true)]
async fn errors_of_passes_become_events() {
    let mut manager = manager();
    let (events, watch) = script(&mut manager, "ConfigMap");
    let (probe, mut calls) = Probe::new(|_| async { Err(crate::fixture::Oops::Nonsense) });
    manager.control(Controller::new(probe, &watch));
    let (send, mut events_written) = tokio::sync::mpsc::unbounded_channel();
    let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
        let send = send.clone();
        async move {
            let body = request.into_body().collect_bytes().await.unwrap();
            let event: serde_json::Value = serde_json::from_slice(&body).unwrap();
            send.send(event.clone()).unwrap();
            let answer = kube::client::Body::from(event.to_string().into_bytes());
            Ok::<_, Infallible>(http::Response::new(answer))
        }
    });
    let (_stop, _running) = start(manager.events(Client::new(service, "default")));
    events.list([object("a", "1", 1)]);
    assert_eq!(calls.next().await, pass("a", "1", 1));
    let event = events_written.recv().await.unwrap();
    assert_eq!(event["reason"], "Nonsense");
    assert_eq!(event["note"], "the spec makes no sense");
    assert_eq!(event["type"], "Warning");
    assert_eq!(event["action"], "Reconcile");
    assert_eq!(event["reportingController"], "test");
    assert_eq!(event["regarding"]["name"], "a");
}

/// A connection to an API server with one ConfigMap. Its watches end after this long, or are never answered.
fn watched(ends_after: Option<Duration>) -> Client {
    let service = tower::service_fn(move |request: http::Request<kube::client::Body>| async move {
        let watches = request.uri().query().unwrap_or_default().contains("watch=true");
        let text = if watches {
            match ends_after {
                Some(time) => sleep(time).await,
                None => pending().await,
            }
            String::new()
        } else {
            let list = serde_json::json!({
                "kind": "ConfigMapList", "apiVersion": "v1", "metadata": {"resourceVersion": "10"},
                "items": [object("a", "1", 1)],
            });
            list.to_string()
        };
        Ok::<_, Infallible>(http::Response::new(kube::client::Body::from(text.into_bytes())))
    });
    Client::new(service, "ns")
}

#[tokio::test(start_paused = true)]
async fn a_watch_fails_health_without_answers_but_not_without_changes() {
    for (case, ends_after, healthy) in [("quiet", Some(Duration::from_secs(290)), true), ("stuck", None, false)] {
        let mut manager = manager();
        let watch: SharedWatch<ConfigMap> =
            manager.watch(Watch::of(kube::Api::default_namespaced(watched(ends_after))));
        let (probe, _calls) = Probe::answering(Ok(Next::Resync));
        manager.control(Controller::new(probe, &watch));
        let (liveness, diagnostics) = (manager.liveness(), manager.diagnostics());
        let (_stop, _running) = start(manager);
        watch.ready().await;
        sleep(Duration::from_mins(14)).await;
        assert_eq!(liveness.failing(), [], "{case}");
        sleep(Duration::from_mins(46)).await;
        let failing: Vec<_> = liveness.failing().into_iter().map(|(name, _)| name).collect();
        let expected: &[&str] = if healthy { &[] } else { &["watch ConfigMap in ns"] };
        assert_eq!(failing, expected, "{case}");
        let seen = &diagnostics.snapshot().watches[0];
        assert_eq!(
            (seen.name.as_str(), seen.ready, seen.objects),
            ("ConfigMap in ns", true, 1),
            "{case}"
        );
        assert_eq!(
            seen.silent_seconds.is_some_and(|silent| silent < 300),
            healthy,
            "{case}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_controller_of_every_replica_also_runs_on_a_standby() {
    let server = LeaseServer::default();
    let mut manager = manager().lease(LeaseConfig::new(server.client("b"), "ns", "lease", "b"));
    server.put(&serde_json::json!({"holderIdentity": "a", "leaseDurationSeconds": 10}));
    let (events, watch) = script(&mut manager, "ConfigMap");
    events.list([object("a", "1", 1)]);
    let (everywhere, mut calls) = Probe::answering(Ok(Next::Resync));
    let (leading, mut leader_calls) = Probe::answering(Ok(Next::Resync));
    manager.control_when(When::Always, Controller::new(everywhere, &watch));
    manager.control(Controller::new(leading, &watch));
    let diagnostics = manager.diagnostics();
    let (stop, running) = start(manager);
    assert_eq!(calls.next().await, pass("a", "1", 1));
    leader_calls.none_for(5 * SECOND).await;
    let running_now = || {
        diagnostics
            .snapshot()
            .controllers
            .iter()
            .map(|c| c.running)
            .collect::<Vec<_>>()
    };
    assert_eq!(running_now(), [true, false]);
    // The lease runs out: what a leader runs begins, and the other goes on without a second start.
    assert_eq!(leader_calls.next().await, pass("a", "1", 1));
    calls.none_for(SECOND).await;
    assert_eq!(running_now(), [true, true]);
    stop.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_managers_client_writes_only_while_the_process_leads() {
    let server = LeaseServer::default();
    server.put(&serde_json::json!({"holderIdentity": "a", "leaseDurationSeconds": 10}));
    let mut manager = manager().lease(LeaseConfig::new(server.client("b"), "ns", "lease", "b"));
    let api: kube::Api<ConfigMap> = kube::Api::default_namespaced(manager.client(&watched(None)));
    let (delete, leads) = (kube::api::DeleteParams::default(), Diary::default());
    manager.task(When::Leading, "leads", leads.task("leading"));
    let (_stop, _running) = start(manager);
    let error = api.delete("a", &delete).await.unwrap_err();
    assert!(lease::is_not_leading(&error), "{error}");
    sleep(Duration::from_secs(20)).await;
    assert_eq!(leads.read(), ["leading starts"]);
    // Now it is sent; that the answer is no ConfigMap does not matter here.
    let sent = api.delete("a", &delete).await;
    assert!(!sent.is_err_and(|error| lease::is_not_leading(&error)));
}

#[tokio::test]
async fn an_address_in_use_ends_the_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = ends(start(manager().listen(address)).1).await;
    assert!(
        error.starts_with(&format!("listening on {address} for health and metrics failed")),
        "{error}"
    );
}
