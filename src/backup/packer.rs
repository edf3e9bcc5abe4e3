//! The archive being made: tar and gzip on a thread of their own, bounded in bytes on both sides.
//!
//! Compression takes most of the time of a backup, so nothing else runs on that thread. Its input is a queue of members, its output
//! a queue of compressed pieces; the faster side waits.

use std::io::{self, Write};
use std::sync::Arc;
use std::thread;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::report::Fatal;
use super::sink::ArchiveSink;
use crate::archive::layout::{ItemPath, UnsafeName, versioned_path};
use crate::archive::reader::Limits;
use crate::archive::writer::{ArchiveWriter, WriteError, gzip};
use crate::cluster::raw::RawObject;

/// Bytes of members that wait for the thread.
const WAITING_BYTES: u32 = 8 << 20;

/// Bytes of a compressed piece, and how many wait for the sink.
const PIECE: usize = 256 << 10;
const WAITING_PIECES: usize = 4;

/// An item as it goes into the archive.
#[derive(Debug)]
pub(super) struct Member {
    /// `deployments.apps`
    pub(super) group_resource: Arc<str>,
    /// The version in which it was read.
    pub(super) version: Arc<str>,
    /// Whether that is the preferred one.
    pub(super) preferred: bool,
    pub(super) json: Bytes,
    /// Its names, and its share of the run's memory until it is written.
    pub(super) source: RawObject,
}

/// An item that cannot be in an archive.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unpackable {
    #[error(transparent)]
    Name(#[from] UnsafeName),
    #[error("it has {size} bytes, more than the {limit} that a restore accepts")]
    TooLarge { size: u64, limit: u64 },
    #[error("its path in the archive has {size} bytes, more than the {limit} that a restore accepts")]
    LongPath { size: usize, limit: usize },
}

/// The thread ended before the run did. [`Pieces::into_sink`] returns the error that counts.
#[derive(Debug)]
pub(super) struct PackerEnded;

/// The input of the archive.
#[derive(Clone, Debug)]
pub(super) struct Packer {
    queue: mpsc::UnboundedSender<(Member, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
}

/// The output of the archive, compressed.
#[derive(Debug)]
pub(super) struct Pieces {
    pieces: mpsc::Receiver<Bytes>,
    outcome: oneshot::Receiver<Result<(), WriteError>>,
}

impl Member {
    fn path(&self) -> ItemPath<'_> {
        ItemPath {
            group_resource: &self.group_resource,
            namespace: self.source.head.namespace.as_deref(),
            name: &self.source.head.name,
        }
    }

    /// Refuses a member that the thread could not write.
    pub(super) fn check(&self) -> Result<(), Unpackable> {
        // The longer of the two paths. A restore refuses the whole archive for a longer one.
        let path = versioned_path(&self.path(), &self.version, self.preferred)?;
        let limit = Limits::default().path;
        if path.len() > limit {
            return Err(Unpackable::LongPath {
                size: path.len(),
                limit,
            });
        }
        let (size, limit) = (self.json.len() as u64, Limits::default().member);
        if size > limit {
            return Err(Unpackable::TooLarge { size, limit });
        }
        Ok(())
    }
}

/// Starts the thread. It ends when every [`Packer`] is dropped, or the [`Pieces`] are.
pub(super) fn start(now: Timestamp) -> Result<(Packer, Pieces), Fatal> {
    let (queue, members) = mpsc::unbounded_channel();
    let (out, pieces) = mpsc::channel(WAITING_PIECES);
    let (ended, outcome) = oneshot::channel();
    // The archive format knows no time before 1970.
    let mtime = u64::try_from(now.as_second()).unwrap_or(0);
    thread::Builder::new()
        .name("backup-archive".to_owned())
        .spawn(move || {
            // The receiver is dropped when the run was cancelled.
            let _ = ended.send(pack(members, PieceWriter::new(out), mtime));
        })
        .map_err(|error| Fatal::Archive(format!("start its thread: {error}")))?;
    let packer = Packer {
        queue,
        room: Arc::new(Semaphore::new(WAITING_BYTES as usize)),
    };
    Ok((packer, Pieces { pieces, outcome }))
}

fn pack(
    mut members: mpsc::UnboundedReceiver<(Member, OwnedSemaphorePermit)>,
    out: PieceWriter,
    mtime: u64,
) -> Result<(), WriteError> {
    let mut archive = ArchiveWriter::new(gzip(out), mtime)?;
    while let Some((member, room)) = members.blocking_recv() {
        archive.item(&member.path(), &member.version, member.preferred, &member.json)?;
        drop(room);
    }
    archive.finish()?.finish()?.flush()?;
    Ok(())
}

impl Packer {
    /// Queues a member, and waits while too many bytes are queued.
    pub(super) async fn pack(&self, member: Member) -> Result<(), PackerEnded> {
        let bytes = u32::try_from(member.json.len()).unwrap_or(u32::MAX).min(WAITING_BYTES);
        let room = self
            .room
            .clone()
            .acquire_many_owned(bytes)
            .await
            .map_err(|_| PackerEnded)?;
        self.queue.send((member, room)).map_err(|_| PackerEnded)
    }
}

impl Pieces {
    /// Writes the archive to a sink until it is complete, and returns its size in bytes.
    pub(super) async fn into_sink<S: ArchiveSink>(mut self, sink: &mut S) -> Result<u64, Fatal> {
        let mut bytes = 0;
        while let Some(piece) = self.pieces.recv().await {
            bytes += piece.len() as u64;
            sink.write(piece).await.map_err(|error| Fatal::Sink(Box::new(error)))?;
        }
        match self.outcome.await {
            Ok(Ok(())) => Ok(bytes),
            Ok(Err(error)) => Err(Fatal::Archive(error.to_string())),
            Err(_) => Err(Fatal::Archive("its thread panicked".to_owned())),
        }
    }
}

/// Cuts its input into pieces, and waits while too many of them are queued.
#[derive(Debug)]
struct PieceWriter {
    out: mpsc::Sender<Bytes>,
    piece: BytesMut,
}

impl PieceWriter {
    fn new(out: mpsc::Sender<Bytes>) -> Self {
        Self {
            out,
            piece: BytesMut::with_capacity(PIECE),
        }
    }

    fn send(&mut self) -> io::Result<()> {
        let piece = std::mem::replace(&mut self.piece, BytesMut::with_capacity(PIECE)).freeze();
        self.out
            .blocking_send(piece)
            .map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the run has ended"))
    }
}

impl Write for PieceWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        if self.piece.len() == PIECE {
            self.send()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() { Ok(()) } else { self.send() }
    }
}
