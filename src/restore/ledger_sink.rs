//! Where the ledger of a run is stored.

use bytes::Bytes;
use futures::future::BoxFuture;

/// Stores the newest record of a run.
///
/// Called at most once a second, and before effects that must be recorded; never twice at the same time, and once at the end.
/// An error is logged and the record is stored later: without its newest part a resumed run only repeats work.
pub trait LedgerSink: Send + Sync {
    /// Stores this record in place of the last one. Safe to repeat.
    fn store(&self, record: Bytes) -> BoxFuture<'_, Result<(), SinkError>>;
}

/// A record could not be stored.
#[derive(Clone, Debug, thiserror::Error)]
#[error("store the record of the run: {0}")]
pub struct SinkError(pub String);

/// Stores nothing: for a run that will not be resumed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Forget;

impl LedgerSink for Forget {
    fn store(&self, _: Bytes) -> BoxFuture<'_, Result<(), SinkError>> {
        Box::pin(futures::future::ready(Ok(())))
    }
}
