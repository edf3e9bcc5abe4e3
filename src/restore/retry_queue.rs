//! Items that could not be restored yet, each with the reason (decision 19).

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::archive::spool::ItemHandle;
use crate::restore::retry_reason::RetryReason;
use crate::restore::wait_reason::{RetryTimeouts, WaitReason};

#[derive(Debug)]
struct Entry {
    reason: WaitReason,
    tries: u32,
    next: Instant,
    /// It is being retried: an item that needs it may process it.
    due: bool,
    /// The reason that was logged last.
    logged: Option<WaitReason>,
}

/// The waiting items.
#[derive(Debug)]
pub struct RetryQueue {
    waiting: Mutex<Waiting>,
    timeouts: RetryTimeouts,
}

type Waiting = BTreeMap<ItemHandle, Entry>;

impl RetryQueue {
    /// An empty queue.
    pub fn new(timeouts: RetryTimeouts) -> Self {
        Self {
            waiting: Mutex::default(),
            timeouts,
        }
    }

    /// Adds an item, or adds it again. Returns whether its reason has changed.
    pub fn add(&self, item: ItemHandle, reason: WaitReason, now: Instant) -> bool {
        let mut waiting = self.waiting();
        // an item that waits for another was added by `blocked_on`
        if !matches!(reason, WaitReason::Item(_)) {
            insert(&mut waiting, item, reason, now);
        }
        is_news(&mut waiting, item)
    }

    /// Adds an item that waits for another waiting one; false if that one waits, directly or through others, for the item
    /// itself.
    pub fn blocked_on(&self, item: ItemHandle, other: ItemHandle, now: Instant) -> bool {
        let mut waiting = self.waiting();
        let (mut at, mut seen) = (other, HashSet::new());
        while seen.insert(at) {
            if at == item {
                return false;
            }
            match waiting.get(&at).map(|entry| &entry.reason) {
                Some(WaitReason::Item(next)) => at = *next,
                _ => break,
            }
        }
        insert(&mut waiting, item, WaitReason::Item(other), now);
        true
    }

    /// Removes an item; returns how often it was tried.
    pub fn remove(&self, item: ItemHandle) -> u32 {
        self.waiting().remove(&item).map_or(0, |entry| entry.tries)
    }

    /// Whether an item waits and is not being tried again.
    pub fn holds(&self, item: ItemHandle) -> bool {
        self.waiting().get(&item).is_some_and(|entry| !entry.due)
    }

    /// How often an item was added.
    pub fn tries(&self, item: ItemHandle) -> u32 {
        self.waiting().get(&item).map_or(0, |entry| entry.tries)
    }

    /// Whether no item waits.
    pub fn is_empty(&self) -> bool {
        self.waiting().is_empty()
    }

    /// How many items wait, and the first few of them in the archive's order.
    pub fn count_and_first(&self, most: usize) -> (usize, Vec<(ItemHandle, WaitReason)>) {
        let waiting = self.waiting();
        (waiting.len(), first(&waiting, most))
    }

    /// How many items wait, and the first one in the archive's order that does not wait for another item, with its timeout.
    pub fn count_and_blocker(&self) -> (usize, Option<(ItemHandle, WaitReason, Duration)>) {
        let waiting = self.waiting();
        let blocker = waiting.iter().find_map(|(item, entry)| {
            let timeout = entry.reason.timeout(self.timeouts)?;
            Some((*item, entry.reason.clone(), timeout))
        });
        (waiting.len(), blocker)
    }

    /// Marks and returns the items that are due: their pause is over, or the item that they wait for does not wait any more.
    pub fn take_due(&self, now: Instant) -> Vec<ItemHandle> {
        let mut waiting = self.waiting();
        let all: HashSet<ItemHandle> = waiting.keys().copied().collect();
        let mut due = Vec::new();
        for (item, entry) in &mut *waiting {
            entry.due = match &entry.reason {
                WaitReason::Item(other) => !all.contains(other),
                _ => entry.next <= now,
            };
            if entry.due {
                due.push(*item);
            }
        }
        due
    }

    /// Whether any item waits for its type to be served.
    pub fn any_unserved(&self) -> bool {
        self.waiting()
            .values()
            .any(|entry| matches!(entry.reason, WaitReason::Error(RetryReason::Unserved, _)))
    }

    /// When [`RetryQueue::take_due`] or [`RetryQueue::take_expired`] next has an item; `end` is when the last wave ended.
    pub fn next(&self, now: Instant, end: Instant) -> Option<Instant> {
        let waiting = self.waiting();
        let of = |entry: &Entry| match (&entry.reason, entry.reason.timeout(self.timeouts)) {
            (WaitReason::Item(other), _) => (!waiting.contains_key(other)).then_some(now),
            (_, timeout) => timeout.map(|timeout| entry.next.min(end + timeout)),
        };
        waiting.values().filter_map(of).min()
    }

    /// Removes and returns the items that have reached their timeouts. Items that wait for these are due then.
    pub fn take_expired(&self, now: Instant, end: Instant) -> Vec<(ItemHandle, WaitReason)> {
        let expired = |entry: &mut Entry| {
            let timeout = entry.reason.timeout(self.timeouts);
            timeout.is_some_and(|timeout| end + timeout <= now)
        };
        self.waiting()
            .extract_if(.., |_, entry| expired(entry))
            .map(|(item, entry)| (item, entry.reason))
            .collect()
    }

    /// All waiting items. They stay in the queue.
    pub fn all(&self) -> Vec<(ItemHandle, WaitReason)> {
        first(&self.waiting(), usize::MAX)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock()
    }
}

fn insert(waiting: &mut Waiting, item: ItemHandle, reason: WaitReason, now: Instant) {
    let before = waiting.remove(&item);
    let tries = before.as_ref().map_or(1, |entry| entry.tries.saturating_add(1));
    let entry = Entry {
        reason,
        tries,
        next: now + pause(tries),
        due: false,
        logged: before.and_then(|entry| entry.logged),
    };
    waiting.insert(item, entry);
}

fn is_news(waiting: &mut Waiting, item: ItemHandle) -> bool {
    let Some(entry) = waiting.get_mut(&item) else {
        return false;
    };
    let is_news = entry
        .logged
        .as_ref()
        .is_none_or(|logged| !logged.is_like(&entry.reason));
    entry.logged = Some(entry.reason.clone());
    is_news
}

fn first(waiting: &Waiting, most: usize) -> Vec<(ItemHandle, WaitReason)> {
    let first = waiting.iter().take(most);
    first.map(|(item, entry)| (*item, entry.reason.clone())).collect()
}

/// The pause before the next try after this many: from one second, doubling, to half a minute.
fn pause(tries: u32) -> Duration {
    const LONGEST: Duration = Duration::from_secs(30);
    Duration::from_secs(1)
        .saturating_mul(1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX))
        .min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restore::testing::spool;

    fn queue() -> RetryQueue {
        RetryQueue::new(RetryTimeouts {
            errors: Duration::from_mins(1),
            deletions: Duration::from_mins(2),
        })
    }

    fn items() -> Vec<ItemHandle> {
        let names = ["a", "b", "c", "d"].map(|name| ("pods", Some("ns"), name, "{}"));
        spool(&names).items().collect()
    }

    fn error() -> WaitReason {
        WaitReason::Error(RetryReason::Transport, "x".to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn an_item_is_due_after_its_pause_which_grows() {
        let (items, now, queue) = (items(), Instant::now(), queue());
        queue.add(items[0], error(), now);
        assert!(queue.holds(items[0]) && queue.take_due(now).is_empty());
        let later = now + Duration::from_secs(1);
        assert_eq!(queue.take_due(later), [items[0]]);
        assert!(!queue.holds(items[0]), "it may be run");
        queue.add(items[0], error(), later);
        assert!(queue.holds(items[0]) && queue.tries(items[0]) == 2);
        assert_eq!(queue.next(now, now), Some(later + Duration::from_secs(2)));
        assert_eq!(queue.remove(items[0]), 2);
        assert!(queue.is_empty() && queue.remove(items[0]) == 0);
    }

    #[tokio::test(start_paused = true)]
    async fn only_another_reason_is_news() {
        let (items, now, queue) = (items(), Instant::now(), queue());
        assert!(queue.add(items[0], error(), now) && !queue.add(items[0], error(), now));
        let another_text = WaitReason::Error(RetryReason::Transport, "y".to_owned());
        assert!(!queue.add(items[0], another_text, now));
        let another_reason = WaitReason::Error(RetryReason::Quota, "y".to_owned());
        assert!(queue.add(items[0], another_reason, now));
        assert!(queue.blocked_on(items[0], items[1], now));
        assert!(queue.add(items[0], WaitReason::Item(items[1]), now));
        assert!(!is_news(&mut queue.waiting(), items[1]), "it does not wait");
    }

    #[tokio::test(start_paused = true)]
    async fn an_item_is_due_when_the_one_it_waits_for_is_done() {
        let (items, now, queue) = (items(), Instant::now(), queue());
        queue.add(items[0], error(), now);
        assert!(queue.blocked_on(items[1], items[0], now));
        let later = now + Duration::from_secs(5);
        assert_eq!(queue.take_due(later), [items[0]]);
        queue.remove(items[0]);
        assert_eq!(queue.take_due(later), [items[1]]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cycle_of_waiting_items_is_not_closed() {
        let (items, now, queue) = (items(), Instant::now(), queue());
        assert!(!queue.blocked_on(items[0], items[0], now), "itself");
        assert!(queue.blocked_on(items[0], items[1], now));
        assert!(queue.blocked_on(items[1], items[2], now));
        assert!(!queue.blocked_on(items[2], items[0], now));
        assert!(queue.blocked_on(items[2], items[3], now));
    }

    #[tokio::test(start_paused = true)]
    async fn the_timeout_depends_on_the_reason() {
        let (items, end, queue) = (items(), Instant::now(), queue());
        queue.add(items[0], error(), end);
        queue.add(items[1], WaitReason::Deletion, end);
        assert!(queue.blocked_on(items[2], items[0], end));
        assert!(queue.take_expired(end + Duration::from_secs(59), end).is_empty());
        let blocker = queue.count_and_blocker();
        assert_eq!(blocker, (3, Some((items[0], error(), Duration::from_mins(1)))));
        assert_eq!(
            queue.take_expired(end + Duration::from_mins(1), end),
            [(items[0], error())]
        );
        assert_eq!(
            queue.take_due(end),
            [items[2]],
            "its blocker is gone: it has its last try"
        );
        assert_eq!(
            queue.take_expired(end + Duration::from_mins(2), end),
            [(items[1], WaitReason::Deletion)]
        );
        let left = [(items[2], WaitReason::Item(items[0]))];
        assert_eq!(queue.all(), left);
        assert_eq!(queue.count_and_first(10), (1, left.to_vec()));
        assert_eq!(queue.count_and_blocker(), (1, None));
    }

    #[test]
    fn pauses_double_up_to_half_a_minute() {
        let pauses: Vec<u64> = (0..8).map(|tries| pause(tries).as_secs()).collect();
        assert_eq!(pauses, [1, 1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(pause(u32::MAX).as_secs(), 30);
    }
}
