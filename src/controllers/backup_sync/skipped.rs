//! Directories of a bucket that make no Backup: remembered, so that a pass does not read them all again. In memory only: a new process reads
//! each once.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;

use crate::runtime::Uid;
use crate::runtime::clock::later;

/// The first wait before a skipped directory is looked at again, and the longest.
const FIRST: Duration = Duration::from_mins(1);
const LONGEST: Duration = Duration::from_mins(10);

/// What a directory was skipped for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Skip {
    /// It has no metadata: its backup is not sealed yet, or never will be.
    Unsealed,
    /// Its metadata, with this ETag, makes no Backup.
    Odd(Option<String>),
    /// The API server does not take its Backup.
    Refused,
    /// Its backup is not finished, and may expire.
    Unfinished,
}

/// The skipped directories of every location.
#[derive(Debug, Default)]
pub(super) struct Skipped {
    locations: Mutex<HashMap<Uid, Memory>>,
}

#[derive(Debug, Default)]
struct Memory {
    /// The spec of the location. Of another one nothing is known.
    spec: serde_json::Value,
    names: HashMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    skip: Skip,
    wait: Duration,
    next: Timestamp,
}

impl Skipped {
    /// Begins a pass: forgets what is not in the bucket any more, and everything if the location has changed.
    pub(super) fn begin(&self, location: &Uid, spec: serde_json::Value, listed: &BTreeSet<String>) {
        let mut locations = self.locations.lock();
        let memory = locations.entry(location.clone()).or_default();
        if memory.spec != spec {
            memory.names.clear();
            memory.spec = spec;
        }
        memory.names.retain(|name, _| listed.contains(name));
    }

    /// Whether it is not yet time to look at this directory again.
    pub(super) fn rests(&self, location: &Uid, name: &str, now: Timestamp) -> bool {
        let locations = self.locations.lock();
        let entry = locations.get(location).and_then(|memory| memory.names.get(name));
        entry.is_some_and(|entry| now < entry.next)
    }

    /// What it was skipped for the last time.
    pub(super) fn before(&self, location: &Uid, name: &str) -> Option<Skip> {
        let locations = self.locations.lock();
        let entry = locations.get(location)?.names.get(name)?;
        Some(entry.skip.clone())
    }

    /// It is skipped. The more often for the same, the longer it rests. Returns whether that is new.
    pub(super) fn skip(&self, location: &Uid, name: &str, skip: Skip, now: Timestamp) -> bool {
        let mut locations = self.locations.lock();
        let names = &mut locations.entry(location.clone()).or_default().names;
        let same = names.get(name).filter(|entry| entry.skip == skip);
        let (is_new, wait) = match same {
            Some(entry) => (false, (entry.wait * 2).min(LONGEST)),
            None => (true, FIRST),
        };
        let next = later(now, wait);
        names.insert(name.to_owned(), Entry { skip, wait, next });
        is_new
    }

    /// It has come in.
    pub(super) fn forget(&self, location: &Uid, name: &str) {
        if let Some(memory) = self.locations.lock().get_mut(location) {
            memory.names.remove(name);
        }
    }

    /// The location is gone.
    pub(super) fn gone(&self, location: &Uid) {
        self.locations.lock().remove(location);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_skipped_directory_rests_longer_each_time_and_a_changed_one_begins_anew() {
        let (skipped, location) = (Skipped::default(), Uid::from("l"));
        let odd = |etag: &str| Skip::Odd(Some(etag.to_owned()));
        let mut now = 0;
        for (skip, is_new, minutes) in [
            (odd("1"), true, 1),
            (odd("1"), false, 2),
            (odd("1"), false, 4),
            (odd("1"), false, 8),
            (odd("1"), false, 10),
            (odd("1"), false, 10),
            (odd("2"), true, 1),
            (Skip::Unsealed, true, 1),
        ] {
            assert_eq!(skipped.skip(&location, "b", skip.clone(), at(now)), is_new, "{skip:?}");
            assert_eq!(skipped.before(&location, "b"), Some(skip));
            let next = now + minutes * 60;
            assert!(skipped.rests(&location, "b", at(next - 1)));
            assert!(!skipped.rests(&location, "b", at(next)));
            now = next;
        }
        assert!(!skipped.rests(&location, "other", at(0)));
        assert!(!skipped.rests(&Uid::from("another"), "b", at(0)));
    }

    #[test]
    fn what_left_the_bucket_or_lies_in_another_one_is_forgotten() {
        let (skipped, location) = (Skipped::default(), Uid::from("l"));
        let listed = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let spec = |bucket: &str| serde_json::json!({"bucket": bucket});
        let rest = || ["a", "b"].map(|name| skipped.rests(&location, name, at(0)));
        let skip_both = || {
            for name in ["a", "b"] {
                skipped.skip(&location, name, Skip::Unsealed, at(0));
            }
        };
        skipped.begin(&location, spec("one"), &listed(&["a", "b"]));
        skip_both();
        skipped.begin(&location, spec("one"), &listed(&["a"]));
        assert_eq!(rest(), [true, false]);
        skip_both();
        skipped.begin(&location, spec("two"), &listed(&["a", "b"]));
        assert_eq!(rest(), [false, false]);
        skip_both();
        skipped.forget(&location, "a");
        assert_eq!(rest(), [false, true]);
        skipped.gone(&location);
        assert_eq!(rest(), [false, false]);
    }
}
