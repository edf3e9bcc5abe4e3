//! The work queue, without threads, timers or locks, so that tests can call all of it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hash;

use tokio::time::Instant;

/// The keys that need a pass, and when. Each key is in at most one place: ready, waiting for a time, or handed out.
#[derive(Debug)]
pub(super) struct Queue<Key> {
    places: HashMap<Key, Place>,
    ready: VecDeque<Key>,
    /// Those handed out, and since when.
    working: HashMap<Key, Instant>,
    timers: BTreeMap<Timer, Key>,
    /// Keeps timers of the same instant apart, first come first served.
    next: u64,
}

type Timer = (Instant, u64);

#[derive(Debug, Clone, Copy)]
enum Place {
    /// In `ready`.
    Ready { since: Instant },
    /// In `timers`. An addition brings it forward, but not before `hold`.
    Waiting { timer: Timer, hold: Instant },
    /// Handed out. An addition meanwhile means one more pass, whatever the result.
    Working { dirty: bool },
}

/// When a key is due again after it was worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Requeue {
    /// Unless it is added before.
    pub(super) at: Instant,
    /// If it is added before: not before this.
    pub(super) hold: Instant,
}

impl<Key: Clone + Eq + Hash> Queue<Key> {
    pub(super) fn new() -> Self {
        Self {
            places: HashMap::new(),
            ready: VecDeque::new(),
            working: HashMap::new(),
            timers: BTreeMap::new(),
            next: 0,
        }
    }

    /// The object has changed. Returns whether the key was added.
    pub(super) fn add(&mut self, key: Key, now: Instant) -> bool {
        match self.places.get_mut(&key) {
            Some(Place::Ready { .. }) => false,
            Some(Place::Working { dirty }) => !std::mem::replace(dirty, true),
            Some(&mut Place::Waiting { timer, hold }) => {
                if hold <= now {
                    self.timers.remove(&timer);
                    self.make_ready(key, now);
                } else if hold < timer.0 {
                    self.timers.remove(&timer);
                    self.wait(key, hold, hold);
                } else {
                    return false;
                }
                true
            }
            None => {
                self.make_ready(key, now);
                true
            }
        }
    }

    /// The next one to work on, and since when it was ready. Must be returned to [`finished`](Self::finished).
    pub(super) fn take(&mut self, now: Instant) -> Option<(Key, Instant)> {
        while let Some(due) = self.timers.first_entry().filter(|first| first.key().0 <= now) {
            let key = due.remove();
            self.make_ready(key, now);
        }
        let key = self.ready.pop_front()?;
        self.working.insert(key.clone(), now);
        let working = Place::Working { dirty: false };
        let since = match self.places.insert(key.clone(), working) {
            Some(Place::Ready { since }) => since,
            _ => now,
        };
        Some((key, since))
    }

    /// It was worked on. Without `requeue` it is forgotten, unless it was added meanwhile.
    pub(super) fn finished(&mut self, key: &Key, requeue: Option<Requeue>, now: Instant) {
        self.working.remove(key);
        let dirty = match self.places.remove(key) {
            Some(Place::Working { dirty }) => dirty,
            _ => false,
        };
        match requeue {
            Some(Requeue { at, hold }) if dirty => {
                let at = hold.min(at);
                if at <= now {
                    self.make_ready(key.clone(), now);
                } else {
                    self.wait(key.clone(), at, hold);
                }
            }
            Some(Requeue { at, hold }) => self.wait(key.clone(), at, hold),
            None if dirty => self.make_ready(key.clone(), now),
            None => {}
        }
    }

    /// When [`take`](Self::take) next has a key that it does not have now.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.timers.first_key_value().map(|(timer, _)| timer.0)
    }

    /// Whether it is in one of the places.
    pub(super) fn contains(&self, key: &Key) -> bool {
        self.places.contains_key(key)
    }

    /// How many are ready.
    pub(super) fn depth(&self) -> usize {
        self.ready.len()
    }

    /// How many wait for their time.
    pub(super) fn waiting(&self) -> usize {
        self.timers.len()
    }

    /// Whether [`take`](Self::take) has something now.
    pub(super) fn has_ready(&self, now: Instant) -> bool {
        !self.ready.is_empty() || self.next_due().is_some_and(|due| due <= now)
    }

    /// Those handed out, and since when.
    pub(super) fn working(&self) -> impl Iterator<Item = (&Key, Instant)> {
        self.working.iter().map(|(key, since)| (key, *since))
    }

    fn make_ready(&mut self, key: Key, now: Instant) {
        self.places.insert(key.clone(), Place::Ready { since: now });
        self.ready.push_back(key);
    }

    fn wait(&mut self, key: Key, at: Instant, hold: Instant) {
        let timer = (at, self.next);
        self.next += 1;
        self.timers.insert(timer, key.clone());
        self.places.insert(key, Place::Waiting { timer, hold });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn seconds(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    fn keys(queue: &mut Queue<&'static str>, now: Instant) -> Vec<&'static str> {
        std::iter::from_fn(|| queue.take(now).map(|(key, _)| key)).collect()
    }

    #[test]
    fn a_key_added_twice_is_handed_out_once_in_order() {
        let (mut queue, now) = (Queue::new(), Instant::now());
        let news: Vec<_> = ["a", "b", "a"].map(|key| queue.add(key, now)).into();
        assert_eq!(news, [true, true, false]);
        assert_eq!(queue.depth(), 2);
        assert_eq!(keys(&mut queue, now), ["a", "b"]);
    }

    #[test]
    fn a_key_added_while_worked_on_is_handed_out_once_more() {
        let (mut queue, now) = (Queue::new(), Instant::now());
        queue.add("a", now);
        queue.take(now).unwrap();
        assert!(queue.add("a", now));
        assert!(!queue.add("a", now));
        assert_eq!(queue.take(now), None);
        let later = Requeue {
            at: seconds(now, 60),
            hold: now,
        };
        queue.finished(&"a", Some(later), now);
        assert_eq!(keys(&mut queue, now), ["a"]);
        queue.finished(&"a", Some(later), now);
        assert_eq!(queue.take(now), None);
        assert_eq!(queue.next_due(), Some(seconds(now, 60)));
    }

    #[test]
    fn an_addition_does_not_cancel_a_later_time() {
        let (mut queue, start) = (Queue::new(), Instant::now());
        queue.add("a", start);
        queue.take(start).unwrap();
        queue.finished(
            &"a",
            Some(Requeue {
                at: seconds(start, 10),
                hold: start,
            }),
            start,
        );
        // The addition takes the timer's place; the pass it leads to sets the next one.
        queue.add("a", seconds(start, 4));
        queue.take(seconds(start, 4)).unwrap();
        queue.finished(
            &"a",
            Some(Requeue {
                at: seconds(start, 10),
                hold: start,
            }),
            seconds(start, 4),
        );
        assert_eq!(queue.take(seconds(start, 9)), None);
        assert_eq!(keys(&mut queue, seconds(start, 10)), ["a"]);
    }

    #[test]
    fn an_addition_does_not_shorten_a_hold() {
        let (mut queue, start) = (Queue::new(), Instant::now());
        let failed = Requeue {
            at: seconds(start, 60),
            hold: seconds(start, 1),
        };
        queue.add("during", start);
        queue.add("after", start);
        assert_eq!(keys(&mut queue, start), ["during", "after"]);
        queue.add("during", start);
        queue.finished(&"during", Some(failed), start);
        queue.finished(&"after", Some(failed), start);
        queue.add("after", start);
        assert!(!queue.add("after", start));
        assert_eq!(queue.take(start), None);
        assert_eq!(keys(&mut queue, seconds(start, 1)), ["during", "after"]);
    }

    #[test]
    fn a_finished_key_is_forgotten_unless_added() {
        let (mut queue, now) = (Queue::new(), Instant::now());
        queue.add("a", now);
        queue.take(now).unwrap();
        queue.finished(&"a", None, now);
        assert!(queue.places.is_empty());
        queue.add("a", now);
        queue.take(now).unwrap();
        queue.add("a", now);
        queue.finished(&"a", None, now);
        assert_eq!(keys(&mut queue, now), ["a"]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_handed_out_twice_or_in_two_places(steps in prop::collection::vec((0..3u8, 0..4u8, 0..5u64), 0..200)) {
            let mut queue = Queue::new();
            let mut now = Instant::now();
            let mut working = Vec::new();
            let mut added = std::collections::HashSet::new();
            for (step, key, seconds) in steps {
                now += Duration::from_secs(seconds);
                match step {
                    0 => {
                        queue.add(key, now);
                        added.insert(key);
                    }
                    1 => {
                        if let Some((key, since)) = queue.take(now) {
                            prop_assert!(!working.contains(&key));
                            prop_assert!(since <= now);
                            working.push(key);
                            added.remove(&key);
                        }
                    }
                    _ => {
                        if let Some(key) = working.pop() {
                            let wait = Duration::from_secs(seconds);
                            let requeue = (seconds > 0).then(|| Requeue { at: now + wait, hold: now + wait / 2 });
                            queue.finished(&key, requeue, now);
                        }
                    }
                }
                prop_assert_eq!(queue.places.len(), queue.ready.len() + queue.timers.len() + working.len());
                prop_assert_eq!(queue.working.len(), working.len());
                prop_assert_eq!(queue.has_ready(now), queue.ready.len() + queue.timers.range(..=(now, u64::MAX)).count() > 0);
            }
            // Added keys are handed out once nothing is being worked on and all holds are over.
            for key in working.drain(..) {
                queue.finished(&key, None, now);
            }
            while let Some((key, _)) = queue.take(now + Duration::from_hours(1)) {
                added.remove(&key);
            }
            prop_assert!(added.is_empty(), "{added:?}");
        }
    }
}
