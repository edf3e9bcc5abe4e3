//! From the metadata of a backup in the bucket to its object: pure (spec backup 17, spec next 19).

use jiff::Timestamp;

use crate::api::BackupHooks;
use crate::api::v1::{Backup, BackupPhase};
use crate::api::{OwnerReference, annotations, labels, names};
use crate::controllers::backup::phase::conditions;

/// On a synced backup: the uid it had where it was made. A backup that wrote nothing must not delete another's files.
pub const ORIGIN_UID: &str = "velero.io/origin-uid";

/// Why there is to be no object for a backup of the bucket.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Another cluster may still be at work on it, until it expires.
    Unfinished,
    /// Whatever wrote it should be checked.
    Odd(String),
}

/// The object for a backup found in the bucket.
pub(super) fn incoming(
    stored: Backup,
    name: &str,
    namespace: &str,
    location: &str,
    now: Timestamp,
    owner: &dyn Fn(&OwnerReference) -> bool,
) -> Result<Backup, Refused> {
    let mut backup = stored;
    let meta = &backup.metadata;
    if meta.name.as_deref() != Some(name) {
        let inside = meta.name.as_deref().unwrap_or_default();
        return Err(Refused::Odd(format!(
            "its metadata is of a backup named `{inside}`; check what wrote to the bucket"
        )));
    }
    let phase = backup.status.phase();
    if phase.is_waiting_for_operations() || phase.is_finalizing() {
        // Another cluster may still be at work on it.
        match &backup.status.expiration {
            Some(end) if end.0 <= now => backup.status.phase = Some(BackupPhase::PartiallyFailed),
            _ => return Err(Refused::Unfinished),
        }
    }
    // Only a backup that has run to its end is ever sealed. To run any other here would make another backup under its name.
    let phase = backup.status.phase();
    if !matches!(
        phase,
        BackupPhase::Completed | BackupPhase::PartiallyFailed | BackupPhase::Failed
    ) {
        return Err(Refused::Odd(format!(
            "its metadata has the phase `{phase}`, which is not one of a backup that is over; check what wrote to the bucket"
        )));
    }
    // Commands that run in pods are not taken over from a bucket, which others may write to.
    backup.spec.hooks = BackupHooks::default();
    let over = backup.status.completion_timestamp.as_ref().map_or(now, |end| end.0);
    backup.status.conditions.clear();
    conditions(&mut backup, over);
    let meta = &mut backup.metadata;
    meta.namespace = Some(namespace.to_owned());
    meta.resource_version = None;
    meta.managed_fields = None;
    meta.deletion_timestamp = None;
    meta.generation = None;
    // They are of programs of the other cluster.
    meta.finalizers = None;
    if let Some(noted) = &mut meta.annotations {
        noted.remove(annotations::CANCEL);
    }
    if let Some(uid) = meta.uid.take() {
        // One that is noted there already is of a copy of a copy.
        meta.annotations
            .get_or_insert_default()
            .insert(ORIGIN_UID.to_owned(), uid);
    }
    if let Some(owners) = meta.owner_references.take() {
        let kept: Vec<_> = owners.into_iter().filter(|o| owner(o)).collect();
        meta.owner_references = (!kept.is_empty()).then_some(kept);
    }
    meta.labels
        .get_or_insert_default()
        .insert(labels::STORAGE_LOCATION.to_owned(), names::label_value(location));
    location.clone_into(&mut backup.spec.storage_location);
    Ok(backup)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{condition, time};

    fn stored(phase: &str) -> Backup {
        let mut backup = Backup::new("elsewhere", "nightly");
        backup.metadata.uid = Some("old".to_owned());
        backup.metadata.resource_version = Some("7".to_owned());
        backup.status.phase = Some(BackupPhase::from(phase));
        backup
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_copy_of_a_copy_has_the_uid_of_its_own_metadata_and_no_finalizers() {
        let mut copy = stored("Completed");
        copy.metadata.annotations = Some([(ORIGIN_UID.to_owned(), "of-another".to_owned())].into());
        copy.metadata.finalizers = Some(vec!["example.com/kept".to_owned()]);
        let came = incoming(copy, "nightly", "velero", "default", at(100), &|_| true)
            .ok()
            .unwrap();
        assert_eq!(came.metadata.annotations.unwrap()[ORIGIN_UID], "old");
        assert_eq!(came.metadata.finalizers, None);
    }

    #[test]
    fn a_sealed_backup_comes_in_under_our_namespace_and_location_and_remembers_its_origin() {
        let owners = |kind: &str| OwnerReference {
            kind: kind.to_owned(),
            ..OwnerReference::default()
        };
        let mut found = stored("Completed");
        found.metadata.owner_references = Some(vec![owners("Schedule"), owners("Other")]);
        let backup = incoming(found, "nightly", "velero", "second", at(0), &|o| o.kind != "Schedule").unwrap();
        assert_eq!(backup.metadata.namespace.as_deref(), Some("velero"));
        assert_eq!(backup.metadata.resource_version, None);
        assert_eq!(backup.metadata.annotations.unwrap()[ORIGIN_UID], "old");
        assert_eq!(backup.metadata.owner_references.unwrap().len(), 1);
        assert_eq!(backup.spec.storage_location, "second");
        assert_eq!(backup.metadata.labels.unwrap()[labels::STORAGE_LOCATION], "second");
    }

    #[test]
    fn a_backup_that_another_cluster_still_finishes_is_left_until_it_expires() {
        for phase in ["WaitingForPluginOperations", "Finalizing", "FinalizingPartiallyFailed"] {
            assert_eq!(
                incoming(stored(phase), "nightly", "v", "l", at(0), &|_| true).unwrap_err(),
                Refused::Unfinished
            );
            let mut expired = stored(phase);
            expired.status.expiration = Some(time(at(10)));
            let backup = incoming(expired, "nightly", "v", "l", at(10), &|_| true).unwrap();
            assert_eq!(*backup.status.phase(), BackupPhase::PartiallyFailed);
        }
    }

    #[test]
    fn metadata_of_a_backup_that_never_ended_makes_no_backup_here() {
        let mut without = stored("New");
        without.status.phase = None;
        let unended = [
            "New",
            "Queued",
            "ReadyToStart",
            "InProgress",
            "FailedValidation",
            "Deleting",
        ]
        .map(stored);
        for backup in unended.into_iter().chain([without]) {
            let refused = incoming(backup, "nightly", "v", "l", at(0), &|_| true).unwrap_err();
            let reason = format!("{refused:?}");
            assert!(reason.contains("check what wrote to the bucket"), "{reason}");
        }
    }

    #[test]
    fn conditions_come_from_the_phase_whatever_the_bucket_says() {
        let mut found = stored("Completed");
        found.status.completion_timestamp = Some(time(at(5)));
        conditions(&mut found, at(3));
        found.status.phase = Some(BackupPhase::PartiallyFailed);
        let backup = incoming(found, "nightly", "v", "l", at(10), &|_| true).unwrap();
        let completed = condition::find(&backup.status.conditions, "Completed").unwrap();
        assert_eq!(completed.status.as_str(), "False");
        assert_eq!(completed.last_transition_time, Some(time(at(5))));
    }

    #[test]
    fn hooks_and_requests_of_another_cluster_do_not_come_in() {
        let mut found = stored("Failed");
        found.spec.hooks = serde_json::from_value(serde_json::json!({"resources": [{"name": "h"}]})).unwrap();
        found.metadata.annotations = Some([(annotations::CANCEL.to_owned(), "true".to_owned())].into());
        let backup = incoming(found, "nightly", "v", "l", at(0), &|_| true).unwrap();
        assert_eq!(backup.spec.hooks, BackupHooks::default());
        assert_eq!(backup.metadata.annotations.unwrap().get(annotations::CANCEL), None);
        assert_eq!(*backup.status.phase(), BackupPhase::Failed);
    }

    #[test]
    fn metadata_under_another_backup_s_name_is_refused() {
        let refused = incoming(stored("Completed"), "weekly", "v", "l", at(0), &|_| true).unwrap_err();
        let reason = format!("{refused:?}");
        assert!(reason.contains("`nightly`"), "{reason}");
    }
}
