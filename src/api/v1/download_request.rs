//! DownloadRequest (spec api 6.6).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::Time;
use crate::api::root::custom_resource;
use crate::api::text_enum::text_enum;
use crate::api::wire::{Other, nil, unset};

custom_resource! {
    /// Requests a URL of a backup's or a restore's file.
    DownloadRequest {
        version: "v1",
        plural: "downloadrequests",
        short_names: &[],
        columns: &[],
        spec: DownloadRequestSpec,
        status: DownloadRequestStatus,
    }
}

text_enum! {
    /// Which file.
    pub enum DownloadTargetKind {
        /// The backup's log.
        BackupLog = "BackupLog",
        /// The backup's archive.
        BackupContents = "BackupContents",
        /// Its native snapshots.
        BackupVolumeSnapshots = "BackupVolumeSnapshots",
        /// Its asynchronous operations. Since 1.11.
        BackupItemOperations = "BackupItemOperations",
        /// The list of its items.
        BackupResourceList = "BackupResourceList",
        /// Its warnings and errors. Since 1.11.
        BackupResults = "BackupResults",
        /// The restore's log.
        RestoreLog = "RestoreLog",
        /// Its warnings and errors.
        RestoreResults = "RestoreResults",
        /// What it has touched. Since 1.11.
        RestoreResourceList = "RestoreResourceList",
        /// Its asynchronous operations. Since 1.11.
        RestoreItemOperations = "RestoreItemOperations",
        /// VolumeSnapshots of older backups. Since 1.10.
        CsiBackupVolumeSnapshots = "CSIBackupVolumeSnapshots",
        /// VolumeSnapshotContents of older backups. Since 1.10.
        CsiBackupVolumeSnapshotContents = "CSIBackupVolumeSnapshotContents",
        /// What the backup did about volumes. Since 1.13.
        BackupVolumeInfos = "BackupVolumeInfos",
        /// What the restore did about volumes. Since 1.14.
        RestoreVolumeInfo = "RestoreVolumeInfo",
    }
}

impl DownloadTargetKind {
    /// True where the target's name is that of a Restore, false where it is that of a Backup. `None` for a kind this release
    /// does not know.
    pub fn is_of_restore(&self) -> Option<bool> {
        match self {
            Self::RestoreLog
            | Self::RestoreResults
            | Self::RestoreResourceList
            | Self::RestoreItemOperations
            | Self::RestoreVolumeInfo => Some(true),
            Self::Other(_) => None,
            _ => Some(false),
        }
    }
}

impl Default for DownloadTargetKind {
    fn default() -> Self {
        Self::Other(String::new())
    }
}

text_enum! {
    /// Whether a request was answered. Absent counts as New.
    pub enum DownloadRequestPhase {
        /// Not seen yet.
        New = "New",
        /// Answered.
        Processed = "Processed",
    }
}

/// The requested file.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["target"]))]
pub struct DownloadRequestSpec {
    /// The file.
    pub target: DownloadTarget,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

/// One file of a backup or a restore.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["kind", "name"]))]
pub struct DownloadTarget {
    /// Which file.
    pub kind: DownloadTargetKind,
    /// Name of the Backup or the Restore.
    pub name: String,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

/// The answer.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DownloadRequestStatus {
    /// Whether the request was answered.
    #[serde(skip_serializing_if = "unset")]
    pub phase: Option<DownloadRequestPhase>,
    /// The file's URL until the request expires.
    #[serde(rename = "downloadURL", skip_serializing_if = "unset")]
    pub download_url: String,
    /// When the URL becomes invalid and the request is deleted.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub expiration: Option<Time>,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

impl DownloadRequestStatus {
    /// The phase; an absent one is New.
    pub fn phase(&self) -> &DownloadRequestPhase {
        self.phase.as_ref().unwrap_or(&DownloadRequestPhase::New)
    }

    /// Whether there is nothing to download: a phase of releases after 1.18.1, which the definitions of this one lack.
    pub fn is_failed(&self) -> bool {
        self.phase().as_str() == Self::FAILED
    }

    /// Why it failed.
    pub fn message(&self) -> Option<&str> {
        self.other.get("message")?.as_str()
    }

    /// Sets the phase Failed. Only where the served schema has it.
    pub fn fail(&mut self, message: String) {
        self.phase = Some(DownloadRequestPhase::from(Self::FAILED));
        self.other.insert("message".to_owned(), message.into());
    }

    /// The text of the phase Failed.
    pub const FAILED: &str = "Failed";
}
