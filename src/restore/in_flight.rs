//! Each item is worked on once at a time; who needs it meanwhile waits, unless that would never end (decision 18,
//! spec restore 25.2 invariants 12 and 13).
//!
//! An item's action may ask for other items first. Whoever asks runs an item that nobody has started, and waits for one
//! that is under way. Since an item works on one request of its actions at a time, it awaits at most one other: the
//! wait-for graph is a set of chains, and a new edge closes a cycle exactly if the chain from the awaited item leads back
//! to the requester. Then the requester goes on at once, as upstream does for an ancestor.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// The items under way. `K` is what identifies an item.
#[derive(Debug)]
pub struct InFlight<K: Copy + Eq + Hash> {
    running: Mutex<HashMap<K, Running<K>>>,
}

#[derive(Debug)]
struct Running<K> {
    awaits: Option<K>,
    /// Made by the first who waits; cancelled on landing.
    landed: Option<CancellationToken>,
}

/// What somebody who needs an item is to do.
#[derive(Debug)]
pub enum Claim<'a, K: Copy + Eq + Hash> {
    /// Work on it; it is under way as long as the flight lives.
    Mine(Flight<'a, K>),
    /// Somebody works on it: wait, then claim again.
    Wait(Waiting<'a, K>),
    /// Somebody works on it who, directly or through others, waits for the requester: go on without it.
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
    /// Claims an item for `requester`, an item that is itself under way; `None` if nothing but the plan asks for it.
    ///
    /// `is_done` is asked with the table locked: a flight records its outcome before it lands, so either the item is seen
    /// under way or its outcome is seen.
    pub fn claim<D>(
        &self,
        item: K,
        requester: Option<K>,
        is_done: impl FnOnce() -> Option<D>,
    ) -> Result<Claim<'_, K>, D> {
        let mut running = self.running();
        let Some(flight) = running.get_mut(&item) else {
            if let Some(done) = is_done() {
                return Err(done);
            }
            running.insert(
                item,
                Running {
                    awaits: None,
                    landed: None,
                },
            );
            Self::await_in(&mut running, requester, item);
            return Ok(Claim::Mine(Flight {
                flights: self,
                item,
                requester,
            }));
        };
        let landed = flight.landed.get_or_insert_default().clone();
        if requester.is_some_and(|requester| Self::leads_to(&running, item, requester)) {
            return Ok(Claim::Cycle);
        }
        Self::await_in(&mut running, requester, item);
        Ok(Claim::Wait(Waiting {
            flights: self,
            requester,
            landed,
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
            at = running.get(&item).and_then(|flight| flight.awaits);
        }
        false
    }

    fn go_on(&self, requester: Option<K>) {
        if let Some(requester) = requester
            && let Some(flight) = self.running().get_mut(&requester)
        {
            flight.awaits = None;
        }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<K, Running<K>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An item being worked on. Dropped, also by a cancelled task, it lands: whoever waits claims again.
#[derive(Debug)]
pub struct Flight<'a, K: Copy + Eq + Hash> {
    flights: &'a InFlight<K>,
    item: K,
    requester: Option<K>,
}

impl<K: Copy + Eq + Hash> Drop for Flight<'_, K> {
    fn drop(&mut self) {
        let flight = self.flights.running().remove(&self.item);
        if let Some(landed) = flight.and_then(|flight| flight.landed) {
            landed.cancel();
        }
        self.flights.go_on(self.requester);
    }
}

/// A requester in wait for another's item. Holds no concurrency permit.
#[derive(Debug)]
pub struct Waiting<'a, K: Copy + Eq + Hash> {
    flights: &'a InFlight<K>,
    requester: Option<K>,
    landed: CancellationToken,
}

impl<K: Copy + Eq + Hash> Waiting<'_, K> {
    /// Until the item has landed.
    pub async fn landed(self) {
        self.landed.cancelled().await;
    }
}

impl<K: Copy + Eq + Hash> Drop for Waiting<'_, K> {
    fn drop(&mut self) {
        self.flights.go_on(self.requester);
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

    fn mine(flights: &InFlight<u8>, item: u8, requester: Option<u8>) -> Flight<'_, u8> {
        match flights.claim(item, requester, || None::<()>).unwrap() {
            Claim::Mine(flight) => flight,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_done_is_not_claimed_again() {
        let flights = InFlight::default();
        assert_eq!(flights.claim(1_u8, None, || Some("done")).err(), Some("done"));
    }

    #[test]
    fn an_ancestor_is_not_waited_for() {
        let flights = InFlight::default();
        let _one = mine(&flights, 1, None);
        let _two = mine(&flights, 2, Some(1));
        let _three = mine(&flights, 3, Some(2));
        assert!(matches!(flights.claim(1, Some(3), || None::<()>), Ok(Claim::Cycle)));
        assert!(
            matches!(flights.claim(3, Some(3), || None::<()>), Ok(Claim::Cycle)),
            "itself"
        );
    }

    #[test]
    fn two_that_need_one_another_do_not_both_wait() {
        let flights = InFlight::default();
        let (_one, _two) = (mine(&flights, 1, None), mine(&flights, 2, None));
        let first = flights.claim(2, Some(1), || None::<()>).unwrap();
        assert!(matches!(first, Claim::Wait(_)));
        assert!(matches!(flights.claim(1, Some(2), || None::<()>), Ok(Claim::Cycle)));
        drop(first);
        assert!(
            matches!(flights.claim(1, Some(2), || None::<()>), Ok(Claim::Wait(_))),
            "the edge went with the wait"
        );
    }

    #[tokio::test]
    async fn who_waits_is_woken_when_the_item_lands() {
        let flights = InFlight::default();
        let (one, _two) = (mine(&flights, 1, None), mine(&flights, 2, None));
        let Ok(Claim::Wait(waiting)) = flights.claim(1, Some(2), || None::<()>) else {
            panic!("must wait")
        };
        drop(one);
        waiting.landed().await;
        assert!(matches!(flights.claim(1, Some(2), || None::<()>), Ok(Claim::Mine(_))));
    }

    struct Scene {
        needs: HashMap<u8, Vec<u8>>,
        flights: InFlight<u8>,
        done: Mutex<HashSet<u8>>,
        /// Every event in order: an item begins, or ends.
        events: Mutex<Vec<(u8, bool)>>,
    }

    impl Scene {
        fn restore(&self, item: u8, requester: Option<u8>) -> BoxFuture<'_, ()> {
            Box::pin(async move {
                loop {
                    let is_done = || self.done.lock().unwrap().contains(&item).then_some(());
                    match self.flights.claim(item, requester, is_done) {
                        Err(()) | Ok(Claim::Cycle) => return,
                        Ok(Claim::Wait(waiting)) => waiting.landed().await,
                        Ok(Claim::Mine(flight)) => {
                            self.events.lock().unwrap().push((item, true));
                            for other in self.needs.get(&item).into_iter().flatten() {
                                self.restore(*other, Some(item)).await;
                            }
                            tokio::time::sleep(Duration::from_millis(u64::from(item % 7))).await;
                            self.events.lock().unwrap().push((item, false));
                            self.done.lock().unwrap().insert(item);
                            drop(flight);
                            return;
                        }
                    }
                }
            })
        }
    }

    /// Whether `to` can be reached from `from` over one edge or more.
    fn reaches(needs: &HashMap<u8, Vec<u8>>, from: u8, to: u8) -> bool {
        let (mut seen, mut stack) = (HashSet::new(), needs.get(&from).cloned().unwrap_or_default());
        while let Some(item) = stack.pop() {
            if item == to {
                return true;
            }
            if seen.insert(item) {
                stack.extend(needs.get(&item).into_iter().flatten());
            }
        }
        false
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn whatever_needs_whatever_it_ends_and_order_holds_outside_of_cycles(
            edges in prop::collection::vec((0_u8..12, 0_u8..12), 0..40),
        ) {
            let mut needs: HashMap<u8, Vec<u8>> = HashMap::new();
            for (from, to) in edges {
                needs.entry(from).or_default().push(to);
            }
            let scene = Scene { needs, flights: InFlight::default(), done: Mutex::default(), events: Mutex::default() };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let mut all: FuturesUnordered<_> = (0..12).map(|item| scene.restore(item, None)).collect();
                let run = async { while all.next().await.is_some() {} };
                tokio::time::timeout(Duration::from_mins(1), run).await.expect("nobody waits for ever");
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
