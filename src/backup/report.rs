//! The result of a run, and the errors that end one early.

use std::fs::File;

use crate::api::artifact::{BackupItemOperation, VolumeInfo};
use crate::cluster::list::ListError;
use crate::select::labels::SelectorError;

/// The result of a complete run. Items may have failed: the log counts them.
#[derive(Debug)]
pub struct Report {
    /// Items in the archive; `progress.itemsBackedUp` and `progress.totalItems`.
    pub saved: u64,
    /// Listed items that were skipped on purpose; the log has the reasons.
    pub skipped: u64,
    /// Items that could not be saved; each has an error line.
    pub failed: u64,
    /// Bytes of the archive as they went to the sink.
    pub archive_bytes: u64,
    /// `<backup>-resource-list.json.gz` (spec backup 16.3), gzipped, rewound.
    pub resource_list: File,
    /// The records of `<backup>-volumeinfo.json.gz`, ordered by volume.
    pub volumes: Vec<VolumeInfo>,
    /// The operations that actions have started; none is known to have ended.
    pub operations: Vec<BackupItemOperation>,
}

/// Why a run ended early. The sink then holds no valid archive.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// It was cancelled.
    #[error("the backup was cancelled")]
    Cancelled,
    /// The namespaces could not be listed, so nothing can be selected.
    #[error("list namespaces: {0}")]
    Namespaces(Box<ListError>),
    /// The server serves no namespaces: discovery failed for the core group.
    #[error("the API server serves no namespaces: check that its core group can be discovered")]
    NoNamespaces,
    /// A label selector of the spec cannot be read.
    #[error("read the label selector of the spec: {0}")]
    Selector(#[from] SelectorError),
    /// The hooks of the spec are invalid.
    #[error("read the hooks of the spec: {}", .0.join("; "))]
    Hooks(Vec<String>),
    /// A temporary file failed.
    #[error("write temporary files to scratch: {0}; check that its disk is not full")]
    Scratch(#[source] std::io::Error),
    /// The archive could not be made.
    #[error("make the backup archive: {0}")]
    Archive(String),
    /// The sink refused.
    #[error("store the backup archive: {0}")]
    Sink(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<ListError> for Fatal {
    fn from(error: ListError) -> Self {
        Self::Namespaces(Box::new(error))
    }
}
