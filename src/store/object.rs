//! An object's metadata and bytes.

use bytes::Bytes;
use futures::stream::BoxStream;
use jiff::Timestamp;

use super::error::Result;

/// An object's bytes as they arrive. Dropping it ends the transfer.
pub type ByteStream = BoxStream<'static, Result<Bytes>>;

/// An object's metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Key relative to the location's root (bucket and prefix).
    pub key: String,
    /// Size in bytes.
    pub size: u64,
    /// Changes whenever the content does; opaque.
    pub etag: Option<String>,
    /// When it was written, by the store's clock.
    pub modified: Timestamp,
}

/// Result of [`Store::put_if_absent`](super::Store::put_if_absent).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// This call created the object.
    Created,
    /// The object existed; it is unchanged.
    Exists,
}

/// Result of [`Store::put_if_unchanged`](super::Store::put_if_unchanged).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplaceOutcome {
    /// This call replaced the object.
    Replaced,
    /// The object is another one than was read, or gone; it is left as it is.
    Changed,
}
