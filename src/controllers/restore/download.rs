//! From the bucket to the local spool: the archive streams through, is unpacked and checked on a blocking thread, and is
//! on disk only as what was inside it.

use std::io::{self, Read};
use std::path::Path;

use bytes::{Buf, Bytes};
use futures::StreamExt;
use tokio::sync::mpsc;
use tracing::field::Empty;
use tracing::{Instrument, Span, info_span};

use crate::archive::reader::ReadError;
use crate::archive::spool::{Spool, SpoolOptions};
use crate::store::{Store, StoreError};
use crate::telemetry::trace::fail;

/// Pieces on their way between the network and the unpacking thread.
const PIECES: usize = 16;

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
    let (sender, pieces) = mpsc::channel(PIECES);
    let download = send(store, key, sender).instrument(info_span!("download", velero.bytes = Empty));
    let scratch = scratch.to_owned();
    let index = info_span!("index", velero.items = Empty);
    let unpack = tokio::task::spawn_blocking(move || {
        let pieces = Pieces {
            pieces,
            current: Bytes::new(),
        };
        let filled = index.in_scope(|| Spool::fill(pieces, &scratch, &options));
        match &filled {
            Ok(spool) => drop(index.record("velero.items", spool.items().len())),
            Err(_) => fail(&index, "archive", ""),
        }
        filled
    });
    let broken = download.await;
    let filled = unpack.await.map_err(|e| DownloadError::Panicked(e.to_string()))?;
    match (filled, broken) {
        // The network's own error says more than "the archive is truncated".
        (Err(_), Some(error)) => Err(error.into()),
        (filled, _) => Ok(filled?),
    }
}

/// Sends the pieces of the archive to the thread that unpacks it. Returns what broke it off at the store.
async fn send(store: &Store, key: &str, sender: mpsc::Sender<io::Result<Bytes>>) -> Option<StoreError> {
    let span = Span::current();
    let failed = |error: StoreError| {
        fail(&span, "store", error.to_string());
        Some(error)
    };
    let mut stream = match store.stream(key).await {
        Ok((_, stream)) => stream,
        Err(error) => {
            let text = error.to_string();
            // The reader gets an error and not the end of the archive.
            let _ = sender.send(Err(io::Error::other(text))).await;
            return failed(error);
        }
    };
    let mut bytes = 0;
    let mut broken = None;
    while let Some(piece) = stream.next().await {
        let piece = match piece {
            Ok(piece) => {
                bytes += piece.len();
                Ok(piece)
            }
            Err(error) => {
                let text = error.to_string();
                broken = failed(error);
                Err(io::Error::other(text))
            }
        };
        // The reader is gone when it has seen enough: its own verdict says why.
        if sender.send(piece).await.is_err() || broken.is_some() {
            break;
        }
    }
    span.record("velero.bytes", bytes);
    broken
}

/// What arrives, as something to read from on a blocking thread.
struct Pieces {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.pieces.blocking_recv() {
                None => return Ok(0),
                Some(piece) => self.current = piece?,
            }
        }
        let n = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..n]);
        Ok(n)
    }
}
