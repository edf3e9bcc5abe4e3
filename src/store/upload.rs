//! An upload of unknown length in bounded memory.

use std::fmt;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{Instrument, Span, info_span};

use super::error::{Class, Failure};
use super::provider::{Part, PartTag, ProviderResult};
use super::{ObjectInfo, Result, Store};
use crate::telemetry::run_spans::{Sort, limited};
use crate::telemetry::trace::fail;

/// Size of a part in bytes.
///
/// S3 takes no parts below 5 MiB, and some compatible stores want parts of one size. An upload has 10,000 parts at most, so the later parts of a
/// very large one are larger: 24 GiB of small ones, 102 GiB in all.
const fn part_size(index: usize) -> usize {
    if index < MAX_PARTS / 2 { 5 << 20 } else { 16 << 20 }
}

const MAX_PARTS: usize = 10_000;

/// Limit on the bytes of parts in flight. With the part that is being filled an upload holds 21 MiB, a very large one 32.
const MAX_IN_FLIGHT: usize = 16 << 20;

/// How long the parts in flight may take to end before an upload is aborted. A store may keep a part that arrives while it removes the
/// upload, even if the request was broken off.
const SETTLE: Duration = Duration::from_secs(5);

/// An upload under way. The object appears with [`Upload::finish`], whole, or not at all.
///
/// Dropping it leaves what was sent so far in the store: abort it by its recorded id ([`Store::abort_upload`]).
pub struct Upload {
    store: Store,
    key: String,
    id: String,
    part: BytesMut,
    sent: u64,
    tags: Vec<Option<PartTag>>,
    in_flight: JoinSet<(usize, usize, ProviderResult<PartTag>)>,
    in_flight_bytes: usize,
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, id, .. } = self;
        f.debug_struct("Upload")
            .field("key", key)
            .field("id", id)
            .field("written", &self.written())
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Begins an upload of unknown length. Record [`Upload::id`] before the first write: it is what [`Store::abort_upload`] takes after a crash.
    pub async fn upload(&self, key: &str) -> Result<Upload> {
        let id = self.begin_upload(key).await?;
        Ok(Upload::new(self.clone(), key, id))
    }
}

impl Upload {
    pub(super) fn new(store: Store, key: &str, id: String) -> Self {
        Self {
            store,
            key: key.to_owned(),
            id,
            part: BytesMut::new(),
            sent: 0,
            tags: Vec::new(),
            in_flight: JoinSet::new(),
            in_flight_bytes: 0,
        }
    }

    /// What [`Store::abort_upload`] takes after a crash. Known before the first byte is sent.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Bytes taken so far.
    pub fn written(&self) -> u64 {
        self.sent + self.part.len() as u64
    }

    /// Takes the next bytes; waits while too many are in flight.
    ///
    /// After an error, or if the call was dropped before it ended, only [`Upload::abort`] makes sense.
    pub async fn write(&mut self, mut bytes: Bytes) -> Result<()> {
        while bytes.has_remaining() {
            let room = part_size(self.tags.len()) - self.part.len();
            let taken = bytes.split_to(room.min(bytes.len()));
            self.part.extend_from_slice(&taken);
            if taken.len() == room {
                self.send_part().await?;
            }
        }
        Ok(())
    }

    async fn send_part(&mut self) -> Result<()> {
        let index = self.tags.len();
        if index >= MAX_PARTS {
            let detail = format!("{} bytes are more than an upload can have", self.written());
            return Err(self.failed(Failure::new(Class::TooLarge, detail)));
        }
        let bytes = self.part.split().freeze();
        let size = bytes.len();
        while self.in_flight_bytes > 0 && self.in_flight_bytes + size > MAX_IN_FLIGHT {
            self.part_done().await?;
        }
        let part = Part {
            key: self.store.full_key(&self.key),
            id: self.id.clone(),
            index,
            offset: self.sent,
            bytes,
        };
        self.sent += size as u64;
        self.tags.push(None);
        self.in_flight_bytes += size;
        let store = self.store.clone();
        let span = limited(Sort::Part, || {
            info_span!("upload part", velero.part = index, velero.bytes = size)
        });
        let sending = async move {
            let tag = store.put_part(part).await;
            if let Err(failure) = &tag {
                fail(&Span::current(), failure.class.name(), "");
            }
            (index, size, tag)
        };
        self.in_flight.spawn(sending.instrument(span));
        Ok(())
    }

    async fn part_done(&mut self) -> Result<()> {
        match self.in_flight.join_next().await {
            None => self.in_flight_bytes = 0,
            Some(Ok((index, size, tag))) => {
                self.in_flight_bytes -= size;
                self.tags[index] = Some(tag.map_err(|failure| self.failed(failure))?);
            }
            Some(Err(stopped)) => {
                return Err(self.failed(Failure::new(Class::Other, format!("sending a part stopped: {stopped}"))));
            }
        }
        Ok(())
    }

    fn failed(&self, failure: Failure) -> super::StoreError {
        self.store.failed("upload", &self.key, failure)
    }

    /// Sends the rest, makes the object visible under its key, and returns it as the store shows it, its size compared with what was written.
    ///
    /// After an error the object may exist or not, as after any request with a lost answer; abort the upload by its id.
    pub async fn finish(mut self) -> Result<ObjectInfo> {
        if !self.part.is_empty() {
            self.send_part().await?;
        }
        while !self.in_flight.is_empty() {
            self.part_done().await?;
        }
        let written = self.written();
        let tags = std::mem::take(&mut self.tags).into_iter().flatten().collect();
        match self.store.finish_upload(&self.key, &self.id, tags).await {
            Ok(()) => {}
            // A repeated request after a lost answer no longer finds the upload. The size below shows whether the first one succeeded.
            Err(failure) if failure.class == Class::NotFound => {}
            Err(failure) => return Err(self.failed(failure)),
        }
        let stored = self.store.head(&self.key).await?;
        match stored {
            Some(info) if info.size == written => Ok(info),
            Some(info) => {
                let detail = format!("{written} bytes were written, but the object has {}", info.size);
                Err(self.failed(Failure::new(Class::Other, detail)))
            }
            None => Err(self.failed(Failure::new(Class::Other, "another process aborted the upload"))),
        }
    }

    /// Removes what was sent. May be repeated by id ([`Store::abort_upload`]).
    pub async fn abort(mut self) -> Result<()> {
        let settled = async { while self.in_flight.join_next().await.is_some() {} };
        let _ = timeout(SETTLE, settled).await;
        self.in_flight.shutdown().await;
        self.store.abort_upload(&self.key, &self.id).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_alike_up_to_24_gib_and_an_upload_of_100_gib_fits() {
        assert!((0..4_000).all(|index| part_size(index) == 5 << 20));
        assert!((0..MAX_PARTS).all(|index| part_size(index) >= 5 << 20));
        let total: u64 = (0..MAX_PARTS).map(|index| part_size(index) as u64).sum();
        assert!(total > 100 << 30);
    }
}
