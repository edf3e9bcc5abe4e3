//! Reads the body of a response: copies or decompresses it, with a time limit on each piece.

use std::io::{self, Write};
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use futures::{Stream, StreamExt};
use reqwest::Response;

use super::error::ArtifactError;

/// A file in pieces.
pub(super) type Body = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// At most so many bytes of an error response are read.
const MAX_ERROR_TEXT: usize = 64 * 1024;

/// The text of an error response, cut at the limit.
pub(super) async fn beginning(mut response: Response) -> String {
    let mut text = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        text.extend_from_slice(&piece);
        if text.len() > MAX_ERROR_TEXT {
            text.truncate(MAX_ERROR_TEXT);
            break;
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// Copies the body to `sink`. Fails when no data arrives for as long as `idle`.
pub(super) async fn copy(mut body: Body, sink: &mut (impl Write + Send), idle: Duration) -> Result<(), ArtifactError> {
    while let Some(piece) = next(&mut body, idle).await? {
        sink.write_all(&piece).map_err(ArtifactError::Write)?;
    }
    sink.flush().map_err(ArtifactError::Write)
}

/// Decompresses the body into `sink`. Fails when no data arrives for as long as `idle`.
pub(super) async fn gunzip(
    mut body: Body,
    sink: &mut (impl Write + Send),
    idle: Duration,
) -> Result<(), ArtifactError> {
    let mut sink = Sink { sink, failed: None };
    let mut decoder = MultiGzDecoder::new(&mut sink);
    let mut result = Ok(());
    while let Some(piece) = next(&mut body, idle).await? {
        result = decoder.write_all(&piece);
        if result.is_err() {
            break;
        }
    }
    let result = result.and_then(|()| decoder.finish().map(drop));
    let Sink { sink, failed } = sink;
    if let Some(error) = failed {
        return Err(ArtifactError::Write(error));
    }
    result.map_err(ArtifactError::Gzip)?;
    sink.flush().map_err(ArtifactError::Write)
}

pub(super) async fn next(body: &mut Body, idle: Duration) -> Result<Option<Bytes>, ArtifactError> {
    if let Ok(piece) = tokio::time::timeout(idle, body.next()).await {
        piece.transpose().map_err(ArtifactError::Transfer)
    } else {
        let text = format!("no data received for {} s", idle.as_secs());
        Err(ArtifactError::Transfer(io::Error::new(io::ErrorKind::TimedOut, text)))
    }
}

/// Keeps the error of the sink: an error of the decoder may come from the sink or from the data.
struct Sink<'a, W> {
    sink: &'a mut W,
    failed: Option<io::Error>,
}

impl<W: Write> Write for Sink<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.sink.write_all(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(error) => {
                let kind = error.kind();
                self.failed = Some(error);
                Err(kind.into())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// Bytes in memory, up to a limit.
pub(super) struct Limited {
    bytes: Vec<u8>,
    limit: usize,
}

impl Limited {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            limit,
        }
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes
    }
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.limit {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the limit is reached"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const IDLE: Duration = Duration::from_secs(1);

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn body(bytes: &[u8], piece: usize) -> Body {
        let pieces: Vec<_> = bytes
            .chunks(piece)
            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
            .collect();
        Box::pin(futures::stream::iter(pieces))
    }

    #[tokio::test]
    async fn several_gzip_members_are_one_text() {
        let bytes = [gzip("first\n"), gzip("second\n")].concat();
        for piece in [1, 7, 1000] {
            let mut text = Vec::new();
            gunzip(body(&bytes, piece), &mut text, IDLE).await.unwrap();
            assert_eq!(text, b"first\nsecond\n");
        }
    }

    #[tokio::test]
    async fn a_truncated_file_is_an_error() {
        let bytes = gzip(&"some text ".repeat(100));
        let error = gunzip(body(&bytes[..bytes.len() - 4], 10), &mut Vec::new(), IDLE)
            .await
            .unwrap_err();
        assert!(matches!(error, ArtifactError::Gzip(_)), "{error}");
    }

    #[tokio::test]
    async fn an_error_of_the_sink_is_not_an_error_of_the_file() {
        let error = gunzip(body(&gzip("12345678"), 100), &mut Limited::new(4), IDLE)
            .await
            .unwrap_err();
        assert!(matches!(error, ArtifactError::Write(_)), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stalled_transfer_is_an_error() {
        let error = copy(Box::pin(futures::stream::pending()), &mut Vec::new(), IDLE)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("no data received"), "{error}");
    }
}
