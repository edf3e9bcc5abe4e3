//! Where the archive's bytes go.

use std::future::Future;

use bytes::Bytes;

/// Takes the bytes of the archive, in order.
pub trait ArchiveSink: Send {
    /// Why bytes could not be taken; ends the run.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Takes the next bytes, waiting while too many are still on their way: nothing behind it buffers without bound.
    fn write(&mut self, bytes: Bytes) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

impl ArchiveSink for crate::store::Upload {
    type Error = crate::store::StoreError;

    async fn write(&mut self, bytes: Bytes) -> Result<(), Self::Error> {
        Self::write(self, bytes).await
    }
}
