//! Containers that do not run.

use super::*;

#[tokio::test]
async fn a_pod_with_a_stopped_container_is_saved_with_a_warning() {
    let (pods, log) = (FakePods::new(), log());
    let runner = runner(&pods, &log);
    pods.stop("shop/a db", "ImagePullBackOff");
    let refused = around(&runner, vec![stopped_when_listed("a", "ErrImagePull")]).await;
    assert_eq!(refused, [false]);
    assert_eq!(pods.events(), [""; 0], "nothing is written down, run, or thawed");
    assert_eq!(log.counts(), (1, 0));
    let phrase = "Container \"db\" of the pod does not run (ImagePullBackOff): there is nothing to freeze";
    assert!(warnings(&log)[0].contains(phrase), "as it is now: {:?}", warnings(&log));
    let attempted = Tally {
        attempted: 1,
        failed: 0,
    };
    assert_eq!(runner.tally(), attempted);
}

#[tokio::test]
async fn hooks_run_in_a_container_that_started_after_the_list() {
    for look in [Ok(Some(Standing::default())), lost().map(|_| None)] {
        let (pods, log) = (FakePods::new(), log());
        pods.script_look(look);
        around(&runner(&pods, &log), vec![stopped_when_listed("a", "PodInitializing")]).await;
        assert_eq!(commands(&pods), ["freeze", "thaw"]);
        assert_eq!(log.counts(), (0, 0));
    }
}

#[tokio::test]
async fn a_container_that_stops_before_its_hook_is_not_frozen() {
    // the pod when it was read again -> whether that is a warning of its own kind
    let ended = Standing {
        ended: true,
        ..Standing::default()
    };
    for (look, phrase) in [
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
        assert!(warnings(&log)[0].contains(phrase), "{:?}", warnings(&log));
        assert!(runner.settle().await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_reported_container_that_refuses_commands_is_retried() {
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
    // If the pod cannot be read, there may be something to freeze.
    let (pods, log) = (FakePods::new(), log());
    for _ in 0..4 {
        pods.script("freeze", absent());
        pods.script_look(lost().map(|_| None));
    }
    assert_eq!(around(&runner(&pods, &log), vec![freezing("a")]).await, [true]);
}

#[tokio::test]
async fn a_refusal_means_nothing_to_freeze_only_if_the_pod_agrees() {
    let refusal = || {
        Err(ExecError::Refused {
            code: 400,
            reason: "BadRequest".to_owned(),
            message: "pod a does not have a host assigned".to_owned(),
        })
    };
    for (look, refused) in [
        (
            Standing::default().with_stopped("db", "the pod is not scheduled"),
            false,
        ),
        (
            Standing::default().with_stopped("other", "the pod is not scheduled"),
            true,
        ),
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
    // A command that may have been begun is not such a refusal, in any state of the container.
    let (pods, log) = (FakePods::new(), log());
    pods.script("freeze", Err(ExecError::NotRun("task not found".to_owned())));
    pods.script_look(Ok(Some(Standing::default().with_stopped("db", "CrashLoopBackOff"))));
    assert_eq!(around(&runner(&pods, &log), vec![freezing("a")]).await, [true]);
}

#[tokio::test]
async fn hooks_of_running_containers_run_beside_a_stopped_one() {
    // Found when its pod is listed, or when the first command is run.
    for when_listed in [true, false] {
        let (pods, log) = (FakePods::new(), log());
        let mut mixed = pod("a", &["freeze", "sync"], &["thaw", "tell"]);
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
async fn a_post_hook_of_another_container_may_thaw_the_pod() {
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
async fn a_frozen_pod_stays_recorded_while_its_container_is_stopped() {
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
async fn a_pod_frozen_by_a_dead_process_still_needs_its_thaw() {
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
async fn one_stopped_container_does_not_keep_others_frozen() {
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
    // The pod is deleted: there is nothing to thaw any more.
    pods.script_look(Ok(None));
    assert!(runner.settle().await.is_empty());
    assert!(pods.written().is_empty());
}
