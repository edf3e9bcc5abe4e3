use std::io::Read;
use std::pin::pin;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use futures::FutureExt;
use serde_json::json;

use super::*;
use crate::cluster::raw::RawObject;
use crate::hook::command::{Phase, Source};
use crate::hook::spec::SpecHooks;
use crate::hook::standing::Standing;
use crate::telemetry::logrus::Format;
use crate::testing::fake_pods::FakePods;

fn log() -> RunLog {
    let now = || "2026-11-24T01:02:03Z".parse().unwrap();
    RunLog::create(
        tempfile::tempfile().unwrap(),
        Format::Text,
        Level::Info,
        Vec::new(),
        Arc::new(now),
    )
}

fn text(log: &RunLog) -> String {
    let mut text = String::new();
    MultiGzDecoder::new(log.snapshot().unwrap())
        .read_to_string(&mut text)
        .unwrap();
    text
}

fn runner(pods: &FakePods, log: &RunLog) -> Runner {
    Runner::new(Arc::new(pods.clone()), pods.journal(), log.clone(), Vec::new())
}

/// A pod with these hooks, each `command` or `command!` for one that may fail.
fn pod(name: &str, pre: &[&str], post: &[&str]) -> PodHooks {
    let of = |phase: Phase, hooks: &[&str]| {
        let hooks = hooks.iter().map(|text| Hook {
            source: Source::Spec,
            name: "h".to_owned(),
            phase,
            container: "db".to_owned(),
            command: text.trim_end_matches('!').split(' ').map(str::to_owned).collect(),
            on_error: if text.ends_with('!') {
                OnError::Continue
            } else {
                OnError::Fail
            },
            timeout: Duration::from_secs(30),
        });
        hooks.collect()
    };
    PodHooks {
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        pre: of(Phase::Pre, pre),
        post: of(Phase::Post, post),
        containers: vec!["db".to_owned()],
        now: Standing::default(),
        warnings: Vec::new(),
    }
}

fn freezing(name: &str) -> PodHooks {
    pod(name, &["freeze"], &["thaw"])
}

fn left(name: &str) -> Freeze {
    Freeze {
        namespace: "shop".to_owned(),
        pod: name.to_owned(),
        thaw: freezing(name).post,
    }
}

fn lost() -> Result<i32, ExecError> {
    Err(ExecError::Lost)
}

fn timed_out() -> Result<i32, ExecError> {
    Err(ExecError::TimedOut(Duration::from_secs(30)))
}

fn gone() -> Result<i32, ExecError> {
    Err(ExecError::Refused {
        code: 404,
        reason: "NotFound".to_owned(),
        message: "pods \"a\" not found".to_owned(),
    })
}

async fn freeze_by_hand(pods: &FakePods, name: &str) {
    let freeze = &freezing(name).pre[0];
    pods.execute(&freeze.exec("shop", name)).await;
}

async fn around(runner: &Runner, pods: Vec<PodHooks>) -> Vec<bool> {
    let frozen = runner.freeze(pods).await;
    let refused = frozen.iter().map(|frozen| frozen.refused).collect();
    runner.thaw(frozen).await;
    refused
}

#[tokio::test]
async fn pods_are_written_down_frozen_thawed_and_forgotten_in_this_order() {
    let (pods, log) = (FakePods::new(), log());
    let runner = runner(&pods, &log);
    let frozen = runner.freeze(vec![freezing("a"), freezing("b")]).await;
    pods.note("saved");
    assert_eq!(pods.frozen(), ["shop/a", "shop/b"]);
    runner.thaw(frozen).await;
    assert_eq!(
        pods.events(),
        [
            "written: shop/a, shop/b",
            "shop/a db: freeze",
            "shop/b db: freeze",
            "saved",
            "shop/a db: thaw",
            "written: shop/b",
            "shop/b db: thaw",
            "written: ",
        ]
    );
    assert_eq!(
        runner.tally(),
        Tally {
            attempted: 4,
            failed: 0
        }
    );
    assert_eq!(log.counts(), (0, 0));
}

#[tokio::test]
async fn what_has_no_hooks_on_both_sides_is_no_freeze() {
    let (pods, log) = (FakePods::new(), log());
    around(
        &runner(&pods, &log),
        vec![pod("a", &["sync"], &[]), pod("b", &[], &["sync"])],
    )
    .await;
    assert_eq!(pods.events(), ["shop/a db: sync", "shop/b db: sync"]);
}

#[tokio::test]
async fn a_line_tells_all_of_a_hook_and_what_it_wrote() {
    let (pods, log) = (FakePods::new(), log());
    around(&runner(&pods, &log), vec![pod("a", &["sync -f /data"], &[])]).await;
    let text = text(&log);
    let fields = "hookCommand=\"[sync -f /data]\" hookContainer=db hookName=h hookOnError=Fail hookPhase=pre hookSource=spec hookTimeout=\"{30s}\" hookType=exec";
    for message in [
        "msg=\"running exec hook\"",
        "msg=\"stdout: done\\n\"",
        "msg=\"stderr: \"",
    ] {
        let line = text
            .lines()
            .find(|line| line.contains(message))
            .unwrap_or_else(|| panic!("{message} in {text}"));
        assert!(line.contains(fields), "{line}");
        assert!(line.contains("name=a namespace=shop resource=pods"), "{line}");
    }
}

/// The commands that began, without where.
fn commands(pods: &FakePods) -> Vec<String> {
    let events = pods.events().into_iter();
    events
        .filter_map(|event| Some(event.split_once(" db: ")?.1.to_owned()))
        .collect()
}

#[tokio::test]
async fn a_pre_hook_that_fails_stops_the_others_unless_it_may_fail() {
    // pre hooks, how `bad` ends -> commands that ran, refused, attempted and failed
    let cases = [
        (vec!["bad", "next"], Ok(3), vec!["bad"], true, (2, 1)),
        (vec!["bad!", "next"], Ok(3), vec!["bad", "next", "wake"], false, (3, 1)),
        (vec!["bad!"], timed_out(), vec!["bad", "wake"], false, (2, 1)),
        (vec!["next", "last"], Ok(3), vec!["next", "last", "wake"], false, (3, 0)),
    ];
    for (pre, outcome, ran, refused, (attempted, failed)) in cases {
        let (pods, log) = (FakePods::new(), log());
        pods.script("bad", outcome);
        let runner = runner(&pods, &log);
        let refusals = around(&runner, vec![pod("a", &pre, &["wake"])]).await;
        assert_eq!(
            (refusals, commands(&pods)),
            (vec![refused], ran.iter().map(ToString::to_string).collect()),
            "{pre:?}"
        );
        assert_eq!(runner.tally(), Tally { attempted, failed }, "{pre:?}");
        assert_eq!(log.counts().1, failed as u64);
        assert!(pods.written().is_empty());
    }
}

#[tokio::test]
async fn a_post_hook_that_fails_stops_the_others_unless_it_may_fail() {
    for (post, ran) in [(["bad", "next"], &["bad"][..]), (["bad!", "next"], &["bad", "next"])] {
        let (pods, log) = (FakePods::new(), log());
        pods.script("bad", Ok(1));
        let runner = runner(&pods, &log);
        assert_eq!(around(&runner, vec![pod("a", &[], &post)]).await, [false]);
        assert_eq!(commands(&pods), ran);
        assert_eq!(
            runner.tally(),
            Tally {
                attempted: 2,
                failed: 1
            }
        );
    }
}

#[tokio::test]
async fn the_error_says_what_the_program_said_last() {
    let (pods, log) = (FakePods::new(), log());
    around(&runner(&pods, &log), vec![pod("a", &["thaw"], &[])]).await;
    let error = &log.errors().by_scope.into_values().flatten().collect::<Vec<_>>()[0];
    assert_eq!(
        error,
        " resource: /pods name: /a message: /Error executing hook error: /`thaw` ended with exit code 1: nothing to do"
    );
}

#[tokio::test(start_paused = true)]
async fn a_pre_hook_that_fails_when_the_pod_may_be_frozen_is_followed_by_the_post_hooks() {
    // pre hooks, how the last one ends, whether the pod may be frozen
    let cases = [
        (vec!["freeze"], Ok(1), false),
        (
            vec!["freeze"],
            Err(ExecError::NotRun("no such program".to_owned())),
            false,
        ),
        (vec!["freeze"], timed_out(), true),
        (vec!["freeze"], lost(), true),
        (vec!["freeze", "check"], Ok(1), true),
    ];
    for (pre, outcome, thawed) in cases {
        let (pods, log) = (FakePods::new(), log());
        pods.script(pre.last().unwrap(), outcome.clone());
        let runner = runner(&pods, &log);
        let frozen = runner.freeze(vec![pod("a", &pre, &["thaw"])]).await;
        assert!(frozen[0].refused);
        assert_eq!(
            pods.events().contains(&"shop/a db: thaw".to_owned()),
            thawed,
            "{pre:?} {outcome:?}: {:?}",
            pods.events()
        );
        let before = pods.events();
        runner.thaw(frozen).await;
        assert_eq!(pods.events(), before, "a refused pod is done with");
        assert!(pods.frozen().is_empty() && pods.written().is_empty());
    }
}

#[tokio::test]
async fn what_cannot_run_is_an_error_that_says_why() {
    let (pods, log) = (FakePods::new(), log());
    let runner = runner(&pods, &log);
    let mut elsewhere = pod("a", &["sync"], &[]);
    elsewhere.pre[0].container = "web".to_owned();
    let mut empty = pod("b", &["sync"], &[]);
    empty.pre[0].command.clear();
    let mut stopped = empty.clone();
    stopped.now = Standing::default().with_stopped("db", "PodInitializing");
    pods.stop("shop/b db", "PodInitializing");
    assert_eq!(
        around(&runner, vec![elsewhere, empty, stopped]).await,
        [true, true, true]
    );
    assert!(pods.events().is_empty());
    let errors: Vec<String> = log.errors().by_scope.into_values().flatten().collect();
    assert!(
        errors[0].ends_with("container `web` is not in the pod; it has db"),
        "{errors:?}"
    );
    assert!(errors[1].contains("the command is empty"), "{errors:?}");
}

#[tokio::test]
async fn a_pod_that_had_ended_needs_no_hooks_and_one_that_is_gone_is_a_warning() {
    let (pods, log) = (FakePods::new(), log());
    let runner = runner(&pods, &log);
    let ended = PodHooks {
        now: Standing {
            ended: true,
            ..Standing::default()
        },
        ..freezing("old")
    };
    assert_eq!(around(&runner, vec![ended]).await, [false]);
    assert_eq!((pods.events().len(), log.counts()), (0, (0, 0)));
    assert_eq!(
        runner.tally(),
        Tally {
            attempted: 2,
            failed: 0
        }
    );
    pods.script("freeze", gone());
    assert_eq!(around(&runner, vec![freezing("a")]).await, [false]);
    assert_eq!(pods.events(), ["written: shop/a", "shop/a db: freeze", "written: "]);
    assert_eq!(log.counts(), (1, 0));
    pods.forget_events();
    let frozen = runner.freeze(vec![freezing("b")]).await;
    pods.script("thaw", gone());
    runner.thaw(frozen).await;
    assert_eq!(
        log.counts(),
        (2, 0),
        "a pod that went while it was frozen needs no thaw"
    );
    assert!(pods.written().is_empty());
}

#[tokio::test]
async fn a_pod_whose_node_is_gone_is_told_as_such() {
    let (pods, log) = (FakePods::new(), log());
    pods.script(
        "freeze",
        Err(ExecError::Refused {
            code: 404,
            reason: "NotFound".to_owned(),
            message: "nodes \"n1\" not found".to_owned(),
        }),
    );
    assert_eq!(around(&runner(&pods, &log), vec![freezing("a")]).await, [false]);
    assert_eq!(log.counts(), (1, 0));
    let said = &warnings(&log)[0];
    assert!(
        said.contains("The node of the pod is gone") && !said.contains("has ended"),
        "{said}"
    );
}

fn stopped_when_listed(name: &str, state: &str) -> PodHooks {
    PodHooks {
        now: Standing::default().with_stopped("db", state),
        ..freezing(name)
    }
}

fn warnings(log: &RunLog) -> Vec<String> {
    log.warnings().by_scope.into_values().flatten().collect()
}

#[tokio::test]
async fn a_pod_whose_container_does_not_run_is_saved_with_a_warning_that_says_so() {
    let (pods, log) = (FakePods::new(), log());
    let runner = runner(&pods, &log);
    pods.stop("shop/a db", "ImagePullBackOff");
    let refused = around(&runner, vec![stopped_when_listed("a", "ErrImagePull")]).await;
    assert_eq!(refused, [false]);
    assert_eq!(pods.events(), [""; 0], "nothing is written down, run, or thawed");
    assert_eq!(log.counts(), (1, 0));
    let said = "Container \"db\" of the pod does not run (ImagePullBackOff): there is nothing to freeze";
    assert!(warnings(&log)[0].contains(said), "as it is now: {:?}", warnings(&log));
    let attempted = Tally {
        attempted: 1,
        failed: 0,
    };
    assert_eq!(runner.tally(), attempted);
}

#[tokio::test]
async fn a_container_that_has_started_since_its_pod_was_listed_has_its_hooks_run() {
    for look in [Ok(Some(Standing::default())), lost().map(|_| None)] {
        let (pods, log) = (FakePods::new(), log());
        pods.script_look(look);
        around(&runner(&pods, &log), vec![stopped_when_listed("a", "PodInitializing")]).await;
        assert_eq!(commands(&pods), ["freeze", "thaw"]);
        assert_eq!(log.counts(), (0, 0));
    }
}

#[tokio::test]
async fn a_container_that_stops_before_its_hook_is_run_has_nothing_to_freeze() {
    // what the pod was when it was read again -> whether that is a warning of its own kind
    let ended = Standing {
        ended: true,
        ..Standing::default()
    };
    for (look, said) in [
        (None, "does not run (CrashLoopBackOff): there is nothing to freeze"),
        (Some(Ok(Some(ended))), "The pod has ended or is gone"),
        (Some(Ok(None)), "The pod has ended or is gone"),
    ] {
        let (pods, log) = (FakePods::new(), log());
        pods.stop("shop/a db", "CrashLoopBackOff");
        if let Some(look) = look {
            pods.script_look(look);
        }
        let runner = runner(&pods, &log);
        assert_eq!(around(&runner, vec![freezing("a")]).await, [false]);
        assert_eq!(pods.events(), ["written: shop/a", "shop/a db: freeze", "written: "]);
        assert_eq!(log.counts(), (1, 0));
        assert!(warnings(&log)[0].contains(said), "{:?}", warnings(&log));
        assert!(runner.settle().await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_that_is_said_to_run_and_takes_no_command_is_asked_again_and_then_is_an_error() {
    // how often the kubelet has no container -> commands asked for, refused
    let absent = || Err(ExecError::Stopped("container not found (\"db\")".to_owned()));
    for (times, asked, refused) in [(1, 2, false), (3, 4, false), (4, 4, true)] {
        let (pods, log) = (FakePods::new(), log());
        for _ in 0..times {
            pods.script("sync", absent());
        }
        let refusals = around(&runner(&pods, &log), vec![pod("a", &["sync"], &[])]).await;
        assert_eq!((refusals, commands(&pods).len()), (vec![refused], asked), "{times}");
        assert_eq!(log.counts(), (0, u64::from(refused)));
    }
    // Where the pod cannot be read it is not known that there is nothing to freeze.
    let (pods, log) = (FakePods::new(), log());
    for _ in 0..4 {
        pods.script("freeze", absent());
        pods.script_look(lost().map(|_| None));
    }
    assert_eq!(around(&runner(&pods, &log), vec![freezing("a")]).await, [true]);
}

#[tokio::test]
async fn a_refusal_counts_as_nothing_to_freeze_only_where_the_pod_says_so() {
    let refusal = || {
        Err(ExecError::Refused {
            code: 400,
            reason: "BadRequest".to_owned(),
            message: "pod a does not have a host assigned".to_owned(),
        })
    };
    for (look, refused) in [
        (Standing::default().with_stopped("db", "the pod is on no node"), false),
        (Standing::default().with_stopped("other", "the pod is on no node"), true),
        (Standing::default(), true),
    ] {
        let (pods, log) = (FakePods::new(), log());
        pods.script("freeze", refusal());
        pods.script_look(Ok(Some(look.clone())));
        assert_eq!(
            around(&runner(&pods, &log), vec![freezing("a")]).await,
            [refused],
            "{look:?}"
        );
    }
    // What may have been begun is no such refusal, wherever the container is now.
    let (pods, log) = (FakePods::new(), log());
    pods.script("freeze", Err(ExecError::NotRun("task not found".to_owned())));
    pods.script_look(Ok(Some(Standing::default().with_stopped("db", "CrashLoopBackOff"))));
    assert_eq!(around(&runner(&pods, &log), vec![freezing("a")]).await, [true]);
}

#[tokio::test]
async fn hooks_of_containers_that_run_are_run_beside_one_that_does_not() {
    // Found when its pod is listed, or when the first command is run.
    for when_listed in [true, false] {
        let (pods, log) = (FakePods::new(), log());
        let mut mixed = pod("a", &["freeze", "sync"], &["thaw", "log_output"]);
        for hook in [&mut mixed.pre[1], &mut mixed.post[1]] {
            hook.container = "side".to_owned();
        }
        mixed.containers.push("side".to_owned());
        if when_listed {
            mixed.now = Standing::default().with_stopped("side", "CrashLoopBackOff");
        }
        pods.stop("shop/a side", "CrashLoopBackOff");
        let runner = runner(&pods, &log);
        assert_eq!(around(&runner, vec![mixed]).await, [false]);
        assert_eq!(commands(&pods), ["freeze", "thaw"]);
        assert_eq!(log.counts(), (1, 0), "{}", text(&log));
        assert!(pods.frozen().is_empty() && pods.written().is_empty());
        assert!(runner.settle().await.is_empty());
    }
}

#[tokio::test]
async fn a_post_hook_in_a_container_without_a_pre_hook_may_be_what_thaws_the_pod() {
    let (pods, log) = (FakePods::new(), log());
    let mut crossed = freezing("a");
    crossed.post[0].container = "side".to_owned();
    crossed.containers.push("side".to_owned());
    crossed.now = Standing::default().with_stopped("side", "CrashLoopBackOff");
    pods.stop("shop/a side", "CrashLoopBackOff");
    let runner = runner(&pods, &log);
    assert_eq!(around(&runner, vec![crossed]).await, [false]);
    assert_eq!(
        (log.counts(), pods.frozen(), pods.written().len()),
        ((0, 1), vec!["shop/a".to_owned()], 1)
    );
    pods.start("shop/a side");
    assert!(runner.settle().await.is_empty());
    assert!(pods.frozen().is_empty() && pods.written().is_empty());
}

#[tokio::test]
async fn a_pod_that_may_be_frozen_stays_written_down_while_its_container_does_not_run() {
    let (pods, log) = (FakePods::new(), log());
    let runner = runner(&pods, &log);
    let frozen = runner.freeze(vec![freezing("a")]).await;
    pods.stop("shop/a db", "CrashLoopBackOff");
    runner.thaw(frozen).await;
    assert_eq!(log.counts(), (0, 1));
    let unthawed = runner.settle().await;
    assert!(
        unthawed[0]
            .to_string()
            .starts_with("pod shop/a may still be frozen: its post hooks could not be run: the container does not run: CrashLoopBackOff"),
        "{unthawed:?}"
    );
    assert_eq!(pods.written(), [left("a")]);
    // The next run finds it, and thaws it when the container runs again.
    let next = Runner::new(Arc::new(pods.clone()), pods.journal(), log.clone(), pods.written());
    assert_eq!(next.settle().await.len(), 1);
    assert_eq!(pods.frozen(), ["shop/a"]);
    pods.start("shop/a db");
    assert!(next.settle().await.is_empty());
    assert!(pods.frozen().is_empty() && pods.written().is_empty());
}

#[tokio::test]
async fn a_pod_that_a_dead_process_may_have_frozen_is_not_taken_for_one_with_nothing_to_thaw() {
    let (pods, log) = (FakePods::new(), log());
    freeze_by_hand(&pods, "a").await;
    pods.stop("shop/a db", "CrashLoopBackOff");
    let runner = Runner::new(Arc::new(pods.clone()), pods.journal(), log.clone(), vec![left("a")]);
    assert_eq!(runner.settle().await.len(), 1);
    let refused = around(&runner, vec![stopped_when_listed("a", "CrashLoopBackOff")]).await;
    assert_eq!(refused, [false], "it is saved");
    assert_eq!(runner.settle().await.len(), 1);
    pods.start("shop/a db");
    assert!(runner.settle().await.is_empty());
    assert!(pods.frozen().is_empty());
}

#[tokio::test]
async fn one_stopped_container_does_not_keep_the_others_of_its_pod_frozen() {
    let (pods, log) = (FakePods::new(), log());
    freeze_by_hand(&pods, "a").await;
    let mut left = left("a");
    let mut other = left.thaw[0].clone();
    other.container = "side".to_owned();
    left.thaw.insert(0, other.clone());
    pods.stop("shop/a side", "CrashLoopBackOff");
    let runner = Runner::new(Arc::new(pods.clone()), pods.journal(), log.clone(), vec![left]);
    assert_eq!(runner.settle().await.len(), 1);
    assert!(pods.frozen().is_empty());
    assert_eq!(pods.written()[0].thaw, [other], "what has run is not run again");
    // The pod goes: there is nothing to thaw any more.
    pods.script_look(Ok(None));
    assert!(runner.settle().await.is_empty());
    assert!(pods.written().is_empty());
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_frozen() {
    let (pods, log) = (FakePods::new(), log());
    let runner = runner(&pods, &log);
    pods.fail_journal(true);
    assert_eq!(around(&runner, vec![freezing("a")]).await, [true]);
    assert!(pods.events().is_empty());
    let errors: Vec<String> = log.errors().by_scope.into_values().flatten().collect();
    assert!(
        errors[0].contains("write down which pods are frozen: the disk is full"),
        "{errors:?}"
    );
    assert!(runner.settle().await.is_empty());
    assert!(pods.events().is_empty(), "nothing is thawed that was not frozen");
}

#[tokio::test]
async fn a_run_that_is_dropped_leaves_nothing_frozen() {
    let (pods, log) = (FakePods::new(), log());
    let runner = runner(&pods, &log);
    // The first pod is frozen, a command is under way in the second, the third was not begun.
    let slow = pods.hold("freeze slowly");
    {
        let block = vec![freezing("a"), pod("b", &["freeze slowly"], &["thaw"]), freezing("c")];
        let mut run = pin!(runner.freeze(block));
        assert!(run.as_mut().now_or_never().is_none());
        for _ in 0..20 {
            tokio::task::yield_now().await;
            assert!(run.as_mut().now_or_never().is_none());
        }
    }
    assert_eq!(pods.frozen(), ["shop/a"]);
    pods.forget_events();
    let mut settling = pin!(runner.settle());
    for _ in 0..20 {
        assert!(settling.as_mut().now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    assert_eq!(
        pods.events(),
        ["shop/a db: thaw", "written: shop/b"],
        "the slow one keeps nobody frozen, and is not thawed before it has ended"
    );
    slow.release();
    assert!(settling.await.is_empty());
    assert_eq!(pods.events()[2..], ["shop/b db: thaw", "written: "]);
    assert!(pods.frozen().is_empty());
    assert!(runner.settle().await.is_empty());
    assert_eq!(pods.events().len(), 4, "there is nothing left to settle");
}

#[tokio::test]
async fn a_post_hook_under_way_when_the_run_is_dropped_is_not_repeated() {
    let (pods, log) = (FakePods::new(), log());
    let runner = runner(&pods, &log);
    let frozen = runner
        .freeze(vec![pod("a", &["freeze"], &["thaw", "log_output", "ping"])])
        .await;
    let slow = pods.hold("log_output");
    {
        let mut thawing = pin!(runner.thaw(frozen));
        for _ in 0..20 {
            assert!(thawing.as_mut().now_or_never().is_none());
            tokio::task::yield_now().await;
        }
    }
    slow.release();
    assert!(runner.settle().await.is_empty());
    assert_eq!(commands(&pods), ["freeze", "thaw", "log_output", "ping"]);
    assert_eq!(log.counts(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_post_hook_is_tried_again_when_the_way_to_the_pod_fails() {
    let (pods, log) = (FakePods::new(), log());
    let runner = runner(&pods, &log);
    let frozen = runner.freeze(vec![freezing("a")]).await;
    let refused = || {
        Err(ExecError::Refused {
            code: 500,
            reason: "InternalError".to_owned(),
            message: "error dialing backend".to_owned(),
        })
    };
    pods.script("thaw", refused());
    pods.script("thaw", refused());
    runner.thaw(frozen).await;
    assert!(pods.frozen().is_empty());
    assert_eq!(log.counts(), (0, 0));

    let frozen = runner.freeze(vec![freezing("a")]).await;
    for _ in 0..8 {
        pods.script("thaw", refused());
    }
    runner.thaw(frozen).await;
    assert_eq!(log.counts(), (0, 1));
    assert_eq!(pods.written().len(), 1, "it stays written down");
    let unthawed = runner.settle().await;
    assert_eq!(unthawed.len(), 1);
    assert!(
        unthawed[0].to_string().contains("pod shop/a may still be frozen"),
        "{}",
        unthawed[0]
    );
    assert_eq!(pods.written().len(), 1);
    assert!(runner.settle().await.is_empty(), "the pod can be reached again");
    assert!(pods.frozen().is_empty() && pods.written().is_empty());
}

#[tokio::test]
async fn what_an_earlier_run_left_is_thawed_and_failing_at_it_is_a_warning() {
    let (pods, log) = (FakePods::new(), log());
    // One is frozen; of the other the run died before its pre hook, or after its post hook.
    freeze_by_hand(&pods, "a").await;
    pods.forget_events();
    let runner = Runner::new(
        Arc::new(pods.clone()),
        pods.journal(),
        log.clone(),
        vec![left("a"), left("b")],
    );
    assert!(runner.settle().await.is_empty());
    assert!(pods.frozen().is_empty());
    assert_eq!(log.counts(), (1, 0), "{}", text(&log));
    assert_eq!(pods.events().last().unwrap(), "written: ");
    assert_eq!(runner.tally(), Tally::default(), "these are not hooks of this run");
}

#[tokio::test]
async fn a_pod_that_a_dead_process_was_freezing_is_thawed_again_when_it_cannot_be_frozen() {
    let (pods, log) = (FakePods::new(), log());
    let runner = Runner::new(Arc::new(pods.clone()), pods.journal(), log.clone(), vec![left("a")]);
    assert!(runner.settle().await.is_empty());
    // The command that the dead process had begun ends only now, after the thaw.
    freeze_by_hand(&pods, "a").await;
    let frozen = runner.freeze(vec![freezing("a")]).await;
    assert!(frozen[0].refused, "it is frozen already");
    assert!(pods.frozen().is_empty(), "{:?}", pods.events());
    assert!(pods.written().is_empty());
}

#[tokio::test]
async fn a_pod_is_read_with_its_hooks_and_what_it_says_wrong_is_a_warning() {
    let (pods, log) = (FakePods::new(), log());
    let object = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": "shop", "name": "a", "annotations": {
            "pre.hook.backup.velero.io/command": "[\"freeze\", \"/data\"]",
            "pre.hook.backup.velero.io/timeout": "soon",
            "post.hook.backup.velero.io/command": "thaw"}},
        "spec": {"containers": [{"name": "db"}]}, "status": {"phase": "Running"}});
    let object = RawObject::parse(Bytes::from(object.to_string())).unwrap();
    let hooks = PodHooks::of(&SpecHooks::default(), &object).unwrap().unwrap();
    around(&runner(&pods, &log), vec![hooks]).await;
    assert_eq!(pods.events()[1..3], ["shop/a db: freeze /data", "shop/a db: thaw"]);
    assert_eq!(log.counts(), (1, 0));
}

#[test]
fn waiting_for_hooks_can_move_between_threads() {
    fn is_send(_: &impl Send) {}
    let (pods, log) = (FakePods::new(), log());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _inside = runtime.enter();
    let runner = runner(&pods, &log);
    is_send(&runner.freeze(Vec::new()));
    is_send(&runner.settle());
}
