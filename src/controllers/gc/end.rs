//! When the life of a backup ends.

use jiff::Timestamp;

use crate::api::v1::Backup;

/// The end of a backup's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// At this time.
    At(Timestamp),
    /// Never: the backup has no expiration, as one that was never prepared.
    Never,
}

impl End {
    /// By the expiration in the status. That, and not `spec.ttl`, decides, as upstream has it: a user can change it.
    pub fn of(backup: &Backup) -> Self {
        backup
            .status
            .expiration
            .as_ref()
            .map_or(Self::Never, |expiration| Self::At(expiration.0))
    }

    /// Whether this end is later.
    pub fn is_after(self, now: Timestamp) -> bool {
        match self {
            Self::At(end) => end > now,
            Self::Never => true,
        }
    }
}
