//! The reasons of failed passes, as events and the label of a metric have them: users filter and alert by them.

use crate::controllers::artifact::renewal::Renewal;
use crate::controllers::backup::queue::Queue;
use crate::controllers::backup::reconcile::Backups;
use crate::controllers::backup_storage_location::Locations;
use crate::controllers::backup_sync::Sync;
use crate::controllers::download_request::DownloadRequests;
use crate::controllers::freeze::reconcile::OpenFreezes;
use crate::controllers::restore::reconcile::Restores;
use crate::controllers::run::leftovers::RunRecords;
use crate::controllers::server_status_request::StatusRequests;
use crate::runtime::{Classify, Reconciler};

/// A controller and the reasons of its failures.
type Row = (&'static str, &'static [&'static str]);

fn reasons<R: Reconciler>() -> Row {
    (R::NAME, R::Error::REASONS)
}

#[test]
fn the_reasons_of_failed_passes_stay_what_they_are() {
    let expected: [Row; 10] = [
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
        ("server-status-request", &["StatusNotWritten"]),
    ];
    let found = [
        reasons::<Renewal>(),
        reasons::<Backups>(),
        reasons::<Queue>(),
        reasons::<Locations>(),
        reasons::<Sync>(),
        reasons::<DownloadRequests>(),
        reasons::<OpenFreezes>(),
        reasons::<Restores>(),
        reasons::<RunRecords>(),
        reasons::<StatusRequests>(),
    ];
    assert_eq!(found, expected);
}
