//! An object, as the store shows it.

use bytes::Bytes;
use futures::stream::BoxStream;
use jiff::Timestamp;

use super::error::Result;

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

/// Outcome of [`Store::put_if_absent`](super::Store::put_if_absent).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// The object is ours.
    Created,
    /// There was one already; it is untouched.
    Exists,
}
