//! The file with the operations of an object (spec backup 16.4, restore 19.4).

use std::io;

use crate::api::artifact::ItemOperation;
use crate::controllers::run::json_gz;
use crate::store::{Store, StoreError};

use super::kind::Operated;

/// The file has at most this many bytes, packed and unpacked.
const MAX: u64 = 64 << 20;

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The store refused, or was not reached.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It lacks operations that the object counts, or all of it is gone.
    #[error("`{0}` lacks item operations that the status counts; check what removed or changed it in the bucket")]
    Incomplete(String),
    /// It is not what Velero writes.
    #[error("`{key}` cannot be read: {source}; check what wrote to the bucket")]
    Content {
        /// Its key.
        key: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Reads it; an absent one is empty.
///
/// # Errors
/// See [`FileError`].
pub async fn read<K: Operated>(store: &Store, name: &str) -> Result<Vec<ItemOperation<K::Spec>>, FileError> {
    let key = K::operations_key(name);
    let packed = match store.get(&key, MAX).await {
        Ok(packed) => packed,
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let read: io::Result<Option<_>> = json_gz::read(&packed, MAX);
    read.map(Option::unwrap_or_default)
        .map_err(|source| FileError::Content { key, source })
}

/// Writes it. May be repeated.
///
/// # Errors
/// See [`FileError`].
pub async fn write<K: Operated>(
    store: &Store,
    name: &str,
    operations: &[ItemOperation<K::Spec>],
) -> Result<(), FileError> {
    let key = K::operations_key(name);
    let packed = json_gz::write(operations).map_err(|source| FileError::Content {
        key: key.clone(),
        source,
    })?;
    Ok(store.put(&key, packed).await?)
}
