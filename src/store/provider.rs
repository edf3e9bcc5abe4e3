//! What each kind of object store implements; [`super::Store`] does the rest.
//!
//! Keys here include the location's prefix and were checked ([`super::key`]). Calls may be dropped at any time and may be repeated. The caller sets
//! deadlines.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use jiff::Timestamp;

use super::error::Failure;
use super::{ObjectInfo, PutOutcome, ReplaceOutcome};

/// The result of a provider's call, before [`super::Store`] adds what was attempted and where.
pub type ProviderResult<T> = Result<T, Failure>;

/// A provider's call under way.
pub type Call<'a, T> = BoxFuture<'a, ProviderResult<T>>;

/// A provider's answer that comes in pieces.
pub type Pieces<T> = BoxStream<'static, ProviderResult<T>>;

/// An object store, narrowed to one bucket.
pub trait Provider: fmt::Debug + Send + Sync + 'static {
    /// Writes an object as a whole, atomically; with `only_new` not over another one.
    fn put(&self, key: &str, bytes: Bytes, only_new: bool) -> Call<'_, PutOutcome>;

    /// Writes an object as a whole in the place of the one with this ETag; atomic where the store has conditional writes.
    fn replace(&self, key: &str, bytes: Bytes, etag: &str) -> Call<'_, ReplaceOutcome>;

    /// Begins an upload and returns its id.
    fn begin_upload(&self, key: &str) -> Call<'_, String>;

    /// Sends one part. Parts of an upload may be sent at once and in any order.
    fn put_part(&self, part: Part) -> Call<'_, PartTag>;

    /// Makes an upload an object; `parts` are in order and complete. [`super::Class::NotFound`] if there is no such upload (any more).
    fn finish_upload(&self, key: &str, id: &str, parts: Vec<PartTag>) -> Call<'_, ()>;

    /// Discards an upload; one that is not there is success.
    fn abort_upload(&self, key: &str, id: &str) -> Call<'_, ()>;

    /// Unfinished uploads of keys that begin with `prefix`, and those with an unknown key.
    fn uploads(&self, prefix: &str) -> Pieces<Unfinished>;

    /// Reads an object or a range that lies within it.
    fn read(&self, key: &str, range: Option<Range<u64>>) -> Call<'_, (ObjectInfo, Pieces<Bytes>)>;

    /// An object's metadata. [`super::Class::NotFound`] means that the bucket exists and the object does not.
    fn head(&self, key: &str) -> Call<'_, ObjectInfo>;

    /// The entries below `prefix` (empty or ending with `/`).
    fn list(&self, prefix: &str, depth: Depth) -> Pieces<Entry>;

    /// Deletes an object; one that is not there is success.
    fn delete(&self, key: &str) -> Call<'_, ()>;

    /// A URL with which any client can GET the object for that long; `None` if this provider cannot do that.
    fn sign(&self, key: &str, ttl: Duration) -> Call<'_, Option<String>>;

    /// Whether the same configuration may lead to another bucket later (a volume that is not mounted), so that the bucket needs an identity.
    fn needs_identity(&self) -> bool;

    /// Creates the bucket if this provider can do that without further settings.
    fn create_bucket(&self) -> Call<'_, ()>;
}

/// A part of an upload.
#[derive(Clone, Debug)]
pub struct Part {
    /// The object it will be part of.
    pub key: String,
    /// From [`Provider::begin_upload`].
    pub id: String,
    /// 0, 1, 2 …
    pub index: usize,
    /// Bytes in the parts before it.
    pub offset: u64,
    /// Its bytes.
    pub bytes: Bytes,
}

/// Identifies a sent part when the upload is finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartTag(pub String);

/// An upload that was begun and neither finished nor aborted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The key of the object; empty if unknown.
    pub key: String,
    /// What [`Provider::abort_upload`] takes.
    pub id: String,
    /// When it began, by the store's clock.
    pub began: Timestamp,
}

/// How deep a listing goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Objects right below the prefix, and "directories" below it that hold any.
    One,
    /// All objects below the prefix.
    All,
}

/// An entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// An object.
    Object(ObjectInfo),
    /// A "directory", ending with `/`.
    Prefix(String),
}
