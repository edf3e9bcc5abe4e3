mod settled;
mod state;
mod triggers;

use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube_runtime::watcher::Event;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use super::*;
use crate::clock::Manual;
use crate::fixture::{
    Answer, EXACT, Oops, Probe, SECOND, Stage, gone, key, labelled, object, pass, scripted, unreadable,
};
use crate::metrics::Metrics;
use crate::operation::Start;
use crate::reconciler::Next;
use crate::report::EventRecorder;
use crate::task::Group;

const LONG: Duration = Duration::from_secs(500);

fn controller(probe: Probe, watch: &SharedWatch<ConfigMap>) -> Controller<Probe> {
    Controller::new(probe, watch).backoff(EXACT)
}

#[tokio::test(start_paused = true)]
async fn a_panicking_pass_is_retried_while_others_continue() {
    let (script, watch, _drive) = scripted();
    let (probe, mut calls) = Probe::new(|object| async move {
        assert_ne!(object.name_any(), "bad", "this one is bad");
        Ok(Next::After(4 * SECOND))
    });
    script.list([object("bad", "1", 1)]);
    let stage = Stage::run(controller(probe, &watch));
    let mut bad = Vec::new();
    let mut good = Vec::new();
    assert_eq!(calls.next().await, pass("bad", "1", 1));
    script.apply(object("good", "2", 2));
    while bad.len() < 4 {
        let (at, call) = calls.next_at().await;
        if call == pass("bad", "1", 1) {
            bad.push(at);
        } else {
            good.push(at);
        }
    }
    sleep(SECOND / 10).await;
    assert_eq!(bad, [10, 30, 70, 150]);
    assert_eq!(good, [0, 40, 80, 120]);
    assert_eq!(
        stage.metric("controller_runtime_reconcile_panics_total{controller=\"probe\"}"),
        "5"
    );
    assert_eq!(
        stage.metric("workqueue_retries_total{controller=\"probe\",name=\"probe\"}"),
        "5"
    );
}

#[tokio::test(start_paused = true)]
async fn changes_during_a_pass_lead_to_one_more_pass() {
    let (script, watch, _drive) = scripted();
    let gate = Arc::new(Semaphore::new(0));
    let (probe, mut calls) = Probe::new({
        let gate = gate.clone();
        move |_| {
            let gate = gate.clone();
            async move {
                gate.acquire().await.unwrap().forget();
                Ok(Next::Resync)
            }
        }
    });
    script.list([object("a", "1", 1)]);
    let _stage = Stage::run(controller(probe, &watch));
    assert_eq!(calls.next().await, pass("a", "1", 1));
    for version in 2..=4 {
        script.apply(object("a", "1", version));
        sleep(SECOND).await;
    }
    gate.add_permits(10);
    assert_eq!(calls.next().await, pass("a", "1", 4));
    // The first resync comes after half of the period at the earliest.
    calls.none_for(Duration::from_secs(499)).await;
    assert_eq!(calls.next().await, pass("a", "1", 4));
}

#[tokio::test(start_paused = true)]
async fn a_requested_time_is_kept_despite_events_in_between() {
    let (script, watch, _drive) = scripted();
    let (probe, mut calls) = Probe::new(|_| async { Ok(Next::After(10 * SECOND)) });
    script.list([object("a", "1", 1)]);
    let _stage = Stage::run(controller(probe, &watch));
    assert_eq!(calls.next_at().await, (0, pass("a", "1", 1)));
    sleep(4 * SECOND).await;
    script.apply(object("a", "1", 2));
    assert_eq!(calls.next_at().await, (40, pass("a", "1", 2)));
    assert_eq!(calls.next_at().await, (140, pass("a", "1", 2)));
    assert_eq!(calls.next_at().await, (240, pass("a", "1", 2)));
}

#[tokio::test(start_paused = true)]
async fn a_time_of_day_follows_the_given_clock() {
    let (script, watch, _drive) = scripted();
    let clock = Manual::new(jiff::Timestamp::from_second(100).unwrap());
    let due = jiff::Timestamp::from_second(130).unwrap();
    let (probe, mut calls) = Probe::new(move |_| async move { Ok(Next::At(due)) });
    script.list([object("a", "1", 1)]);
    let _stage = Stage::run(controller(probe, &watch).clock(clock));
    assert_eq!(calls.next_at().await.0, 0);
    assert_eq!(calls.next_at().await.0, 300);
}

#[tokio::test(start_paused = true)]
async fn backoff_grows_with_each_failure_and_a_success_resets_it() {
    let (script, watch, _drive) = scripted();
    let count = AtomicUsize::new(0);
    let (probe, mut calls) = Probe::new(move |_| {
        let nth = count.fetch_add(1, Ordering::Relaxed);
        async move {
            if nth == 3 {
                Ok(Next::After(SECOND))
            } else {
                Err(Oops::NoAnswer)
            }
        }
    });
    script.list([object("a", "1", 1)]);
    let stage = Stage::run(controller(probe, &watch));
    let mut at = Vec::new();
    for _ in 0..7 {
        at.push(calls.next_at().await.0);
    }
    assert_eq!(at, [0, 10, 30, 70, 80, 90, 110]);
    sleep(SECOND / 10).await;
    let total = |result| format!("controller_runtime_reconcile_total{{controller=\"probe\",result=\"{result}\"}}");
    assert_eq!(stage.metric(&total("requeue_after")), "1");
    assert_eq!(stage.metric(&total("error")), "6");
}

#[tokio::test(start_paused = true)]
async fn an_invalid_object_is_left_alone_until_it_changes() {
    let (script, watch, _drive) = scripted();
    let (probe, mut calls) = Probe::new(|_| async { Err(Oops::Nonsense) });
    script.list([object("a", "1", 1)]);
    let stage = Stage::run(controller(probe, &watch));
    calls.next().await;
    calls.none_for(Duration::from_secs(400)).await;
    script.apply(object("a", "1", 2));
    assert_eq!(calls.next().await, pass("a", "1", 2));
    sleep(SECOND).await;
    assert_eq!(
        stage.metric("controller_runtime_terminal_reconcile_errors_total{controller=\"probe\"}"),
        "2"
    );
}

#[tokio::test(start_paused = true)]
async fn a_pass_lost_with_leadership_is_no_error() {
    let (script, watch, _drive) = scripted();
    let (probe, mut calls) = Probe::new(|_| async { Err(Oops::NotLeading) });
    script.list([object("a", "1", 1)]);
    let stage = Stage::run(controller(probe, &watch));
    calls.next().await;
    assert_eq!(calls.next_at().await.0, 10);
    sleep(SECOND / 10).await;
    assert_eq!(
        stage.metric("controller_runtime_reconcile_errors_total{controller=\"probe\"}"),
        "0"
    );
    assert_eq!(
        stage.metric("controller_runtime_reconcile_total{controller=\"probe\",result=\"requeue\"}"),
        "2"
    );
}

#[tokio::test(start_paused = true)]
async fn a_pass_beyond_its_deadline_is_dropped_and_retried() {
    let (script, watch, _drive) = scripted();
    let (probe, mut calls) = Probe::new(|_| pending::<Answer>());
    script.list([object("a", "1", 1)]);
    let _stage = Stage::run(controller(probe, &watch).deadline(5 * SECOND));
    assert_eq!(calls.next_at().await.0, 0);
    assert_eq!(calls.next_at().await.0, 60);
    assert_eq!(calls.next_at().await.0, 130);
}

#[tokio::test(start_paused = true)]
async fn deleting_an_object_cancels_its_operation() {
    let (script, watch, _drive) = scripted();
    let operations = Operations::<ConfigMap, ()>::new();
    let cancelled = Arc::new(AtomicBool::new(false));
    let (probe, mut calls) = Probe::new({
        let (operations, cancelled) = (operations.clone(), cancelled.clone());
        move |object| {
            let cancelled = cancelled.clone();
            let uid = crate::uid_of(&*object);
            operations.start_if_absent(&uid, &ObjectRef::from_obj(&*object), "copy", |handle| async move {
                handle.cancelled().cancelled().await;
                cancelled.store(true, Ordering::Relaxed);
            });
            async { Ok(Next::Resync) }
        }
    });
    script.list([object("a", "1", 1)]);
    let _stage = Stage::run(controller(probe, &watch).operations(&operations));
    assert_eq!(calls.next().await, pass("a", "1", 1));
    sleep(SECOND).await;
    assert_eq!(operations.running(), 1);
    script.delete(object("a", "1", 2));
    assert_eq!(calls.next().await, gone("a", "1"));
    sleep(SECOND).await;
    assert!(cancelled.load(Ordering::Relaxed));
    assert!(operations.get(&Uid::from("1")).is_none(), "the outcome is not kept");
    assert_eq!(operations.running(), 0);
    calls.none_for(LONG).await;
}

#[tokio::test(start_paused = true)]
async fn a_recreated_object_is_another_one() {
    let (script, watch, _drive) = scripted();
    let (probe, mut calls) = Probe::new(|_| async { Err(Oops::NoAnswer) });
    script.list([object("a", "1", 1)]);
    let _stage = Stage::run(controller(probe, &watch));
    for at in [0, 10, 30] {
        assert_eq!(calls.next_at().await, (at, pass("a", "1", 1)));
    }
    sleep(SECOND).await;
    script.delete(object("a", "1", 2));
    script.apply(object("a", "2", 3));
    assert_eq!(calls.next().await, gone("a", "1"));
    assert_eq!(calls.next_at().await, (40, pass("a", "2", 3)));
    // Its backoff starts over: the second event leads to a pass at once, and after its second failure it waits two seconds.
    assert_eq!(calls.next_at().await, (41, pass("a", "2", 3)));
    assert_eq!(calls.next_at().await, (61, pass("a", "2", 3)));
}

#[tokio::test(start_paused = true)]
async fn an_object_deleted_during_its_pass_is_gone_after_it() {
    let (script, watch, _drive) = scripted();
    let (probe, mut calls) = Probe::new(|_| async {
        sleep(5 * SECOND).await;
        Ok(Next::Resync)
    });
    script.list([object("a", "1", 1)]);
    let _stage = Stage::run(controller(probe, &watch).workers(3));
    calls.next().await;
    script.delete(object("a", "1", 2));
    assert_eq!(calls.next_at().await, (50, gone("a", "1")));
    calls.none_for(LONG).await;
}

#[tokio::test(start_paused = true)]
async fn an_object_that_vanished_while_the_watch_was_away_is_gone() {
    let (script, watch, _drive) = scripted();
    let (probe, mut calls) = Probe::new(|_| async { Ok(Next::Resync) });
    script.list([object("a", "1", 1)]);
    let _stage = Stage::run(controller(probe, &watch));
    calls.next().await;
    script.list([object("b", "2", 2)]);
    let mut both = [calls.next().await, calls.next().await];
    both.sort_by_key(|call| format!("{call:?}"));
    assert_eq!(both, [gone("a", "1"), pass("b", "2", 2)]);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_vanished_between_two_terms_is_gone() {
    let (script, watch, _drive) = scripted();
    let (probe, mut calls) = Probe::new(|_| async { Ok(Next::Resync) });
    let metrics = Metrics::new(&crate::metrics::registry::Registry::new()).unwrap();
    let controller = Arc::new(controller(probe, &watch));
    script.list([object("a", "1", 1)]);
    for term in 0..2 {
        let group = Group::new();
        let run = async {
            controller.run(&group, &metrics, &EventRecorder::silent()).await;
        };
        let expect = async {
            let expected = if term == 0 { pass("a", "1", 1) } else { gone("a", "1") };
            assert_eq!(calls.next().await, expected);
            group.stop().cancel();
        };
        tokio::join!(run, expect);
        script.delete(object("a", "1", 2));
        sleep(SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_falls_behind_enqueues_every_object() {
    let (script, watch, _drive) = scripted();
    let (probe, mut calls) = Probe::new(|_| async { Ok(Next::Resync) });
    script.list([object("first", "0", 1)]);
    let _stage = Stage::run(controller(probe, &watch));
    calls.next().await;
    // More changes than are kept, without a chance to read them in between.
    for number in 0..3000 {
        script.apply(object(&format!("o{number}"), &number.to_string(), number));
    }
    let mut seen = std::collections::HashSet::new();
    while seen.len() < 3000 {
        let call = calls.next().await;
        if call != pass("first", "0", 1) {
            seen.insert(format!("{call:?}"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_falls_behind_misses_no_deletion() {
    let (script, watch, _drive) = scripted();
    let (probe, mut calls) = Probe::new(|_| async { Ok(Next::Resync) });
    script.list([object("a", "1", 1)]);
    let _stage = Stage::run(controller(probe, &watch));
    calls.next().await;
    script.delete(object("a", "1", 2));
    for number in 0..3000 {
        script.apply(object("b", "2", number));
    }
    while calls.next().await != gone("a", "1") {}
}

#[tokio::test(start_paused = true)]
async fn a_change_of_another_kind_enqueues_the_mapped_objects() {
    let (script, watch, _drive) = scripted();
    let (others, other, _other_drive) = scripted();
    let (probe, mut calls) = Probe::new(|_| async { Ok(Next::Resync) });
    script.list(["a", "b", "c"].map(|name| object(name, name, 1)));
    let owner = |other: &ConfigMap| other.labels().get("owner").map(|name| key(name));
    let _stage = Stage::run(controller(probe, &watch).on(&other, owner));
    calls.none_for(SECOND).await;
    // Only when the other store is complete, too, the controller starts.
    others.list([labelled(object("x", "x", 1), "owner", "a")]);
    for _ in 0..3 {
        calls.next().await;
    }
    calls.none_for(SECOND).await;
    others.apply(labelled(object("x", "x", 2), "owner", "b"));
    let mut both = [calls.next().await, calls.next().await];
    both.sort_by_key(|call| format!("{call:?}"));
    assert_eq!(both, [pass("a", "a", 1), pass("b", "b", 1)]);
    others.delete(labelled(object("x", "x", 3), "owner", "b"));
    assert_eq!(calls.next().await, pass("b", "b", 1));
    others.apply(labelled(object("y", "y", 4), "owner", "absent"));
    calls.none_for(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_object_is_not_gone() {
    let (script, watch, _drive) = scripted();
    let (probe, mut calls) = Probe::new(|_| async { Ok(Next::After(SECOND)) });
    script.list([object("a", "1", 1), object("b", "2", 1)]);
    let _stage = Stage::run(controller(probe, &watch));
    calls.next().await;
    calls.next().await;
    script.event(Event::Apply(unreadable("a", "1")));
    for _ in 0..5 {
        assert_eq!(calls.next().await, pass("b", "2", 1));
    }
    script.apply(object("a", "1", 7));
    assert_eq!(calls.next().await, pass("a", "1", 7));
    // Another object of the same name appears, and is unreadable.
    script.event(Event::Apply(unreadable("a", "9")));
    assert_eq!(calls.next().await, gone("a", "1"));
}

#[tokio::test(start_paused = true)]
async fn a_pass_may_be_asked_for() {
    let (script, watch, _drive) = scripted();
    let (probe, mut calls) = Probe::new(|_| async { Ok(Next::Resync) });
    script.list([object("a", "1", 1), object("b", "2", 1)]);
    let controller = controller(probe, &watch);
    let enqueuer = controller.enqueuer();
    let _stage = Stage::run(controller);
    calls.next().await;
    calls.next().await;
    enqueuer.enqueue(key("a"));
    enqueuer.enqueue(key("a"));
    assert_eq!(calls.next().await, pass("a", "1", 1));
    calls.none_for(SECOND).await;
    enqueuer.enqueue_all();
    calls.next().await;
    calls.next().await;
    enqueuer.enqueue(key("absent"));
    calls.none_for(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn no_more_passes_run_than_there_are_workers() {
    let (script, watch, _drive) = scripted();
    let (probe, mut calls) = Probe::new(|_| async {
        sleep(10 * SECOND).await;
        Ok(Next::Resync)
    });
    script.list(["a", "b", "c", "d", "e"].map(|name| object(name, name, 1)));
    let stage = Stage::run(controller(probe, &watch).workers(2));
    let mut at = Vec::new();
    for _ in 0..5 {
        at.push(calls.next_at().await.0);
    }
    assert_eq!(at, [0, 0, 100, 100, 200]);
    sleep(3 * SECOND).await;
    assert_eq!(
        stage.metric("controller_runtime_active_workers{controller=\"probe\"}"),
        "1"
    );
    assert_eq!(
        stage.metric("controller_runtime_max_concurrent_reconciles{controller=\"probe\"}"),
        "2"
    );
    let longest = stage.metric("workqueue_longest_running_processor_seconds{controller=\"probe\",name=\"probe\"}");
    assert!(longest.parse::<f64>().unwrap() >= 2.0, "{longest}");
}

#[tokio::test(start_paused = true)]
async fn stopping_lets_running_passes_end_and_starts_none() {
    let (script, watch, _drive) = scripted();
    let ended = Arc::new(AtomicUsize::new(0));
    let (probe, mut calls) = Probe::new({
        let ended = ended.clone();
        move |_| {
            let ended = ended.clone();
            async move {
                sleep(5 * SECOND).await;
                ended.fetch_add(1, Ordering::Relaxed);
                Ok(Next::Resync)
            }
        }
    });
    script.list([object("a", "1", 1), object("b", "2", 1)]);
    let stage = Stage::run(controller(probe, &watch));
    calls.next().await;
    let start = Instant::now();
    stage.stop().await;
    assert_eq!(start.elapsed(), 5 * SECOND);
    assert_eq!(ended.load(Ordering::Relaxed), 1);
    assert!(calls.is_over().await);
}

#[tokio::test(start_paused = true)]
async fn a_pass_that_hangs_ends_with_its_group() {
    let (script, watch, _drive) = scripted();
    let (probe, mut calls) = Probe::new(|_| pending::<Answer>());
    script.list([object("a", "1", 1)]);
    let stage = Stage::run(controller(probe, &watch));
    calls.next().await;
    assert_eq!(stage.group.alive(), ["probe ns/a"]);
    stage.group.stop().cancel();
    sleep(SECOND).await;
    stage.group.abort();
    stage.running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn operations_enqueue_their_object_with_progress_and_outcome() {
    let (script, watch, _drive) = scripted();
    let operations = Operations::<ConfigMap, &'static str, u32>::new();
    let (probe, mut calls) = Probe::new({
        let operations = operations.clone();
        move |object| {
            let uid = crate::uid_of(&*object);
            let start = operations.start_if_absent(&uid, &ObjectRef::from_obj(&*object), "copy", |handle| async move {
                for tenth in 0..25 {
                    handle.progress(tenth);
                    sleep(SECOND / 10).await;
                }
                "copied"
            });
            assert_ne!(start, Start::Closed);
            async { Ok(Next::Resync) }
        }
    });
    script.list([object("a", "1", 1)]);
    let _stage = Stage::run(controller(probe, &watch).operations(&operations));
    let mut at = Vec::new();
    for _ in 0..5 {
        at.push(calls.next_at().await.0);
    }
    // The first pass, progress at once and then once a second, the outcome.
    assert_eq!(at, [0, 0, 10, 20, 25]);
    calls.none_for(SECOND).await;
}
