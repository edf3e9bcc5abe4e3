//! Objects as files at `<fspath>/<bucket>/<key>` (decision 23, spec plugins 12.5).
//!
//! object_store's local store is not used: it follows symbolic links, names its staging files after the objects, and leaves them where no listing finds
//! them. Here a write is on disk when the call returns; an unfinished one lies in `.velero-uploads` and is no object.

mod blocking;
mod dir;
mod failure;
mod listing;
mod staging;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{self, FutureExt};
use futures::stream::{self, StreamExt};
use tokio::sync::Semaphore;

use self::blocking::blocking;
use self::dir::Dir;
use self::failure::failure;
use self::listing::object;
use super::error::{Class, Failure};
use super::provider::{Call, Depth, Entry, Part, PartTag, Pieces, Provider, ProviderResult, Unfinished};
use super::{ObjectInfo, PutOutcome, ReplaceOutcome, Result, StoreConfig, StoreError};

/// `spec.config` key: the directory that buckets are in.
const FSPATH: &str = "fspath";

/// Calls at once in a location. A hanging file system holds no more threads than this; other calls end by their deadlines.
const PARALLEL: usize = 16;

/// Size of a piece of a stream.
const PIECE: usize = 256 << 10;

/// How often a path is created where, without locks, another process may remove its empty directories meanwhile.
const TRIES: usize = 8;

/// The file store of one bucket.
#[derive(Debug)]
pub(super) struct Filesystem {
    bucket: Arc<Bucket>,
    permits: Arc<Semaphore>,
}

/// Path of the bucket. Everything below it blocks.
#[derive(Debug)]
struct Bucket {
    root: PathBuf,
    name: String,
}

/// What is to be at the key of an object that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place<'a> {
    /// Whatever is there is replaced.
    Any,
    /// Nothing.
    Empty,
    /// The object with this ETag.
    Of(&'a str),
}

impl Filesystem {
    /// The store of a configuration. Does not access the disk.
    pub(super) fn open(config: &StoreConfig, bucket: &str, prefix: &str) -> Result<Self> {
        config.check_keys(&[FSPATH])?;
        let root = config.get(FSPATH).ok_or_else(|| {
            StoreError::Config(format!(
                "`config.{FSPATH}` is required: the directory that the server sees the volume at"
            ))
        })?;
        if !Path::new(root).is_absolute() {
            return Err(StoreError::Config(format!(
                "`config.{FSPATH}` is `{root}`; it must be an absolute path"
            )));
        }
        if bucket.starts_with('.') || bucket == listing::LOST_AND_FOUND || super::key::check(bucket).is_err() {
            return Err(StoreError::Config(format!(
                "`objectStorage.bucket` is `{bucket}`, which cannot be the name of its directory"
            )));
        }
        if prefix.split('/').next() == Some(staging::DIR) {
            return Err(StoreError::Config(format!(
                "`objectStorage.prefix` must not begin with `{}`",
                staging::DIR
            )));
        }
        let bucket = Arc::new(Bucket {
            root: root.into(),
            name: bucket.to_owned(),
        });
        Ok(Self {
            bucket,
            permits: Arc::new(Semaphore::new(PARALLEL)),
        })
    }

    /// Runs blocking work on a thread for it.
    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Bucket) -> ProviderResult<T> + Send + 'static,
    ) -> Call<'static, T> {
        let bucket = Arc::clone(&self.bucket);
        blocking(Arc::clone(&self.permits), move || work(&bucket))
    }
}

impl Provider for Filesystem {
    fn put(&self, key: &str, bytes: Bytes, only_new: bool) -> Call<'_, PutOutcome> {
        let key = key.to_owned();
        self.run(move |bucket| {
            let place = if only_new { Place::Empty } else { Place::Any };
            let published = bucket.put(&key, &bytes, place)?;
            Ok(if published {
                PutOutcome::Created
            } else {
                PutOutcome::Exists
            })
        })
    }

    fn replace(&self, key: &str, bytes: Bytes, etag: &str) -> Call<'_, ReplaceOutcome> {
        let (key, etag) = (key.to_owned(), etag.to_owned());
        self.run(move |bucket| {
            let published = bucket.put(&key, &bytes, Place::Of(&etag))?;
            Ok(if published {
                ReplaceOutcome::Replaced
            } else {
                ReplaceOutcome::Changed
            })
        })
    }

    fn begin_upload(&self, key: &str) -> Call<'_, String> {
        let key = key.to_owned();
        self.run(move |bucket| {
            not_reserved(&key)?;
            staging::begin(&bucket.dir()?, &key)
        })
    }

    fn put_part(&self, part: Part) -> Call<'_, PartTag> {
        self.run(move |bucket| {
            staging::write(&bucket.dir()?, &part)?;
            Ok(PartTag(String::new()))
        })
    }

    fn finish_upload(&self, key: &str, id: &str, _parts: Vec<PartTag>) -> Call<'_, ()> {
        let (key, id) = (key.to_owned(), id.to_owned());
        self.run(move |bucket| {
            not_reserved(&key)?;
            let top = bucket.dir()?;
            staging::publish_upload(&top, &id, |staged, file| {
                bucket.publish(&top, staged, file, &key, Place::Any).map(drop)
            })
        })
    }

    fn abort_upload(&self, _key: &str, id: &str) -> Call<'_, ()> {
        let id = id.to_owned();
        self.run(move |bucket| staging::discard(&bucket.dir()?, &id))
    }

    fn uploads(&self, prefix: &str) -> Pieces<Unfinished> {
        let prefix = prefix.to_owned();
        let found = self.run(move |bucket| staging::unfinished(&bucket.dir()?, &prefix));
        stream::once(found)
            .flat_map(|found| match found {
                Ok(uploads) => stream::iter(uploads.into_iter().map(Ok)).left_stream(),
                Err(failure) => stream::iter([Err(failure)]).right_stream(),
            })
            .boxed()
    }

    fn read(&self, key: &str, range: Option<Range<u64>>) -> Call<'_, (ObjectInfo, Pieces<Bytes>)> {
        let key = key.to_owned();
        let permits = Arc::clone(&self.permits);
        let open = self.run(move |bucket| {
            let (info, file) = bucket.open(&key)?;
            let range = range.unwrap_or(0..info.size);
            if range.end > info.size {
                let detail = format!(
                    "bytes up to {} were asked for, but there are only {}",
                    range.end, info.size
                );
                return Err(Failure::new(Class::Invalid, detail));
            }
            Ok((info, pieces(file, range, permits)))
        });
        open.boxed()
    }

    fn head(&self, key: &str) -> Call<'_, ObjectInfo> {
        let key = key.to_owned();
        self.run(move |bucket| bucket.head(&key))
    }

    fn list(&self, prefix: &str, depth: Depth) -> Pieces<Entry> {
        let bucket = Arc::clone(&self.bucket);
        listing::list(move || bucket.dir(), Arc::clone(&self.permits), prefix, depth)
    }

    fn delete(&self, key: &str) -> Call<'_, ()> {
        let key = key.to_owned();
        self.run(move |bucket| bucket.delete(&key))
    }

    fn sign(&self, _key: &str, _ttl: Duration) -> Call<'_, Option<String>> {
        future::ready(Ok(None)).boxed()
    }

    fn needs_identity(&self) -> bool {
        true
    }

    fn create_bucket(&self) -> Call<'_, ()> {
        self.run(|bucket| {
            bucket
                .root()?
                .child_or_new(&bucket.name)
                .map_err(|error| failure(&error))?;
            Ok(())
        })
    }
}

impl Bucket {
    fn root(&self) -> ProviderResult<Dir> {
        Dir::open(&self.root).map_err(|error| self.unavailable(&self.root, &error))
    }

    /// The bucket's directory. A missing one never means an empty store: the volume may not be mounted.
    fn dir(&self) -> ProviderResult<Dir> {
        self.root()?
            .child(&self.name)
            .map_err(|error| self.unavailable(&self.root.join(&self.name), &error))
    }

    #[expect(clippy::unused_self, reason = "an error of the bucket")]
    fn unavailable(&self, path: &Path, error: &io::Error) -> Failure {
        let path = path.display();
        match error.kind() {
            io::ErrorKind::NotFound => Failure::new(
                Class::Unavailable,
                format!(
                    "the directory `{path}` is not there: the volume is not mounted, or the location was never validated for writing"
                ),
            ),
            _ => Failure {
                detail: format!("the directory `{path}` cannot be opened: {error}"),
                ..failure(error)
            },
        }
    }

    /// The directory that a key's file is in, and the file's name.
    fn parent<'k>(&self, key: &'k str) -> ProviderResult<(Dir, &'k str)> {
        not_reserved(key)?;
        let (dirs, name) = split(key);
        let dir = self.dir()?.descend(dirs).map_err(|error| failure(&error))?;
        Ok((dir, name))
    }

    fn open(&self, key: &str) -> ProviderResult<(ObjectInfo, File)> {
        let (dir, name) = self.parent(key)?;
        let file = dir.file(name).map_err(|error| failure(&error))?;
        let info = dir::info(&file).map_err(|error| failure(&error))?;
        Ok((object(key, info), file))
    }

    fn head(&self, key: &str) -> ProviderResult<ObjectInfo> {
        let (dir, name) = self.parent(key)?;
        Ok(object(key, dir.stat(name).map_err(|error| failure(&error))?))
    }

    fn put(&self, key: &str, bytes: &[u8], place: Place<'_>) -> ProviderResult<bool> {
        not_reserved(key)?;
        let top = self.dir()?;
        staging::with_file(&top, key, bytes, |staged, file| {
            self.publish(&top, staged, file, key, place)
        })
    }

    /// Renames a staged file, which was synced before, to its key. Returns whether the place was as it is to be.
    fn publish(&self, top: &Dir, staged: &Dir, file: &str, key: &str, place: Place<'_>) -> ProviderResult<bool> {
        let (dirs, name) = split(key);
        let dirs: Vec<_> = dirs.collect();
        let guard = match place {
            Place::Any | Place::Empty => top.while_making(),
            // Alone: between the look and the rename no other write of this machine may come.
            Place::Of(_) => top.while_removing(),
        };
        let _guard = guard.map_err(|error| failure(&error))?;
        if let Place::Of(etag) = place {
            match self.head(key) {
                Ok(found) if found.etag.as_deref() == Some(etag) => {}
                Ok(_) => return Ok(false),
                Err(absent) if absent.class == Class::NotFound => return Ok(false),
                Err(failure) => return Err(failure),
            }
        }
        let mut tries = TRIES;
        loop {
            let attempt = top.descend_or_new(dirs.iter().copied()).and_then(|dir| {
                let moved = match place {
                    Place::Empty => staged.rename_new(file, &dir, name),
                    Place::Any | Place::Of(_) => staged.rename(file, &dir, name),
                };
                moved.and_then(|()| dir.sync())
            });
            match attempt {
                Ok(()) => return Ok(true),
                Err(error) if place == Place::Empty && error.kind() == io::ErrorKind::AlreadyExists => {
                    return Ok(false);
                }
                // Without locks a deletion may have removed the directory while it was still empty.
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries > 0 => tries -= 1,
                Err(error) => {
                    let failure = failure(&error);
                    let class = if failure.class == Class::NotFound {
                        Class::Invalid
                    } else {
                        failure.class
                    };
                    return Err(Failure { class, ..failure });
                }
            }
        }
    }

    /// Removes a file and the directories that become empty: one that stayed would be listed as a backup.
    fn delete(&self, key: &str) -> ProviderResult<()> {
        not_reserved(key)?;
        let (dirs, name) = split(key);
        let mut path = vec![self.dir()?];
        let dirs: Vec<_> = dirs.collect();
        for dir in &dirs {
            match path[path.len() - 1].child(dir) {
                Ok(child) => path.push(child),
                Err(error) if failure(&error).class == Class::NotFound => return Ok(()),
                Err(error) => return Err(failure(&error)),
            }
        }
        path[path.len() - 1]
            .remove_file(name)
            .map_err(|error| failure(&error))?;
        let _guard = path[0].while_removing().map_err(|error| failure(&error))?;
        for (at, dir) in dirs.iter().enumerate().rev() {
            if !path[at].remove_dir(dir) {
                break;
            }
        }
        Ok(())
    }
}

/// The directories of a key and its file's name.
fn split(key: &str) -> (impl Iterator<Item = &str>, &str) {
    let (dirs, name) = key.rsplit_once('/').unwrap_or(("", key));
    (dirs.split('/').filter(|dir| !dir.is_empty()), name)
}

/// Staging files are no objects.
fn not_reserved(key: &str) -> ProviderResult<()> {
    if key.split('/').next() == Some(staging::DIR) {
        return Err(Failure::new(
            Class::Invalid,
            format!("keys in `{}` are reserved", staging::DIR),
        ));
    }
    Ok(())
}

/// Reads a file piece by piece on blocking threads.
fn pieces(file: File, range: Range<u64>, permits: Arc<Semaphore>) -> Pieces<Bytes> {
    let file = Arc::new(file);
    stream::try_unfold(range, move |range| {
        let (file, permits) = (Arc::clone(&file), Arc::clone(&permits));
        async move {
            if range.is_empty() {
                return Ok(None);
            }
            let size = usize::try_from(range.end - range.start).map_or(PIECE, |rest| rest.min(PIECE));
            let start = range.start;
            let piece = blocking(permits, move || {
                let mut piece = vec![0; size];
                file.read_exact_at(&mut piece, start).map_err(|error| failure(&error))?;
                Ok(Bytes::from(piece))
            });
            let piece = piece.await?;
            Ok(Some((piece, start + size as u64..range.end)))
        }
    })
    .boxed()
}
