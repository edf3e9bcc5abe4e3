//! Common parts of the four kinds that move volume data: PodVolumeBackup, PodVolumeRestore, DataUpload, DataDownload
//! (spec api 6.9 has the state machine).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::text_enum::text_enum;
use super::wire::{nil, unset};

text_enum! {
    /// The phase of moving a volume's data. Absent counts as New.
    pub enum DataPathPhase {
        /// No node has taken it yet.
        New = "New",
        /// A node has taken it and makes the volume accessible. Since 1.12; of pod volumes since 1.17.
        Accepted = "Accepted",
        /// The volume is accessible; waits for a free slot. Since 1.12; of pod volumes since 1.17.
        Prepared = "Prepared",
        /// Data is being moved.
        InProgress = "InProgress",
        /// Being stopped. Since 1.12; of pod volumes since 1.17.
        Canceling = "Canceling",
        /// Stopped. Since 1.12; of pod volumes since 1.17.
        Canceled = "Canceled",
        /// Done.
        Completed = "Completed",
        /// Failed; `message` has the reason.
        Failed = "Failed",
    }
}

impl DataPathPhase {
    /// True for a final phase.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Canceled)
    }
}

text_enum! {
    /// The format of a repository of volume data. The uploader is called the same.
    #[derive(Default)]
    pub enum RepositoryType {
        /// Kopia's.
        Kopia = "kopia",
        /// Restic's.
        Restic = "restic",
        /// Unset, which means restic.
        #[default]
        Unset = "",
    }
}

impl RepositoryType {
    /// True for restic's format, also if unset.
    pub fn is_restic(&self) -> bool {
        matches!(self, Self::Restic | Self::Unset)
    }
}

text_enum! {
    /// The operating system of a node.
    pub enum NodeOs {
        /// Not known yet.
        Auto = "auto",
        /// Linux.
        Linux = "linux",
        /// Windows.
        Windows = "windows",
    }
}

/// How many bytes were moved.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ByteProgress {
    /// Bytes to be moved.
    #[serde(skip_serializing_if = "unset")]
    pub total_bytes: i64,
    /// Bytes moved so far.
    #[serde(skip_serializing_if = "unset")]
    pub bytes_done: i64,
}
