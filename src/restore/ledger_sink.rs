//! Where the ledger of a run is stored.

use bytes::Bytes;
use futures::future::BoxFuture;

/// Stores the newest record of a run.
///
/// Called once a second at most, but for what has to be kept before an effect; never twice at the same time, and once at
/// the end. An error is logged and the record is offered again later: losing the newest part of it costs work, not
/// correctness.
pub trait LedgerSink: Send + Sync {
    /// Keeps this record instead of the one before. Safe to repeat.
    fn keep(&self, record: Bytes) -> BoxFuture<'_, Result<(), SinkError>>;
}

/// A record could not be kept.
#[derive(Clone, Debug, thiserror::Error)]
#[error("keep the record of the run: {0}")]
pub struct SinkError(pub String);

/// Stores nothing: for a run that is not to be resumed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Forget;

impl LedgerSink for Forget {
    fn keep(&self, _: Bytes) -> BoxFuture<'_, Result<(), SinkError>> {
        Box::pin(futures::future::ready(Ok(())))
    }
}
