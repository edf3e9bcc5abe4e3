//! Object storage: one [`Store`] for what lies under a BackupStorageLocation, whoever provides it.
//!
//! ```text
//!   layout      every key (spec backup 16, restore 21)
//!   config      what a location says, checked
//!   Store       deadlines, error classes, prefix; Upload: bounded streaming, abortable after a crash
//!   filesystem  velero.io/fs
//!   s3          velero.io/aws; the only home of object_store
//! ```

pub mod config;
pub mod error;
pub mod layout;
mod upload;

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use jiff::Timestamp;

pub use config::{Secret, StoreConfig};
pub use error::{Class, StoreError};
pub use upload::Upload;

/// The result of everything here.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// An object's bytes as they arrive. Dropping it ends the transfer.
pub type ByteStream = BoxStream<'static, Result<Bytes>>;

/// An object as a listing or a look at it shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Key relative to the location's root (bucket and prefix).
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Changes whenever the content does; opaque.
    pub etag: Option<String>,
    /// When it was written, by the store's clock.
    pub modified: Timestamp,
}

/// Outcome of [`Store::put_if_absent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// The object is ours.
    Created,
    /// There was one already; it is untouched.
    Exists,
}

/// The object store of one location. Cheap to clone. Keys are relative to the location's root; every call has a deadline.
#[derive(Clone, Debug)]
pub struct Store {}

/// Opens the store of a location. Nothing is written. Fails for configuration that cannot work ([`StoreError::Config`]).
pub async fn open(_config: &StoreConfig) -> Result<Store> {
    todo!()
}

impl Store {
    /// Writes a small object, replacing what is there; atomic.
    pub async fn put(&self, _key: &str, _bytes: Bytes) -> Result<()> {
        todo!()
    }

    /// Writes a small object unless there is one of that key; atomic where the store can do that (all but old S3 imitations).
    pub async fn put_if_absent(&self, _key: &str, _bytes: Bytes) -> Result<PutOutcome> {
        todo!()
    }

    /// Begins an upload of unknown length. Record [`Upload::id`] before the first write: it is what [`Store::abort_upload`] takes after a crash.
    pub async fn upload(&self, _key: &str) -> Result<Upload> {
        todo!()
    }

    /// Removes what an unfinished upload left behind. An upload that is gone already is success.
    pub async fn abort_upload(&self, _key: &str, _id: &str) -> Result<()> {
        todo!()
    }

    /// Reads a whole object of at most `max` bytes ([`StoreError::TooLarge`] beyond).
    pub async fn get(&self, _key: &str, _max: u64) -> Result<Bytes> {
        todo!()
    }

    /// Reads an object piece by piece; each piece has a deadline, the whole has none.
    pub async fn stream(&self, _key: &str) -> Result<(ObjectInfo, ByteStream)> {
        todo!()
    }

    /// Reads part of an object; the range must lie within it.
    pub async fn stream_range(&self, _key: &str, _range: Range<u64>) -> Result<(ObjectInfo, ByteStream)> {
        todo!()
    }

    /// What is known of an object; `None` if there is none. Being refused is an error, never absence.
    pub async fn head(&self, _key: &str) -> Result<Option<ObjectInfo>> {
        todo!()
    }

    /// Every object below `prefix` (empty, or ending with `/`), a page at a time.
    pub fn list(&self, _prefix: &str) -> BoxStream<'static, Result<ObjectInfo>> {
        todo!()
    }

    /// The next level of "directories" below `prefix`, each ending with `/`.
    pub async fn list_prefixes(&self, _prefix: &str) -> Result<Vec<String>> {
        todo!()
    }

    /// Deletes an object. One that is not there is success.
    pub async fn delete(&self, _key: &str) -> Result<()> {
        todo!()
    }

    /// Deletes every object below `prefix` (not empty, ending with `/`), some at a time, and returns how many there were. On an error
    /// others may have been deleted; repeat it.
    pub async fn delete_prefix(&self, _prefix: &str) -> Result<u64> {
        todo!()
    }

    /// A URL with which anyone can GET the object for that long; `None` if the provider cannot sign. Does not look whether the object exists.
    pub async fn signed_url(&self, _key: &str, _ttl: Duration) -> Result<Option<String>> {
        todo!()
    }

    /// Aborts every unfinished upload of a key below `prefix` that began before `before`, and returns how many there were.
    pub async fn sweep(&self, _prefix: &str, _before: Timestamp) -> Result<u64> {
        todo!()
    }
}
