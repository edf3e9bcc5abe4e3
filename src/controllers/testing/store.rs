//! A bucket in memory that shows and delays what is done to it.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use parking_lot::Mutex;

use crate::store::error::Failure;
use crate::store::provider::{Call, Depth, Entry, Part, PartTag, Pieces, Provider, ProviderResult, Unfinished};
use crate::store::{ObjectInfo, PutOutcome, ReplaceOutcome, Store};

/// What is done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::controllers) enum Operation {
    Read,
    Head,
    Write,
    Delete,
}

type Hook = Box<dyn Fn(Operation, &str) -> BoxFuture<'static, ()> + Send + Sync>;

/// The files of a bucket, each with the number of the write that made it, which is its ETag.
#[derive(Default)]
pub(in crate::controllers) struct Files {
    writes: usize,
    files: BTreeMap<String, (usize, Bytes)>,
}

impl Files {
    pub(in crate::controllers) fn get(&self, key: &str) -> Option<Bytes> {
        self.files.get(key).map(|(_, bytes)| bytes.clone())
    }

    pub(in crate::controllers) fn put(&mut self, key: &str, bytes: Bytes) {
        self.writes += 1;
        self.files.insert(key.to_owned(), (self.writes, bytes));
    }

    pub(in crate::controllers) fn remove(&mut self, key: &str) {
        self.files.remove(key);
    }

    pub(in crate::controllers) fn keys(&self) -> Vec<String> {
        self.files.keys().cloned().collect()
    }

    fn info(&self, key: &str) -> ProviderResult<(ObjectInfo, Bytes)> {
        let (version, bytes) = self.files.get(key).ok_or_else(Failure::not_found)?;
        let info = ObjectInfo {
            key: key.to_owned(),
            size: bytes.len() as u64,
            etag: Some(version.to_string()),
            modified: Timestamp::UNIX_EPOCH,
        };
        Ok((info, bytes.clone()))
    }
}

/// A bucket whose hook is called before each operation, and awaited.
pub(in crate::controllers) struct MemoryBucket {
    pub(in crate::controllers) files: Arc<Mutex<Files>>,
    hook: Hook,
}

impl MemoryBucket {
    /// A store on these files.
    pub(in crate::controllers) fn store(
        files: &Arc<Mutex<Files>>,
        hook: impl Fn(Operation, &str) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> Store {
        let bucket = Self {
            files: Arc::clone(files),
            hook: Box::new(hook),
        };
        Store::new(bucket, "bucket", "")
    }

    fn call<T: Send + 'static>(
        &self,
        operation: Operation,
        key: &str,
        effect: impl FnOnce(&mut Files, &str) -> ProviderResult<T> + Send + 'static,
    ) -> Call<'static, T> {
        let (before, files, key) = ((self.hook)(operation, key), self.files.clone(), key.to_owned());
        async move {
            before.await;
            effect(&mut files.lock(), &key)
        }
        .boxed()
    }
}

impl fmt::Debug for MemoryBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryBucket")
    }
}

impl Provider for MemoryBucket {
    fn put(&self, key: &str, bytes: Bytes, only_new: bool) -> Call<'_, PutOutcome> {
        self.call(Operation::Write, key, move |files, key| {
            if only_new && files.get(key).is_some() {
                return Ok(PutOutcome::Exists);
            }
            files.put(key, bytes);
            Ok(PutOutcome::Created)
        })
    }

    fn replace(&self, key: &str, bytes: Bytes, etag: &str) -> Call<'_, ReplaceOutcome> {
        let etag = etag.to_owned();
        self.call(Operation::Write, key, move |files, key| {
            let found = files.info(key).ok().and_then(|(info, _)| info.etag);
            if found != Some(etag) {
                return Ok(ReplaceOutcome::Changed);
            }
            files.put(key, bytes);
            Ok(ReplaceOutcome::Replaced)
        })
    }

    fn read(&self, key: &str, _: Option<Range<u64>>) -> Call<'_, (ObjectInfo, Pieces<Bytes>)> {
        self.call(Operation::Read, key, |files, key| {
            let (info, bytes) = files.info(key)?;
            Ok((info, stream::iter([Ok(bytes)]).boxed()))
        })
    }

    fn head(&self, key: &str) -> Call<'_, ObjectInfo> {
        self.call(Operation::Head, key, |files, key| Ok(files.info(key)?.0))
    }

    fn list(&self, prefix: &str, _: Depth) -> Pieces<Entry> {
        let files = self.files.lock();
        let below = files.keys().into_iter().filter(|key| key.starts_with(prefix));
        let found: Vec<_> = below.map(|key| Ok(Entry::Object(files.info(&key)?.0))).collect();
        stream::iter(found).boxed()
    }

    fn delete(&self, key: &str) -> Call<'_, ()> {
        self.call(Operation::Delete, key, |files, key| {
            files.remove(key);
            Ok(())
        })
    }

    fn uploads(&self, _: &str) -> Pieces<Unfinished> {
        stream::empty().boxed()
    }

    fn begin_upload(&self, _: &str) -> Call<'_, String> {
        unimplemented!("no test needs it")
    }

    fn put_part(&self, _: Part) -> Call<'_, PartTag> {
        unimplemented!("no test needs it")
    }

    fn finish_upload(&self, _: &str, _: &str, _: Vec<PartTag>) -> Call<'_, ()> {
        unimplemented!("no test needs it")
    }

    fn abort_upload(&self, _: &str, _: &str) -> Call<'_, ()> {
        unimplemented!("no test needs it")
    }

    fn sign(&self, _: &str, _: Duration) -> Call<'_, Option<String>> {
        unimplemented!("no test needs it")
    }

    fn needs_identity(&self) -> bool {
        false
    }

    fn create_bucket(&self) -> Call<'_, ()> {
        unimplemented!("no test needs it")
    }
}

/// Holds operations up until so many are under way, and counts the most that were.
#[derive(Clone)]
pub(in crate::controllers) struct Crowd {
    barrier: Arc<tokio::sync::Barrier>,
    now_and_most: Arc<Mutex<(usize, usize)>>,
}

impl Crowd {
    pub(in crate::controllers) fn of(size: usize) -> Self {
        Self {
            barrier: Arc::new(tokio::sync::Barrier::new(size)),
            now_and_most: Arc::default(),
        }
    }

    pub(in crate::controllers) fn join(&self) -> BoxFuture<'static, ()> {
        let crowd = self.clone();
        async move {
            {
                let mut counts = crowd.now_and_most.lock();
                counts.0 += 1;
                counts.1 = counts.1.max(counts.0);
            }
            crowd.barrier.wait().await;
            // One more than the barrier holds up is counted too.
            tokio::task::yield_now().await;
            crowd.now_and_most.lock().0 -= 1;
        }
        .boxed()
    }

    pub(in crate::controllers) fn most(&self) -> usize {
        self.now_and_most.lock().1
    }
}
