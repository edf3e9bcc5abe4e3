//! What the types read and write, compared with Go's types.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use similar_asserts::assert_eq;
use velero::api::schema::Crd;
use velero::api::v1::{
    Backup, BackupPhase, BackupRepository, BackupSpec, BackupStorageLocation, DeleteBackupRequest, DownloadRequest,
    PodVolumeBackup, PodVolumeRestore, Restore, Schedule, ServerStatusRequest, VolumeSnapshotLocation,
};
use velero::api::v2alpha1::{DataDownload, DataUpload};
use velero::api::{GoDuration, RestoreHooks};

use super::data::read_yaml;
use super::sample::{leaves, object, places};
use super::schema::schema;

/// Calls `$test` with each root type.
macro_rules! each_kind {
    ($test:ident) => {
        $test::<Backup>(Backup::CRD);
        $test::<Restore>(Restore::CRD);
        $test::<Schedule>(Schedule::CRD);
        $test::<BackupStorageLocation>(BackupStorageLocation::CRD);
        $test::<VolumeSnapshotLocation>(VolumeSnapshotLocation::CRD);
        $test::<DownloadRequest>(DownloadRequest::CRD);
        $test::<DeleteBackupRequest>(DeleteBackupRequest::CRD);
        $test::<ServerStatusRequest>(ServerStatusRequest::CRD);
        $test::<PodVolumeBackup>(PodVolumeBackup::CRD);
        $test::<PodVolumeRestore>(PodVolumeRestore::CRD);
        $test::<BackupRepository>(BackupRepository::CRD);
        $test::<DataUpload>(DataUpload::CRD);
        $test::<DataDownload>(DataDownload::CRD);
    };
}

trait Root: Default + std::fmt::Debug + PartialEq + Serialize + DeserializeOwned {}
impl<T: Default + std::fmt::Debug + PartialEq + Serialize + DeserializeOwned> Root for T {}

#[test]
fn every_field_of_upstream_survives_a_round_trip() {
    fn check<K: Root>(crd: Crd) {
        let upstream = read_yaml(&format!("crds/1.18.1/{}", crd.file_name()));
        for choice in 0..15 {
            let object = object(&crd, &schema(&upstream)["properties"], choice);
            let read: K = serde_json::from_value(object.clone()).unwrap();
            assert_eq!(serde_json::to_value(&read).unwrap(), object, "{}", crd.kind);
        }
    }
    each_kind!(check);
}

#[test]
fn null_is_accepted_everywhere() {
    fn check<K: Root>(crd: Crd) {
        let upstream = read_yaml(&format!("crds/1.18.1/{}", crd.file_name()));
        let properties = &schema(&upstream)["properties"];
        let mut object = object(&crd, properties, 0);
        let mut paths = Vec::new();
        leaves("", &properties["spec"], "spec", &mut paths);
        leaves("", &properties["status"], "status", &mut paths);
        for path in paths {
            let whole = object.clone();
            for place in places(&mut object, &path) {
                *place = Value::Null;
            }
            if let Err(error) = serde_json::from_value::<K>(object) {
                panic!("{} {path}: {error}", crd.kind);
            }
            object = whole;
        }
        for bare in [
            json!({}),
            json!({"metadata": null, "spec": null, "status": null}),
            json!({"spec": {}}),
        ] {
            assert_eq!(serde_json::from_value::<K>(bare).unwrap(), K::default());
        }
    }
    each_kind!(check);
}

#[test]
fn fields_that_go_always_writes_are_written() {
    fn check<K: Root>(crd: Crd) {
        let backup_spec = json!({
            "metadata": {}, "ttl": "0s", "hooks": {}, "csiSnapshotTimeout": "0s", "itemOperationTimeout": "0s"
        });
        let reference = json!({});
        let (spec, status) = match crd.kind {
            "Backup" => (backup_spec, json!({})),
            "Restore" => (json!({"hooks": {}, "itemOperationTimeout": "0s"}), json!({})),
            "Schedule" => (json!({"template": backup_spec, "schedule": ""}), json!({})),
            "BackupStorageLocation" => (json!({"provider": "", "objectStorage": null}), json!({})),
            "VolumeSnapshotLocation" => (json!({"provider": ""}), json!({})),
            "DownloadRequest" => (json!({"target": {"kind": "", "name": ""}}), json!({})),
            "DeleteBackupRequest" => (json!({"backupName": ""}), json!({})),
            "ServerStatusRequest" => (json!({}), json!({})),
            "PodVolumeBackup" => (
                json!({
                    "node": "", "pod": reference, "volume": "", "backupStorageLocation": "", "repoIdentifier": "",
                    "uploaderType": ""
                }),
                json!({"progress": {}}),
            ),
            "PodVolumeRestore" => (
                json!({
                    "pod": reference, "volume": "", "backupStorageLocation": "", "repoIdentifier": "",
                    "uploaderType": "", "snapshotID": "", "sourceNamespace": ""
                }),
                json!({"progress": {}}),
            ),
            "BackupRepository" => (
                json!({
                    "volumeNamespace": "", "backupStorageLocation": "", "repositoryType": "",
                    "maintenanceFrequency": "0s"
                }),
                json!({}),
            ),
            "DataUpload" => (
                json!({
                    "snapshotType": "", "csiSnapshot": null, "sourcePVC": "", "backupStorageLocation": "",
                    "sourceNamespace": "", "operationTimeout": "0s"
                }),
                json!({"progress": {}}),
            ),
            "DataDownload" => (
                json!({
                    "targetVolume": {"pvc": "", "pv": "", "namespace": ""}, "backupStorageLocation": "",
                    "snapshotID": "", "sourceNamespace": "", "operationTimeout": "0s"
                }),
                json!({"progress": {}}),
            ),
            other => panic!("{other} is new here"),
        };
        let expected = json!({
            "apiVersion": format!("velero.io/{}", crd.version),
            "kind": crd.kind,
            "metadata": {"creationTimestamp": null},
            "spec": spec,
            "status": status,
        });
        assert_eq!(serde_json::to_value(K::default()).unwrap(), expected);
    }
    each_kind!(check);
}

#[test]
fn references_and_hooks_keep_gos_zero_values() {
    let spec = json!({
        "metadata": {}, "ttl": "0s", "csiSnapshotTimeout": "0s", "itemOperationTimeout": "0s",
        "hooks": {"resources": [{"name": "", "pre": [{"exec": {"command": [], "timeout": "0s"}}, {"exec": null}]}]},
        "resourcePolicy": {"apiGroup": null, "kind": "", "name": ""},
    });
    let read: BackupSpec = serde_json::from_value(json!({
        "hooks": {"resources": [{"pre": [{"exec": {}}, {}]}]},
        "resourcePolicy": {},
    }))
    .unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), spec);

    let read: RestoreHooks = serde_json::from_value(json!({
        "resources": [{"name": "x", "postHooks": [{"exec": {}}, {"init": {}}]}]
    }))
    .unwrap();
    assert_eq!(
        serde_json::to_value(read).unwrap(),
        json!({"resources": [{"name": "x", "postHooks": [
            {"exec": {"command": [], "execTimeout": "0s", "waitTimeout": "0s"}},
            {"init": {"initContainers": null, "timeout": "0s"}},
        ]}]})
    );
}

#[test]
fn unknown_fields_survive_a_round_trip() {
    let object = json!({
        "kind": "Backup",
        "apiVersion": "velero.io/v1",
        "metadata": {"name": "b", "creationTimestamp": null},
        "spec": {
            "metadata": {"annotations": {"a": "b"}},
            "ttl": "30d",
            "hooks": {"resources": [{"name": "h", "during": [1, 2]}], "order": "strict"},
            "csiSnapshotTimeout": "0s",
            "itemOperationTimeout": "",
            "uploaderConfig": {"cipher": {"name": "x"}},
            "newThing": {"deep": [true, null, 12_345_678_901_234_567_u64, 0.1]},
        },
        "status": {"phase": "Pondering", "mood": "calm"},
    });
    let read: Backup = serde_json::from_value(object.clone()).unwrap();
    assert_eq!(read.status.phase(), &BackupPhase::Other("Pondering".to_owned()));
    assert!(read.spec.ttl.value().is_err());
    assert_eq!(serde_json::to_value(read).unwrap(), object);
}

#[test]
fn one_bad_duration_does_not_fail_the_list() {
    let list = json!([{"spec": {"ttl": "720h"}}, {"spec": {"ttl": "30d"}}]);
    let read: Vec<Backup> = serde_json::from_value(list).unwrap();
    assert_eq!(read[0].spec.ttl, GoDuration::from_hours(720));
    assert_eq!(
        read[1].spec.ttl.value().unwrap_err().to_string(),
        r#"time: unknown unit "d" in duration "30d""#
    );
}
