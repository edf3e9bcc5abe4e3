//! The visible state of a running controller, and when it counts as stuck.

use super::*;
use crate::diagnostics::{ControllerSnapshot, InspectController, PassSnapshot};
use crate::task::{self, Task};

/// A controller that runs and can be looked at.
fn run(controller: Controller<Probe>) -> (Arc<Controller<Probe>>, Group, Task<()>) {
    let (controller, group) = (Arc::new(controller), Group::new());
    let metrics = Metrics::new(&crate::metrics::Registry::new()).unwrap();
    let running = task::spawn("controller", {
        let (controller, group) = (controller.clone(), group.clone());
        async move { controller.run(&group, &metrics, &EventRecorder::silent()).await }
    });
    (controller, group, running)
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_shows_passes_and_queue() {
    let (script, watch, _drive) = scripted();
    let (probe, mut calls) = Probe::new(|object| async move {
        match object.name_any().as_str() {
            "fails" => Err(Oops::NoAnswer),
            "waits" => Ok(Next::After(100 * SECOND)),
            _ => pending().await,
        }
    });
    script.list(["fails", "hangs", "waits"].map(|name| object(name, name, 1)));
    let backoff = Policy::doubling(10 * SECOND, 10 * SECOND).exact();
    let (controller, group, running) = run(controller(probe, &watch).workers(2).backoff(backoff));
    for _ in 0..3 {
        calls.next().await;
    }
    sleep(4 * SECOND).await;
    let seen = controller.snapshot(Instant::now());
    let expected = ControllerSnapshot {
        name: "probe".into(),
        running: true,
        workers: 2,
        passes: vec![PassSnapshot {
            object: "ns/hangs".into(),
            seconds: 4,
        }],
        ready: 0,
        waiting: 2,
        next_in_seconds: Some(6),
        failing: 1,
        operations: 0,
    };
    assert_eq!(seen, expected);
    group.abort();
    group.stop().cancel();
    running.await.unwrap();
    let stopped = ControllerSnapshot {
        running: false,
        passes: Vec::new(),
        waiting: 0,
        next_in_seconds: None,
        failing: 0,
        ..expected
    };
    assert_eq!(controller.snapshot(Instant::now()), stopped);
}

#[tokio::test(start_paused = true)]
async fn a_controller_without_work_is_not_stuck() {
    let (script, watch, _drive) = scripted();
    let (probe, _calls) = Probe::answering(Ok(Next::Resync));
    script.list([]);
    let (controller, _group, _running) = run(controller(probe, &watch));
    for _ in 0..10 {
        sleep(Duration::from_mins(20)).await;
        assert_eq!(controller.stuck(Instant::now()), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_does_not_turn_is_stuck() {
    let (_script, watch, _drive) = scripted();
    let (probe, _calls) = Probe::answering(Ok(Next::Resync));
    // Not running: a standby.
    let controller = controller(probe, &watch);
    let start = Instant::now();
    assert_eq!(controller.stuck(start + Duration::from_hours(1)), None);
    controller.state.turned(start, 0);
    assert_eq!(controller.stuck(start + Duration::from_mins(10)), None);
    let stuck = controller.stuck(start + Duration::from_mins(11));
    assert_eq!(stuck.as_deref(), Some("its loop has not turned for 660s"));
}

#[tokio::test(start_paused = true)]
async fn a_pass_beyond_its_limit_is_stuck() {
    for (case, limit, deadline, stuck_after) in [
        ("no limit", None, None, None),
        ("a limit", Some(Duration::from_mins(1)), None, Some(60)),
        // The second pass begins when the first is interrupted, and is interrupted in turn.
        ("a deadline that is kept", None, Some(Duration::from_mins(1)), None),
    ] {
        let (script, watch, _drive) = scripted();
        let (probe, mut calls) = Probe::hanging();
        script.list([object("a", "1", 1)]);
        let mut controller = controller(probe, &watch);
        controller.options.stuck_after = limit;
        controller.options.deadline = deadline;
        let (controller, _group, _running) = run(controller);
        calls.next().await;
        let start = Instant::now();
        let mut found = None;
        while start.elapsed() < Duration::from_mins(30) && found.is_none() {
            sleep(SECOND).await;
            found = controller
                .stuck(Instant::now())
                .map(|reason| (start.elapsed().as_secs(), reason));
        }
        let expected = stuck_after.map(|seconds| (seconds + 1, "the pass for ns/a has run for 61s".to_owned()));
        assert_eq!(found, expected, "{case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_that_blocks_its_thread_beyond_its_deadline_is_stuck() {
    let (script, watch, _drive) = scripted();
    let (unblock, blocked) = std::sync::mpsc::channel::<()>();
    let blocked = Arc::new(Mutex::new(blocked));
    let (probe, mut calls) = Probe::new(move |_| {
        let blocked = blocked.clone();
        async move {
            let _ = blocked.lock().recv();
            Ok(Next::Resync)
        }
    });
    script.list([object("a", "1", 1)]);
    let (controller, _group, _running) = run(controller(probe, &watch).deadline(SECOND));
    calls.next().await;
    let now = Instant::now();
    assert_eq!(controller.stuck(now + Duration::from_mins(5)), None);
    // As if the loop went on turning, which it does every half a minute.
    controller.state.turned(now + Duration::from_mins(6), 0);
    let stuck = controller.stuck(now + Duration::from_mins(6));
    assert!(stuck.is_some_and(|stuck| stuck.starts_with("the pass for ns/a has run for")));
    drop(unblock);
}
