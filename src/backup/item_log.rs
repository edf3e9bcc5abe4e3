//! The log's lines about single items, in upstream's words (spec backup 16.6), and the limit of their number.

use super::progress::Snapshot;
use super::types::Type;
use crate::telemetry::logrus::Level;
use crate::telemetry::run_log::{Line, RunLog};

/// The first items are logged one by one; upstream logs all of them.
const ONE_BY_ONE: u64 = 2_000;

/// After them, one line for this many items: a log of half a gigabyte is of no use, and the resource list has every name.
const THEN_EVERY: u64 = 1_000;

/// Writes lines about items.
#[derive(Clone)]
pub(super) struct ItemLog<'a> {
    log: &'a RunLog,
}

impl<'a> ItemLog<'a> {
    pub(super) fn new(log: &'a RunLog) -> Self {
        Self { log }
    }

    /// A line about an item. Warnings and errors count.
    #[track_caller]
    pub(super) fn line(&self, level: Level, type_: &Type, namespace: Option<&str>, name: &str) -> Line<'a> {
        self.log
            .line(level)
            .field("resource", &*type_.name)
            .field("namespace", namespace.unwrap_or_default())
            .field("name", name)
    }

    /// Logs that an item went into the archive.
    pub(super) fn saved(&self, progress: Snapshot, kind: &str, type_: &Type, namespace: Option<&str>, name: &str) {
        let Snapshot { saved, expected, .. } = progress;
        if !is_logged(saved) {
            return;
        }
        let kind = match type_.group_resource.group.as_str() {
            "" => kind.to_owned(),
            group => format!("{kind}.{group}"),
        };
        self.line(Level::Info, type_, namespace, name).field("kind", kind).field("progress", "").msg(format!(
            "Backed up {saved} items out of an estimated total of {expected} (estimate will change throughout the backup)"
        ));
        if saved == ONE_BY_ONE {
            self.log.info(format!(
                "From here on one in {THEN_EVERY} items is logged; the backup's resource list has all names"
            ));
        }
    }
}

fn is_logged(count: u64) -> bool {
    count <= ONE_BY_ONE || count.is_multiple_of(THEN_EVERY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_items_are_logged_and_then_each_thousandth() {
        assert_eq!((1..=300_000).filter(|count| is_logged(*count)).count(), 2_000 + 298);
    }
}
