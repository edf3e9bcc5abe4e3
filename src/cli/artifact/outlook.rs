//! Whether a file of a run can be there, by what the run and its storage location say. Pure: asking the server for a file
//! that there is not costs the user the whole time limit.

use std::sync::OnceLock;

use crate::api::condition;
use crate::api::v1::RestorePhase;
use crate::api::v1::{Backup, BackupPhase, BackupStorageLocation, DownloadTargetKind, LocationPhase, Restore};

/// A backup or a restore.
#[derive(Clone, Copy, Debug)]
pub enum Run<'a> {
    /// A backup.
    Backup(&'a Backup),
    /// A restore.
    Restore(&'a Restore),
}

/// What is known of where a run's files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nothing speaks against it.
    Usable,
    /// There is none; why.
    None(String),
    /// The last check of the location failed; what the location says.
    Unavailable(String),
    /// It could not be looked up; why.
    NotRead(String),
}

impl Place {
    /// What a location that was looked for says.
    pub fn of(name: &str, location: Option<&BackupStorageLocation>) -> Self {
        let Some(location) = location else {
            return Self::None(format!("backup storage location {name:?} does not exist"));
        };
        if location.status.phase != Some(LocationPhase::Unavailable) {
            return Self::Usable;
        }
        // The server's message begins with the same words.
        let said = location.status.message.as_str();
        let said = said
            .strip_prefix(&format!("BackupStorageLocation {name:?} is unavailable: "))
            .unwrap_or(said);
        let why = if said.is_empty() {
            String::new()
        } else {
            format!(": {said}")
        };
        Self::Unavailable(format!("backup storage location {name:?} is Unavailable{why}"))
    }
}

/// Whether to ask the server for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// The file may be there.
    Ask,
    /// The run is under way; a server of this release serves the log so far.
    SoFar,
    /// The file may be there, but probably cannot be read. The server is asked, and not for long.
    Doubtful(String),
    /// The run has no such file, now or ever.
    None {
        /// Whether the file may come later.
        later: bool,
        /// In a few words.
        why: String,
        /// What the run says of it besides; may be empty.
        detail: String,
    },
    /// There is no place where the file could be.
    Nowhere(String),
}

/// What is known of a run and its files before the server is asked for one.
#[derive(Clone, Debug)]
pub struct Known<'a> {
    /// The run.
    pub run: Run<'a>,
    /// Where its files are.
    pub place: Place,
    /// Why one of its files did not come in time, once that is known: the next one would be waited for as long.
    pub(super) silence: OnceLock<String>,
}

impl<'a> Known<'a> {
    /// A run whose files are there.
    pub fn new(run: Run<'a>, place: Place) -> Self {
        Self {
            run,
            place,
            silence: OnceLock::new(),
        }
    }

    /// Whether to ask for a file of this kind.
    pub fn outlook(&self, kind: &DownloadTargetKind) -> Outlook {
        let of_run = self.run.outlook(kind);
        match (&of_run, &self.place) {
            (Outlook::None { .. }, _) | (_, Place::Usable | Place::NotRead(_)) => of_run,
            (_, Place::None(why)) => Outlook::Nowhere(why.clone()),
            (_, Place::Unavailable(why)) => Outlook::Doubtful(why.clone()),
        }
    }

    /// Why there is no file of this kind, as a sentence for the user; nothing if the server is to be asked.
    pub fn refusal(&self, kind: &DownloadTargetKind) -> Option<String> {
        let (run, file) = (self.run.words(), words(kind));
        match self.outlook(kind) {
            Outlook::Ask | Outlook::SoFar | Outlook::Doubtful(_) => None,
            Outlook::Nowhere(why) => Some(format!("the {file} of {run} cannot be read: {why}")),
            Outlook::None { later, why, detail } => {
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

    /// The same in a few words, for a place where the run is shown anyway.
    pub fn brief_refusal(&self, kind: &DownloadTargetKind) -> Option<String> {
        match self.outlook(kind) {
            Outlook::Ask | Outlook::SoFar | Outlook::Doubtful(_) => None,
            Outlook::Nowhere(why) | Outlook::None { why, .. } => Some(why),
        }
    }

    /// What the run says of a file that the store does not have; may be nothing.
    pub fn of_missing(&self) -> Option<String> {
        let (failed, reason) = match self.run {
            Run::Backup(backup) => (
                *backup.status.phase() == BackupPhase::Failed,
                &backup.status.failure_reason,
            ),
            Run::Restore(restore) => (
                *restore.status.phase() == RestorePhase::Failed,
                &restore.status.failure_reason,
            ),
        };
        let reason = if reason.is_empty() {
            String::new()
        } else {
            format!(": {reason}")
        };
        failed.then(|| format!("{} is Failed{reason}", self.run.words()))
    }
}

impl Run<'_> {
    /// Its name.
    pub fn name(&self) -> &str {
        let meta = match self {
            Self::Backup(backup) => &backup.metadata,
            Self::Restore(restore) => &restore.metadata,
        };
        meta.name.as_deref().unwrap_or_default()
    }

    /// `backup "b"`.
    pub fn words(&self) -> String {
        match self {
            Self::Backup(_) => format!("backup {:?}", self.name()),
            Self::Restore(_) => format!("restore {:?}", self.name()),
        }
    }

    fn outlook(&self, kind: &DownloadTargetKind) -> Outlook {
        match self {
            Self::Backup(backup) => of_backup(backup, kind),
            Self::Restore(restore) => of_restore(restore, kind),
        }
    }
}

fn of_backup(backup: &Backup, kind: &DownloadTargetKind) -> Outlook {
    let status = &backup.status;
    match status.phase() {
        BackupPhase::FailedValidation => refused(&status.validation_errors),
        BackupPhase::Queued => {
            let waits = condition::find(&status.conditions, "Queued").map(|queued| queued.message.clone());
            later(
                format!("it is Queued at position {}", status.queue_position),
                waits.unwrap_or_default(),
            )
        }
        phase @ (BackupPhase::New | BackupPhase::ReadyToStart) => not_begun(phase.as_str()),
        BackupPhase::InProgress => running(*kind == DownloadTargetKind::BackupLog),
        _ => Outlook::Ask,
    }
}

fn of_restore(restore: &Restore, kind: &DownloadTargetKind) -> Outlook {
    match restore.status.phase() {
        RestorePhase::FailedValidation => refused(&restore.status.validation_errors),
        phase @ RestorePhase::New => not_begun(phase.as_str()),
        RestorePhase::InProgress => running(*kind == DownloadTargetKind::RestoreLog),
        _ => Outlook::Ask,
    }
}

fn refused(errors: &[String]) -> Outlook {
    Outlook::None {
        later: false,
        why: "it failed validation".to_owned(),
        detail: errors.join("; "),
    }
}

fn not_begun(phase: &str) -> Outlook {
    later(
        format!("it has not begun, its phase is {phase}"),
        "check that the velero server runs if this lasts".to_owned(),
    )
}

fn running(is_log: bool) -> Outlook {
    if is_log {
        Outlook::SoFar
    } else {
        later("it is InProgress".to_owned(), "try again when it has ended".to_owned())
    }
}

fn later(why: String, detail: String) -> Outlook {
    Outlook::None {
        later: true,
        why,
        detail,
    }
}

/// What such a file is called in messages.
fn words(kind: &DownloadTargetKind) -> &'static str {
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
