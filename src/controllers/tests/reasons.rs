//! The reasons of failed passes, as events and the label of a metric have them: users filter and alert by them.

use std::collections::BTreeSet;

use crate::api::v1::{Backup, Restore};
use crate::controllers::artifact::renewal::Renewal;
use crate::controllers::backup::queue::Queue;
use crate::controllers::backup::reconcile::Backups;
use crate::controllers::backup_deletion::Deletions;
use crate::controllers::backup_storage_location::Locations;
use crate::controllers::backup_sync::Sync;
use crate::controllers::download_request::DownloadRequests;
use crate::controllers::freeze::reconcile::OpenFreezes;
use crate::controllers::gc::Gc;
use crate::controllers::item_operations::finalizer::Finalizer;
use crate::controllers::item_operations::waiting::Waiting;
use crate::controllers::restore::reconcile::Restores;
use crate::controllers::retention::Retention;
use crate::controllers::run::leftovers::RunRecords;
use crate::controllers::schedule::Schedules;
use crate::controllers::server_status_request::StatusRequests;
use crate::restore::retry_reason::RetryReason;
use crate::runtime::{Classify, Reconciler};

/// A controller and the reasons of its failures.
type Row = (&'static str, &'static [&'static str]);

fn reasons<R: Reconciler>() -> Row {
    (R::NAME, R::Error::REASONS)
}

#[test]
fn the_reasons_of_failed_passes_stay_what_they_are() {
    let expected: &[Row] = &[
        (
            "artifact-certificate",
            &["NotLeading", "CertificateNotMade", "SecretNotWritten"],
        ),
        (
            "backup",
            &[
                "StatusNotWritten",
                "PoliciesNotRead",
                "BrokeOff",
                "LocationGone",
                "LocationReadOnly",
                "LocationUnavailable",
                "RecordUnreadable",
            ],
        ),
        (
            "backup-deletion",
            &[
                "StatusNotWritten",
                "BackupNotRead",
                "LocationNotRead",
                "ObjectNotRemoved",
                "LocationUnusable",
                "BucketUnreadable",
                "DataNotRemoved",
                "FilesNotRemoved",
                "LeftoversNotNoted",
            ],
        ),
        (
            "backup-finalizer",
            &["StatusNotWritten", "BrokeOff", "LocationUnusable", "RecordUnreadable"],
        ),
        (
            "backup-operations",
            &[
                "StatusNotWritten",
                "LocationUnusable",
                "BucketUnreadable",
                "RecordUnreadable",
            ],
        ),
        ("backup-queue", &["StatusNotWritten", "BackupsNotListed"]),
        ("backup-storage-location", &["StatusNotWritten"]),
        (
            "backup-sync",
            &["LocationUnusable", "BucketUnreadable", "StatusNotWritten"],
        ),
        (
            "download-request",
            &["StatusNotWritten", "LocationUnusable", "NotSigned", "TargetUnknown"],
        ),
        (
            "gc",
            &[
                "StatusNotWritten",
                "BackupNotRead",
                "BackupsNotListed",
                "LocationNotRead",
                "RequestNotMade",
                "LocationUnusable",
                "BucketUnreadable",
            ],
        ),
        ("open-freezes", &["RecordUnreadable", "Scratch", "StillFrozen"]),
        (
            "restore",
            &[
                "StatusNotWritten",
                "BrokeOff",
                "SourceNotRead",
                "SourceGone",
                "FilesNotRemoved",
                "LocationUnusable",
                "LocationUnavailable",
                "RecordUnreadable",
            ],
        ),
        (
            "restore-finalizer",
            &["StatusNotWritten", "BrokeOff", "LocationUnusable", "RecordUnreadable"],
        ),
        (
            "restore-operations",
            &[
                "StatusNotWritten",
                "LocationUnusable",
                "BucketUnreadable",
                "RecordUnreadable",
            ],
        ),
        (
            "retention",
            &[
                "StatusNotWritten",
                "BackupNotRead",
                "BackupsNotListed",
                "LocationUnusable",
                "ExpirationNotStored",
                "RequestNotMade",
            ],
        ),
        (
            "run-record",
            &[
                "RecordNotRemoved",
                "RecordUnknown",
                "KindUnknown",
                "OwnerUnknown",
                "LocationUnusable",
                "LocationUnavailable",
                "LeftoversNotRemoved",
            ],
        ),
        (
            "schedule",
            &[
                "StatusNotWritten",
                "BackupsNotListed",
                "BackupNotCreated",
                "BackupRefused",
                "BackupNameTaken",
                "NotLeading",
            ],
        ),
        ("server-status-request", &["StatusNotWritten"]),
    ];
    assert_eq!(found(), expected);
}

/// Every controller with the reasons of its failures.
fn found() -> Vec<Row> {
    vec![
        reasons::<Renewal>(),
        reasons::<Backups>(),
        reasons::<Deletions>(),
        reasons::<Finalizer<Backup>>(),
        reasons::<Waiting<Backup>>(),
        reasons::<Queue>(),
        reasons::<Locations>(),
        reasons::<Sync>(),
        reasons::<DownloadRequests>(),
        reasons::<Gc>(),
        reasons::<OpenFreezes>(),
        reasons::<Restores>(),
        reasons::<Finalizer<Restore>>(),
        reasons::<Waiting<Restore>>(),
        reasons::<Retention>(),
        reasons::<RunRecords>(),
        reasons::<Schedules>(),
        reasons::<StatusRequests>(),
    ]
}

/// What an operator does about each reason.
const PAGE: &str = include_str!("../../../docs/user/troubleshoot.md");

/// The framework's own: of passes that end without an error of the reconciler, and of objects that cannot be read.
const FRAMEWORK: [&str; 4] = ["Aborted", "DeadlineExceeded", "Panicked", "Unreadable"];

/// Of conditions and events of runs and locations, besides phases and what is waited for.
const RUNS: [&str; 11] = [
    "DefaultConflict",
    "Cancelled",
    "Cancelling",
    "TooLate",
    "SealUnknown",
    "Started",
    "Resumed",
    "Released",
    "Validated",
    "Available",
    "Unavailable",
];

/// Of backups in the queue.
const QUEUE: [&str; 4] = [
    "LocationNotValidated",
    "BackupsNotCarriedOut",
    "NoFreePlace",
    "NamespaceConflict",
];

/// Of backups whose life ends, and of their deletion, besides those of locations.
const DELETIONS: [&str; 13] = [
    "Accepted",
    "BSLCannotGet",
    "BSLNotFound",
    "BSLReadOnly",
    "BSLUnavailable",
    "BackupKept",
    "BackupNameMissing",
    "BackupNotFound",
    "Deleting",
    "DeletionRefused",
    "Expired",
    "LeftoversFound",
    "RestoreRunning",
];

/// Of schedules, besides phases.
const SCHEDULES: [&str; 13] = [
    "Waiting",
    "Postponed",
    "Paused",
    "JitterIgnored",
    "TicksMissed",
    "NoneMissed",
    "BackupInProgress",
    "ServerAway",
    "SkipImmediately",
    "BackupCreated",
    "RulesValid",
    "RulesInvalid",
    "NoRules",
];

/// What an item of a restore waits for, besides transient errors. Items that wait for another one are never the first that waits.
const WAITS: [&str; 4] = [
    "ObjectTerminating",
    "NamespaceTerminating",
    "NamespaceNotCreated",
    "DefinitionNotAccepted",
];

/// The phases of runs in which their conditions are written.
const PHASES: [&str; 9] = [
    "InProgress",
    "WaitingForPluginOperations",
    "WaitingForPluginOperationsPartiallyFailed",
    "Finalizing",
    "FinalizingPartiallyFailed",
    "Completed",
    "PartiallyFailed",
    "Failed",
    "FailedValidation",
];

/// The next transient error, so that a new one cannot be left out.
fn after(reason: RetryReason) -> Option<RetryReason> {
    use RetryReason::{
        Backend, Conflict, Conversion, Dependency, DryRun, GatewayTimeout, NamespaceTerminating, Policy, Quota,
        QuotaUnknown, TooManyRequests, Transport, TypeTerminating, Unavailable, Unserved, Webhook,
    };
    Some(match reason {
        Transport => TooManyRequests,
        TooManyRequests => Unavailable,
        Unavailable => GatewayTimeout,
        GatewayTimeout => Conflict,
        Conflict => Webhook,
        Webhook => Conversion,
        Conversion => Policy,
        Policy => Backend,
        Backend => Unserved,
        Unserved => NamespaceTerminating,
        NamespaceTerminating => TypeTerminating,
        TypeTerminating => Quota,
        Quota => QuotaUnknown,
        QuotaUnknown => Dependency,
        // Only a dry run gets that answer, and a dry run has no conditions and events.
        Dependency | DryRun => return None,
    })
}

#[test]
fn troubleshoot_has_a_section_for_every_reason_and_no_other() {
    let transient = std::iter::successors(Some(RetryReason::Transport), |reason| after(*reason));
    let published: BTreeSet<&str> = found()
        .iter()
        .flat_map(|(_, reasons)| reasons.iter().copied())
        .chain(FRAMEWORK)
        .chain(RUNS)
        .chain(QUEUE)
        .chain(DELETIONS)
        .chain(["RestoresRemain"])
        .chain(SCHEDULES)
        .chain(WAITS)
        .chain(PHASES)
        .chain(transient.map(RetryReason::word))
        .collect();
    let sections = PAGE.lines().filter_map(|line| line.strip_prefix("### `"));
    let mut documented = BTreeSet::new();
    for reason in sections.flat_map(|title| title.split('`')).filter(|text| *text != ", ") {
        assert!(
            reason.is_empty() || documented.insert(reason),
            "`{reason}` has two sections"
        );
    }
    assert_eq!(published, documented);
}
