//! The output for the recorded objects is byte for byte that of the Go release.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::PathBuf;

use flate2::read::GzDecoder;
use jiff::tz::TimeZone;
use serde::de::DeserializeOwned;
use serde_json::Value;
use similar_asserts::assert_eq;

use super::columns::Columns;
use super::describe::backup::{BackupFacts, Snapshots};
use super::describe::restore::RestoreFacts;
use super::describe::{self, Details, Fetched};
use super::{Format, Listing, OutputArgs, View, json, list, print_yaml};
use crate::api::artifact::{BackupMethod, VolumeInfo};
use crate::api::v1::{Backup, BackupStorageLocation, Restore, Schedule};
use crate::cluster::yaml;

fn recorded(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/go-1.18.1")
        .join(path)
}

fn printed(name: &str) -> String {
    fs::read_to_string(recorded(&format!("cli/{name}.txt"))).unwrap()
}

fn object<K: DeserializeOwned>(name: &str) -> K {
    yaml::from_str(&fs::read_to_string(recorded(&format!("objects/{name}.yaml"))).unwrap()).unwrap()
}

fn artifact<T: DeserializeOwned>(path: &str) -> T {
    let mut text = String::new();
    GzDecoder::new(fs::File::open(recorded(&format!("bucket/{path}.gz"))).unwrap())
        .read_to_string(&mut text)
        .unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The time of the recording. Upstream printed colours into the pipe.
fn view() -> View {
    View {
        now: "2026-11-23T19:23:30Z".parse().unwrap(),
        zone: TimeZone::UTC,
        colour: true,
    }
}

fn backup_facts(details: bool) -> BackupFacts {
    let volumes: Vec<VolumeInfo> = artifact("backups/golden1/golden1-volumeinfo.json");
    let of = |method: &BackupMethod| {
        volumes
            .iter()
            .filter(|v| v.backup_method.as_ref() == Some(method))
            .cloned()
            .collect()
    };
    BackupFacts {
        backup: object("backup-golden1"),
        delete_requests: Ok(Vec::new()),
        pod_volume_backups: Ok(Vec::new()),
        results: None,
        snapshots: Fetched::Got(Snapshots {
            native: of(&BackupMethod::NativeSnapshot),
            csi: of(&BackupMethod::CsiSnapshot),
            from_older_files: false,
        }),
        details: details.then(|| Details {
            resource_list: Fetched::Got(artifact("backups/golden1/golden1-resource-list.json")),
            operations: None,
        }),
    }
}

fn restore_facts(details: bool) -> RestoreFacts {
    RestoreFacts {
        restore: object("restore-golden1-r"),
        pod_volume_restores: Ok(Vec::new()),
        results: Some(Fetched::Got(artifact("restores/golden1-r/restore-golden1-r-results"))),
        volumes: Fetched::Got(artifact("restores/golden1-r/golden1-r-volumeinfo.json")),
        details: details.then(|| Details {
            resource_list: Fetched::Got(artifact("restores/golden1-r/restore-golden1-r-resource-list.json")),
            operations: None,
        }),
    }
}

/// The table of these objects.
fn table<K: Columns>(items: Vec<K>) -> String {
    list(
        Listing {
            items,
            resource_version: None,
        },
        Format::Table,
        &OutputArgs::default(),
        &view(),
    )
    .unwrap()
}

fn header_and(name: &str, starts: &str) -> String {
    printed(name)
        .split_inclusive('\n')
        .filter(|l| l.starts_with("NAME") || l.starts_with(starts))
        .collect()
}

#[test]
fn backup_describe() {
    assert_eq!(
        describe::backup::text(&backup_facts(false), &view()),
        printed("backup-describe")
    );
}

#[test]
fn backup_describe_details() {
    assert_eq!(
        describe::backup::text(&backup_facts(true), &view()),
        printed("backup-describe-details")
    );
}

#[test]
fn backup_describe_json() {
    let text = json::render(&describe::backup_json(&backup_facts(false), &view()), 4).unwrap();
    assert_eq!(format!("{text}\n"), printed("backup-describe-json"));
}

#[test]
fn restore_describe() {
    assert_eq!(
        describe::restore::text(&restore_facts(false), &view()),
        printed("restore-describe")
    );
}

#[test]
fn restore_describe_details() {
    assert_eq!(
        describe::restore::text(&restore_facts(true), &view()),
        printed("restore-describe-details")
    );
}

/// The Go release has no such JSON. Every fact of its page is in ours.
#[test]
fn restore_describe_json() {
    let shown = describe::restore_json(&restore_facts(true), &view());
    let mut facts = BTreeSet::new();
    leaves(&shown, &mut facts);
    let page = printed("restore-describe-details");
    for line in page.lines() {
        let line = uncoloured(line);
        let text = line.trim().trim_start_matches("- ");
        let value = text.split_once(':').map_or(text, |(_, value)| value.trim());
        let (value, _) = value.split_once(" (run '").unwrap_or((value, ""));
        let (value, section) = (value.to_owned(), "CSI Snapshot Restores: <none included>");
        assert!(
            value.is_empty() || text == section || facts.contains(text) || facts.contains(&value),
            "{text:?} is not in\n{shown:#}"
        );
    }
    let status = &shown["status"];
    assert_eq!(
        (&status["totalItemsToBeRestored"], &status["itemsRestored"]),
        (&33.into(), &33.into())
    );
    assert_eq!(status["restoreVolumes"]["csiSnapshots"], "<none included>");
}

/// Every value, and the pairs of maps as on a page.
fn leaves(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Array(all) => all.iter().for_each(|one| leaves(one, into)),
        Value::Object(all) => {
            for (key, one) in all {
                into.extend(one.as_str().map(|text| format!("{key}={text}")));
                leaves(one, into);
            }
        }
        Value::String(text) => {
            into.insert(text.clone());
        }
        other => {
            into.insert(other.to_string());
        }
    }
}

fn uncoloured(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + part.split_once('m').map_or("", |(_, rest)| rest)
    })
}

#[test]
fn schedule_describe() {
    assert_eq!(
        describe::schedule::text(&object("schedule-daily"), &view()),
        printed("schedule-describe")
    );
}

#[test]
fn backup_location_get() {
    assert_eq!(
        table(vec![object::<BackupStorageLocation>("bsl-default")]),
        printed("backup-location-get")
    );
}

#[test]
fn schedule_get() {
    assert_eq!(
        table(vec![object::<Schedule>("schedule-daily")]),
        printed("schedule-get")
    );
}

/// The other rows are of objects that were not recorded. `b1` replaces them because it has the same column widths.
#[test]
fn backup_get() {
    let mut failed: Backup = object("backup-golden1");
    failed.metadata.name = Some("b1".into());
    failed.status.phase = Some("PartiallyFailed".into());
    failed.status.errors = 1720;
    failed.status.start_timestamp = Some(k8s_time("2026-11-23T18:52:45Z"));
    let want = header_and("backup-get", "b1")
        + &header_and("backup-get", "golden1")
            .split_inclusive('\n')
            .skip(1)
            .collect::<String>();
    assert_eq!(table(vec![object::<Backup>("backup-golden1"), failed]), want);
}

#[test]
fn restore_get() {
    assert_eq!(
        table(vec![object::<Restore>("restore-golden1-r")]),
        header_and("restore-get", "golden1-r")
    );
}

/// Printed from the recorded YAML, which has the managed fields that the recorded object lacks.
#[test]
fn backup_get_yaml() {
    let want = printed("backup-get-yaml");
    let backup: Backup = yaml::from_str(&want).unwrap();
    assert_eq!(print_yaml(&backup).unwrap(), want);
}

fn k8s_time(text: &str) -> crate::api::Time {
    crate::api::time(text.parse().unwrap())
}
