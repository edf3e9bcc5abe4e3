//! Files that Velero 1.18.1 has written: each is read and written again, byte for byte.

use std::fs;
use std::io::Read as _;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use similar_asserts::assert_eq;
use velero::api::artifact::{
    self, BackupItemOperation, NativeSnapshot, ResourceList, RestoreItemOperation, RestoreVolumeInfo, Results,
    VolumeInfo,
};
use velero::api::go_json;
use velero::api::v1::{Backup, BackupStorageLocation, PodVolumeBackup, Restore, Schedule};
use velero::cluster::yaml;

use super::data::{file_names, root};

#[test]
fn recorded_objects_survive_a_round_trip() {
    let mut seen = 0;
    for directory in ["go-1.18.1/objects", "go-1.18.1/cli"] {
        for name in file_names(&format!("tests/data/{directory}")) {
            let text = fs::read_to_string(root().join("tests/data").join(directory).join(&name)).unwrap();
            for object in yaml::documents(&text).unwrap_or_default() {
                let back = match object["kind"].as_str() {
                    Some("Backup") => round_trip::<Backup>(&object),
                    Some("Restore") => round_trip::<Restore>(&object),
                    Some("Schedule") => round_trip::<Schedule>(&object),
                    Some("BackupStorageLocation") => round_trip::<BackupStorageLocation>(&object),
                    _ => continue,
                };
                assert_eq!(back, object, "{name}");
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 9);
}

#[test]
fn the_recorded_backup_keeps_its_bytes() {
    let recorded = fs::read(bucket("backups/golden1/velero-backup.json")).unwrap();
    let backup: Backup = serde_json::from_slice(&recorded).unwrap();
    assert_eq!(text(&go_json::to_pretty(&backup).unwrap()), text(&recorded));
}

#[test]
fn recorded_files_keep_their_bytes() {
    let backup = |name: &str| format!("backups/golden1/golden1-{name}");
    let restore = |name: &str| format!("restores/golden1-r/{name}");
    rewrites::<Results>(&backup("results.gz"));
    rewrites::<ResourceList>(&backup("resource-list.json.gz"));
    rewrites::<Vec<BackupItemOperation>>(&backup("itemoperations.json.gz"));
    rewrites::<Vec<VolumeInfo>>(&backup("volumeinfo.json.gz"));
    rewrites::<Option<Vec<NativeSnapshot>>>(&backup("volumesnapshots.json.gz"));
    rewrites::<Option<Vec<PodVolumeBackup>>>(&backup("podvolumebackups.json.gz"));
    rewrites::<Results>(&restore("restore-golden1-r-results.gz"));
    rewrites::<ResourceList>(&restore("restore-golden1-r-resource-list.json.gz"));
    rewrites::<Vec<RestoreItemOperation>>(&restore("restore-golden1-r-itemoperations.json.gz"));
    rewrites::<Vec<RestoreVolumeInfo>>(&restore("golden1-r-volumeinfo.json.gz"));
}

#[test]
fn an_absent_list_is_null_or_empty() {
    for name in ["volumesnapshots.json.gz", "itemoperations.json.gz"] {
        let json = unpack(&format!("backups/golden1/golden1-{name}"));
        assert_eq!(
            artifact::list_from_slice::<Value>(&json).unwrap(),
            Vec::<Value>::new(),
            "{name}"
        );
    }
}

#[test]
fn records_are_written_in_gos_field_order() {
    fn check<T: Serialize + DeserializeOwned>(json: &str) {
        let read: T = serde_json::from_str(json).unwrap();
        assert_eq!(String::from_utf8(go_json::to_vec(&read).unwrap()).unwrap(), json);
    }
    check::<NativeSnapshot>(concat!(
        r#"{"spec":{"backupName":"b","backupUID":"u","location":"l","persistentVolumeName":"pv","providerVolumeID":"v","#,
        r#""volumeType":"gp3","volumeAZ":"z","volumeIOPS":0},"status":{"providerSnapshotID":"s","phase":"Completed"}}"#
    ));
    check::<NativeSnapshot>(concat!(
        r#"{"spec":{"backupName":"","backupUID":"","location":"","persistentVolumeName":"","providerVolumeID":"","#,
        r#""volumeType":""},"status":{}}"#
    ));
    check::<BackupItemOperation>(concat!(
        r#"{"spec":{"backupName":"b","backupUID":"u","backupItemAction":"velero.io/x","resourceIdentifier":"#,
        r#"{"Group":"","Resource":"pods","Namespace":"n","Name":"p"},"operationID":"o","postOperationItems":null},"#,
        r#""status":{"phase":"InProgress","error":"\u003ce\u003e","nCompleted":1,"nTotal":2,"operationUnits":"Bytes","#,
        r#""description":"d","created":"2026-11-23T19:22:17Z","started":"2026-11-23T19:22:18Z","#,
        r#""updated":"2026-11-23T19:22:19Z"}}"#
    ));
    check::<RestoreItemOperation>(concat!(
        r#"{"spec":{"restoreName":"r","restoreUID":"u","restoreItemAction":"velero.io/x","resourceIdentifier":"#,
        r#"{"Group":"g","Resource":"r","Namespace":"","Name":"n"},"operationID":"o"},"status":{}}"#
    ));
    check::<VolumeInfo>(concat!(
        r#"{"pvcName":"c","pvcNamespace":"n","pvName":"v","backupMethod":"CSISnapshot","snapshotDataMoved":true,"#,
        r#""preserveLocalSnapshot":false,"skipped":false,"startTimestamp":"2026-11-23T19:22:17Z","result":"succeeded","#,
        r#""csiSnapshotInfo":{"snapshotHandle":"h","size":1,"driver":"d","vscName":"s","operationID":"o","#,
        r#""ReadyToUse":null,"volumeGroupSnapshotHandle":"g"},"snapshotDataMovementInfo":{"dataMover":"velero","#,
        r#""uploaderType":"kopia","retainedSnapshot":"r","snapshotHandle":"h","operationID":"o","size":1,"#,
        r#""incrementalSize":2,"Phase":"Completed"},"nativeSnapshotInfo":{"snapshotHandle":"h","volumeType":"t","#,
        r#""volumeAZ":"z","iops":"0","Phase":"New"},"pvbInfo":{"snapshotHandle":"h","size":1,"incrementalSize":2,"#,
        r#""uploaderType":"kopia","volumeName":"v","podName":"p","podNamespace":"n","nodeName":"m","Phase":"New"},"#,
        r#""pvInfo":{"reclaimPolicy":"Delete","labels":{"a":"b"}}}"#
    ));
    check::<RestoreVolumeInfo>(concat!(
        r#"{"restoreMethod":"PodVolumeRestore","snapshotDataMoved":false,"pvrInfo":{"uploaderType":"kopia","#,
        r#""volumeName":"v","podName":"p","podNamespace":"n","Phase":""}}"#
    ));
}

fn bucket(key: &str) -> PathBuf {
    root().join("tests/data/go-1.18.1/bucket").join(key)
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn unpack(key: &str) -> Vec<u8> {
    let mut json = Vec::new();
    flate2::read::GzDecoder::new(fs::File::open(bucket(key)).unwrap())
        .read_to_end(&mut json)
        .unwrap();
    json
}

fn rewrites<T: Serialize + DeserializeOwned>(key: &str) {
    let recorded = unpack(key);
    let read: T = serde_json::from_slice(&recorded).unwrap();
    assert_eq!(text(&go_json::to_line(&read).unwrap()), text(&recorded), "{key}");
}

fn round_trip<K: Serialize + DeserializeOwned>(object: &Value) -> Value {
    serde_json::to_value(serde_json::from_value::<K>(object.clone()).unwrap()).unwrap()
}
