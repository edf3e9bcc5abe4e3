//! Hooks that fail or cannot run.

use super::*;

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
async fn the_error_has_the_last_output_line_of_the_program() {
    let (pods, log) = (FakePods::new(), log());
    around(&runner(&pods, &log), vec![pod("a", &["thaw"], &[])]).await;
    let error = &log.errors().by_scope.into_values().flatten().collect::<Vec<_>>()[0];
    assert_eq!(
        error,
        " resource: /pods name: /a message: /Error executing hook error: /`thaw` ended with exit code 1: nothing to do"
    );
}

#[tokio::test(start_paused = true)]
async fn post_hooks_follow_a_failed_pre_hook_if_the_pod_may_be_frozen() {
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
async fn a_hook_that_cannot_run_is_an_error_with_the_reason() {
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
async fn an_ended_pod_needs_no_hooks_and_a_deleted_one_is_a_warning() {
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
async fn a_pod_with_a_deleted_node_is_reported_as_such() {
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
    let phrase = &warnings(&log)[0];
    assert!(
        phrase.contains("The node of the pod is gone") && !phrase.contains("has ended"),
        "{phrase}"
    );
}

#[tokio::test]
async fn a_pod_is_not_frozen_if_that_cannot_be_recorded() {
    let (pods, log) = (FakePods::new(), log());
    let runner = runner(&pods, &log);
    pods.fail_journal(true);
    assert_eq!(around(&runner, vec![freezing("a")]).await, [true]);
    assert!(pods.events().is_empty());
    let errors: Vec<String> = log.errors().by_scope.into_values().flatten().collect();
    assert!(
        errors[0].contains("record which pods are frozen: the disk is full"),
        "{errors:?}"
    );
    assert!(runner.settle().await.is_empty());
    assert!(pods.events().is_empty(), "nothing is thawed that was not frozen");
}
