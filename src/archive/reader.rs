//! Reading an archive in one pass: gzip, tar, names, limits (spec restore 5, decision 21).
//!
//! An archive is untrusted data. Reading any input ends, in bounded memory, with a summary or an error.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::{self, BufReader, ErrorKind, Read};

use flate2::bufread::MultiGzDecoder;

use super::block::{self, Kind};
use super::layout::{FormatVersion, Member, RESOURCES, parse_path};
use super::pax;

#[cfg(test)]
mod tests;

/// The limits of an archive, which bound the memory and the time of reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one member.
    pub member: u64,
    /// Number of members.
    pub members: u64,
    /// Bytes of a path.
    pub path: usize,
    /// Bytes of the whole tar after decompression.
    pub total: u64,
}

impl Default for Limits {
    /// Decision 21's, and 1 TiB in all.
    fn default() -> Self {
        Self {
            member: 16 << 20,
            members: 2_000_000,
            path: 1024,
            total: 1 << 40,
        }
    }
}

/// The rule that a hostile (or badly broken) member violates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rule {
    /// Symbolic and hard links.
    #[error("it is a link")]
    Link,
    /// Devices, pipes, sparse files and whatever else is neither file nor directory.
    #[error("it is not a regular file")]
    NotAFile,
    /// `..`, an absolute path, an empty segment, a NUL, or invalid UTF-8.
    #[error("its path is not a clean relative one")]
    Path,
    /// Longer than [`Limits::path`].
    #[error("its path is too long")]
    PathLength,
    /// The same path twice: the one that a restore uses would be random.
    #[error("its path is there twice")]
    Duplicate,
    /// Larger than [`Limits::member`].
    #[error("it is too large")]
    MemberSize,
    /// More than [`Limits::members`].
    #[error("there are too many members before it")]
    Members,
    /// More than [`Limits::total`].
    #[error("the archive decompresses to too many bytes")]
    Total,
}

/// Why an archive cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It ends too early: an upload or a download was cut short.
    #[error("the backup archive is truncated after {members} members; check that its upload had completed")]
    Truncated {
        /// Whole members seen before.
        members: u64,
    },
    /// Not gzip, or damaged inside.
    #[error("the backup archive is not valid gzip after {members} members: {reason}; check the stored object")]
    Gzip {
        /// Whole members seen before.
        members: u64,
        /// The error of the decoder.
        reason: String,
    },
    /// Valid gzip, but not a tar, or a damaged one.
    #[error("the backup archive is not a valid tar after {members} members: {reason}; check the stored object")]
    Tar {
        /// Whole members seen before.
        members: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// A member breaks a rule; nothing of the archive may be used.
    #[error(
        "the backup archive is refused because of its member `{member}`: {rule}; check where the backup comes from"
    )]
    Hostile {
        /// Which rule.
        rule: Rule,
        /// The member's path, shortened, unprintable characters escaped.
        member: String,
    },
    /// Written by a newer release, or not a version.
    #[error(
        "the backup archive has format `{found}`, but this release reads up to {}; use a newer release",
        FormatVersion::CURRENT
    )]
    UnknownVersion {
        /// What `metadata/version` holds, shortened, unprintable characters escaped.
        found: String,
    },
    /// Getting the archive's bytes failed; the archive itself may be good.
    #[error("cannot fetch the backup archive: {0}")]
    Source(#[source] io::Error),
    /// The sink could not take a member; the archive itself may be good.
    #[error("cannot keep a member of the backup archive: {0}")]
    Sink(#[source] io::Error),
}

/// Takes the members of an archive in their order. Members must not be used before [`read`] has returned `Ok`: a later member may break
/// a rule, and the checksum comes last.
pub trait Sink {
    /// One member with its whole content. An error ends the pass with [`ReadError::Sink`].
    fn member(&mut self, member: Member<'_>, path: &str, content: &[u8]) -> io::Result<()>;
}

/// What a whole pass found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// From `metadata/version`; [`FormatVersion::FIRST`] without one.
    pub format: FormatVersion,
    /// Files of every kind.
    pub members: u64,
    /// Whether there is a directory `resources`. If not, the backup saved nothing: no items, and no error.
    pub has_resources: bool,
    /// What was skipped.
    pub warnings: Warnings,
}

/// Warnings about an archive: the first texts, and how many more there were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Warnings {
    /// At most [`Warnings::KEPT`].
    pub messages: Vec<String>,
    /// How many more there were.
    pub more: u64,
}

impl Warnings {
    /// How many texts are kept.
    pub const KEPT: usize = 100;

    fn add(&mut self, message: impl FnOnce() -> String) {
        if self.messages.len() < Self::KEPT {
            self.messages.push(message());
        } else {
            self.more += 1;
        }
    }
}

/// Reads a gzip'd archive to its end, checksum included.
///
/// Several gzip streams one after another are one archive. Memory: one member, and 9 to 18 bytes a member to find duplicates
/// (10 MB for 300,000 items with two copies each).
pub fn read<R: Read>(archive: R, limits: &Limits, sink: &mut impl Sink) -> Result<Summary, ReadError> {
    let mut tar = Tar::new(archive, *limits);
    let mut seen = Seen::default();
    let mut summary = Summary {
        format: FormatVersion::FIRST,
        members: 0,
        has_resources: false,
        warnings: Warnings::default(),
    };
    let mut content = Vec::new();
    while let Some(entry) = tar.next()? {
        let path = clean(&entry.path, limits)?;
        summary.has_resources |= path == RESOURCES || is_below_resources(path);
        if entry.kind == Kind::Directory {
            tar.skip(entry.size)?;
            continue;
        }
        if !seen.first_time(path) {
            return Err(hostile(Rule::Duplicate, path.as_bytes()));
        }
        if entry.size > limits.member {
            return Err(hostile(Rule::MemberSize, path.as_bytes()));
        }
        tar.content(entry.size, &mut content)?;
        let member = parse_path(path);
        match member {
            Member::FormatVersion => summary.format = format_version(&content)?,
            Member::Stray => summary
                .warnings
                .add(|| format!("passed over `{}`: it is no item", shown(path.as_bytes()))),
            Member::Item(..) | Member::Other => {}
        }
        sink.member(member, path, &content).map_err(ReadError::Sink)?;
        tar.members += 1;
    }
    summary.members = tar.members;
    Ok(summary)
}

fn is_below_resources(path: &str) -> bool {
    path.strip_prefix(RESOURCES).is_some_and(|rest| rest.starts_with('/'))
}

fn format_version(content: &[u8]) -> Result<FormatVersion, ReadError> {
    FormatVersion::parse(content)
        .filter(|version| version.is_readable())
        .ok_or_else(|| ReadError::UnknownVersion {
            found: shown(content.trim_ascii()),
        })
}

/// A path without a leading `./` and trailing slashes, if it is one that could be unpacked below a directory.
fn clean<'a>(path: &'a [u8], limits: &Limits) -> Result<&'a str, ReadError> {
    if path.len() > limits.path {
        return Err(hostile(Rule::PathLength, path));
    }
    let text = std::str::from_utf8(path).map_err(|_| hostile(Rule::Path, path))?;
    let text = text.strip_prefix("./").unwrap_or(text);
    let text = text.strip_suffix('/').unwrap_or(text);
    let dirty = |segment: &str| segment.is_empty() || segment == ".." || segment == ".";
    // `./` itself, as `tar -C dir .` writes it, is the directory that everything is in.
    let is_top = text.is_empty() && path.starts_with(b"./") || text == "." && path.ends_with(b"/");
    if !is_top && (text.split('/').any(dirty) || text.contains('\0')) {
        return Err(hostile(Rule::Path, path));
    }
    Ok(text)
}

fn hostile(rule: Rule, path: &[u8]) -> ReadError {
    ReadError::Hostile {
        rule,
        member: shown(path),
    }
}

/// Bytes from an archive as they may appear in a log: short, on one line, no control characters.
fn shown(bytes: &[u8]) -> String {
    const LONGEST: usize = 200;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST)]);
    let mut shown: String = text.chars().flat_map(char::escape_debug).collect();
    if bytes.len() > LONGEST {
        shown += "…";
    }
    shown
}

/// The paths so far, as keyed 64-bit hashes. A collision cannot be made on purpose, and happens by chance once in ten million archives
/// of the largest size.
#[derive(Default)]
struct Seen {
    key: RandomState,
    hashes: HashSet<u64>,
}

impl Seen {
    fn first_time(&mut self, path: &str) -> bool {
        self.hashes.insert(self.key.hash_one(path))
    }
}

/// An entry before its content.
struct Entry {
    kind: Kind,
    size: u64,
    path: Vec<u8>,
}

/// The tar below the gzip.
struct Tar<R: Read> {
    gzip: MultiGzDecoder<BufReader<Source<R>>>,
    limits: Limits,
    /// Whole members handed out so far.
    members: u64,
    entries: u64,
    /// Decompressed bytes so far.
    total: u64,
    /// Raw name in the latest header, for errors.
    path: Vec<u8>,
}

/// Longest content of an entry that only describes the next one; Go's reader has the same limit.
const MAX_DESCRIPTION: u64 = 1 << 20;

impl<R: Read> Tar<R> {
    fn new(archive: R, limits: Limits) -> Self {
        let source = Source {
            inner: archive,
            failed: None,
        };
        let gzip = MultiGzDecoder::new(BufReader::with_capacity(64 << 10, source));
        Self {
            gzip,
            limits,
            members: 0,
            entries: 0,
            total: 0,
            path: Vec::new(),
        }
    }

    /// The next file or directory; `None` after the end has been read and checked. Its content must be read or skipped before the next call.
    fn next(&mut self) -> Result<Option<Entry>, ReadError> {
        let mut long_path = None;
        let mut records = pax::Records::default();
        loop {
            let mut block = [0; block::SIZE];
            self.fill(&mut block)?;
            if block == [0; block::SIZE] {
                self.drain()?;
                return Ok(None);
            }
            let header = block::decode(&block).map_err(|reason| self.broken(reason))?;
            self.path.clone_from(&header.path);
            self.entries += 1;
            if self.entries > 2 * self.limits.members {
                return Err(hostile(Rule::Members, &header.path));
            }
            match header.kind {
                Kind::Pax => {
                    let content = self.description(header.size)?;
                    records = pax::parse(&content).ok_or_else(|| self.broken("a PAX record is malformed"))?;
                }
                Kind::PaxGlobal => drop(self.description(header.size)?),
                Kind::GnuLongName => {
                    let mut name = self.description(header.size)?;
                    name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
                    long_path = Some(name);
                }
                Kind::File | Kind::Directory => {
                    let path = records.path.or(long_path).unwrap_or(header.path);
                    let size = records.size.unwrap_or(header.size);
                    if records.sparse {
                        return Err(hostile(Rule::NotAFile, &path));
                    }
                    if self.members >= self.limits.members {
                        return Err(hostile(Rule::Members, &path));
                    }
                    return Ok(Some(Entry {
                        kind: header.kind,
                        size,
                        path,
                    }));
                }
                Kind::Link | Kind::GnuLongLink => {
                    return Err(hostile(Rule::Link, &records.path.or(long_path).unwrap_or(header.path)));
                }
                Kind::Special => {
                    return Err(hostile(
                        Rule::NotAFile,
                        &records.path.or(long_path).unwrap_or(header.path),
                    ));
                }
            }
        }
    }

    /// Content of an entry that describes the next one.
    fn description(&mut self, size: u64) -> Result<Vec<u8>, ReadError> {
        if size > MAX_DESCRIPTION {
            return Err(hostile(Rule::PathLength, &self.path));
        }
        let mut content = Vec::new();
        self.content(size, &mut content)?;
        Ok(content)
    }

    /// Reads an entry's content and padding.
    fn content(&mut self, size: u64, content: &mut Vec<u8>) -> Result<(), ReadError> {
        content.clear();
        self.count(size)?;
        // Not filled at once: a header may promise more than there is.
        let read = self.gzip.by_ref().take(size).read_to_end(content);
        let read = read.map_err(|error| self.failure(&error))?;
        if (read as u64) < size {
            return Err(self.truncated());
        }
        self.skip_padding(size)
    }

    /// Skips an entry's content and padding.
    fn skip(&mut self, size: u64) -> Result<(), ReadError> {
        self.count(size)?;
        let skipped = io::copy(&mut self.gzip.by_ref().take(size), &mut io::sink());
        let skipped = skipped.map_err(|error| self.failure(&error))?;
        if skipped < size {
            return Err(self.truncated());
        }
        self.skip_padding(size)
    }

    fn skip_padding(&mut self, size: u64) -> Result<(), ReadError> {
        let mut padding = [0; block::SIZE];
        self.fill(&mut padding[..block::padding(size)])
    }

    /// Reads to the end of the archive, which is where the checksum is. One zero block was seen; only zeros may follow.
    fn drain(&mut self) -> Result<(), ReadError> {
        let mut rest = [0; 8 << 10];
        loop {
            let read = match self.gzip.read(&mut rest) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                read => read.map_err(|error| self.failure(&error))?,
            };
            if read == 0 {
                return Ok(());
            }
            self.count(read as u64)?;
            if rest[..read].iter().any(|byte| *byte != 0) {
                return Err(self.broken("there is something behind its end"));
            }
        }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), ReadError> {
        self.count(buffer.len() as u64)?;
        self.gzip.read_exact(buffer).map_err(|error| self.failure(&error))
    }

    fn count(&mut self, bytes: u64) -> Result<(), ReadError> {
        self.total = self.total.saturating_add(bytes);
        if self.total > self.limits.total {
            return Err(hostile(Rule::Total, &self.path));
        }
        Ok(())
    }

    fn truncated(&self) -> ReadError {
        ReadError::Truncated { members: self.members }
    }

    fn broken(&self, reason: &'static str) -> ReadError {
        ReadError::Tar {
            members: self.members,
            reason,
        }
    }

    /// Returns the cause of a failed read: the source failed, the archive ends too early, or the archive is damaged.
    fn failure(&mut self, error: &io::Error) -> ReadError {
        if let Some(error) = self.gzip.get_mut().get_mut().failed.take() {
            return ReadError::Source(error);
        }
        if error.kind() == ErrorKind::UnexpectedEof {
            return self.truncated();
        }
        ReadError::Gzip {
            members: self.members,
            reason: error.to_string(),
        }
    }
}

/// Remembers that an error came from the archive's source: the decoder reports it like a damaged archive.
struct Source<R> {
    inner: R,
    failed: Option<io::Error>,
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).map_err(|error| {
            if error.kind() == ErrorKind::Interrupted {
                return error;
            }
            self.failed = Some(error);
            io::Error::other("the source failed")
        })
    }
}
