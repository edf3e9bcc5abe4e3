//! Writing an archive: items in, tar blocks out, in the order they come (spec backup 15).

use std::io::Write;

use super::layout::{ItemPath, UnsafeName};

/// Writes the entries of an archive to `W`.
///
/// Not compressed here, so that a caller may choose where that happens; see [`gzip`] for what a backup wants.
#[derive(Debug)]
pub struct ArchiveWriter<W: Write> {
    #[expect(dead_code, reason = "skeleton")]
    out: W,
}

/// Why an entry could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The item cannot be named; nothing of it was written and the archive is still good.
    #[error(transparent)]
    Name(#[from] UnsafeName),
    /// The item is larger than a reader accepts; nothing of it was written and the archive is still good.
    #[error("cannot archive `{path}`: {size} bytes are more than the {limit} that a restore accepts")]
    TooLarge {
        /// Path of the plain copy.
        path: String,
        /// The item's size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// What is below failed; the archive is broken.
    #[error("cannot write the backup archive: {0}")]
    Io(#[from] std::io::Error),
}

impl<W: Write> ArchiveWriter<W> {
    /// Starts an archive with its first entry, `metadata/version`. `mtime` is Unix time in whole seconds and goes to every entry.
    pub fn new(_out: W, _mtime: u64) -> Result<Self, WriteError> {
        todo!()
    }

    /// Writes the copies of one item: plain and then versioned, or only the versioned one if `version` is not the `preferred` one.
    ///
    /// `version` is the one the object was read at (`v1`), even if an action changed its `apiVersion`.
    pub fn item(
        &mut self,
        _item: &ItemPath<'_>,
        _version: &str,
        _preferred: bool,
        _json: &[u8],
    ) -> Result<(), WriteError> {
        todo!()
    }

    /// Writes the two zero blocks that end an archive, and gives back what it was written to (not flushed).
    pub fn finish(self) -> Result<W, WriteError> {
        todo!()
    }
}

/// The compression of an archive: gzip at Go's default level, without name or time in the header. Same input, same bytes.
///
/// Call `finish` on it after [`ArchiveWriter::finish`].
pub fn gzip<W: Write>(out: W) -> flate2::write::GzEncoder<W> {
    flate2::GzBuilder::new().write(out, flate2::Compression::new(6))
}
