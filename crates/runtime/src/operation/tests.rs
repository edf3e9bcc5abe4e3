use std::future::pending;

use k8s_openapi::api::core::v1::ConfigMap;
use tokio::time::{Instant, sleep};

use super::*;
use crate::enqueue::Enqueue;
use crate::fixture::{SECOND, key};

type Copies = Operations<ConfigMap, u32, u32>;

struct Scene {
    copies: Copies,
    group: Group,
}

fn open(copies: Copies) -> Scene {
    let group = Group::new();
    copies.open(&group, &Enqueuer::new());
    Scene { copies, group }
}

impl Scene {
    fn start<F>(&self, uid: &str, work: impl FnOnce(Handle<u32>) -> F + Send + 'static) -> Start
    where
        F: Future<Output = u32> + Send + 'static,
    {
        self.copies.start_if_absent(&uid.into(), &key(uid), "copy", work)
    }

    fn outcome(&self, uid: &str) -> Option<Outcome<u32>> {
        match self.copies.get(&uid.into())? {
            Seen::Running { .. } => None,
            Seen::Ended(outcome) => Some((*outcome).clone()),
        }
    }
}

async fn when_cancelled(handle: Handle<u32>) -> u32 {
    handle.cancelled().cancelled().await;
    7
}

#[tokio::test(start_paused = true)]
async fn an_outcome_is_kept_until_it_was_recorded() {
    let scene = open(Copies::new());
    assert_eq!(scene.start("a", |_| async { 5 }), Start::Started);
    scene.group.empty().await;
    for _ in 0..2 {
        assert_eq!(scene.outcome("a"), Some(Outcome::Returned(5)));
        assert_eq!(scene.start("a", |_| async { 6 }), Start::Present);
    }
    assert!(scene.copies.acknowledge(&"a".into()));
    assert!(!scene.copies.acknowledge(&"a".into()));
    assert!(scene.copies.get(&"a".into()).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_an_outcome() {
    let scene = open(Copies::new());
    scene.start("a", |_| async { panic!("no space left") });
    scene.group.empty().await;
    assert_eq!(scene.outcome("a"), Some(Outcome::Panicked("no space left".into())));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_operation_runs_until_it_returns() {
    let scene = open(Copies::new());
    scene.start("a", |handle| async move {
        handle.progress(3);
        let seven = when_cancelled(handle).await;
        sleep(5 * SECOND).await;
        seven
    });
    sleep(SECOND).await;
    assert!(scene.copies.cancel(&"a".into()));
    sleep(SECOND).await;
    let seen = scene.copies.get(&"a".into());
    assert!(
        matches!(
            seen,
            Some(Seen::Running {
                progress: Some(3),
                cancelling: true
            })
        ),
        "{seen:?}"
    );
    scene.group.empty().await;
    assert_eq!(scene.outcome("a"), Some(Outcome::Returned(7)));
    assert!(!scene.copies.cancel(&"a".into()));
}

#[tokio::test(start_paused = true)]
async fn an_object_without_room_gets_a_pass_when_there_is_room() {
    let copies = Copies::at_most(1);
    let (group, enqueuer) = (Group::new(), Enqueuer::new());
    copies.open(&group, &enqueuer);
    let scene = Scene { copies, group };
    assert_eq!(scene.start("a", when_cancelled), Start::Started);
    assert_eq!(scene.start("b", when_cancelled), Start::Full);
    assert_eq!(scene.start("b", when_cancelled), Start::Full);
    scene.copies.cancel(&"a".into());
    scene.group.empty().await;
    let Some(Enqueue::Some(woken)) = enqueuer.take() else {
        panic!("both are to be looked at")
    };
    let mut woken: Vec<_> = woken.iter().map(|key| key.name.clone()).collect();
    woken.sort();
    assert_eq!(woken, ["a", "b"]);
    assert_eq!(scene.start("b", when_cancelled), Start::Started);
}

#[tokio::test(start_paused = true)]
async fn an_operation_of_a_gone_object_takes_room_until_it_ends() {
    let scene = open(Copies::at_most(1));
    scene.start("a", |handle| async move {
        sleep(5 * SECOND).await;
        when_cancelled(handle).await
    });
    scene.copies.gone(&"a".into());
    assert_eq!(scene.copies.running(), 1);
    assert_eq!(scene.start("b", when_cancelled), Start::Full);
    scene.group.empty().await;
    assert!(scene.copies.get(&"a".into()).is_none());
    assert_eq!(scene.start("b", when_cancelled), Start::Started);
}

#[tokio::test(start_paused = true)]
async fn closing_cancels_all_and_waits_for_them() {
    let scene = open(Copies::new());
    scene.start("a", |handle| async move {
        let seven = when_cancelled(handle).await;
        sleep(5 * SECOND).await;
        seven
    });
    let start = Instant::now();
    scene.copies.close().await;
    assert_eq!(start.elapsed(), 5 * SECOND);
    assert!(
        scene.copies.get(&"a".into()).is_none(),
        "the next term looks at the world afresh"
    );
    assert_eq!(scene.start("b", when_cancelled), Start::Closed);
}

#[tokio::test(start_paused = true)]
async fn an_aborted_operation_leaves_nothing_behind() {
    let scene = open(Copies::new());
    scene.start("a", |_| pending());
    assert_eq!(scene.group.alive(), ["copy of ns/a"]);
    scene.group.abort();
    scene.group.empty().await;
    assert_eq!(scene.copies.running(), 0);
    assert!(scene.copies.get(&"a".into()).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_handle_does_not_end_the_operation() {
    let scene = open(Copies::new());
    scene.start("a", |handle| async move {
        handle.progress(1);
        drop(handle);
        sleep(5 * SECOND).await;
        9
    });
    scene.group.empty().await;
    assert_eq!(scene.outcome("a"), Some(Outcome::Returned(9)));
}
