//! From the bucket to the local spool: the archive streams through, is unpacked and checked on a blocking thread, and is
//! on disk only as what was inside it.

use std::path::Path;

use tracing::field::Empty;
use tracing::info_span;

use crate::archive::reader::ReadError;
use crate::archive::spool::{Spool, SpoolOptions};
use crate::controllers::run::fetch;
use crate::store::{Store, StoreError};
use crate::telemetry::trace::fail;

/// The archive could not be fetched or is not to be used.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The store refused, or stopped answering.
    #[error("fetching the backup archive failed: {0}")]
    Store(#[from] StoreError),
    /// The archive is broken or made to hurt.
    #[error(transparent)]
    Archive(#[from] ReadError),
    /// The thread that unpacks died.
    #[error("unpacking the backup archive panicked: {0}; please report this with the archive's member list")]
    Panicked(String),
}

/// Fetches and spools the archive at `key`. Nothing of it is used before the whole of it was seen and found good.
///
/// # Errors
/// See [`DownloadError`]. May be repeated; cancelling leaves nothing behind.
pub async fn spool(store: &Store, key: &str, scratch: &Path, options: SpoolOptions) -> Result<Spool, DownloadError> {
    let scratch = scratch.to_owned();
    let index = info_span!("index", velero.items = Empty);
    let fill = move |pieces| {
        let filled = index.in_scope(|| Spool::fill(pieces, &scratch, &options));
        match &filled {
            Ok(spool) => drop(index.record("velero.items", spool.items().len())),
            Err(_) => fail(&index, "archive", ""),
        }
        filled
    };
    let (filled, broken) = fetch::through(store, key, fill)
        .await
        .map_err(DownloadError::Panicked)?;
    match (filled, broken) {
        // The network's own error says more than "the archive is truncated".
        (Err(_), Some(error)) => Err(error.into()),
        (filled, _) => Ok(filled?),
    }
}
