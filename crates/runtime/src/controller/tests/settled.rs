//! Objects that wait for nothing.

use super::*;
use crate::testing::Call;

#[tokio::test(start_paused = true)]
async fn a_settled_object_gets_passes_from_changes_and_sweeps_only() {
    let (script, watch, _drive) = scripted();
    let (probe, mut calls) = Probe::new(|_| async { Ok(Next::Settled) });
    script.list([object("a", "1", 1)]);
    let controller = controller(probe, &watch);
    let _stage = Stage::run(controller);
    assert_eq!(calls.next_at().await, (0, pass("a", "1", 1)));
    // The probe's resync would come sooner.
    calls.none_for(Duration::from_mins(14)).await;
    let (first, _) = calls.next_at().await;
    assert!((9_000..=18_000).contains(&first), "{first}");
    let (second, _) = calls.next_at().await;
    assert!((9_000..=18_000).contains(&(second - first)), "{second}");
    script.apply(object("a", "1", 2));
    assert_eq!(calls.next_at().await, (second, pass("a", "1", 2)));
    script.delete(object("a", "1", 3));
    calls.none_for(LONG).await;
}

#[tokio::test(start_paused = true)]
async fn a_settled_object_with_an_operation_is_announced_when_it_is_gone() {
    let (script, watch, _drive) = scripted();
    let operations = Operations::<ConfigMap, ()>::new();
    let (probe, mut calls) = Probe::new({
        let operations = operations.clone();
        move |object| {
            let uid = crate::uid_of(&*object);
            operations.start_if_absent(&uid, &ObjectRef::from_obj(&*object), "copy", |handle| async move {
                handle.cancelled().cancelled().await;
            });
            async { Ok(Next::Settled) }
        }
    });
    script.list([object("a", "1", 1)]);
    let _stage = Stage::run(controller(probe, &watch).operations(&operations));
    assert_eq!(calls.next().await, pass("a", "1", 1));
    sleep(SECOND).await;
    script.delete(object("a", "1", 2));
    assert_eq!(calls.next().await, gone("a", "1"));
    sleep(SECOND).await;
    assert_eq!(operations.running(), 0);
}

#[tokio::test(start_paused = true)]
async fn of_many_objects_each_gets_one_pass_at_the_start_and_one_in_a_sweep() {
    let (script, watch, _drive) = scripted();
    // The second half is failing, and its retries are in the queue beside the others.
    let (probe, mut calls) = Probe::new(|object| async move {
        if object.name_any().as_str() < "50" {
            Ok(Next::Settled)
        } else {
            Err(Oops::Nonsense)
        }
    });
    let names: Vec<String> = (10..90).map(|number| number.to_string()).collect();
    script.list(names.iter().map(|name| object(name, name, 1)));
    let _stage = Stage::run(controller(probe, &watch).workers(3));
    let mut seen = std::collections::BTreeMap::<String, usize>::new();
    for _ in &names {
        let (at, call) = calls.next_at().await;
        assert_eq!(at, 0);
        let Call::Pass { name, .. } = call else {
            panic!("{call:?}")
        };
        *seen.entry(name).or_default() += 1;
    }
    assert!(names.iter().all(|name| seen[name] == 1), "{seen:?}");
    let mut swept = std::collections::BTreeSet::new();
    while swept.len() < 40 {
        let (at, call) = calls.next_at().await;
        assert!(at <= 18_000);
        if let Call::Pass { name, .. } = call
            && name.as_str() < "50"
        {
            assert!(swept.insert(name));
        }
    }
}

/// A reconciler whose passes return how long it still is until a time.
struct Until {
    due: Instant,
    passes: tokio::sync::mpsc::UnboundedSender<Instant>,
}

impl Reconciler for Until {
    type Kind = ConfigMap;
    type Error = Oops;
    const NAME: &'static str = "until";
    const RESYNC: Duration = Duration::from_hours(24);

    async fn reconcile(&self, _: Arc<ConfigMap>) -> Result<Next, Oops> {
        let now = Instant::now();
        self.passes.send(now).map_err(|_| Oops::NoAnswer)?;
        Ok(match self.due - now {
            Duration::ZERO => Next::Settled,
            wait => Next::After(wait),
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_beyond_the_next_sweep_is_kept_to_the_moment() {
    let (script, watch, _drive) = scripted();
    let (passes, mut calls) = tokio::sync::mpsc::unbounded_channel();
    let due = Instant::now() + Duration::from_mins(200);
    script.list([object("a", "1", 1)]);
    let _stage = Stage::run(Controller::new(Until { due, passes }, &watch));
    let mut before = calls.recv().await.unwrap();
    while before < due {
        let at = calls.recv().await.unwrap();
        // A sweep, or the time itself.
        assert!(at - before <= Duration::from_mins(30) && at <= due, "{before:?} {at:?}");
        before = at;
    }
    assert_eq!(before, due);
}
