//! The counts of a run: its items for the report, its lists for the progress (decision 13).

use std::collections::BTreeSet;

use parking_lot::Mutex;

use super::progress::{Progress, Snapshot};
use crate::cluster::discovery::GroupResource;

/// Counts items and lists.
pub(super) struct Counts<'a> {
    progress: &'a Progress,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    skipped: u64,
    failed: u64,
    /// Lists without a first page yet.
    lists_to_begin: usize,
    /// Types with at least one object in the archive.
    saved_types: BTreeSet<GroupResource>,
}

/// The numbers of items of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) saved: u64,
    pub(super) skipped: u64,
    pub(super) failed: u64,
}

impl<'a> Counts<'a> {
    pub(super) fn new(progress: &'a Progress) -> Self {
        Self {
            progress,
            state: Mutex::default(),
        }
    }

    /// The run will read this many lists.
    pub(super) fn will_read(&self, lists: usize) {
        self.state.lock().lists_to_begin = lists;
        if lists == 0 {
            self.progress.complete();
        }
    }

    /// A list returned its first page, or failed.
    pub(super) fn list_begun(&self) {
        let mut state = self.state.lock();
        state.lists_to_begin = state.lists_to_begin.saturating_sub(1);
        if state.lists_to_begin == 0 {
            self.progress.complete();
        }
    }

    /// This many more items are expected.
    pub(super) fn expect(&self, more: u64) {
        self.progress.expect(more);
    }

    /// An item of this type goes into the archive. Returns the new progress.
    pub(super) fn saved(&self, type_: &GroupResource) -> Snapshot {
        let mut state = self.state.lock();
        if !state.saved_types.contains(type_) {
            state.saved_types.insert(type_.clone());
        }
        drop(state);
        self.progress.saved()
    }

    /// An item was skipped on purpose.
    pub(super) fn skipped(&self) {
        self.state.lock().skipped += 1;
    }

    /// An item could not be saved.
    pub(super) fn failed(&self) {
        self.state.lock().failed += 1;
    }

    /// The types with at least one object in the archive.
    pub(super) fn saved_types(&self) -> BTreeSet<GroupResource> {
        self.state.lock().saved_types.clone()
    }

    /// The numbers so far.
    pub(super) fn totals(&self) -> Totals {
        let state = self.state.lock();
        Totals {
            saved: self.progress.now().saved,
            skipped: state.skipped,
            failed: state.failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_known_when_every_list_has_begun() {
        // lists, lists that begin, complete
        for (lists, begun, complete) in [(0, 0, true), (1, 0, false), (2, 1, false), (2, 2, true), (1, 2, true)] {
            let (progress, seen) = Progress::new();
            let counts = Counts::new(&progress);
            counts.will_read(lists);
            (0..begun).for_each(|_| counts.list_begun());
            assert_eq!(seen.borrow().complete, complete, "{begun} of {lists}");
        }
    }

    #[test]
    fn each_outcome_has_its_number_and_each_saved_type_is_kept_once() {
        let (progress, _seen) = Progress::new();
        let counts = Counts::new(&progress);
        let (pods, widgets) = (
            GroupResource::new("", "pods"),
            GroupResource::new("example.com", "widgets"),
        );
        for (nth, type_) in [&pods, &widgets, &pods].into_iter().enumerate() {
            assert_eq!(counts.saved(type_).saved, nth as u64 + 1);
        }
        counts.skipped();
        counts.failed();
        counts.failed();
        let totals = Totals {
            saved: 3,
            skipped: 1,
            failed: 2,
        };
        assert_eq!(counts.totals(), totals);
        assert_eq!(counts.saved_types(), BTreeSet::from([pods, widgets]));
    }
}
