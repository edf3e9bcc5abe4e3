//! Records the state of each item in the ledger, the retry queue, the progress and the log.

use tokio::time::Instant;

use crate::archive::spool::ItemHandle;
use crate::restore::journal::Journal;
use crate::restore::ledger::{Ledger, Message, Note, Severity, State};
use crate::restore::messages::{item_line, level};
use crate::restore::prepared::Prepared;
use crate::restore::progress::{Blocked, Progress, ProgressTracker};
use crate::restore::retry_queue::RetryQueue;
use crate::restore::wait_reason::WaitReason;
use crate::telemetry::logrus::Level;
use crate::telemetry::run_log::RunLog;

/// How many waiting items the progress lists.
const LISTED: usize = 10;

/// Records the states of items.
pub(super) struct Tracker<'a> {
    pub(super) prepared: &'a Prepared<'a>,
    pub(super) journal: Journal<'a>,
    pub(super) queue: RetryQueue,
    pub(super) progress: ProgressTracker<'a>,
    pub(super) log: &'a RunLog,
}

impl Tracker<'_> {
    /// Reports a message that is about no item: in the log and, once, in the results.
    pub(super) fn report(&self, namespace: Option<&str>, severity: Severity, text: String) {
        self.log
            .line(level(severity))
            .field("namespace", namespace.unwrap_or_default())
            .msg(&text);
        self.journal.add_message_once(Message::new(severity, namespace, text));
    }

    /// A line of the log about an item that is not in the results.
    pub(super) fn log_item(&self, item: ItemHandle, text: &str) {
        item_line(self.log, Level::Info, &self.prepared.item(item).path).msg(text);
    }

    /// An item is done: it is recorded with its messages in one step, logged and counted.
    pub(super) fn done(&self, item: ItemHandle, state: State, messages: Vec<Message>, note: Note) {
        let names = self.prepared.item(item);
        for message in &messages {
            item_line(self.log, level(message.severity), &names.path).msg(&message.text);
        }
        let tries = self.queue.remove(item);
        if tries > 0 {
            self.log_item(item, &format!("No longer waiting, after {tries} tries"));
        }
        self.journal.record(item, state, messages, note);
        if self.prepared.plan.contains(item) {
            self.progress.planned_item_done();
        }
        if tries > 0 {
            self.count_waiting();
        }
        let progress = self.report_progress();
        if state.is_listed() {
            self.log
                .line(Level::Info)
                .field("name", names.path.name)
                .field("namespace", names.target.unwrap_or_default())
                .field("progress", "")
                .field("resource", names.path.group_resource)
                .msg(format!(
                    "Restored {} items out of an estimated total of {} (estimate will change throughout the restore)",
                    progress.restored, progress.total
                ));
        }
    }

    /// An item cannot be restored now: it is queued for a retry.
    pub(super) fn wait(&self, item: ItemHandle, reason: WaitReason) {
        let why = self.why(&reason);
        if self.queue.add(item, reason, Instant::now()) {
            self.log_item(item, &format!("Will be retried: {why}"));
        }
        self.count_waiting();
        self.report_progress();
    }

    /// What an item waits for, for users.
    pub(super) fn why(&self, reason: &WaitReason) -> String {
        reason.text(|item| self.prepared.id_of(item))
    }

    /// Reports the progress.
    pub(super) fn report_progress(&self) -> Progress {
        self.progress.report(self.journal.read(Ledger::listed))
    }

    fn count_waiting(&self) {
        let (count, first) = self.queue.count_and_first(LISTED);
        let blocked = first.iter().map(|(item, reason)| Blocked {
            item: self.prepared.id_of(*item),
            why: self.why(reason),
        });
        self.progress.set_waiting(count, blocked.collect());
    }
}
