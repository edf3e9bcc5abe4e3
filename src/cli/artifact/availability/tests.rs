use serde_json::json;

use super::*;

fn backup(phase: &str) -> Backup {
    serde_json::from_value(json!({
        "apiVersion": "velero.io/v1", "kind": "Backup", "metadata": {"name": "b", "namespace": "velero"},
        "spec": {"storageLocation": "l"},
        "status": {
            "phase": phase, "queuePosition": 3, "validationErrors": ["one is wrong", "so is two"], "failureReason": "the disk is full",
            "conditions": [{"type": "Queued", "status": "True", "reason": "NoFreePlace", "message": "2 others run",
                "lastTransitionTime": "1970-01-01T00:00:00Z"}],
        },
    }))
    .unwrap()
}

fn restore(phase: &str) -> Restore {
    serde_json::from_value(json!({
        "apiVersion": "velero.io/v1", "kind": "Restore", "metadata": {"name": "r", "namespace": "velero"},
        "spec": {"backupName": "b"},
        "status": {"phase": phase, "validationErrors": ["one is wrong"], "failureReason": "no space"},
    }))
    .unwrap()
}

fn location(phase: &str, message: &str) -> BackupStorageLocation {
    serde_json::from_value(json!({
        "apiVersion": "velero.io/v1", "kind": "BackupStorageLocation", "metadata": {"name": "l", "namespace": "velero"},
        "spec": {"provider": "aws"}, "status": {"phase": phase, "message": message},
    }))
    .unwrap()
}

fn word(availability: &Availability) -> &'static str {
    match availability {
        Availability::Request => "request",
        Availability::LogSoFar => "so far",
        Availability::Doubtful(_) => "doubtful",
        Availability::Absent { later: true, .. } => "later",
        Availability::Absent { later: false, .. } => "never",
        Availability::NoLocation(_) => "nowhere",
    }
}

const OF_BACKUPS: [DownloadTargetKind; 9] = [
    DownloadTargetKind::BackupLog,
    DownloadTargetKind::BackupContents,
    DownloadTargetKind::BackupResults,
    DownloadTargetKind::BackupResourceList,
    DownloadTargetKind::BackupItemOperations,
    DownloadTargetKind::BackupVolumeInfos,
    DownloadTargetKind::BackupVolumeSnapshots,
    DownloadTargetKind::CsiBackupVolumeSnapshots,
    DownloadTargetKind::CsiBackupVolumeSnapshotContents,
];

const OF_RESTORES: [DownloadTargetKind; 5] = [
    DownloadTargetKind::RestoreLog,
    DownloadTargetKind::RestoreResults,
    DownloadTargetKind::RestoreResourceList,
    DownloadTargetKind::RestoreItemOperations,
    DownloadTargetKind::RestoreVolumeInfo,
];

/// Phase; the availability of the log and of every other file when the location is usable, missing, unavailable, unknown.
type Row = (&'static str, [&'static str; 4], [&'static str; 4]);

const NEVER: [&str; 4] = ["never"; 4];
const LATER: [&str; 4] = ["later"; 4];
const REQUEST: [&str; 4] = ["request", "nowhere", "doubtful", "request"];
const SO_FAR: [&str; 4] = ["so far", "nowhere", "doubtful", "so far"];

fn locations() -> [FilesLocation; 4] {
    [
        FilesLocation::of("l", Some(&location("Available", ""))),
        FilesLocation::of("l", None),
        FilesLocation::of(
            "l",
            Some(&location(
                "Unavailable",
                "BackupStorageLocation \"l\" is unavailable: no such bucket",
            )),
        ),
        FilesLocation::Unknown("it is forbidden".to_owned()),
    ]
}

#[track_caller]
fn check(run: RunRef<'_>, kinds: &[DownloadTargetKind], phase: &str, log: [&str; 4], others: [&str; 4]) {
    for (at, location) in locations().into_iter().enumerate() {
        for kind in kinds {
            let is_log = matches!(kind, DownloadTargetKind::BackupLog | DownloadTargetKind::RestoreLog);
            let want = if is_log { log[at] } else { others[at] };
            let files = RunFiles::new(run, location.clone());
            let availability = files.availability(kind);
            assert_eq!(word(&availability), want, "{phase} {kind} {location:?}");
            let is_requested = matches!(want, "request" | "so far" | "doubtful");
            assert_eq!(
                files.refusal(kind).is_none(),
                is_requested,
                "{phase} {kind} {location:?}"
            );
            assert_eq!(
                files.brief_refusal(kind).is_none(),
                is_requested,
                "{phase} {kind} {location:?}"
            );
        }
    }
}

#[test]
fn a_file_is_requested_only_where_it_can_exist() {
    let rows: [Row; 14] = [
        ("", LATER, LATER),
        ("New", LATER, LATER),
        ("Queued", LATER, LATER),
        ("ReadyToStart", LATER, LATER),
        ("FailedValidation", NEVER, NEVER),
        ("InProgress", SO_FAR, LATER),
        ("WaitingForPluginOperations", REQUEST, REQUEST),
        ("WaitingForPluginOperationsPartiallyFailed", REQUEST, REQUEST),
        ("Finalizing", REQUEST, REQUEST),
        ("Completed", REQUEST, REQUEST),
        ("PartiallyFailed", REQUEST, REQUEST),
        ("Failed", REQUEST, REQUEST),
        ("Deleting", REQUEST, REQUEST),
        ("SomethingNewer", REQUEST, REQUEST),
    ];
    for (phase, log, others) in rows {
        let mut object = backup(phase);
        if phase.is_empty() {
            object.status.phase = None;
        }
        check(RunRef::Backup(&object), &OF_BACKUPS, phase, log, others);
    }
    let rows: [Row; 9] = [
        ("New", LATER, LATER),
        ("FailedValidation", NEVER, NEVER),
        ("InProgress", SO_FAR, LATER),
        ("WaitingForPluginOperations", REQUEST, REQUEST),
        ("Finalizing", REQUEST, REQUEST),
        ("Completed", REQUEST, REQUEST),
        ("PartiallyFailed", REQUEST, REQUEST),
        ("Failed", REQUEST, REQUEST),
        ("SomethingNewer", REQUEST, REQUEST),
    ];
    for (phase, log, others) in rows {
        check(RunRef::Restore(&restore(phase)), &OF_RESTORES, phase, log, others);
    }
}

#[test]
fn a_refusal_has_the_reason_of_the_run_or_its_location() {
    use DownloadTargetKind as Kind;
    let [usable, absent, unavailable, _] = locations();
    let backups = [
        (
            "FailedValidation",
            &absent,
            Kind::BackupLog,
            "backup \"b\" has no log: it failed validation: one is wrong; so is two",
        ),
        (
            "FailedValidation",
            &usable,
            Kind::BackupContents,
            "backup \"b\" has no archive: it failed validation: one is wrong; so is two",
        ),
        (
            "Queued",
            &usable,
            Kind::BackupLog,
            "backup \"b\" has no log yet: it is Queued at position 3: 2 others run",
        ),
        (
            "New",
            &usable,
            Kind::BackupResults,
            "backup \"b\" has no list of warnings and errors yet: it has not started, its phase is New: check that the velero server is running",
        ),
        (
            "InProgress",
            &usable,
            Kind::BackupContents,
            "backup \"b\" has no archive yet: it is InProgress: try again when it has finished",
        ),
        (
            "Completed",
            &absent,
            Kind::BackupContents,
            "the archive of backup \"b\" cannot be read: backup storage location \"l\" does not exist",
        ),
    ];
    for (phase, location, kind, want) in backups {
        let (backup, location) = (backup(phase), location.clone());
        let files = RunFiles::new(RunRef::Backup(&backup), location);
        assert_eq!(files.refusal(&kind).as_deref(), Some(want));
    }
    let refused = restore("FailedValidation");
    let files = RunFiles::new(RunRef::Restore(&refused), usable);
    assert_eq!(
        files.refusal(&Kind::RestoreLog).as_deref(),
        Some("restore \"r\" has no log: it failed validation: one is wrong")
    );
    assert_eq!(
        unavailable,
        FilesLocation::Unavailable("backup storage location \"l\" is Unavailable: no such bucket".to_owned())
    );
}

#[test]
fn a_missing_file_of_a_failed_run_has_the_failure_as_reason() {
    let (failed, completed) = (backup("Failed"), backup("Completed"));
    let of = |backup| RunFiles::new(RunRef::Backup(backup), FilesLocation::Usable);
    assert_eq!(
        of(&failed).of_missing().as_deref(),
        Some("backup \"b\" is Failed: the disk is full")
    );
    assert_eq!(of(&completed).of_missing(), None);
}
