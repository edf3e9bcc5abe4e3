//! The end of a backup.

use crate::api::v1::BackupStatus;

/// The end of a backup, for the pass that records it.
#[derive(Clone, Debug, PartialEq)]
pub struct BackupEnd {
    /// The final status.
    pub status: BackupStatus,
    /// Bytes of the archive.
    pub archive: u64,
}
