//! Reading an archive in one pass: gzip, tar, names, limits (spec restore 5, decision 21).

use std::io::Read;

use super::layout::{FormatVersion, Member};

/// What an archive may be at most. Whoever made it, reading it takes bounded memory and bounded time.
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
    /// `..`, an absolute path, an empty segment, a NUL, or no UTF-8.
    #[error("its path is not a clean relative one")]
    Path,
    /// Longer than [`Limits::path`].
    #[error("its path is too long")]
    PathLength,
    /// The same path twice: which one a restore used would depend on chance.
    #[error("its path is there twice")]
    Duplicate,
    /// Larger than [`Limits::member`].
    #[error("it is too large")]
    MemberSize,
    /// More than [`Limits::members`].
    #[error("there are too many members")]
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
    #[error("the backup archive is not valid gzip after {members} members: {reason}")]
    Gzip {
        /// Whole members seen before.
        members: u64,
        /// What the decoder said.
        reason: String,
    },
    /// Valid gzip of something that is no tar, or a damaged one.
    #[error("the backup archive is not a valid tar after {members} members: {reason}")]
    Tar {
        /// Whole members seen before.
        members: u64,
        /// What is wrong.
        reason: String,
    },
    /// A member breaks a rule; nothing of the archive may be used.
    #[error("the backup archive is refused because of its member `{member}`: {rule}")]
    Hostile {
        /// Which rule.
        rule: Rule,
        /// The member's path, shortened and with unprintable characters escaped.
        member: String,
    },
    /// Written by something newer than this release, or no version at all.
    #[error(
        "the backup archive has format `{found}`, this release reads {}; use a newer release",
        FormatVersion::CURRENT
    )]
    UnknownVersion {
        /// What `metadata/version` holds, shortened.
        found: String,
    },
    /// Getting the archive's bytes failed.
    #[error("cannot fetch the backup archive: {0}")]
    Source(#[source] std::io::Error),
    /// The sink could not take a member.
    #[error("cannot keep a member of the backup archive: {0}")]
    Sink(#[source] std::io::Error),
}

/// Takes the members of an archive in their order. Nothing may be used before [`read`] has returned `Ok`.
pub trait Sink {
    /// One member with its whole content. An error ends the pass with [`ReadError::Sink`].
    fn member(&mut self, member: Member<'_>, path: &str, content: &[u8]) -> std::io::Result<()>;
}

/// What a whole pass found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// From `metadata/version`; [`FormatVersion::FIRST`] without one.
    pub format: FormatVersion,
    /// Members, directories not counted.
    pub members: u64,
    /// Whether there is anything below `resources`. If not, the backup saved nothing: no items, no error.
    pub has_resources: bool,
    /// What was overlooked.
    pub warnings: Warnings,
}

/// Complaints about an archive: the first few in words, the others counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Warnings {
    /// At most [`Warnings::KEPT`].
    pub messages: Vec<String>,
    /// How many more there were.
    pub more: u64,
}

impl Warnings {
    /// How many are kept in words.
    pub const KEPT: usize = 100;
}

/// Reads a gzip'd archive to its end, checksum included.
pub fn read<R: Read>(_archive: R, _limits: &Limits, _sink: &mut impl Sink) -> Result<Summary, ReadError> {
    todo!()
}
