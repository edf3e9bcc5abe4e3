//! Phase A's objects, staged in a temporary file until all of them are known (decision 10).
//!
//! Memory holds 32 bytes an object, 4 for its block and 4 for finding it, and the links between pods, claims and volumes.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::{AsyncWriteExt, BufWriter};

use super::block::{Blocks, Links};
use super::done::Key;
use super::order::Ordered;
use super::types::Type;
use crate::cluster::raw::{RawError, RawObject};

/// The place of an object in the file.
#[derive(Clone, Copy, Debug)]
struct Entry {
    key: Key,
    offset: u64,
    length: u32,
    type_: u32,
}

/// Stages objects, type after type.
#[derive(Debug)]
pub(super) struct Collector {
    out: BufWriter<tokio::fs::File>,
    end: u64,
    entries: Vec<Entry>,
    types: Vec<Arc<Type>>,
    links: Vec<(u32, Key)>,
    /// The first member of each group of claims.
    groups: HashMap<Key, u32>,
    together: Vec<(u32, u32)>,
    /// Pods with hooks, by their places in ascending order.
    hooked: Vec<u32>,
    files_of: Vec<Key>,
    /// Places in the order in which they are to be saved.
    order: Vec<u32>,
    /// Where the current type begins.
    type_start: u32,
}

/// The relations of an object to others of its block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Related {
    /// Staged objects that must be saved together with it.
    pub(super) with: Vec<Key>,
    /// The group of claims that must be saved together.
    pub(super) group: Option<Key>,
    /// Whether hooks may run around it.
    pub(super) hooked: bool,
    /// Claims with files that this pod saves.
    pub(super) files_of: Vec<Key>,
}

/// The staged objects, in blocks.
#[derive(Debug)]
pub(super) struct Staged {
    file: Arc<Mutex<File>>,
    entries: Vec<Entry>,
    types: Vec<Arc<Type>>,
    by_key: Vec<u32>,
    hooked: Vec<u32>,
    /// Claims with files that a pod saves, sorted.
    files_of: Vec<Key>,
    pub(super) blocks: Blocks,
}

/// Why a staged object cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("read from scratch: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Object(#[from] RawError),
}

impl Collector {
    pub(super) fn new(scratch: &Path) -> io::Result<Self> {
        let file = tokio::fs::File::from_std(tempfile::tempfile_in(scratch)?);
        Ok(Self {
            out: BufWriter::with_capacity(256 << 10, file),
            end: 0,
            entries: Vec::new(),
            types: Vec::new(),
            links: Vec::new(),
            groups: HashMap::new(),
            together: Vec::new(),
            hooked: Vec::new(),
            files_of: Vec::new(),
            order: Vec::new(),
            type_start: 0,
        })
    }

    /// The objects from here on are of this type.
    pub(super) fn begin(&mut self, type_: Arc<Type>) {
        self.types.push(type_);
        self.type_start = self.next();
    }

    fn next(&self) -> u32 {
        // At 32 bytes an entry, memory runs out long before the numbers do.
        u32::try_from(self.entries.len()).unwrap_or(u32::MAX)
    }

    /// Stages an object.
    pub(super) async fn put(&mut self, key: Key, json: &[u8], related: Related) -> io::Result<()> {
        let place = self.next();
        self.out.write_all(json).await?;
        self.entries.push(Entry {
            key,
            offset: self.end,
            length: u32::try_from(json.len()).map_err(io::Error::other)?,
            type_: u32::try_from(self.types.len().saturating_sub(1)).map_err(io::Error::other)?,
        });
        self.end += json.len() as u64;
        self.links.extend(related.with.into_iter().map(|key| (place, key)));
        if related.hooked {
            self.hooked.push(place);
        }
        self.files_of.extend(related.files_of);
        if let Some(group) = related.group {
            let first = *self.groups.entry(group).or_insert(place);
            self.together.push((first, place));
        }
        Ok(())
    }

    /// All objects of the type are staged: brings them into the user's order. Returns the names that were not found.
    pub(super) fn end<'o>(&mut self, ordered: Option<&'o Ordered>) -> Vec<&'o str> {
        let all = self.type_start..self.next();
        let Some(ordered) = ordered else {
            self.order.extend(all);
            return Vec::new();
        };
        let places: HashMap<Key, u32> = all
            .clone()
            .map(|place| (self.entries[place as usize].key, place))
            .collect();
        let (first, missing) = ordered.places(|key| places.get(&key).copied());
        // Ordered items share a block, so that no other worker saves one of them earlier.
        self.together.extend(first.windows(2).map(|pair| (pair[0], pair[1])));
        self.order.extend(&first);
        self.order.extend(all.filter(|place| !first.contains(place)));
        missing
    }

    /// Ends the collection and makes the blocks.
    pub(super) async fn finish(mut self) -> io::Result<Staged> {
        self.out.flush().await?;
        let file = self.out.into_inner().into_std().await;
        let count = u32::try_from(self.entries.len()).map_err(io::Error::other)?;
        let mut by_key: Vec<u32> = (0..count).collect();
        by_key.sort_unstable_by_key(|place| self.entries[*place as usize].key);
        let mut links = Links::new(count);
        // Objects with a link to the same object share a block, even if that object is not listed: selectors may exclude it.
        let mut absent: HashMap<Key, u32> = HashMap::new();
        for (place, key) in self.links {
            let found = find(&self.entries, &by_key, key);
            links.join(place, found.unwrap_or_else(|| *absent.entry(key).or_insert(place)));
        }
        for (a, b) in self.together {
            links.join(a, b);
        }
        self.files_of.sort_unstable();
        Ok(Staged {
            files_of: self.files_of,
            blocks: links.blocks(&self.order),
            file: Arc::new(Mutex::new(file)),
            entries: self.entries,
            types: self.types,
            by_key,
            hooked: self.hooked,
        })
    }
}

fn find(entries: &[Entry], by_key: &[u32], key: Key) -> Option<u32> {
    let found = by_key
        .binary_search_by_key(&key, |place| entries[*place as usize].key)
        .ok()?;
    Some(by_key[found])
}

impl Staged {
    /// The place of an object, if it is staged.
    pub(super) fn find(&self, key: Key) -> Option<u32> {
        find(&self.entries, &self.by_key, key)
    }

    /// Whether a pod saves the files behind this claim.
    pub(super) fn saves_files_of(&self, claim: Key) -> bool {
        self.files_of.binary_search(&claim).is_ok()
    }

    /// The number of objects; one that was listed twice counts twice.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether hooks may run around the object at a place.
    pub(super) fn is_hooked(&self, place: u32) -> bool {
        self.hooked.binary_search(&place).is_ok()
    }

    /// The type of the object at a place, and its key.
    pub(super) fn identity(&self, place: u32) -> (&Arc<Type>, Key) {
        let entry = &self.entries[place as usize];
        (&self.types[entry.type_ as usize], entry.key)
    }

    /// Reads an object back.
    pub(super) async fn read(&self, place: u32) -> Result<RawObject, ReadError> {
        let Entry { offset, length, .. } = self.entries[place as usize];
        let file = self.file.clone();
        let read = tokio::task::spawn_blocking(move || {
            let mut json = vec![0; length as usize];
            let mut file = file.lock();
            file.seek(SeekFrom::Start(offset))?;
            file.read_exact(&mut json)?;
            Ok::<_, io::Error>(json)
        });
        let json = read.await.map_err(io::Error::other)??;
        Ok(RawObject::parse(Bytes::from(json))?)
    }
}

#[cfg(test)]
mod tests;
