//! A backup.

use super::operations::{Counts, operations};
use super::pod_volumes::PodVolume;
use super::resource_list::resource_list;
use super::volumes::volumes;
use super::{Details, Fetched, Listed, Page, View, results, spec, time_or_na};
use crate::api::artifact::{BackupItemOperation, Results};
use crate::api::condition::{self, Condition, ConditionStatus};
use crate::api::v1::{Backup, BackupPhase, DeleteBackupRequest, DeleteBackupRequestPhase, PodVolumeBackup};

pub use super::volumes::Snapshots;

/// A backup and everything else that is shown of it.
#[derive(Clone, Debug)]
pub struct BackupFacts {
    /// The backup.
    pub backup: Backup,
    /// The requests to delete it.
    pub delete_requests: Listed<DeleteBackupRequest>,
    /// Its pod volume backups.
    pub pod_volume_backups: Listed<PodVolumeBackup>,
    /// Its warnings and errors; not fetched while the counts are zero.
    pub results: Option<Fetched<Results>>,
    /// Its snapshots.
    pub snapshots: Fetched<Snapshots>,
    /// The files that only details show.
    pub details: Option<Details<BackupItemOperation>>,
}

/// The page of a backup.
pub fn text(facts: &BackupFacts, view: &View) -> String {
    let BackupFacts {
        backup,
        delete_requests,
        pod_volume_backups,
        results,
        snapshots,
        details,
    } = facts;
    let status = &backup.status;
    let mut page = Page::new(view);
    page.metadata(&backup.metadata);
    page.blank();
    phase(&mut page, backup);
    page.trace(&backup.metadata);
    spec::resource_policy(&mut page, backup.spec.resource_policy.as_ref());
    spec::uploader_config(&mut page, &backup.spec);
    page.validation_errors(&status.validation_errors);
    page.blank();
    if let Some(fetched) = results
        && results::results(&mut page, fetched, status.warnings, status.errors)
    {
        page.line(format_args!("Errors:\t{}", status.errors));
        page.line(format_args!("Warnings:\t{}", status.warnings));
    }
    page.blank();
    spec::backup_spec(&mut page, &backup.spec);
    page.blank();
    run(&mut page, backup);
    let counts = Counts {
        attempted: status.backup_item_operations_attempted,
        completed: status.backup_item_operations_completed,
        failed: status.backup_item_operations_failed,
    };
    operations(
        &mut page,
        &counts,
        details.as_ref().and_then(|details| details.operations.as_ref()),
    );
    if let Some(details) = details {
        resource_list(&mut page, "backup", &details.resource_list);
        page.blank();
    }
    let pods = match pod_volume_backups {
        Ok(pods) => Ok(pods.iter().map(PodVolume::from).collect::<Vec<_>>()),
        Err(why) => Err(why.as_str()),
    };
    volumes(
        &mut page,
        snapshots,
        pods.as_deref().map_err(|why| *why),
        details.is_some(),
    );
    if let Some(hooks) = &status.hook_status {
        page.blank();
        page.line(format_args!("HooksAttempted:\t{}", hooks.hooks_attempted));
        page.line(format_args!("HooksFailed:\t{}", hooks.hooks_failed));
    }
    deletions(&mut page, delete_requests);
    page.finish()
}

fn phase(page: &mut Page<'_>, backup: &Backup) {
    let phase = backup.status.phase();
    let name = backup.metadata.name.as_deref().unwrap_or_default();
    let shown = match phase {
        BackupPhase::FailedValidation | BackupPhase::PartiallyFailed | BackupPhase::Failed => {
            page.view.red(phase.as_str())
        }
        BackupPhase::Completed => page.view.green(phase.as_str()),
        _ => phase.to_string(),
    };
    let note = match phase {
        BackupPhase::Failed | BackupPhase::PartiallyFailed => {
            format!(" (run `velero backup logs {name}` for more information)")
        }
        _ => String::new(),
    };
    page.line(format_args!("Phase:\t{shown}{note}"));
    if *phase == BackupPhase::Queued {
        page.line(format_args!("Queue position:\t{}", backup.status.queue_position));
        // Upstream shows neither.
        if let Some(queued) = condition::find(&backup.status.conditions, "Queued") {
            page.line(format_args!("Waiting because:\t{}", queued.message));
        }
    }
    if !backup.status.failure_reason.is_empty() {
        page.line(format_args!("Failure reason:\t{}", backup.status.failure_reason));
    }
}

fn run(page: &mut Page<'_>, backup: &Backup) {
    let (view, status) = (page.view, &backup.status);
    page.line(format_args!("Backup Format Version:\t{}", status.format_version));
    page.blank();
    page.line(format_args!(
        "Started:\t{}",
        time_or_na(view, status.start_timestamp.as_ref())
    ));
    page.line(format_args!(
        "Completed:\t{}",
        time_or_na(view, status.completion_timestamp.as_ref())
    ));
    page.blank();
    page.line(format_args!(
        "Expiration:\t{}",
        view.time_or_nil(status.expiration.as_ref())
    ));
    page.blank();
    if let Some(progress) = &status.progress {
        let (total, done) = if *status.phase() == BackupPhase::InProgress {
            ("Estimated total items to be backed up", "Items backed up so far")
        } else {
            ("Total items to be backed up", "Items backed up")
        };
        page.line(format_args!("{total}:\t{}", progress.total_items));
        page.line(format_args!("{done}:\t{}", progress.items_backed_up));
        page.rate(backup);
        page.blank();
    }
}

/// Whether a deletion failed.
pub(super) fn deletion_failed(request: &DeleteBackupRequest) -> bool {
    *request.status.phase() == DeleteBackupRequestPhase::Processed && !request.status.errors.is_empty()
}

/// Says that a deletion is open, and not what it waits for.
const ACCEPTED: &str = "Accepted";

/// What an open deletion waits for, which Velero does not show.
pub(super) fn deletion_waits_for(request: &DeleteBackupRequest) -> Option<&str> {
    let holds = |condition: &&Condition| condition.status == ConditionStatus::True && condition.type_ != ACCEPTED;
    let is_open = *request.status.phase() == DeleteBackupRequestPhase::InProgress;
    let found = request.status.conditions.iter().filter(|_| is_open).find(holds);
    found.map(|condition| condition.message.as_str())
}

fn deletions(page: &mut Page<'_>, requests: &Listed<DeleteBackupRequest>) {
    let requests = match requests {
        Ok(requests) if requests.is_empty() => return,
        Ok(requests) => requests,
        Err(why) => {
            page.blank();
            return page.line(format_args!(
                "Deletion Attempts:\t<error getting DeleteBackupRequests: {why}>"
            ));
        }
    };
    page.blank();
    let failed = match requests.iter().filter(|request| deletion_failed(request)).count() {
        0 => String::new(),
        failed => format!(" ({failed} failed)"),
    };
    page.line(format_args!("Deletion Attempts{failed}:"));
    for (number, request) in requests.iter().enumerate() {
        if number > 0 {
            page.blank();
        }
        let created = page.view.time_or_nil(request.metadata.creation_timestamp.as_ref());
        let phase = request
            .status
            .phase
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        page.line(format_args!("\t{created}: {phase}"));
        if let Some(waits_for) = deletion_waits_for(request) {
            page.line(format_args!("\tBlocked: {waits_for}"));
        }
        if !request.status.errors.is_empty() {
            page.line("\tErrors:");
            request
                .status
                .errors
                .iter()
                .for_each(|error| page.line(format_args!("\t\t{error}")));
        }
    }
}

#[cfg(test)]
mod tests;
