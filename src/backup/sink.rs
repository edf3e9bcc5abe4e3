//! Where the archive's bytes go.

use std::future::Future;

use bytes::Bytes;

/// Takes the bytes of the archive, in order.
pub trait ArchiveSink: Send {
    /// The error of a write; it ends the run.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Takes the next bytes, and waits while too many are buffered: an implementation must not buffer without bound.
    fn write(&mut self, bytes: Bytes) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

impl ArchiveSink for crate::store::Upload {
    type Error = crate::store::StoreError;

    async fn write(&mut self, bytes: Bytes) -> Result<(), Self::Error> {
        Self::write(self, bytes).await
    }
}
