//! A store that is written to only while this process leads (decision 8).

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;

use super::error::{Class, Failure};
use super::provider::{Call, Depth, Entry, Part, PartTag, Pieces, Provider, Unfinished};
use super::{ObjectInfo, PutOutcome, ReplaceOutcome};
use crate::runtime::lease::WriteGate;

/// A provider with all writes behind a gate: none starts without the lease, and none is awaited beyond its end.
pub(super) struct Gated {
    inner: Arc<dyn Provider>,
    gate: WriteGate,
}

impl Gated {
    pub(super) fn new(inner: Arc<dyn Provider>, gate: WriteGate) -> Self {
        Self { inner, gate }
    }

    fn write<'a, T: Send + 'a>(&'a self, call: Call<'a, T>) -> Call<'a, T> {
        async move {
            self.gate
                .write(call)
                .await
                .unwrap_or_else(|lost| Err(Failure::new(Class::Lost, lost.to_string())))
        }
        .boxed()
    }
}

impl fmt::Debug for Gated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl Provider for Gated {
    fn put(&self, key: &str, bytes: Bytes, only_new: bool) -> Call<'_, PutOutcome> {
        self.write(self.inner.put(key, bytes, only_new))
    }

    fn replace(&self, key: &str, bytes: Bytes, etag: &str) -> Call<'_, ReplaceOutcome> {
        self.write(self.inner.replace(key, bytes, etag))
    }

    fn begin_upload(&self, key: &str) -> Call<'_, String> {
        self.write(self.inner.begin_upload(key))
    }

    fn put_part(&self, part: Part) -> Call<'_, PartTag> {
        self.write(self.inner.put_part(part))
    }

    fn finish_upload(&self, key: &str, id: &str, parts: Vec<PartTag>) -> Call<'_, ()> {
        self.write(self.inner.finish_upload(key, id, parts))
    }

    fn abort_upload(&self, key: &str, id: &str) -> Call<'_, ()> {
        self.write(self.inner.abort_upload(key, id))
    }

    fn uploads(&self, prefix: &str) -> Pieces<Unfinished> {
        self.inner.uploads(prefix)
    }

    fn read(&self, key: &str, range: Option<Range<u64>>) -> Call<'_, (ObjectInfo, Pieces<Bytes>)> {
        self.inner.read(key, range)
    }

    fn head(&self, key: &str) -> Call<'_, ObjectInfo> {
        self.inner.head(key)
    }

    fn list(&self, prefix: &str, depth: Depth) -> Pieces<Entry> {
        self.inner.list(prefix, depth)
    }

    fn delete(&self, key: &str) -> Call<'_, ()> {
        self.write(self.inner.delete(key))
    }

    fn sign(&self, key: &str, ttl: Duration) -> Call<'_, Option<String>> {
        self.inner.sign(key, ttl)
    }

    fn needs_identity(&self) -> bool {
        self.inner.needs_identity()
    }

    fn create_bucket(&self) -> Call<'_, ()> {
        self.write(self.inner.create_bucket())
    }
}
