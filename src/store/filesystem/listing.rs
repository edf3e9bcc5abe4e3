//! Listing a bucket as an object store does: files are keys, and a directory without a file anywhere below does not exist.
//!
//! One directory at a time is in memory, with those above it.

use std::io;
use std::sync::Arc;
use std::vec;

use futures::stream::{self, StreamExt};
use tokio::sync::Semaphore;

use super::blocking::blocking;
use super::dir::{Dir, FileInfo, Named};
use super::failure::failure;
use super::staging;
use crate::store::ObjectInfo;
use crate::store::error::Class;
use crate::store::provider::{Depth, Entry, Pieces, ProviderResult};

/// The file system's own directory at the top of a volume.
pub(super) const LOST_AND_FOUND: &str = "lost+found";

/// Prefix of the names that NFS gives to files that were removed while open.
const NFS: &str = ".nfs";

/// Entries read by one call to the thread pool.
const BATCH: usize = 1000;

pub(super) fn list(
    bucket: impl Fn() -> ProviderResult<Dir> + Send + Sync + 'static,
    permits: Arc<Semaphore>,
    prefix: &str,
    depth: Depth,
) -> Pieces<Entry> {
    let walk = Walk {
        depth,
        open: vec![],
        prefix: prefix.to_owned(),
        begun: false,
    };
    let bucket = Arc::new(bucket);
    stream::try_unfold(walk, move |mut walk| {
        let (bucket, permits) = (Arc::clone(&bucket), Arc::clone(&permits));
        async move {
            let batch = blocking(permits, move || {
                let batch = walk.next_batch(bucket.as_ref())?;
                Ok((batch, walk))
            });
            let (batch, walk) = batch.await?;
            Ok((!batch.is_empty()).then(|| (stream::iter(batch.into_iter().map(Ok)), walk)))
        }
    })
    .flat_map(|batch: ProviderResult<_>| match batch {
        Ok(batch) => batch.left_stream(),
        Err(failure) => stream::iter([Err(failure)]).right_stream(),
    })
    .boxed()
}

/// A walk through a tree, in the order of keys.
struct Walk {
    depth: Depth,
    prefix: String,
    begun: bool,
    open: Vec<Level>,
}

/// A directory that is being listed.
struct Level {
    /// Empty, or ending with `/`.
    prefix: String,
    dir: Dir,
    rest: vec::IntoIter<Named>,
}

impl Walk {
    /// The next entries; none at the end.
    fn next_batch(&mut self, bucket: &(impl Fn() -> ProviderResult<Dir> + ?Sized)) -> ProviderResult<Vec<Entry>> {
        if !self.begun {
            self.begun = true;
            let top = bucket()?;
            if self.prefix.split('/').next() == Some(staging::DIR) {
                return Ok(Vec::new());
            }
            let dir = top.descend(self.prefix.split('/').filter(|name| !name.is_empty()));
            self.open.extend(Level::read(self.prefix.clone(), dir)?);
        }
        let mut batch = Vec::new();
        while batch.len() < BATCH
            && let Some(level) = self.open.last_mut()
        {
            let Some(named) = level.rest.next() else {
                self.open.pop();
                continue;
            };
            let key = format!("{}{}", level.prefix, named.name);
            match (named.is_dir, self.depth) {
                (false, _) => match level.dir.stat(&named.name) {
                    Ok(info) => batch.push(Entry::Object(object(&key, info))),
                    Err(error) if is_gone(&error) => {}
                    Err(error) => return Err(failure(&error)),
                },
                (true, Depth::One) => {
                    if holds_a_file(level.dir.child(&named.name))? {
                        batch.push(Entry::Prefix(format!("{key}/")));
                    }
                }
                (true, Depth::All) => {
                    let below = Level::read(format!("{key}/"), level.dir.child(&named.name))?;
                    self.open.extend(below);
                }
            }
        }
        Ok(batch)
    }
}

impl Level {
    /// Reads a directory; `None` if it no longer exists.
    fn read(prefix: String, dir: io::Result<Dir>) -> ProviderResult<Option<Self>> {
        let read = dir.and_then(|dir| {
            let mut entries = dir.entries()?;
            entries.retain(|named| !is_hidden(prefix.is_empty(), &named.name));
            // The order of keys: a directory sorts with its slash.
            entries.sort_by(|a, b| order(a).cmp(order(b)));
            Ok((entries, dir))
        });
        match read {
            Ok((entries, dir)) => Ok(Some(Self {
                prefix,
                dir,
                rest: entries.into_iter(),
            })),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(failure(&error)),
        }
    }
}

fn order(named: &Named) -> impl Iterator<Item = u8> {
    named.name.bytes().chain(named.is_dir.then_some(b'/'))
}

fn is_hidden(at_top: bool, name: &str) -> bool {
    name.starts_with(NFS) || at_top && (name == staging::DIR || name == LOST_AND_FOUND)
}

/// Whether there is any object in a directory, however deep.
fn holds_a_file(dir: io::Result<Dir>) -> ProviderResult<bool> {
    let Some(level) = Level::read("/".to_owned(), dir)? else {
        return Ok(false);
    };
    let (dirs, files): (Vec<_>, Vec<_>) = level.rest.partition(|named| named.is_dir);
    if !files.is_empty() {
        return Ok(true);
    }
    for named in dirs {
        if holds_a_file(level.dir.child(&named.name))? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_gone(error: &io::Error) -> bool {
    failure(error).class == Class::NotFound
}

/// The object's metadata, from its file's.
pub(super) fn object(key: &str, info: FileInfo) -> ObjectInfo {
    ObjectInfo {
        key: key.to_owned(),
        size: info.size,
        etag: Some(info.etag),
        modified: info.modified,
    }
}
