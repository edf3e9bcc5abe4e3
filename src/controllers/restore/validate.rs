//! From the spec a user wrote to the spec a restore runs by (spec restore 3.3, spec api 7.2). Pure.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::v1::{Backup, BackupPhase, BackupStorageLocation, Restore, RestorePhase};
use crate::api::{GoDuration, labels, names, time};
use crate::restore::request::unsupported;
use crate::select::validation;
use crate::store::layout;

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
    /// `--default-item-operation-timeout`.
    pub item_operation_timeout: Duration,
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
    let mut errors = Vec::from_iter(name_error(seen));
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
            "encountered labelSelector as well as orLabelSelectors in restore spec, only one can be specified"
                .to_owned(),
        );
    }
    errors.extend(validation::label_selectors(
        spec.label_selector.as_ref(),
        &spec.or_label_selectors,
    ));
    match spec.item_operation_timeout.value() {
        Ok(value) if value.is_negative() => errors.push(format!(
            "invalid spec.itemOperationTimeout: {} is negative",
            spec.item_operation_timeout
        )),
        Ok(_) => {}
        Err(error) => errors.push(format!("invalid spec.itemOperationTimeout: {error}")),
    }
    errors.extend(unsupported(&seen.spec));
    if !matches!(spec.existing_resource_policy.as_str(), "" | "none" | "update") {
        errors.push(format!(
            "Invalid ExistingResourcePolicy: {}",
            spec.existing_resource_policy
        ));
    }
    if let Err(reasons) = source(&mut restore, facts) {
        errors.extend(reasons);
    }

    let status = &mut restore.status;
    if errors.is_empty() {
        if restore.spec.item_operation_timeout.is_zero() {
            let default = i64::try_from(facts.item_operation_timeout.as_secs()).unwrap_or(i64::MAX);
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

/// A name that the files in object storage, which hold it, cannot have.
fn name_error(restore: &Restore) -> Option<String> {
    let length = restore.metadata.name.as_deref().unwrap_or_default().len();
    (length > layout::LONGEST_NAME).then(|| {
        format!(
            "the restore's name has {length} characters, but those of its files in object storage have room for {}; use a shorter name",
            layout::LONGEST_NAME
        )
    })
}

/// A mapping that cannot be carried out.
fn mapping_errors(restore: &Restore) -> Vec<String> {
    restore
        .spec
        .namespace_mapping
        .iter()
        .filter_map(|(from, to)| {
            if from.is_empty() || to.is_empty() {
                Some(format!(
                    "invalid namespace mapping '{from}:{to}': both sides must name a namespace"
                ))
            } else if !is_dns_label(to) {
                Some(format!(
                    "invalid namespace mapping '{from}:{to}': '{to}' is not a legal namespace name"
                ))
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
    match backup.status.phase() {
        BackupPhase::Deleting => {
            return Err(vec![format!("Error retrieving backup: backup {name} is being deleted")]);
        }
        // Upstream tries and fails later with what it finds in the bucket: nothing.
        phase
            if matches!(
                phase,
                BackupPhase::New | BackupPhase::Queued | BackupPhase::ReadyToStart | BackupPhase::InProgress
            ) || phase.is_waiting_for_operations()
                || phase.is_finalizing() =>
        {
            return Err(vec![format!(
                "Error retrieving backup: backup {name} is {}; wait until it has completed",
                phase
            )]);
        }
        BackupPhase::FailedValidation => {
            return Err(vec![format!(
                "Error retrieving backup: backup {name} is FailedValidation: it saved nothing"
            )]);
        }
        // Upstream tries; here nothing of a backup that failed is kept.
        BackupPhase::Failed => {
            let reason = &backup.status.failure_reason;
            return Err(vec![format!(
                "Error retrieving backup: backup {name} is Failed: {}; restore another one",
                if reason.is_empty() { "it has no archive" } else { reason }
            )]);
        }
        _ => {}
    }
    let location_name = &backup.spec.storage_location;
    let Some(location) = facts
        .locations
        .iter()
        .find(|l| l.metadata.name.as_ref() == Some(location_name))
    else {
        return Err(vec![format!(
            "Error retrieving backup: can't find the storage location {namespace}/{location_name} of backup {name}: backupstoragelocations.velero.io \"{location_name}\" not found"
        )]);
    };
    if !location.is_available() {
        return Err(vec![format!(
            "The BSL {location_name} is unavailable, cannot retrieve the backup"
        )]);
    }
    if spec.schedule_name.is_empty()
        && let Some(schedule) = backup
            .metadata
            .labels
            .as_ref()
            .and_then(|l| l.get(labels::SCHEDULE_NAME))
    {
        spec.schedule_name.clone_from(schedule);
    }
    Ok(())
}

/// The backup that a schedule stands for: its newest that is Completed.
///
/// # Errors
/// What stands in `status.validationErrors` where there is none.
pub fn newest_of(schedule: &str, backups: &[Arc<Backup>]) -> Result<String, Vec<String>> {
    let label = names::label_value(schedule);
    let of_schedule = |b: &&Arc<Backup>| {
        b.metadata
            .labels
            .as_ref()
            .and_then(|l| l.get(labels::SCHEDULE_NAME))
            .is_some_and(|value| *value == label)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::testing::available;

    fn backup(name: &str, phase: &str, schedule: Option<&str>, started: i64) -> Arc<Backup> {
        let mut backup = Backup::new("velero", name);
        backup.status.phase = Some(BackupPhase::from(phase));
        backup.status.start_timestamp = Some(time(Timestamp::from_second(started).unwrap()));
        "default".clone_into(&mut backup.spec.storage_location);
        if let Some(schedule) = schedule {
            backup.metadata.labels = Some([(labels::SCHEDULE_NAME.to_owned(), schedule.to_owned())].into());
        }
        Arc::new(backup)
    }

    fn validated(change: impl Fn(&mut Restore)) -> Restore {
        let backups = [
            backup("good", "Completed", None, 1),
            backup("part", "PartiallyFailed", Some("daily"), 9),
            backup("old", "Completed", Some("daily"), 2),
            backup("new", "Completed", Some("daily"), 3),
            backup("running", "InProgress", None, 4),
            backup("going", "Deleting", None, 4),
            backup("failed", "Failed", None, 4),
        ];
        let locations = [available("default")];
        let facts = Facts {
            now: Timestamp::UNIX_EPOCH,
            item_operation_timeout: Duration::from_hours(4),
            backups: &backups,
            locations: &locations,
        };
        let mut restore = Restore::new("velero", "r");
        change(&mut restore);
        validate(&restore, &facts)
    }

    #[test]
    fn a_good_restore_is_completed_and_begins() {
        let restore = validated(|r| "good".clone_into(&mut r.spec.backup_name));
        assert_eq!(
            *restore.status.phase(),
            RestorePhase::InProgress,
            "{:?}",
            restore.status.validation_errors
        );
        assert_eq!(restore.spec.excluded_resources, NON_RESTORABLE);
        assert_eq!(restore.spec.item_operation_timeout.text(), "4h0m0s");
        assert!(restore.status.start_timestamp.is_some());
    }

    #[test]
    fn a_schedule_stands_for_its_newest_completed_backup() {
        let restore = validated(|r| "daily".clone_into(&mut r.spec.schedule_name));
        assert_eq!(restore.spec.backup_name, "new");
        let restore = validated(|r| "old".clone_into(&mut r.spec.backup_name));
        assert_eq!(restore.spec.schedule_name, "daily", "filled in from the backup's label");
    }

    #[test]
    fn a_negative_timeout_is_refused() {
        let restore = validated(|r| {
            "good".clone_into(&mut r.spec.backup_name);
            r.spec.item_operation_timeout = GoDuration::from_secs(-3600);
        });
        assert_eq!(
            restore.status.validation_errors,
            ["invalid spec.itemOperationTimeout: -1h0m0s is negative"]
        );
    }

    #[test]
    fn a_backup_that_is_not_finished_is_to_be_waited_for() {
        for phase in [
            "",
            "New",
            "Queued",
            "ReadyToStart",
            "InProgress",
            "WaitingForPluginOperations",
            "FinalizingPartiallyFailed",
        ] {
            let mut unfinished = backup("b", "New", None, 1);
            let waiting = Arc::make_mut(&mut unfinished);
            waiting.status.phase = (!phase.is_empty()).then(|| BackupPhase::from(phase));
            if phase != "InProgress" {
                // The default location is filled in when its turn comes.
                waiting.spec.storage_location.clear();
            }
            let facts = Facts {
                now: Timestamp::UNIX_EPOCH,
                item_operation_timeout: Duration::from_hours(4),
                backups: &[unfinished],
                locations: &[available("default")],
            };
            let mut restore = Restore::new("velero", "r");
            "b".clone_into(&mut restore.spec.backup_name);
            let errors = validate(&restore, &facts).status.validation_errors;
            let phase = if phase.is_empty() { "New" } else { phase };
            assert_eq!(
                errors,
                [format!(
                    "Error retrieving backup: backup b is {phase}; wait until it has completed"
                )]
            );
        }
    }

    #[test]
    fn a_mapping_onto_itself_and_two_sources_of_one_target_are_allowed() {
        let pairs = [("a", "a"), ("b", "one"), ("c", "one"), ("d", "e"), ("e", "d")];
        let restore = validated(|r| {
            "good".clone_into(&mut r.spec.backup_name);
            r.spec.namespace_mapping = pairs.map(|(from, to)| (from.to_owned(), to.to_owned())).into();
        });
        assert_eq!(
            *restore.status.phase(),
            RestorePhase::InProgress,
            "{:?}",
            restore.status.validation_errors
        );
    }

    #[test]
    fn what_cannot_be_restored_is_refused_with_its_reason() {
        type Row = (&'static str, fn(&mut Restore), &'static str);
        let rows: [Row; 13] = [
            (
                "failed",
                |r| "failed".clone_into(&mut r.spec.backup_name),
                "backup failed is Failed: it has no archive; restore another one",
            ),
            (
                "selector",
                |r| {
                    "good".clone_into(&mut r.spec.backup_name);
                    r.spec.label_selector = Some(crate::api::LabelSelector {
                        match_labels: [("not a key".to_owned(), String::new())].into(),
                        ..Default::default()
                    });
                },
                "invalid spec.labelSelector: label selector key \"not a key\" is not a valid label key",
            ),
            (
                "pattern",
                |r| {
                    "good".clone_into(&mut r.spec.backup_name);
                    r.spec.excluded_namespaces = vec!["shop[".to_owned()];
                },
                "Invalid included/excluded namespace lists: `shop[` is not a valid pattern",
            ),
            (
                "long name",
                |r| {
                    "good".clone_into(&mut r.spec.backup_name);
                    r.metadata.name = Some("r".repeat(221));
                },
                "has 221 characters",
            ),
            ("no source", |_| (), "Either a backup or schedule"),
            (
                "both",
                |r| {
                    "good".clone_into(&mut r.spec.backup_name);
                    "daily".clone_into(&mut r.spec.schedule_name);
                },
                "Either a backup or schedule",
            ),
            (
                "gone",
                |r| "none".clone_into(&mut r.spec.backup_name),
                "can't find backup velero/none",
            ),
            (
                "unfinished",
                |r| "running".clone_into(&mut r.spec.backup_name),
                "wait until it has completed",
            ),
            (
                "being deleted",
                |r| "going".clone_into(&mut r.spec.backup_name),
                "is being deleted",
            ),
            (
                "no schedule",
                |r| "x".clone_into(&mut r.spec.schedule_name),
                "No backups found for schedule",
            ),
            (
                "policy",
                |r| {
                    "good".clone_into(&mut r.spec.backup_name);
                    "replace".clone_into(&mut r.spec.existing_resource_policy);
                },
                "Invalid ExistingResourcePolicy: replace",
            ),
            (
                "nodes",
                |r| {
                    "good".clone_into(&mut r.spec.backup_name);
                    r.spec.included_resources = vec!["nodes".to_owned()];
                },
                "nodes are non-restorable resources",
            ),
            (
                "mapping",
                |r| {
                    "good".clone_into(&mut r.spec.backup_name);
                    r.spec.namespace_mapping = [("a".to_owned(), "Not Legal".to_owned())].into();
                },
                "is not a legal namespace name",
            ),
        ];
        for (case, change, text) in rows {
            let restore = validated(change);
            assert_eq!(*restore.status.phase(), RestorePhase::FailedValidation, "{case}");
            let errors = restore.status.validation_errors.join("\n");
            assert!(errors.contains(text), "{case}: {errors}");
            assert!(restore.status.start_timestamp.is_none(), "{case}");
        }
    }
}
