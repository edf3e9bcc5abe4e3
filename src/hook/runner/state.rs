//! The state of a runner.

use std::collections::{BTreeMap, BTreeSet};

use crate::hook::command::Hook;
use crate::hook::freeze::Freeze;
use crate::hook::tally::Tally;

/// The open freezes of a run, and its counts.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) tally: Tally,
    /// The journal differs from the open freezes.
    pub(super) unwritten: bool,
    next: u64,
    open: BTreeMap<u64, Open>,
    /// Pods that an earlier run may have begun to freeze; its commands may still be running in them.
    suspects: BTreeSet<(String, String)>,
}

#[derive(Debug)]
struct Open {
    /// With those of its post hooks that have not run.
    freeze: Freeze,
    /// Whether a command that freezes was begun; before, there is nothing to thaw.
    begun: bool,
    /// Its running commands.
    running: usize,
}

/// The freezes that are open.
#[derive(Debug)]
pub(super) struct Stock {
    /// Those without a running command.
    pub(super) idle: Vec<Idle>,
    /// Whether there are others.
    pub(super) busy: bool,
}

/// A freeze that can be ended now.
#[derive(Debug)]
pub(super) struct Idle {
    pub(super) id: u64,
    /// With those of its post hooks that have not run.
    pub(super) freeze: Freeze,
}

impl State {
    /// With the freezes that an earlier run left open. Each may have been begun.
    pub(super) fn with(left: Vec<Freeze>) -> Self {
        let mut state = Self {
            suspects: left
                .iter()
                .map(|freeze| (freeze.namespace.clone(), freeze.pod.clone()))
                .collect(),
            ..Self::default()
        };
        for freeze in left {
            let id = state.open(freeze);
            state.begin(Some(id));
        }
        state
    }

    /// A freeze is intended.
    pub(super) fn open(&mut self, freeze: Freeze) -> u64 {
        let id = self.next;
        self.next += 1;
        let open = Open {
            freeze,
            begun: false,
            running: 0,
        };
        self.open.insert(id, open);
        id
    }

    /// Its first command is about to run.
    pub(super) fn begin(&mut self, id: Option<u64>) {
        if let Some(open) = id.and_then(|id| self.open.get_mut(&id)) {
            open.begun = true;
        }
    }

    /// A command of it is about to run.
    pub(super) fn command_begins(&mut self, id: Option<u64>) {
        if let Some(open) = id.and_then(|id| self.open.get_mut(&id)) {
            open.running += 1;
        }
    }

    /// A command of it is over. `thawed`: the post hook that has run.
    pub(super) fn command_ended(&mut self, id: Option<u64>, thawed: Option<&Hook>) {
        if let Some(open) = id.and_then(|id| self.open.get_mut(&id)) {
            open.running -= 1;
            // Only one: the list may hold the same command twice.
            let at = open.freeze.thaw.iter().position(|hook| Some(hook) == thawed);
            if let Some(at) = at {
                open.freeze.thaw.remove(at);
            }
        }
    }

    /// It is over.
    pub(super) fn close(&mut self, id: u64) {
        self.open.remove(&id);
    }

    /// All open freezes, as they are recorded.
    pub(super) fn freezes(&self) -> Vec<Freeze> {
        self.open.values().map(|open| open.freeze.clone()).collect()
    }

    /// Drops the freezes that were not begun, and returns those that can be ended now.
    pub(super) fn take_stock(&mut self) -> Stock {
        let before = self.open.len();
        self.open.retain(|_, open| open.begun);
        self.unwritten |= self.open.len() < before;
        let idle = self.open.iter().filter(|(_, open)| open.running == 0);
        Stock {
            idle: idle
                .map(|(id, open)| Idle {
                    id: *id,
                    freeze: open.freeze.clone(),
                })
                .collect(),
            busy: self.open.values().any(|open| open.running > 0),
        }
    }

    /// Whether an earlier run may have begun to freeze a pod.
    pub(super) fn is_suspect(&self, namespace: &str, pod: &str) -> bool {
        self.suspects.contains(&(namespace.to_owned(), pod.to_owned()))
    }
}
