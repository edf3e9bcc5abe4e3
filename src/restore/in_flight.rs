//! Each item is processed once at a time. A second requester waits meanwhile, unless that would be a deadlock (decision 18, spec
//! restore 25.2 invariants 12 and 13).
//!
//! An item's action may ask for other items first. The requester runs an item that is not started, and waits for one that
//! is in flight. Since an item works on one request of its actions at a time, it awaits at most one other: the wait-for
//! graph is a set of chains, and a new edge closes a cycle exactly if the chain from the awaited item leads back to the
//! requester. Then the requester continues at once, as upstream does for an ancestor.

use std::collections::HashMap;
use std::hash::Hash;

use parking_lot::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;

/// The items that are being processed. `K` identifies an item.
#[derive(Debug)]
pub struct InFlight<K: Copy + Eq + Hash> {
    running: Mutex<HashMap<K, Running<K>>>,
}

#[derive(Debug)]
struct Running<K> {
    awaits: Option<K>,
    /// Created for the first requester that waits; cancelled when the item is finished.
    finished: Option<CancellationToken>,
}

/// What the requester of an item must do.
#[derive(Debug)]
pub enum Acquire<'a, K: Copy + Eq + Hash> {
    /// Process it; it is in flight until the guard is dropped.
    Acquired(Guard<'a, K>),
    /// It is being processed: wait, then acquire it again.
    Wait(Waiting<'a, K>),
    /// It is being processed and waits, directly or through others, for the requester: continue without it.
    Cycle,
}

impl<K: Copy + Eq + Hash> Default for InFlight<K> {
    fn default() -> Self {
        Self {
            running: Mutex::default(),
        }
    }
}

impl<K: Copy + Eq + Hash> InFlight<K> {
    /// Acquires an item for `requester`, an item that is itself in flight; `None` if only the plan asks for it.
    ///
    /// `is_done` is called with the table locked: the outcome of an item is recorded before the item is finished, so either
    /// the item is seen in flight or its outcome is seen.
    pub fn acquire<D>(
        &self,
        item: K,
        requester: Option<K>,
        is_done: impl FnOnce() -> Option<D>,
    ) -> Result<Acquire<'_, K>, D> {
        let mut running = self.running();
        let Some(running_item) = running.get_mut(&item) else {
            if let Some(done) = is_done() {
                return Err(done);
            }
            running.insert(
                item,
                Running {
                    awaits: None,
                    finished: None,
                },
            );
            Self::await_in(&mut running, requester, item);
            return Ok(Acquire::Acquired(Guard {
                in_flight: self,
                item,
                requester,
            }));
        };
        let finished = running_item.finished.get_or_insert_default().clone();
        if requester.is_some_and(|requester| Self::leads_to(&running, item, requester)) {
            return Ok(Acquire::Cycle);
        }
        Self::await_in(&mut running, requester, item);
        Ok(Acquire::Wait(Waiting {
            in_flight: self,
            requester,
            finished,
        }))
    }

    fn await_in(running: &mut HashMap<K, Running<K>>, requester: Option<K>, item: K) {
        if let Some(requester) = requester.and_then(|requester| running.get_mut(&requester)) {
            requester.awaits = Some(item);
        }
    }

    fn leads_to(running: &HashMap<K, Running<K>>, from: K, to: K) -> bool {
        let mut at = Some(from);
        while let Some(item) = at {
            if item == to {
                return true;
            }
            at = running.get(&item).and_then(|running_item| running_item.awaits);
        }
        false
    }

    fn resume(&self, requester: Option<K>) {
        if let Some(requester) = requester
            && let Some(running_item) = self.running().get_mut(&requester)
        {
            running_item.awaits = None;
        }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<K, Running<K>>> {
        self.running.lock()
    }
}

/// An item being processed. The item is finished when this is dropped, also by a cancelled task: each waiting requester acquires
/// it again.
#[derive(Debug)]
pub struct Guard<'a, K: Copy + Eq + Hash> {
    in_flight: &'a InFlight<K>,
    item: K,
    requester: Option<K>,
}

impl<K: Copy + Eq + Hash> Drop for Guard<'_, K> {
    fn drop(&mut self) {
        let finished_item = self.in_flight.running().remove(&self.item);
        if let Some(finished) = finished_item.and_then(|item| item.finished) {
            finished.cancel();
        }
        self.in_flight.resume(self.requester);
    }
}

/// A requester that waits for an item. Holds no concurrency permit.
#[derive(Debug)]
pub struct Waiting<'a, K: Copy + Eq + Hash> {
    in_flight: &'a InFlight<K>,
    requester: Option<K>,
    finished: CancellationToken,
}

impl<K: Copy + Eq + Hash> Waiting<'_, K> {
    /// Until the item is finished.
    pub async fn finished(self) {
        self.finished.cancelled().await;
    }
}

impl<K: Copy + Eq + Hash> Drop for Waiting<'_, K> {
    fn drop(&mut self) {
        self.in_flight.resume(self.requester);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};
    use std::sync::Mutex;
    use std::time::Duration;

    use futures::future::BoxFuture;
    use futures::stream::{FuturesUnordered, StreamExt};
    use proptest::prelude::*;

    use super::*;
    use crate::restore::testing::reaches;

    fn acquired(in_flight: &InFlight<u8>, item: u8, requester: Option<u8>) -> Guard<'_, u8> {
        match in_flight.acquire(item, requester, || None::<()>).unwrap() {
            Acquire::Acquired(guard) => guard,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_finished_item_is_not_acquired_again() {
        let in_flight = InFlight::default();
        assert_eq!(in_flight.acquire(1_u8, None, || Some("done")).err(), Some("done"));
    }

    #[test]
    fn an_ancestor_is_not_waited_for() {
        let in_flight = InFlight::default();
        let _one = acquired(&in_flight, 1, None);
        let _two = acquired(&in_flight, 2, Some(1));
        let _three = acquired(&in_flight, 3, Some(2));
        assert!(matches!(
            in_flight.acquire(1, Some(3), || None::<()>),
            Ok(Acquire::Cycle)
        ));
        assert!(
            matches!(in_flight.acquire(3, Some(3), || None::<()>), Ok(Acquire::Cycle)),
            "itself"
        );
    }

    #[test]
    fn two_that_need_one_another_do_not_both_wait() {
        let in_flight = InFlight::default();
        let (_one, _two) = (acquired(&in_flight, 1, None), acquired(&in_flight, 2, None));
        let first = in_flight.acquire(2, Some(1), || None::<()>).unwrap();
        assert!(matches!(first, Acquire::Wait(_)));
        assert!(matches!(
            in_flight.acquire(1, Some(2), || None::<()>),
            Ok(Acquire::Cycle)
        ));
        drop(first);
        assert!(
            matches!(in_flight.acquire(1, Some(2), || None::<()>), Ok(Acquire::Wait(_))),
            "the edge went with the wait"
        );
    }

    #[tokio::test]
    async fn a_waiting_requester_is_woken_when_the_item_is_finished() {
        let in_flight = InFlight::default();
        let (one, _two) = (acquired(&in_flight, 1, None), acquired(&in_flight, 2, None));
        let Ok(Acquire::Wait(waiting)) = in_flight.acquire(1, Some(2), || None::<()>) else {
            panic!("must wait")
        };
        drop(one);
        waiting.finished().await;
        assert!(matches!(
            in_flight.acquire(1, Some(2), || None::<()>),
            Ok(Acquire::Acquired(_))
        ));
    }

    struct Scene {
        needs: HashMap<u8, Vec<u8>>,
        in_flight: InFlight<u8>,
        done: Mutex<HashSet<u8>>,
        /// Every event in order: an item begins, or ends.
        events: Mutex<Vec<(u8, bool)>>,
    }

    impl Scene {
        fn restore(&self, item: u8, requester: Option<u8>) -> BoxFuture<'_, ()> {
            Box::pin(async move {
                loop {
                    let is_done = || self.done.lock().unwrap().contains(&item).then_some(());
                    match self.in_flight.acquire(item, requester, is_done) {
                        Err(()) | Ok(Acquire::Cycle) => return,
                        Ok(Acquire::Wait(waiting)) => waiting.finished().await,
                        Ok(Acquire::Acquired(guard)) => {
                            self.events.lock().unwrap().push((item, true));
                            for other in self.needs.get(&item).into_iter().flatten() {
                                self.restore(*other, Some(item)).await;
                            }
                            tokio::time::sleep(Duration::from_millis(u64::from(item % 7))).await;
                            self.events.lock().unwrap().push((item, false));
                            self.done.lock().unwrap().insert(item);
                            drop(guard);
                            return;
                        }
                    }
                }
            })
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn any_dependencies_end_and_keep_the_order_outside_of_cycles(
            edges in prop::collection::vec((0_u8..12, 0_u8..12), 0..40),
        ) {
            let mut needs: HashMap<u8, Vec<u8>> = HashMap::new();
            for (from, to) in edges {
                needs.entry(from).or_default().push(to);
            }
            let scene = Scene { needs, in_flight: InFlight::default(), done: Mutex::default(), events: Mutex::default() };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let mut all: FuturesUnordered<_> = (0..12).map(|item| scene.restore(item, None)).collect();
                let run = async { while all.next().await.is_some() {} };
                tokio::time::timeout(Duration::from_mins(1), run).await.expect("it ends");
            });
            let events = scene.events.into_inner().unwrap();
            for item in 0..12 {
                prop_assert_eq!(events.iter().filter(|event| **event == (item, true)).count(), 1, "once each");
            }
            let at = |event| events.iter().position(|other| *other == event).unwrap();
            for (item, others) in &scene.needs {
                for other in others.iter().filter(|other| !reaches(&scene.needs, **other, *item)) {
                    prop_assert!(at((*other, false)) < at((*item, false)), "{} needs {}", item, other);
                }
            }
        }
    }
}
