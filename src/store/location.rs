//! The object store of one location: keys below its prefix, a deadline for every call, errors that name what was attempted.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt, TryStreamExt};
use jiff::Timestamp;
use tokio::time::timeout;

use super::error::{Class, Failure};
use super::gated::Gated;
use super::provider::{Depth, Entry, Part, PartTag, Pieces, Provider, ProviderResult};
use super::{ByteStream, ObjectInfo, PutOutcome, ReplaceOutcome, Result, StoreError, key};
use crate::runtime::lease::WriteGate;

#[cfg(test)]
mod tests;

/// How long calls may take. Not configurable: no location is known that needs other values.
mod deadline {
    use std::time::Duration;

    /// A call that transfers little.
    pub(super) const CALL: Duration = Duration::from_secs(30);
    /// One part of an upload, or a small object.
    pub(super) const PART: Duration = Duration::from_mins(5);
    /// Joining the parts of an upload; S3 documents "minutes".
    pub(super) const FINISH: Duration = Duration::from_mins(5);
    /// The next piece of a stream, the next page of a listing.
    pub(super) const PIECE: Duration = Duration::from_mins(1);
}

/// Deletions at once in [`Store::delete_prefix`] and aborts in [`Store::sweep`].
const PARALLEL: usize = 16;

/// The object store of one location. Cheap to clone. Keys are relative to the location's root; every call has a deadline.
///
/// Calls may be dropped at any time, and every one but [`Store::upload`] may be repeated.
#[derive(Clone, Debug)]
pub struct Store {
    provider: Arc<dyn Provider>,
    place: Arc<Place>,
}

#[derive(Debug)]
struct Place {
    bucket: String,
    /// Empty, or ending with `/`.
    root: String,
}

impl Store {
    /// A store on top of a provider. Callers use [`super::open`]. `prefix` is clean: no slashes around it.
    pub fn new(provider: impl Provider, bucket: &str, prefix: &str) -> Self {
        let root = if prefix.is_empty() {
            String::new()
        } else {
            format!("{prefix}/")
        };
        Self {
            provider: Arc::new(provider),
            place: Arc::new(Place {
                bucket: bucket.to_owned(),
                root,
            }),
        }
    }

    /// Writes a small object, replacing what is there; atomic.
    pub async fn put(&self, key: &str, bytes: Bytes) -> Result<()> {
        self.put_object(key, bytes, false).await.map(drop)
    }

    /// Writes a small object unless the key exists. Atomic where the store supports conditional writes; old S3-compatible stores do not, and there
    /// the key is looked up first.
    pub async fn put_if_absent(&self, key: &str, bytes: Bytes) -> Result<PutOutcome> {
        self.put_object(key, bytes, true).await
    }

    /// Replaces a small object, unless it is another one by now than the one that was read: a change by another process is not lost. Old
    /// S3-compatible stores have no conditional writes, and there the object is looked up first.
    pub async fn put_if_unchanged(&self, read: &ObjectInfo, bytes: Bytes) -> Result<ReplaceOutcome> {
        let Some(etag) = &read.etag else {
            self.put(&read.key, bytes).await?;
            return Ok(ReplaceOutcome::Replaced);
        };
        let call = async {
            key::check(&read.key)?;
            within(
                deadline::PART,
                self.provider.replace(&self.full_key(&read.key), bytes, etag),
            )
            .await
        };
        call.await.map_err(|failure| self.failed("write", &read.key, failure))
    }

    async fn put_object(&self, key: &str, bytes: Bytes, only_new: bool) -> Result<PutOutcome> {
        let call = async {
            key::check(key)?;
            within(deadline::PART, self.provider.put(&self.full_key(key), bytes, only_new)).await
        };
        call.await.map_err(|failure| self.failed("write", key, failure))
    }

    pub(super) async fn begin_upload(&self, key: &str) -> Result<String> {
        let call = async {
            key::check(key)?;
            within(deadline::CALL, self.provider.begin_upload(&self.full_key(key))).await
        };
        call.await
            .map_err(|failure| self.failed("begin the upload of", key, failure))
    }

    pub(super) async fn put_part(&self, part: Part) -> ProviderResult<PartTag> {
        within(deadline::PART, self.provider.put_part(part)).await
    }

    pub(super) async fn finish_upload(&self, key: &str, id: &str, parts: Vec<PartTag>) -> ProviderResult<()> {
        within(
            deadline::FINISH,
            self.provider.finish_upload(&self.full_key(key), id, parts),
        )
        .await
    }

    /// Removes the parts of an unfinished upload. A missing upload is success.
    pub async fn abort_upload(&self, key: &str, id: &str) -> Result<()> {
        let call = async {
            key::check(key)?;
            within(deadline::CALL, self.provider.abort_upload(&self.full_key(key), id)).await
        };
        call.await
            .map_err(|failure| self.failed("abort the upload of", key, failure))
    }

    /// Reads a whole object of at most `max` bytes ([`Class::TooLarge`] beyond).
    pub async fn get(&self, key: &str, max: u64) -> Result<Bytes> {
        Ok(self.get_object(key, max).await?.1)
    }

    /// The same, with what the store says about the object.
    pub async fn get_object(&self, key: &str, max: u64) -> Result<(ObjectInfo, Bytes)> {
        let (info, mut pieces) = self.stream(key).await?;
        let too_large = |size| {
            let detail = format!("its {size} bytes are more than the {max} that are expected at most");
            self.failed("read", key, Failure::new(Class::TooLarge, detail))
        };
        if info.size > max {
            return Err(too_large(info.size));
        }
        let mut whole = BytesMut::new();
        while let Some(piece) = pieces.try_next().await? {
            whole.extend_from_slice(&piece);
            if whole.len() as u64 > max {
                return Err(too_large(whole.len() as u64));
            }
        }
        Ok((info, whole.freeze()))
    }

    /// Reads an object piece by piece; each piece has a deadline, the whole has none. It ends with an error if bytes are missing.
    pub async fn stream(&self, key: &str) -> Result<(ObjectInfo, ByteStream)> {
        self.read(key, None).await
    }

    /// Reads part of an object; the range must not be empty and must lie within it.
    pub async fn stream_range(&self, key: &str, range: Range<u64>) -> Result<(ObjectInfo, ByteStream)> {
        self.read(key, Some(range)).await
    }

    async fn read(&self, key: &str, range: Option<Range<u64>>) -> Result<(ObjectInfo, ByteStream)> {
        let call = async {
            key::check(key)?;
            if range.as_ref().is_some_and(Range::is_empty) {
                return Err(Failure::new(Class::Invalid, "the range is empty"));
            }
            within(deadline::CALL, self.provider.read(&self.full_key(key), range.clone())).await
        };
        let (info, pieces) = call.await.map_err(|failure| self.failed("read", key, failure))?;
        let expected = range.map_or(info.size, |range| range.end - range.start);
        let (store, name) = (self.clone(), key.to_owned());
        let pieces = counted(timed(pieces), expected).map_err(move |failure| store.failed("read", &name, failure));
        Ok((self.relative(info), pieces.boxed()))
    }

    /// Size and date of an object; `None` if it does not exist. A refusal or a missing bucket is an error, never `None`.
    pub async fn head(&self, key: &str) -> Result<Option<ObjectInfo>> {
        let call = async {
            key::check(key)?;
            within(deadline::CALL, self.provider.head(&self.full_key(key))).await
        };
        match call.await {
            Ok(info) => Ok(Some(self.relative(info))),
            Err(failure) if failure.class == Class::NotFound => Ok(None),
            Err(failure) => Err(self.failed("look for", key, failure)),
        }
    }

    /// Every object below `prefix` (empty, or ending with `/`), a page at a time, in no order to rely on.
    pub fn list(&self, prefix: &str) -> BoxStream<'static, Result<ObjectInfo>> {
        let store = self.clone();
        self.entries(prefix, Depth::All)
            .try_filter_map(move |entry| {
                let object = match entry {
                    Entry::Object(info) => Some(store.relative(info)),
                    Entry::Prefix(_) => None,
                };
                std::future::ready(Ok(object))
            })
            .boxed()
    }

    /// The next level of "directories" below `prefix` that hold any object, as whole keys ending with `/`, sorted.
    pub async fn list_prefixes(&self, prefix: &str) -> Result<Vec<String>> {
        let mut prefixes = Vec::new();
        let mut entries = self.entries(prefix, Depth::One);
        while let Some(entry) = entries.try_next().await? {
            if let Entry::Prefix(dir) = entry {
                prefixes.push(self.relative_key(dir));
            }
        }
        prefixes.sort_unstable();
        Ok(prefixes)
    }

    fn entries(&self, prefix: &str, depth: Depth) -> BoxStream<'static, Result<Entry>> {
        let (store, name) = (self.clone(), prefix.to_owned());
        let entries = match key::check_prefix(prefix) {
            Ok(()) => timed(self.provider.list(&self.full_key(prefix), depth)).boxed(),
            Err(failure) => stream::once(std::future::ready(Err(failure))).boxed(),
        };
        entries
            .map_err(move |failure| store.failed("list", &name, failure))
            .boxed()
    }

    /// Deletes an object. One that is not there is success.
    pub async fn delete(&self, key: &str) -> Result<()> {
        let call = async {
            key::check(key)?;
            within(deadline::CALL, self.provider.delete(&self.full_key(key))).await
        };
        call.await.map_err(|failure| self.failed("delete", key, failure))
    }

    /// Deletes every object below `prefix` (not empty, ending with `/`), some at a time, and returns how many there were. After an error some may
    /// have been deleted; repeat it.
    pub async fn delete_prefix(&self, prefix: &str) -> Result<u64> {
        if prefix.is_empty() {
            return Err(self.failed(
                "delete",
                prefix,
                Failure::new(Class::Invalid, "that would be everything"),
            ));
        }
        let delete = |info: ObjectInfo| async move { self.delete(&info.key).await };
        let deleted = self.list(prefix).map_ok(delete).try_buffer_unordered(PARALLEL);
        deleted.try_fold(0, |count, ()| std::future::ready(Ok(count + 1))).await
    }

    /// A URL with which any client can GET the object for that long; `None` if the provider cannot sign. Does not look whether the object exists.
    pub async fn signed_url(&self, key: &str, ttl: Duration) -> Result<Option<String>> {
        let call = async {
            key::check(key)?;
            within(deadline::CALL, self.provider.sign(&self.full_key(key), ttl)).await
        };
        call.await
            .map_err(|failure| self.failed("sign a URL for", key, failure))
    }

    /// Aborts every unfinished upload of a key below `prefix` (empty, or ending with `/`) that began before `before`, and returns their number.
    ///
    /// An empty prefix also takes leftovers with an unknown key. They may belong to any process, so `before` must then allow for the clocks'
    /// difference and for uploads that are under way.
    pub async fn sweep(&self, prefix: &str, before: Timestamp) -> Result<u64> {
        let sweep = async {
            key::check_prefix(prefix)?;
            let abort = |upload: super::provider::Unfinished| async move {
                within(deadline::CALL, self.provider.abort_upload(&upload.key, &upload.id)).await
            };
            timed(self.provider.uploads(&self.full_key(prefix)))
                .try_filter(|upload| {
                    let concerned = prefix.is_empty() || !upload.key.is_empty();
                    std::future::ready(concerned && upload.began < before)
                })
                .map_ok(abort)
                .try_buffer_unordered(PARALLEL)
                .try_fold(0, |count, ()| std::future::ready(Ok(count + 1)))
                .await
        };
        sweep
            .await
            .map_err(|failure| self.failed("abort unfinished uploads of", prefix, failure))
    }

    /// The same store, written to only while this gate is open; reading is not affected.
    #[must_use]
    pub fn gated(self, gate: WriteGate) -> Self {
        Self {
            provider: Arc::new(Gated::new(self.provider, gate)),
            place: self.place,
        }
    }

    pub(super) fn provider(&self) -> &dyn Provider {
        self.provider.as_ref()
    }

    pub(super) fn full_key(&self, key: &str) -> String {
        format!("{}{key}", self.place.root)
    }

    fn relative_key(&self, mut key: String) -> String {
        if key.starts_with(&self.place.root) {
            key.drain(..self.place.root.len());
        }
        key
    }

    fn relative(&self, mut info: ObjectInfo) -> ObjectInfo {
        info.key = self.relative_key(info.key);
        info
    }

    /// An error that names what was attempted.
    pub(super) fn failed(&self, verb: &str, key: &str, failure: Failure) -> StoreError {
        let Failure { class, detail } = failure;
        let (key, bucket) = (self.full_key(key), &self.place.bucket);
        let attempted = if key.is_empty() {
            format!("{verb} bucket `{bucket}`")
        } else {
            format!("{verb} `{key}` in bucket `{bucket}`")
        };
        StoreError::Failed {
            class,
            attempted,
            detail,
        }
    }
}

async fn within<T>(deadline: Duration, call: impl Future<Output = ProviderResult<T>>) -> ProviderResult<T> {
    timeout(deadline, call).await.unwrap_or_else(|_| Err(late(deadline)))
}

fn late(deadline: Duration) -> Failure {
    Failure::new(Class::Unavailable, format!("there was no answer within {deadline:?}"))
}

/// Puts a deadline on each item of a stream, and ends it after the first error.
fn timed<T: Send + 'static>(pieces: Pieces<T>) -> impl Stream<Item = ProviderResult<T>> + Send + 'static {
    stream::unfold(Some(pieces), |pieces| async {
        let mut pieces = pieces?;
        match timeout(deadline::PIECE, pieces.next()).await {
            Ok(None) => None,
            Ok(Some(Ok(piece))) => Some((Ok(piece), Some(pieces))),
            Ok(Some(Err(failure))) => Some((Err(failure), None)),
            Err(_) => Some((Err(late(deadline::PIECE)), None)),
        }
    })
}

/// Turns a stream that ends early into an error: to some clients a connection that was cut looks like the end.
fn counted(
    pieces: impl Stream<Item = ProviderResult<Bytes>> + Send + 'static,
    expected: u64,
) -> impl Stream<Item = ProviderResult<Bytes>> + Send + 'static {
    stream::unfold(
        (Box::pin(pieces), expected, false),
        |(mut pieces, missing, ended)| async move {
            if ended {
                return None;
            }
            match pieces.next().await {
                Some(Ok(piece)) => {
                    let missing = missing.saturating_sub(piece.len() as u64);
                    Some((Ok(piece), (pieces, missing, false)))
                }
                Some(Err(failure)) => Some((Err(failure), (pieces, 0, true))),
                None if missing > 0 => {
                    let failure = Failure::new(Class::Unavailable, format!("the last {missing} bytes did not arrive"));
                    Some((Err(failure), (pieces, 0, true)))
                }
                None => None,
            }
        },
    )
}
