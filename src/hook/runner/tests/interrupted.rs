//! Runs that are dropped or die, and what the next one thaws.

use super::*;

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
        "the slow one does not keep other pods frozen, and is not thawed before it has ended"
    );
    slow.release();
    assert!(settling.await.is_empty());
    assert_eq!(pods.events()[2..], ["shop/b db: thaw", "written: "]);
    assert!(pods.frozen().is_empty());
    assert!(runner.settle().await.is_empty());
    assert_eq!(pods.events().len(), 4, "there is nothing left to settle");
}

#[tokio::test]
async fn a_running_post_hook_of_a_dropped_run_is_not_repeated() {
    let (pods, log) = (FakePods::new(), log());
    let runner = runner(&pods, &log);
    let frozen = runner
        .freeze(vec![pod("a", &["freeze"], &["thaw", "tell", "ping"])])
        .await;
    let slow = pods.hold("tell");
    {
        let mut thawing = pin!(runner.thaw(frozen));
        for _ in 0..20 {
            assert!(thawing.as_mut().now_or_never().is_none());
            tokio::task::yield_now().await;
        }
    }
    slow.release();
    assert!(runner.settle().await.is_empty());
    assert_eq!(commands(&pods), ["freeze", "thaw", "tell", "ping"]);
    assert_eq!(log.counts(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_post_hook_is_retried_when_the_connection_fails() {
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
async fn freezes_of_an_earlier_run_are_thawed_and_failures_warned() {
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
async fn a_pod_frozen_by_a_dead_process_is_thawed_after_a_failure() {
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
