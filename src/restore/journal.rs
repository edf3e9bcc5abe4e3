//! The ledger of a run, and when it is stored.
//!
//! What happens if the process dies: the next run resumes from the last stored record. Later effects are repeated, which is safe
//! (see [`crate::restore::engine`]).

use parking_lot::{Mutex, MutexGuard};

use crate::archive::spool::ItemHandle;
use crate::restore::ledger::{Ledger, Message, Note, State};
use crate::restore::ledger_sink::{LedgerSink, SinkError};
use crate::telemetry::run_log::RunLog;

/// The ledger of a run and the place where it is stored.
pub(super) struct Journal<'a> {
    record: Mutex<Record>,
    is_resumed: bool,
    sink: &'a dyn LedgerSink,
    /// Held while a record is stored: a later record must not be overtaken by an earlier one. A flush that waits for it
    /// mostly finds that its own change was stored with another's.
    flush: tokio::sync::Mutex<()>,
    log: &'a RunLog,
}

struct Record {
    ledger: Ledger,
    /// The ledger changed since it was stored last.
    is_dirty: bool,
}

impl<'a> Journal<'a> {
    /// Continues this ledger.
    pub(super) fn new(ledger: Ledger, sink: &'a dyn LedgerSink, log: &'a RunLog) -> Self {
        Self {
            is_resumed: ledger.is_resumed(),
            record: Mutex::new(Record {
                ledger,
                is_dirty: false,
            }),
            sink,
            flush: tokio::sync::Mutex::default(),
            log,
        }
    }

    /// Whether an earlier run has left the ledger: then an object of this restore may have been made by it.
    pub(super) fn is_resumed(&self) -> bool {
        self.is_resumed
    }

    /// Reads the ledger.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Ledger) -> T) -> T {
        read(&self.lock().ledger)
    }

    /// The state of an item.
    pub(super) fn state(&self, item: ItemHandle) -> State {
        self.lock().ledger.state(item)
    }

    /// Whether a namespace was created by this restore.
    pub(super) fn has_created_namespace(&self, name: &str) -> bool {
        self.lock().ledger.has_created_namespace(name)
    }

    /// Records the state of an item together with its messages.
    pub(super) fn record(&self, item: ItemHandle, state: State, messages: Vec<Message>, note: Note) {
        let mut record = self.lock();
        record.ledger.record(item, state, messages, note);
        record.is_dirty = true;
    }

    /// Records a message that is about no item, unless it is recorded already.
    pub(super) fn add_message_once(&self, message: Message) {
        let mut record = self.lock();
        record.ledger.add_message_once(message);
        record.is_dirty = true;
    }

    /// Records that a namespace was created. Stored with the next item: a run that resumes without it recognises the namespace by
    /// its age.
    pub(super) fn created_namespace(&self, name: &str) {
        self.lock().ledger.created_namespace(name);
    }

    /// Stores that an item's object is about to be changed, before the change.
    pub(super) async fn intend_update(&self, item: ItemHandle) {
        {
            let mut record = self.lock();
            record.ledger.intend_update(item);
            record.is_dirty = true;
        }
        self.flush().await;
    }

    /// Stores the first record, before the first effect. After it an object with the restore's label may come from an earlier run
    /// of this restore.
    pub(super) async fn begin(&self) -> Result<(), SinkError> {
        let encoded = {
            let mut record = self.lock();
            record.is_dirty = false;
            record.ledger.encode()
        };
        let encoded = encoded.map_err(|error| SinkError(error.to_string()))?;
        self.sink.store(encoded).await
    }

    /// Stores the ledger if it changed. An error is logged, and the next flush tries again.
    pub(super) async fn flush(&self) {
        let _turn = self.flush.lock().await;
        let encoded = {
            let mut record = self.lock();
            if !std::mem::take(&mut record.is_dirty) {
                return;
            }
            record.ledger.encode()
        };
        let stored = match encoded {
            Ok(encoded) => self.sink.store(encoded).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = stored {
            self.log.info(format!("{error}; retrying"));
            self.lock().is_dirty = true;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use futures::future::{BoxFuture, FutureExt, ready};

    use super::*;
    use crate::archive::spool::Spool;
    use crate::restore::testing::spool;
    use crate::telemetry::logrus::{Format, Level};

    /// Fails the first times, then stores.
    struct Sink {
        failures: Mutex<usize>,
        stored: Mutex<Vec<Bytes>>,
    }

    impl Sink {
        fn failing(failures: usize) -> Self {
            Self {
                failures: Mutex::new(failures),
                stored: Mutex::default(),
            }
        }

        fn stored(&self) -> usize {
            self.stored.lock().len()
        }

        fn last(&self, archive: &Spool) -> Ledger {
            let stored = self.stored.lock();
            Ledger::resume(stored.last().unwrap(), archive).unwrap()
        }
    }

    impl LedgerSink for Sink {
        fn store(&self, record: Bytes) -> BoxFuture<'_, Result<(), SinkError>> {
            let mut failures = self.failures.lock();
            if *failures > 0 {
                *failures -= 1;
                return ready(Err(SinkError("refused".to_owned()))).boxed();
            }
            self.stored.lock().push(record);
            ready(Ok(())).boxed()
        }
    }

    fn log() -> RunLog {
        let now = Arc::new(|| "2030-01-01T00:00:00Z".parse().unwrap());
        let file = tempfile::tempfile().unwrap();
        RunLog::create(file, Format::Text, Level::Info, Vec::new(), now)
    }

    fn one_pod() -> (Spool, ItemHandle) {
        let archive = spool(&[("pods", Some("a"), "one", "{}")]);
        let item = archive.items().next().unwrap();
        (archive, item)
    }

    #[tokio::test]
    async fn only_a_change_is_stored_and_only_once() {
        let ((archive, item), sink, log) = (one_pod(), Sink::failing(0), log());
        let journal = Journal::new(Ledger::new(&archive), &sink, &log);
        journal.flush().await;
        assert_eq!(sink.stored(), 0, "nothing happened");
        journal.begin().await.unwrap();
        journal.flush().await;
        assert_eq!(sink.stored(), 1, "the first record is stored before any change");
        journal.record(item, State::Created, Vec::new(), Note::default());
        journal.flush().await;
        journal.flush().await;
        assert_eq!(sink.stored(), 2);
        assert_eq!(sink.last(&archive).state(item), State::Created);
    }

    #[tokio::test]
    async fn a_failed_flush_is_made_up_by_the_next_one() {
        let ((archive, item), sink, log) = (one_pod(), Sink::failing(2), log());
        let journal = Journal::new(Ledger::new(&archive), &sink, &log);
        assert!(
            journal.begin().await.is_err(),
            "without its first record a run does not begin"
        );
        journal.record(item, State::Created, Vec::new(), Note::default());
        journal.flush().await;
        assert_eq!(sink.stored(), 0);
        journal.flush().await;
        assert_eq!((sink.stored(), sink.last(&archive).state(item)), (1, State::Created));
    }

    #[tokio::test]
    async fn an_update_is_stored_before_it_happens() {
        let ((archive, item), sink, log) = (one_pod(), Sink::failing(0), log());
        let journal = Journal::new(Ledger::new(&archive), &sink, &log);
        journal.intend_update(item).await;
        let resumed = sink.last(&archive);
        assert!(resumed.note(item).is_some_and(|note| note.updating));
        assert!(Journal::new(resumed, &sink, &log).is_resumed() && !journal.is_resumed());
    }
}
