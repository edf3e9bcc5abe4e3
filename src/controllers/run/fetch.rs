//! An archive of the bucket, read on a blocking thread while it streams in.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use futures::StreamExt;
use tokio::sync::mpsc;
use tracing::field::Empty;
use tracing::{Instrument, Span, info_span};

use crate::store::{Store, StoreError};
use crate::telemetry::trace::fail;

/// Pieces on their way between the network and the reading thread.
const PIECES: usize = 16;

/// Reads the object at `key` with `read`, on a blocking thread. Returns what that returned, and what broke it off at the store: that says more
/// than the reader's error that the object is truncated.
///
/// # Errors
/// The thread panicked, with the text of it.
pub async fn through<T: Send + 'static>(
    store: &Store,
    key: &str,
    read: impl FnOnce(Pieces) -> T + Send + 'static,
) -> Result<(T, Option<StoreError>), String> {
    let (sender, pieces) = mpsc::channel(PIECES);
    let download = send(store, key, sender).instrument(info_span!("download", velero.bytes = Empty));
    let reading = tokio::task::spawn_blocking(move || {
        read(Pieces {
            pieces,
            current: Bytes::new(),
        })
    });
    let broken = download.await;
    let done = reading.await.map_err(|error| error.to_string())?;
    Ok((done, broken))
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
pub struct Pieces {
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
