//! Items that could not be restored yet, each with what it waits for (decision 19).

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use super::namespaces::Obstacle;
use super::retry::{RetryReason, pause};
use crate::archive::spool::ItemRef;

/// What a parked item waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// An error that can pass, with its text.
    Error(RetryReason, String),
    /// The object is there and being deleted: it is created when it is gone.
    Deletion,
    /// Its namespace cannot take it now.
    Namespace(Obstacle),
    /// A CRD is created, and the API server has not accepted it yet.
    Established,
    /// It needs an item that is parked itself.
    Behind(ItemRef),
}

/// How long after the last wave an item is tried again.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// What waits for an error to pass.
    pub errors: Duration,
    /// What waits for a deletion.
    pub deletions: Duration,
}

impl Hold {
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Error(one, _), Self::Error(other, _)) => one == other,
            (Self::Namespace(Obstacle::Error(_)), Self::Namespace(Obstacle::Error(_))) => true,
            _ => self == other,
        }
    }

    /// As one word for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Error(passing, _) => passing.word(),
            Self::Deletion => "ObjectTerminating",
            Self::Namespace(Obstacle::Deletion) => "NamespaceTerminating",
            Self::Namespace(Obstacle::Error(_)) => "NamespaceNotCreated",
            Self::Established => "DefinitionNotAccepted",
            Self::Behind(_) => "DependencyWaits",
        }
    }

    /// How long after the last wave it is waited for; nothing if that depends on another item.
    pub fn patience(&self, patience: Patience) -> Option<Duration> {
        match self {
            Self::Error(..) | Self::Established | Self::Namespace(Obstacle::Error(_)) => Some(patience.errors),
            Self::Deletion | Self::Namespace(Obstacle::Deletion) => Some(patience.deletions),
            Self::Behind(_) => None,
        }
    }
}

#[derive(Debug)]
struct Entry {
    hold: Hold,
    tries: u32,
    next: Instant,
    /// It is being tried again: whoever needs it may run it.
    due: bool,
    /// The reason that was told last.
    told: Option<Hold>,
}

/// The parked items.
#[derive(Debug, Default)]
pub struct Parked {
    entries: BTreeMap<ItemRef, Entry>,
}

impl Parked {
    /// Parks an item, or parks it again.
    pub fn park(&mut self, item: ItemRef, hold: Hold, now: Instant) {
        let before = self.entries.remove(&item);
        let tries = before.as_ref().map_or(1, |entry| entry.tries.saturating_add(1));
        self.entries.insert(
            item,
            Entry {
                hold,
                tries,
                next: now + pause(tries),
                due: false,
                told: before.and_then(|entry| entry.told),
            },
        );
    }

    /// Whether an item waits for something else than when this was asked last. The texts of errors do not count: they may
    /// name a port or a time.
    pub fn is_news(&mut self, item: ItemRef) -> bool {
        let Some(entry) = self.entries.get_mut(&item) else {
            return false;
        };
        let is_news = entry.told.as_ref().is_none_or(|told| !told.is_like(&entry.hold));
        entry.told = Some(entry.hold.clone());
        is_news
    }

    /// Parks an item behind another parked one; false if that one waits, directly or through others, for the item itself.
    pub fn park_behind(&mut self, item: ItemRef, other: ItemRef, now: Instant) -> bool {
        let (mut at, mut seen) = (other, HashSet::new());
        while seen.insert(at) {
            if at == item {
                return false;
            }
            match self.entries.get(&at).map(|entry| &entry.hold) {
                Some(Hold::Behind(next)) => at = *next,
                _ => break,
            }
        }
        self.park(item, Hold::Behind(other), now);
        true
    }

    /// An item is not parked any more.
    pub fn release(&mut self, item: ItemRef) {
        self.entries.remove(&item);
    }

    /// Whether an item is parked and not being tried again.
    pub fn holds(&self, item: ItemRef) -> bool {
        self.entries.get(&item).is_some_and(|entry| !entry.due)
    }

    /// How often an item was parked.
    pub fn tries(&self, item: ItemRef) -> u32 {
        self.entries.get(&item).map_or(0, |entry| entry.tries)
    }

    /// How many items are parked.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The first few parked items in the archive's order, for those who look on.
    pub fn some(&self, count: usize) -> Vec<(ItemRef, Hold)> {
        self.entries
            .iter()
            .take(count)
            .map(|(item, entry)| (*item, entry.hold.clone()))
            .collect()
    }

    /// The first item in the archive's order that waits for something else than for another item.
    pub fn first(&self) -> Option<(ItemRef, Hold)> {
        let is_first = |(_, entry): &(&ItemRef, &Entry)| !matches!(entry.hold, Hold::Behind(_));
        let found = self.entries.iter().find(is_first);
        found.map(|(item, entry)| (*item, entry.hold.clone()))
    }

    /// Marks and gives the items whose time has come: their pause is over, or what they stood behind is not parked any more.
    pub fn take_due(&mut self, now: Instant) -> Vec<ItemRef> {
        let parked: HashSet<ItemRef> = self.entries.keys().copied().collect();
        let mut due = Vec::new();
        for (item, entry) in &mut self.entries {
            entry.due = match &entry.hold {
                Hold::Behind(other) => !parked.contains(other),
                _ => entry.next <= now,
            };
            if entry.due {
                due.push(*item);
            }
        }
        due
    }

    /// Whether any waits for a type to be served.
    pub fn any_unserved(&self) -> bool {
        self.entries
            .values()
            .any(|entry| matches!(entry.hold, Hold::Error(RetryReason::Unserved, _)))
    }

    /// When [`Parked::take_due`] or [`Parked::take_expired`] will give something; `end` is when the last wave ended.
    pub fn next(&self, now: Instant, end: Instant, patience: Patience) -> Option<Instant> {
        let of = |entry: &Entry| match (&entry.hold, entry.hold.patience(patience)) {
            (Hold::Behind(other), _) => (!self.entries.contains_key(other)).then_some(now),
            (_, patience) => patience.map(|patience| entry.next.min(end + patience)),
        };
        self.entries.values().filter_map(of).min()
    }

    /// Takes out the items that have waited long enough. Those that stood behind them are due then.
    pub fn take_expired(&mut self, now: Instant, end: Instant, patience: Patience) -> Vec<(ItemRef, Hold)> {
        let expired = |entry: &mut Entry| {
            entry
                .hold
                .patience(patience)
                .is_some_and(|patience| end + patience <= now)
        };
        self.entries
            .extract_if(.., |_, entry| expired(entry))
            .map(|(item, entry)| (item, entry.hold))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restore::testing::spool;

    const PATIENCE: Patience = Patience {
        errors: Duration::from_mins(1),
        deletions: Duration::from_mins(2),
    };

    fn items() -> Vec<ItemRef> {
        let names = ["a", "b", "c", "d"].map(|name| ("pods", Some("ns"), name, "{}"));
        spool(&names).items().collect()
    }

    fn error() -> Hold {
        Hold::Error(RetryReason::Transport, "x".to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn an_item_is_due_after_its_pause_which_grows() {
        let (items, now) = (items(), Instant::now());
        let mut parked = Parked::default();
        parked.park(items[0], error(), now);
        assert!(parked.holds(items[0]) && parked.take_due(now).is_empty());
        let later = now + Duration::from_secs(1);
        assert_eq!(parked.take_due(later), [items[0]]);
        assert!(!parked.holds(items[0]), "it may be run");
        parked.park(items[0], error(), later);
        assert!(parked.holds(items[0]) && parked.tries(items[0]) == 2);
        assert_eq!(parked.next(now, now, PATIENCE), Some(later + Duration::from_secs(2)));
        parked.release(items[0]);
        assert!(parked.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn only_another_reason_is_news() {
        let (items, now) = (items(), Instant::now());
        let mut parked = Parked::default();
        parked.park(items[0], error(), now);
        assert!(parked.is_news(items[0]) && !parked.is_news(items[0]));
        parked.park(items[0], Hold::Error(RetryReason::Transport, "y".to_owned()), now);
        assert!(!parked.is_news(items[0]), "another text");
        parked.park(items[0], Hold::Error(RetryReason::Quota, "y".to_owned()), now);
        assert!(parked.is_news(items[0]));
        assert!(parked.park_behind(items[0], items[1], now) && parked.is_news(items[0]));
        assert!(!parked.is_news(items[1]), "it is not parked");
    }

    #[tokio::test(start_paused = true)]
    async fn what_stands_behind_another_is_due_when_that_is_not_parked_any_more() {
        let (items, now) = (items(), Instant::now());
        let mut parked = Parked::default();
        parked.park(items[0], error(), now);
        assert!(parked.park_behind(items[1], items[0], now));
        let later = now + Duration::from_secs(5);
        assert_eq!(parked.take_due(later), [items[0]]);
        parked.release(items[0]);
        assert_eq!(parked.take_due(later), [items[1]]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_circle_of_parked_items_is_not_closed() {
        let (items, now) = (items(), Instant::now());
        let mut parked = Parked::default();
        assert!(!parked.park_behind(items[0], items[0], now), "itself");
        assert!(parked.park_behind(items[0], items[1], now));
        assert!(parked.park_behind(items[1], items[2], now));
        assert!(!parked.park_behind(items[2], items[0], now));
        assert!(parked.park_behind(items[2], items[3], now));
    }

    #[tokio::test(start_paused = true)]
    async fn patience_depends_on_what_is_waited_for() {
        let (items, end) = (items(), Instant::now());
        let mut parked = Parked::default();
        parked.park(items[0], error(), end);
        parked.park(items[1], Hold::Deletion, end);
        assert!(parked.park_behind(items[2], items[0], end));
        assert!(
            parked
                .take_expired(end + Duration::from_secs(59), end, PATIENCE)
                .is_empty()
        );
        assert_eq!(
            parked.take_expired(end + Duration::from_mins(1), end, PATIENCE),
            [(items[0], error())]
        );
        assert_eq!(
            parked.take_due(end),
            [items[2]],
            "what stood behind it has its last try"
        );
        assert_eq!(
            parked.take_expired(end + Duration::from_mins(2), end, PATIENCE),
            [(items[1], Hold::Deletion)]
        );
        assert_eq!(parked.len(), 1);
    }
}
