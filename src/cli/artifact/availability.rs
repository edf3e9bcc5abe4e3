//! Whether a run can have a file, decided from the run and its storage location. Pure. A request for a file that does not exist
//! would take the whole time limit.

use std::sync::OnceLock;

use crate::api::condition;
use crate::api::v1::RestorePhase;
use crate::api::v1::{Backup, BackupPhase, BackupStorageLocation, DownloadTargetKind, LocationPhase, Restore};

/// A backup or a restore.
#[derive(Clone, Copy, Debug)]
pub enum RunRef<'a> {
    /// A backup.
    Backup(&'a Backup),
    /// A restore.
    Restore(&'a Restore),
}

/// The state of the storage location of a run's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilesLocation {
    /// The location can be used, as far as is known.
    Usable,
    /// There is no location, with the reason.
    Missing(String),
    /// The last validation of the location failed, with the message of its status.
    Unavailable(String),
    /// The location could not be read, with the error.
    Unknown(String),
}

impl FilesLocation {
    /// The state of the location with this name.
    pub fn of(name: &str, location: Option<&BackupStorageLocation>) -> Self {
        let Some(location) = location else {
            return Self::Missing(format!("backup storage location {name:?} does not exist"));
        };
        if location.status.phase != Some(LocationPhase::Unavailable) {
            return Self::Usable;
        }
        // The server's message begins with the same words.
        let message = location.status.message.as_str();
        let message = message
            .strip_prefix(&format!("BackupStorageLocation {name:?} is unavailable: "))
            .unwrap_or(message);
        let why = if message.is_empty() {
            String::new()
        } else {
            format!(": {message}")
        };
        Self::Unavailable(format!("backup storage location {name:?} is Unavailable{why}"))
    }
}

/// Whether to request a file from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Availability {
    /// The file may exist.
    Request,
    /// The run is in progress: a server of this release serves its log so far.
    LogSoFar,
    /// The file may exist but probably cannot be read. It is requested with a short time limit.
    Doubtful(String),
    /// The run has no such file.
    Absent {
        /// Whether the run may write it later.
        later: bool,
        /// The reason, short.
        why: String,
        /// More of the reason, from the run's status; may be empty.
        detail: String,
    },
    /// The run has no storage location, with the reason.
    NoLocation(String),
}

/// A run and the location of its files, known before a file is requested.
#[derive(Clone, Debug)]
pub struct RunFiles<'a> {
    /// The run.
    pub run: RunRef<'a>,
    /// The location of its files.
    pub location: FilesLocation,
    /// The error of the first file that was not read in time. The other files then fail at once.
    pub(super) timed_out: OnceLock<String>,
}

impl<'a> RunFiles<'a> {
    /// The files of a run at this location.
    pub fn new(run: RunRef<'a>, location: FilesLocation) -> Self {
        Self {
            run,
            location,
            timed_out: OnceLock::new(),
        }
    }

    /// Whether to request a file of this kind.
    pub fn availability(&self, kind: &DownloadTargetKind) -> Availability {
        let of_run = self.run.availability(kind);
        match (&of_run, &self.location) {
            (Availability::Absent { .. }, _) | (_, FilesLocation::Usable | FilesLocation::Unknown(_)) => of_run,
            (_, FilesLocation::Missing(why)) => Availability::NoLocation(why.clone()),
            (_, FilesLocation::Unavailable(why)) => Availability::Doubtful(why.clone()),
        }
    }

    /// The error of a file that must not be requested, as a sentence.
    pub fn refusal(&self, kind: &DownloadTargetKind) -> Option<String> {
        let (run, file) = (self.run.title(), file_title(kind));
        match self.availability(kind) {
            Availability::Request | Availability::LogSoFar | Availability::Doubtful(_) => None,
            Availability::NoLocation(why) => Some(format!("the {file} of {run} cannot be read: {why}")),
            Availability::Absent { later, why, detail } => {
                let yet = if later { " yet" } else { "" };
                let detail = if detail.is_empty() {
                    detail
                } else {
                    format!(": {detail}")
                };
                Some(format!("{run} has no {file}{yet}: {why}{detail}"))
            }
        }
    }

    /// The same without the name of the run, for a page that shows the run.
    pub fn brief_refusal(&self, kind: &DownloadTargetKind) -> Option<String> {
        match self.availability(kind) {
            Availability::Request | Availability::LogSoFar | Availability::Doubtful(_) => None,
            Availability::NoLocation(why) | Availability::Absent { why, .. } => Some(why),
        }
    }

    /// The failure of the run, for a file that the store does not have.
    pub fn of_missing(&self) -> Option<String> {
        let (failed, reason) = match self.run {
            RunRef::Backup(backup) => (
                *backup.status.phase() == BackupPhase::Failed,
                &backup.status.failure_reason,
            ),
            RunRef::Restore(restore) => (
                *restore.status.phase() == RestorePhase::Failed,
                &restore.status.failure_reason,
            ),
        };
        let reason = if reason.is_empty() {
            String::new()
        } else {
            format!(": {reason}")
        };
        failed.then(|| format!("{} is Failed{reason}", self.run.title()))
    }
}

impl RunRef<'_> {
    /// Its name.
    pub fn name(&self) -> &str {
        let meta = match self {
            Self::Backup(backup) => &backup.metadata,
            Self::Restore(restore) => &restore.metadata,
        };
        meta.name.as_deref().unwrap_or_default()
    }

    /// `backup "b"`.
    pub fn title(&self) -> String {
        match self {
            Self::Backup(_) => format!("backup {:?}", self.name()),
            Self::Restore(_) => format!("restore {:?}", self.name()),
        }
    }

    fn availability(&self, kind: &DownloadTargetKind) -> Availability {
        match self {
            Self::Backup(backup) => of_backup(backup, kind),
            Self::Restore(restore) => of_restore(restore, kind),
        }
    }
}

fn of_backup(backup: &Backup, kind: &DownloadTargetKind) -> Availability {
    let status = &backup.status;
    match status.phase() {
        BackupPhase::FailedValidation => refused(&status.validation_errors),
        BackupPhase::Queued => {
            let reason = condition::find(&status.conditions, "Queued").map(|queued| queued.message.clone());
            later(
                format!("it is Queued at position {}", status.queue_position),
                reason.unwrap_or_default(),
            )
        }
        phase @ (BackupPhase::New | BackupPhase::ReadyToStart) => not_started(phase.as_str()),
        BackupPhase::InProgress => running(*kind == DownloadTargetKind::BackupLog),
        _ => Availability::Request,
    }
}

fn of_restore(restore: &Restore, kind: &DownloadTargetKind) -> Availability {
    match restore.status.phase() {
        RestorePhase::FailedValidation => refused(&restore.status.validation_errors),
        phase @ RestorePhase::New => not_started(phase.as_str()),
        RestorePhase::InProgress => running(*kind == DownloadTargetKind::RestoreLog),
        _ => Availability::Request,
    }
}

fn refused(errors: &[String]) -> Availability {
    Availability::Absent {
        later: false,
        why: "it failed validation".to_owned(),
        detail: errors.join("; "),
    }
}

fn not_started(phase: &str) -> Availability {
    later(
        format!("it has not started, its phase is {phase}"),
        "check that the velero server is running".to_owned(),
    )
}

fn running(is_log: bool) -> Availability {
    if is_log {
        Availability::LogSoFar
    } else {
        later(
            "it is InProgress".to_owned(),
            "try again when it has finished".to_owned(),
        )
    }
}

fn later(why: String, detail: String) -> Availability {
    Availability::Absent {
        later: true,
        why,
        detail,
    }
}

/// The name of such a file in messages.
fn file_title(kind: &DownloadTargetKind) -> &'static str {
    use DownloadTargetKind as Kind;
    match kind {
        Kind::BackupLog | Kind::RestoreLog => "log",
        Kind::BackupContents => "archive",
        Kind::BackupResults | Kind::RestoreResults => "list of warnings and errors",
        Kind::BackupResourceList | Kind::RestoreResourceList => "resource list",
        Kind::BackupItemOperations | Kind::RestoreItemOperations => "list of operations",
        Kind::BackupVolumeSnapshots
        | Kind::CsiBackupVolumeSnapshots
        | Kind::CsiBackupVolumeSnapshotContents
        | Kind::BackupVolumeInfos
        | Kind::RestoreVolumeInfo => "list of volumes",
        Kind::Other(_) => "such file",
    }
}

#[cfg(test)]
mod tests;
