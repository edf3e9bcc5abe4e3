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

fn word(outlook: &Outlook) -> &'static str {
    match outlook {
        Outlook::Ask => "ask",
        Outlook::SoFar => "so far",
        Outlook::Doubtful(_) => "doubtful",
        Outlook::None { later: true, .. } => "later",
        Outlook::None { later: false, .. } => "never",
        Outlook::Nowhere(_) => "nowhere",
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

/// Phase; what is to be done for the log and for every other file where the location can be used, is absent, is
/// unavailable, cannot be looked up.
type Row = (&'static str, [&'static str; 4], [&'static str; 4]);

const NEVER: [&str; 4] = ["never"; 4];
const LATER: [&str; 4] = ["later"; 4];
const ASK: [&str; 4] = ["ask", "nowhere", "doubtful", "ask"];
const SO_FAR: [&str; 4] = ["so far", "nowhere", "doubtful", "so far"];

fn places() -> [Place; 4] {
    [
        Place::of("l", Some(&location("Available", ""))),
        Place::of("l", None),
        Place::of(
            "l",
            Some(&location(
                "Unavailable",
                "BackupStorageLocation \"l\" is unavailable: no such bucket",
            )),
        ),
        Place::NotRead("it is forbidden".to_owned()),
    ]
}

#[track_caller]
fn check(run: Run<'_>, kinds: &[DownloadTargetKind], phase: &str, log: [&str; 4], others: [&str; 4]) {
    for (at, place) in places().into_iter().enumerate() {
        for kind in kinds {
            let is_log = matches!(kind, DownloadTargetKind::BackupLog | DownloadTargetKind::RestoreLog);
            let want = if is_log { log[at] } else { others[at] };
            let known = Known::new(run, place.clone());
            let outlook = known.outlook(kind);
            assert_eq!(word(&outlook), want, "{phase} {kind} {place:?}");
            let asked = matches!(want, "ask" | "so far" | "doubtful");
            assert_eq!(known.refusal(kind).is_none(), asked, "{phase} {kind} {place:?}");
            assert_eq!(known.brief_refusal(kind).is_none(), asked, "{phase} {kind} {place:?}");
        }
    }
}

#[test]
fn a_file_is_asked_for_only_where_it_can_be() {
    let rows: [Row; 14] = [
        ("", LATER, LATER),
        ("New", LATER, LATER),
        ("Queued", LATER, LATER),
        ("ReadyToStart", LATER, LATER),
        ("FailedValidation", NEVER, NEVER),
        ("InProgress", SO_FAR, LATER),
        ("WaitingForPluginOperations", ASK, ASK),
        ("WaitingForPluginOperationsPartiallyFailed", ASK, ASK),
        ("Finalizing", ASK, ASK),
        ("Completed", ASK, ASK),
        ("PartiallyFailed", ASK, ASK),
        ("Failed", ASK, ASK),
        ("Deleting", ASK, ASK),
        ("SomethingNewer", ASK, ASK),
    ];
    for (phase, log, others) in rows {
        let mut object = backup(phase);
        if phase.is_empty() {
            object.status.phase = None;
        }
        check(Run::Backup(&object), &OF_BACKUPS, phase, log, others);
    }
    let rows: [Row; 9] = [
        ("New", LATER, LATER),
        ("FailedValidation", NEVER, NEVER),
        ("InProgress", SO_FAR, LATER),
        ("WaitingForPluginOperations", ASK, ASK),
        ("Finalizing", ASK, ASK),
        ("Completed", ASK, ASK),
        ("PartiallyFailed", ASK, ASK),
        ("Failed", ASK, ASK),
        ("SomethingNewer", ASK, ASK),
    ];
    for (phase, log, others) in rows {
        check(Run::Restore(&restore(phase)), &OF_RESTORES, phase, log, others);
    }
}

#[test]
fn the_user_is_told_what_the_run_and_its_location_say() {
    use DownloadTargetKind as Kind;
    let [usable, absent, unavailable, _] = places();
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
            "backup \"b\" has no list of warnings and errors yet: it has not begun, its phase is New: check that the velero server runs if this lasts",
        ),
        (
            "InProgress",
            &usable,
            Kind::BackupContents,
            "backup \"b\" has no archive yet: it is InProgress: try again when it has ended",
        ),
        (
            "Completed",
            &absent,
            Kind::BackupContents,
            "the archive of backup \"b\" cannot be read: backup storage location \"l\" does not exist",
        ),
    ];
    for (phase, place, kind, want) in backups {
        let (backup, place) = (backup(phase), place.clone());
        let known = Known::new(Run::Backup(&backup), place);
        assert_eq!(known.refusal(&kind).as_deref(), Some(want));
    }
    let refused = restore("FailedValidation");
    let known = Known::new(Run::Restore(&refused), usable);
    assert_eq!(
        known.refusal(&Kind::RestoreLog).as_deref(),
        Some("restore \"r\" has no log: it failed validation: one is wrong")
    );
    assert_eq!(
        unavailable,
        Place::Unavailable("backup storage location \"l\" is Unavailable: no such bucket".to_owned())
    );
}

#[test]
fn a_failed_run_whose_file_is_missing_tells_why_it_failed() {
    let (failed, completed) = (backup("Failed"), backup("Completed"));
    let of = |backup| Known::new(Run::Backup(backup), Place::Usable);
    assert_eq!(
        of(&failed).of_missing().as_deref(),
        Some("backup \"b\" is Failed: the disk is full")
    );
    assert_eq!(of(&completed).of_missing(), None);
}
