//! The state of each item, so that a restore can resume where it was interrupted (decision 16, spec restore 25.3).
//!
//! One byte an item, by its number in the archive: selection, discovery and additional items cannot shift that number, so
//! the record of a run stays valid after any change of them. It also holds messages, and the few names that are not in the archive. An item and its messages are recorded in one step.
//!
//! ```text
//!   "VRL1" | gzip( one line of JSON: archive, counts, messages, names | one byte an item )
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::archive::spool::{ItemHandle, Spool};
pub use crate::restore::note::{Note, NotedOperation};

const MAGIC: &[u8; 4] = b"VRL1";

/// What a ledger of every version begins with; the version follows.
const FAMILY: &[u8; 3] = b"VRL";

/// Texts of messages are kept up to this size. Later ones are only counted, and are in the log.
const MAX_TEXT: usize = 8 << 20;

/// The state of an item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum State {
    /// Nothing yet, or nothing that was flushed.
    #[default]
    Pending = 0,
    /// Not for this cluster (a finished pod, a namespace that existed): processed, and listed nowhere.
    Dropped = 1,
    /// Created by this restore.
    Created = 2,
    /// It existed and was changed.
    Updated = 3,
    /// It existed and is equal, or an action left it out.
    Skipped = 4,
    /// It could not be restored; it has messages.
    Failed = 5,
    /// A persistent volume that is not restored so that its claim gets a new one.
    Provision = 6,
    /// It existed, differs, and was not changed. The message is made from the item's names when it is needed, because there can be
    /// one for each item.
    Differs = 7,
    /// It could not be read from the archive; it has messages. Its kind is not known, so it is listed nowhere.
    Unreadable = 8,
    /// Its namespace could not be created; there is one message a namespace. Listed nowhere, as upstream.
    NoNamespace = 9,
}

impl State {
    const ALL: [Self; 10] = [
        Self::Pending,
        Self::Dropped,
        Self::Created,
        Self::Updated,
        Self::Skipped,
        Self::Failed,
        Self::Provision,
        Self::Differs,
        Self::Unreadable,
        Self::NoNamespace,
    ];

    fn of(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }

    /// Whether the item is in the list of restored resources.
    pub fn is_listed(self) -> bool {
        !matches!(
            self,
            Self::Pending | Self::Dropped | Self::Unreadable | Self::NoNamespace
        )
    }

    /// Whether the object is in the cluster now, as far as this restore knows.
    pub fn exists(self) -> bool {
        matches!(self, Self::Created | Self::Updated | Self::Skipped | Self::Differs)
    }
}

/// The severity of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// An object was not restored.
    Error,
    /// An object must be checked.
    Warning,
}

/// One entry of the results.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its severity.
    pub severity: Severity,
    /// Its part of the results: the target namespace, `Some("")` for the cluster, `None` for Velero itself.
    pub namespace: Option<String>,
    /// The text.
    pub text: String,
}

/// How many messages there were of each severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Errors.
    pub errors: u64,
    /// Warnings.
    pub warnings: u64,
}

impl Count {
    fn add(&mut self, severity: Severity) {
        match severity {
            Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
        }
    }
}

/// The record of a run, in memory.
#[derive(Clone, Debug)]
pub struct Ledger {
    states: Vec<u8>,
    /// How many items are listed.
    listed: u64,
    beside: Beside,
    text: usize,
    resumed: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Beside {
    archive: String,
    items: usize,
    /// Messages with texts that were not kept.
    #[serde(default)]
    dropped: Count,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    messages: Vec<Message>,
    /// Names of the namespaces that were created.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    namespaces: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    notes: BTreeMap<usize, Note>,
}

/// A record cannot be used. The restore starts over without it, which is safe: objects of an earlier run are recognised.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// A later release wrote it; it is not to be overwritten.
    #[error("the record of an earlier run has version `{0}`, which this release does not know")]
    UnknownVersion(char),
    /// Not a record, or a damaged one.
    #[error("read the record of an earlier run: {0}")]
    Unreadable(#[from] io::Error),
    /// The record is of another archive: the backup was replaced in the meantime.
    #[error("the record of an earlier run is of another archive")]
    OtherArchive,
}

impl Message {
    /// A message for the results.
    pub fn new(severity: Severity, namespace: Option<&str>, text: String) -> Self {
        Self {
            severity,
            namespace: namespace.map(String::from),
            text,
        }
    }
}

impl Ledger {
    /// An empty record for a run over this archive.
    pub fn new(archive: &Spool) -> Self {
        Self::empty(fingerprint(archive), archive.items().len())
    }

    fn empty(archive: String, items: usize) -> Self {
        let beside = Beside {
            archive,
            items,
            ..Beside::default()
        };
        Self {
            states: vec![0; items],
            listed: 0,
            beside,
            text: 0,
            resumed: false,
        }
    }

    /// The record that an earlier run stored.
    pub fn resume(record: &[u8], archive: &Spool) -> Result<Self, LedgerError> {
        Self::decode(record, &fingerprint(archive), archive.items().len())
    }

    fn decode(record: &[u8], archive: &str, items: usize) -> Result<Self, LedgerError> {
        let broken = |text: &str| io::Error::new(io::ErrorKind::InvalidData, text);
        if let Some(&version) = record.strip_prefix(FAMILY).and_then(<[u8]>::first)
            && version != MAGIC[3]
            && version.is_ascii_alphanumeric()
        {
            return Err(LedgerError::UnknownVersion(char::from(version)));
        }
        let body = record
            .strip_prefix(MAGIC)
            .ok_or_else(|| broken("it does not begin as a record does"))?;
        let mut text = Vec::new();
        // the record was written by a run, so its size is bounded
        let most = 64 * (MAX_TEXT + items) as u64;
        GzDecoder::new(body).take(most).read_to_end(&mut text)?;
        let end = text
            .iter()
            .position(|byte| *byte == b'\n')
            .ok_or_else(|| broken("it has no end of line"))?;
        let beside: Beside = serde_json::from_slice(&text[..end]).map_err(io::Error::from)?;
        let states = text.split_off(end + 1);
        if beside.archive != archive || beside.items != items {
            return Err(LedgerError::OtherArchive);
        }
        let known: Option<Vec<State>> = states.iter().map(|byte| State::of(*byte)).collect();
        let known = known.ok_or_else(|| broken("it has states that this release does not know"))?;
        if states.len() != items {
            return Err(LedgerError::Unreadable(broken(
                "its number of states is not that of the items",
            )));
        }
        let listed = known.iter().filter(|state| state.is_listed()).count() as u64 + beside.namespaces.len() as u64;
        let text = beside.messages.iter().map(|message| message.text.len()).sum();
        Ok(Self {
            states,
            listed,
            beside,
            text,
            resumed: true,
        })
    }

    /// The record in the form that [`Ledger::resume`] reads. Its size: a few kilobytes for 300,000 items without messages;
    /// one that is larger than a ConfigMap holds belongs into the bucket.
    pub fn encode(&self) -> io::Result<Bytes> {
        let mut gzip = GzEncoder::new(MAGIC.to_vec(), Compression::fast());
        serde_json::to_writer(&mut gzip, &self.beside)?;
        gzip.write_all(b"\n")?;
        gzip.write_all(&self.states)?;
        gzip.finish().map(Bytes::from)
    }

    /// Whether an earlier run has left this record: then an object of this restore may come from it.
    pub fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// The state of an item.
    pub fn state(&self, item: ItemHandle) -> State {
        self.states
            .get(item.index())
            .and_then(|byte| State::of(*byte))
            .unwrap_or_default()
    }

    /// Records the state of an item, with all its messages.
    pub fn record(&mut self, item: ItemHandle, state: State, messages: Vec<Message>, note: Note) {
        let before = self.state(item);
        if let Some(slot) = self.states.get_mut(item.index()) {
            *slot = state as u8;
        }
        self.listed = self.listed + u64::from(state.is_listed()) - u64::from(before.is_listed());
        if note.is_empty() {
            self.beside.notes.remove(&item.index());
        } else {
            self.beside.notes.insert(item.index(), note);
        }
        for message in messages {
            self.add_message(message);
        }
    }

    /// Records that an item's object is about to be changed.
    pub fn intend_update(&mut self, item: ItemHandle) {
        self.beside.notes.entry(item.index()).or_default().updating = true;
    }

    /// Records a message that is about no item.
    pub fn add_message(&mut self, message: Message) {
        if self.text + message.text.len() > MAX_TEXT {
            self.beside.dropped.add(message.severity);
        } else {
            self.text += message.text.len();
            self.beside.messages.push(message);
        }
    }

    /// The same, unless it is recorded already, also by an earlier run.
    pub fn add_message_once(&mut self, message: Message) {
        if !self.beside.messages.contains(&message) {
            self.add_message(message);
        }
    }

    /// Records that a namespace was created.
    pub fn created_namespace(&mut self, name: &str) {
        if self.beside.namespaces.insert(name.to_owned()) {
            self.listed += 1;
        }
    }

    /// Whether a namespace was created.
    pub fn has_created_namespace(&self, name: &str) -> bool {
        self.beside.namespaces.contains(name)
    }

    /// The namespaces that were created.
    pub fn namespaces(&self) -> impl Iterator<Item = &str> {
        self.beside.namespaces.iter().map(String::as_str)
    }

    /// All messages in the order they were recorded, and how many more there were.
    pub fn messages(&self) -> (&[Message], Count) {
        (&self.beside.messages, self.beside.dropped)
    }

    /// Facts about an item that are not in the archive.
    pub fn note(&self, item: ItemHandle) -> Option<&Note> {
        self.beside.notes.get(&item.index())
    }

    /// How many objects are in the list of restored resources; the restore's progress counts these.
    pub fn listed(&self) -> u64 {
        self.listed
    }
}

/// A hash of the names and sizes of the archive's contents. It also changes with the copies that are kept, as the numbers of items do.
fn fingerprint(archive: &Spool) -> String {
    let mut hash = Sha256::new();
    for item in archive.items() {
        let (path, copy) = archive.path(item);
        hash.update(format!("{path}\0{copy:?}\0{}\n", archive.size(item)));
    }
    hash.finalize().iter().take(16).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::restore::testing::spool;

    fn error(namespace: Option<&str>, text: &str) -> Message {
        Message {
            severity: Severity::Error,
            namespace: namespace.map(String::from),
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_record_is_read_back_as_it_was_written() {
        let archive = spool(&[("pods", Some("a"), "one", "{}"), ("pods", Some("a"), "two", "{}")]);
        let items: Vec<ItemHandle> = archive.items().collect();
        let mut ledger = Ledger::new(&archive);
        let note = Note {
            name: Some("one-x7".to_owned()),
            kind: None,
            ..Note::default()
        };
        ledger.record(items[0], State::Created, vec![error(Some("a"), "odd")], note.clone());
        ledger.created_namespace("a");
        ledger.add_message(error(None, "ä\n"));
        let read = Ledger::resume(&ledger.encode().unwrap(), &archive).unwrap();
        assert!(read.is_resumed() && !ledger.is_resumed());
        assert_eq!(
            (read.state(items[0]), read.state(items[1])),
            (State::Created, State::Pending)
        );
        assert_eq!(read.messages(), ledger.messages());
        assert_eq!((read.listed(), read.namespaces().collect::<Vec<_>>()), (2, vec!["a"]));
        assert_eq!((read.note(items[0]), read.note(items[1])), (Some(&note), None));
    }

    #[test]
    fn the_record_of_another_archive_is_refused() {
        let archive = spool(&[("pods", Some("a"), "one", "{}")]);
        let other = spool(&[("pods", Some("a"), "one", "{ }")]);
        let record = Ledger::new(&archive).encode().unwrap();
        assert!(matches!(
            Ledger::resume(&record, &other),
            Err(LedgerError::OtherArchive)
        ));
        for broken in [&b""[..], b"VRL1", b"VRL\0xxxxx", &record[..record.len() - 9]] {
            assert!(matches!(
                Ledger::resume(broken, &archive),
                Err(LedgerError::Unreadable(_))
            ));
        }
        for later in [&b"VRL2"[..], b"VRL0xxxxx"] {
            assert!(matches!(
                Ledger::resume(later, &archive),
                Err(LedgerError::UnknownVersion('2' | '0'))
            ));
        }
    }

    #[test]
    fn a_large_restore_fits_into_a_config_map() {
        let mut ledger = Ledger::empty("x".to_owned(), 300_000);
        for (at, slot) in ledger.states.iter_mut().enumerate() {
            *slot = if at % 50 == 0 {
                State::Differs as u8
            } else {
                State::Created as u8
            };
        }
        let size = ledger.encode().unwrap().len();
        assert!(size < 32 << 10, "{size}");
    }

    #[test]
    fn texts_are_bounded_and_counts_are_not() {
        let mut ledger = Ledger::empty("x".to_owned(), 0);
        for _ in 0..20 {
            ledger.add_message(error(None, &"x".repeat(1 << 20)));
        }
        let (kept, more) = ledger.messages();
        assert_eq!((kept.len(), more.errors), (8, 12));
    }

    #[test]
    fn an_item_that_is_recorded_twice_is_counted_once() {
        let archive = spool(&[("pods", Some("a"), "one", "{}")]);
        let item = archive.items().next().unwrap();
        let mut ledger = Ledger::new(&archive);
        for (state, listed) in [
            (State::Created, 1),
            (State::Failed, 1),
            (State::Dropped, 0),
            (State::Updated, 1),
        ] {
            ledger.record(item, state, Vec::new(), Note::default());
            assert_eq!(ledger.listed(), listed, "{state:?}");
        }
    }

    proptest! {
        #[test]
        fn any_states_survive(bytes in prop::collection::vec(0_u8..10, 0..500), namespaces in prop::collection::btree_set("[a-z]{1,8}", 0..5)) {
            let mut ledger = Ledger::empty("print".to_owned(), bytes.len());
            ledger.states.clone_from(&bytes);
            for name in &namespaces {
                ledger.created_namespace(name);
            }
            let read = Ledger::decode(&ledger.encode().unwrap(), "print", bytes.len()).unwrap();
            prop_assert_eq!(&read.states, &bytes);
            prop_assert_eq!(&read.beside, &ledger.beside);
            let listed = bytes.iter().filter(|byte| State::of(**byte).unwrap().is_listed()).count() + namespaces.len();
            prop_assert_eq!(read.listed(), listed as u64);
        }
    }
}
