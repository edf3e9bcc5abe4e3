use std::time::Duration;

use std::sync::atomic::{AtomicUsize, Ordering};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ObjectMeta;
use parking_lot::Mutex;

use super::driver::*;
use super::*;
use crate::reconciler::Next;

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("interrupted: {0}")]
    Interrupted(#[from] Interrupted),
    #[error("no place to copy to")]
    NoPlace,
    #[error("not written")]
    NotWritten,
}

/// Copies whose attempts end as the test says.
#[derive(Default)]
struct Copies {
    /// The end of the attempt that starts next; without one it runs until it is cancelled.
    next: Mutex<Option<AttemptEnd<u32>>>,
    has_no_place: Mutex<bool>,
    conflicts: AtomicUsize,
    refusals: AtomicUsize,
    shown: Mutex<Vec<u32>>,
    recorded: Mutex<Vec<u32>>,
}

impl Run for Copies {
    type Kind = ConfigMap;
    type Job = Option<AttemptEnd<u32>>;
    type Progress = u32;
    type End = u32;
    type Error = Error;
    const OPERATION: &'static str = "copy";

    fn start(&self, _: &Arc<ConfigMap>) -> Result<Option<AttemptEnd<u32>>, Error> {
        if *self.has_no_place.lock() {
            return Err(Error::NoPlace);
        }
        Ok(self.next.lock().clone())
    }

    async fn attempt(job: Option<AttemptEnd<u32>>, handle: Handle<u32>) -> AttemptEnd<u32> {
        handle.progress(5);
        if let Some(ended) = job {
            return ended;
        }
        handle.cancelled().cancelled().await;
        AttemptEnd::Retry("cancelled".into())
    }

    async fn show(&self, _: &Arc<ConfigMap>, progress: u32) -> Result<(), Error> {
        self.shown.lock().push(progress);
        Ok(())
    }

    async fn finish(&self, _: &Arc<ConfigMap>, end: &u32) -> Result<bool, Error> {
        let take = |left: &AtomicUsize| {
            left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
                .is_ok()
        };
        if take(&self.refusals) {
            return Err(Error::NotWritten);
        }
        if take(&self.conflicts) {
            return Ok(false);
        }
        self.recorded.lock().push(*end);
        Ok(true)
    }

    fn unavailable(&self, _: &ConfigMap, _: &str, since: Duration) -> Option<u32> {
        (since > Duration::from_mins(10)).then_some(404)
    }
}

struct Scene {
    copies: Copies,
    operations: RunOperations<Copies>,
    driver: Driver<Copies>,
    group: Group,
    object: Arc<ConfigMap>,
}

impl Scene {
    fn new(next: Option<AttemptEnd<u32>>) -> Self {
        let group = Group::new();
        let operations = RunOperations::<Copies>::new().open_in(&group);
        let object = ConfigMap {
            metadata: ObjectMeta {
                name: Some("a".into()),
                uid: Some("u".into()),
                ..ObjectMeta::default()
            },
            ..ConfigMap::default()
        };
        Self {
            copies: Copies {
                next: Mutex::new(next),
                ..Copies::default()
            },
            driver: Driver::new(operations.clone()),
            operations,
            group,
            object: Arc::new(object),
        }
    }

    async fn pass(&self) -> Result<Next, Error> {
        self.driver.pass(&self.copies, &self.object).await
    }

    /// A pass that starts an attempt, until that has ended.
    async fn attempt(&self) {
        assert!(matches!(self.pass().await, Ok(Next::Resync)));
        assert!(self.operations.get(&"u".into()).is_some(), "it was not started");
        self.operations.idle().await;
    }

    fn recorded(&self) -> Vec<u32> {
        self.copies.recorded.lock().clone()
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_is_kept_until_it_is_recorded() {
    let scene = Scene::new(Some(AttemptEnd::Final(7)));
    scene.copies.refusals.store(1, Ordering::SeqCst);
    scene.copies.conflicts.store(1, Ordering::SeqCst);
    scene.attempt().await;
    assert!(matches!(scene.pass().await, Err(Error::NotWritten)));
    assert!(matches!(scene.pass().await, Ok(Next::After(_))), "a conflict");
    assert!(scene.recorded().is_empty());
    assert!(matches!(scene.pass().await, Ok(Next::Resync)));
    assert_eq!(scene.recorded(), [7]);
    assert!(scene.operations.get(&"u".into()).is_none());
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_run_is_started_again_after_a_wait() {
    for interruption in [AttemptEnd::Retry("busy".into()), AttemptEnd::Unavailable("busy".into())] {
        let scene = Scene::new(Some(interruption));
        scene.attempt().await;
        assert_eq!(scene.pass().await.unwrap_err().to_string(), "interrupted: busy");
        let Ok(Next::After(wait)) = scene.pass().await else {
            panic!("it does not wait");
        };
        tokio::time::advance(wait).await;
        *scene.copies.next.lock() = Some(AttemptEnd::Final(7));
        scene.attempt().await;
        scene.pass().await.unwrap();
        assert_eq!(scene.recorded(), [7]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_is_given_up_when_it_says_so() {
    let scene = Scene::new(None);
    *scene.copies.has_no_place.lock() = true;
    for _ in 0..=10 {
        assert!(matches!(scene.pass().await, Err(Error::NoPlace)));
        tokio::time::advance(Duration::from_mins(1)).await;
    }
    scene.pass().await.unwrap();
    assert_eq!(scene.recorded(), [404]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_could_not_start_starts_at_once_when_it_can() {
    let scene = Scene::new(Some(AttemptEnd::Final(7)));
    *scene.copies.has_no_place.lock() = true;
    assert!(scene.pass().await.is_err());
    *scene.copies.has_no_place.lock() = false;
    scene.attempt().await;
    scene.pass().await.unwrap();
    assert_eq!(scene.recorded(), [7]);
}

#[tokio::test(start_paused = true)]
async fn progress_is_shown_and_a_stopped_run_ends_unrecorded() {
    let scene = Scene::new(None);
    scene.pass().await.unwrap();
    tokio::time::advance(Duration::from_millis(1)).await;
    scene.pass().await.unwrap();
    assert_eq!(*scene.copies.shown.lock(), [5]);
    assert!(!scene.driver.stop(&"u".into()), "it runs");
    scene.operations.idle().await;
    assert!(scene.driver.stop(&"u".into()));
    assert!(scene.operations.get(&"u".into()).is_none());
    assert!(scene.recorded().is_empty());
    scene.group.empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_takes_another_course_waits_for_nothing_and_keeps_an_end() {
    let uid = "u".into();
    let scene = Scene::new(Some(AttemptEnd::Retry("busy".into())));
    scene.attempt().await;
    assert!(scene.pass().await.is_err());
    scene.driver.interrupt(&uid);
    // No wait is left.
    scene.attempt().await;
    assert!(!scene.driver.has_end(&uid), "it was interrupted");
    scene.driver.interrupt(&uid);
    assert!(
        scene.operations.get(&uid).is_none(),
        "what interrupted it does not matter any more"
    );

    *scene.copies.next.lock() = None;
    scene.pass().await.unwrap();
    scene.driver.interrupt(&uid);
    // Its attempt was cancelled.
    scene.operations.idle().await;
    scene.driver.interrupt(&uid);

    *scene.copies.next.lock() = Some(AttemptEnd::Final(7));
    scene.attempt().await;
    scene.driver.interrupt(&uid);
    assert!(scene.driver.has_end(&uid));
    scene.pass().await.unwrap();
    assert_eq!(scene.recorded(), [7]);
}
