//! From the spec a user wrote to the spec a restore runs by (spec restore 3.3, spec api 7.2). Pure.

use std::sync::Arc;

use jiff::Timestamp;

use crate::api::v1::{Backup, BackupPhase, BackupStorageLocation, Restore, RestorePhase};
use crate::api::{GoDuration, labels, time};
use crate::select::validation;

use super::super::ports::Settings;

/// What is never restored, in upstream's order: it belongs to a cluster's machinery or to Velero itself.
pub const NON_RESTORABLE: [&str; 9] = [
    "nodes",
    "events",
    "events.events.k8s.io",
    "backups.velero.io",
    "restores.velero.io",
    "resticrepositories.velero.io",
    "csinodes.storage.k8s.io",
    "volumeattachments.storage.k8s.io",
    "backuprepositories.velero.io",
];

/// What a validation looks at besides the restore.
pub struct Facts<'a> {
    /// The time.
    pub now: Timestamp,
    /// The flags.
    pub settings: &'a Settings,
    /// Every backup of the namespace.
    pub backups: &'a [Arc<Backup>],
    /// Every location of the namespace.
    pub locations: &'a [Arc<BackupStorageLocation>],
}

/// The restore with its spec completed and its phase set: InProgress, or FailedValidation with the reasons in
/// `status.validationErrors`. To be asked once a restore: afterwards it names both a backup and a schedule, which a second
/// validation would refuse.
pub fn validate(seen: &Restore, facts: &Facts<'_>) -> Restore {
    let mut restore = seen.clone();
    let mut errors = Vec::new();
    let spec = &mut restore.spec;

    for kind in NON_RESTORABLE {
        if !spec.excluded_resources.iter().any(|e| e == kind) {
            spec.excluded_resources.push(kind.to_owned());
        }
    }
    for included in &spec.included_resources {
        if NON_RESTORABLE.contains(&included.as_str()) {
            errors.push(format!("{included} are non-restorable resources"));
        }
    }
    errors.extend(validation::restore_lists(
        (&spec.included_resources, &spec.excluded_resources),
        (&spec.included_namespaces, &spec.excluded_namespaces),
    ));
    errors.extend(mapping_errors(seen));
    if spec.label_selector.is_some() && !spec.or_label_selectors.is_empty() {
        errors.push(
            "encountered labelSelector as well as orLabelSelectors in restore spec, only one can be specified".to_owned(),
        );
    }
    if let Err(error) = spec.item_operation_timeout.value() {
        errors.push(format!("invalid spec.itemOperationTimeout: {error}"));
    }
    errors.extend(not_there_yet(seen));
    if !matches!(spec.existing_resource_policy.as_str(), "" | "none" | "update") {
        errors.push(format!("Invalid ExistingResourcePolicy: {}", spec.existing_resource_policy));
    }
    if let Err(reasons) = source(&mut restore, facts) {
        errors.extend(reasons);
    }

    let status = &mut restore.status;
    if errors.is_empty() {
        if restore.spec.item_operation_timeout.is_zero() {
            let default = i64::try_from(facts.settings.item_operation_timeout.as_secs()).unwrap_or(i64::MAX);
            restore.spec.item_operation_timeout = GoDuration::from_secs(default);
        }
        status.phase = Some(RestorePhase::InProgress);
        status.start_timestamp = Some(time(facts.now));
    } else {
        status.phase = Some(RestorePhase::FailedValidation);
        status.validation_errors = errors;
    }
    restore
}

/// A mapping that cannot be carried out.
fn mapping_errors(restore: &Restore) -> Vec<String> {
    restore
        .spec
        .namespace_mapping
        .iter()
        .filter_map(|(from, to)| {
            if from.is_empty() || to.is_empty() {
                Some(format!("invalid namespace mapping '{from}:{to}': both sides must name a namespace"))
            } else if !is_dns_label(to) {
                Some(format!("invalid namespace mapping '{from}:{to}': '{to}' is not a legal namespace name"))
            } else {
                None
            }
        })
        .collect()
}

fn is_dns_label(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = name.as_bytes();
    bytes.len() <= 63
        && bytes.first().is_some_and(|b| inner(*b))
        && bytes.last().is_some_and(|b| inner(*b))
        && bytes.iter().all(|b| inner(*b) || *b == b'-')
}

/// What the spec asks for and this release cannot do: refused, never ignored (decision 22).
fn not_there_yet(restore: &Restore) -> Vec<String> {
    let mut errors = Vec::new();
    if !restore.spec.hooks.resources.is_empty() {
        errors.push("restore hooks are not supported by this release; remove spec.hooks".to_owned());
    }
    if restore.spec.resource_modifier.is_some() {
        errors.push("resource modifiers are not supported by this release; remove spec.resourceModifier".to_owned());
    }
    errors
}

/// Finds the backup and its location, and completes `backupName` and `scheduleName`.
fn source(restore: &mut Restore, facts: &Facts<'_>) -> Result<(), Vec<String>> {
    let spec = &mut restore.spec;
    if spec.backup_name.is_empty() == spec.schedule_name.is_empty() {
        return Err(vec![
            "Either a backup or schedule must be specified as a source for the restore, but not both".to_owned(),
        ]);
    }
    if !spec.schedule_name.is_empty() {
        spec.backup_name = newest_of(&spec.schedule_name, facts.backups)?;
    }
    let namespace = restore.metadata.namespace.clone().unwrap_or_default();
    let name = &spec.backup_name;
    let Some(backup) = facts.backups.iter().find(|b| b.metadata.name.as_deref() == Some(name)) else {
        return Err(vec![format!(
            "Error retrieving backup: can't find backup {namespace}/{name}: backups.velero.io \"{name}\" not found"
        )]);
    };
    let location_name = &backup.spec.storage_location;
    let Some(location) = facts.locations.iter().find(|l| l.metadata.name.as_ref() == Some(location_name)) else {
        return Err(vec![format!(
            "Error retrieving backup: can't find the storage location {namespace}/{location_name} of backup {name}: backupstoragelocations.velero.io \"{location_name}\" not found"
        )]);
    };
    match backup.status.phase() {
        BackupPhase::Deleting => {
            return Err(vec![format!("Error retrieving backup: backup {name} is being deleted")]);
        }
        // Upstream tries and fails later with what it finds in the bucket: nothing.
        BackupPhase::New | BackupPhase::Queued | BackupPhase::ReadyToStart | BackupPhase::InProgress => {
            return Err(vec![format!(
                "Error retrieving backup: backup {name} is {}; wait until it has completed",
                backup.status.phase()
            )]);
        }
        BackupPhase::FailedValidation => {
            return Err(vec![format!("Error retrieving backup: backup {name} is FailedValidation: it saved nothing")]);
        }
        _ => {}
    }
    if !location.is_available() {
        return Err(vec![format!("The BSL {location_name} is unavailable, cannot retrieve the backup")]);
    }
    if spec.schedule_name.is_empty()
        && let Some(schedule) = backup.metadata.labels.as_ref().and_then(|l| l.get(labels::SCHEDULE_NAME))
    {
        spec.schedule_name.clone_from(schedule);
    }
    Ok(())
}

fn newest_of(schedule: &str, backups: &[Arc<Backup>]) -> Result<String, Vec<String>> {
    let of_schedule = |b: &&Arc<Backup>| {
        b.metadata.labels.as_ref().and_then(|l| l.get(labels::SCHEDULE_NAME)).is_some_and(|s| s == schedule)
    };
    let mut candidates = backups.iter().filter(of_schedule).peekable();
    if candidates.peek().is_none() {
        return Err(vec![
            "No backups found for schedule".to_owned(),
            "No completed backups found for schedule".to_owned(),
        ]);
    }
    candidates
        .filter(|b| *b.status.phase() == BackupPhase::Completed)
        .max_by_key(|b| b.status.start_timestamp.as_ref().map(|t| t.0))
        .and_then(|b| b.metadata.name.clone())
        .ok_or_else(|| vec!["No completed backups found for schedule".to_owned()])
}
