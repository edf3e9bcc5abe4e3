//! Writing an archive: items in, tar blocks out, in the order they come (spec backup 15).

use std::io::Write;

use super::layout::{FormatVersion, ItemPath, UnsafeName, VERSION_PATH, copies};
use super::reader::Limits;
use super::{block, pax};

#[cfg(test)]
mod tests;

/// Writes the entries of an archive to `W`.
///
/// The output is an uncompressed tar, byte for byte that of Go's writer; [`gzip`] compresses it. Two archives of the same items, order and
/// time are equal.
#[derive(Debug)]
pub struct ArchiveWriter<W: Write> {
    out: W,
    mtime: u64,
}

/// Why an entry could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The name cannot be in a path. Nothing of the item was written, and the archive is still valid.
    #[error(transparent)]
    Name(#[from] UnsafeName),
    /// The item is larger than a restore accepts. Nothing of it was written, and the archive is still valid.
    #[error("cannot archive `{path}`: its {size} bytes are more than the {limit} that a restore accepts")]
    TooLarge {
        /// Path of the first copy.
        path: String,
        /// The item's size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The writer below failed; the archive is broken.
    #[error("cannot write the backup archive: {0}")]
    Io(#[from] std::io::Error),
}

impl<W: Write> ArchiveWriter<W> {
    /// Starts an archive with its first entry, `metadata/version`. `mtime` is Unix time in whole seconds and goes to every entry.
    pub fn new(out: W, mtime: u64) -> Result<Self, WriteError> {
        let mut writer = Self { out, mtime };
        writer.entry(VERSION_PATH, format!("{}\n", FormatVersion::CURRENT).as_bytes())?;
        Ok(writer)
    }

    /// Writes the copies of one item: plain and then versioned, or only the versioned one if `version` is not the `preferred` one.
    ///
    /// `version` is the one the object was read at (`v1`), even if an action changed its `apiVersion`. `json` is written as it is.
    pub fn item(&mut self, item: &ItemPath<'_>, version: &str, preferred: bool, json: &[u8]) -> Result<(), WriteError> {
        for path in copies(item, version, preferred)? {
            self.entry(&path, json)?;
        }
        Ok(())
    }

    /// Writes one entry under the given path, for copying an archive.
    pub fn entry(&mut self, path: &str, content: &[u8]) -> Result<(), WriteError> {
        let (size, limit) = (content.len() as u64, Limits::default().member);
        if size > limit {
            return Err(WriteError::TooLarge {
                path: path.to_owned(),
                size,
                limit,
            });
        }
        if let Some((prefix, name)) = block::split(path) {
            self.out
                .write_all(block::file(prefix, name, size, self.mtime).as_bytes())?;
        } else {
            let record = pax::record("path", path);
            self.out.write_all(block::pax(path, record.len() as u64).as_bytes())?;
            self.content(&record)?;
            self.out
                .write_all(block::file_after_pax(path, size, self.mtime).as_bytes())?;
        }
        self.content(content)
    }

    fn content(&mut self, content: &[u8]) -> Result<(), WriteError> {
        self.out.write_all(content)?;
        self.out
            .write_all(&block::END[..block::padding(content.len() as u64)])?;
        Ok(())
    }

    /// Writes the two zero blocks that end an archive, and returns the inner writer (not flushed).
    pub fn finish(mut self) -> Result<W, WriteError> {
        self.out.write_all(&block::END)?;
        Ok(self.out)
    }
}

/// The compression of an archive: gzip at Go's default level, without name or time in the header. Same input, same bytes.
///
/// Its `finish` comes after [`ArchiveWriter::finish`].
pub fn gzip<W: Write>(out: W) -> flate2::write::GzEncoder<W> {
    flate2::GzBuilder::new().write(out, flate2::Compression::new(6))
}
