//! The custom resource definitions and the types they are made from, against what upstream ships and has written.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what a test's own helpers expect, they may insist on"
)]

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use similar_asserts::assert_eq;
use velero::api::artifact::{
    self, BackupItemOperation, NativeSnapshot, ResourceList, RestoreItemOperation, RestoreVolumeInfo, Results,
    VolumeInfo,
};
use velero::api::definitions::DEFINITIONS;
use velero::api::schema::Definition;
use velero::api::v1::{
    Backup, BackupPhase, BackupRepository, BackupSpec, BackupStorageLocation, DeleteBackupRequest, DownloadRequest,
    PodVolumeBackup, PodVolumeRestore, Restore, Schedule, ServerStatusRequest, VolumeSnapshotLocation,
};
use velero::api::v2alpha1::{DataDownload, DataUpload};
use velero::api::{GoDuration, RestoreHooks, go_json};
use velero::cluster::yaml;

// ---------------------------------------------------------------------------------------------------------------------
// The definitions
// ---------------------------------------------------------------------------------------------------------------------

#[test]
fn the_definitions_equal_upstreams_but_for_descriptions_and_the_listed_additions() {
    let mut unused = additions();
    for definition in DEFINITIONS {
        let mut ours = comparable(serde_json::to_value(definition.crd()).unwrap());
        let theirs = comparable(read_yaml(&format!("crds/1.18.1/{}", definition.file_name())));
        for path in additions()
            .iter()
            .filter(|(plural, _)| plural == definition.plural)
            .map(|(_, path)| path)
        {
            assert!(
                remove(schema_mut(&mut ours), path).is_some(),
                "{}: {path} is listed and not there",
                definition.kind
            );
            unused.remove(&(definition.plural.to_owned(), path.clone()));
        }
        assert_eq!(ours: ours, upstream: theirs, "{}", definition.kind);
    }
    assert_eq!(unused, BTreeSet::new(), "additions to kinds that are not there");
}

#[test]
fn every_kind_of_upstream_has_a_definition() {
    let theirs = file_names("tests/data/crds/1.18.1");
    let ours: BTreeSet<String> = DEFINITIONS.iter().map(Definition::file_name).collect();
    assert_eq!(ours, theirs);
}

/// Where ours accept less than 1.6.3's, and why that is as it must be.
const NARROWER_THAN_1_6_3: [(&str, &str); 1] = [(
    "podvolumerestores spec.required sourceNamespace",
    "required by upstream since 1.10; older objects are read, and are only ever deleted",
)];

#[test]
fn what_the_definitions_of_1_6_3_accept_is_accepted() {
    let mut found = Vec::new();
    for name in file_names("tests/data/crds/1.6.3") {
        if name == "velero.io_resticrepositories.yaml" {
            continue; // a kind of its own, which nobody reads or moves any more
        }
        let theirs = read_yaml(&format!("crds/1.6.3/{name}"));
        let definition = DEFINITIONS
            .iter()
            .find(|definition| definition.file_name() == name)
            .unwrap();
        let ours = serde_json::to_value(definition.crd()).unwrap();
        assert_eq!(ours["spec"]["names"]["kind"], theirs["spec"]["names"]["kind"]);
        assert_eq!(ours["spec"]["scope"], theirs["spec"]["scope"]);
        narrower(definition.plural, "", schema(&ours), schema(&theirs), &mut found);
    }
    let expected: Vec<String> = NARROWER_THAN_1_6_3.iter().map(|(what, _)| (*what).to_owned()).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_committed_manifests_are_those_of_the_types() {
    let directory = root().join("manifests/crds");
    let ours: BTreeSet<String> = DEFINITIONS.iter().map(Definition::file_name).collect();
    assert_eq!(file_names("manifests/crds"), ours, "run `make manifests`");
    for definition in DEFINITIONS {
        let text = fs::read_to_string(directory.join(definition.file_name())).unwrap();
        let committed: Value = yaml::from_str(&text).unwrap();
        assert_eq!(
            committed,
            serde_json::to_value(definition.crd()).unwrap(),
            "{}: run `make manifests`",
            definition.kind
        );
    }
}

#[test]
fn every_property_tells_what_it_is_for() {
    for definition in DEFINITIONS {
        let crd = serde_json::to_value(definition.crd()).unwrap();
        let mut silent = Vec::new();
        undescribed("", schema(&crd), &mut silent);
        // controller-gen leaves metadata without one; the API server describes it itself.
        assert_eq!(silent, ["metadata"], "{}", definition.kind);
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// The types
// ---------------------------------------------------------------------------------------------------------------------

/// Calls `$test` with each root type.
macro_rules! each_kind {
    ($test:ident) => {
        $test::<Backup>(Backup::DEFINITION);
        $test::<Restore>(Restore::DEFINITION);
        $test::<Schedule>(Schedule::DEFINITION);
        $test::<BackupStorageLocation>(BackupStorageLocation::DEFINITION);
        $test::<VolumeSnapshotLocation>(VolumeSnapshotLocation::DEFINITION);
        $test::<DownloadRequest>(DownloadRequest::DEFINITION);
        $test::<DeleteBackupRequest>(DeleteBackupRequest::DEFINITION);
        $test::<ServerStatusRequest>(ServerStatusRequest::DEFINITION);
        $test::<PodVolumeBackup>(PodVolumeBackup::DEFINITION);
        $test::<PodVolumeRestore>(PodVolumeRestore::DEFINITION);
        $test::<BackupRepository>(BackupRepository::DEFINITION);
        $test::<DataUpload>(DataUpload::DEFINITION);
        $test::<DataDownload>(DataDownload::DEFINITION);
    };
}

trait Root: Default + std::fmt::Debug + PartialEq + Serialize + DeserializeOwned {}
impl<T: Default + std::fmt::Debug + PartialEq + Serialize + DeserializeOwned> Root for T {}

#[test]
fn every_field_of_upstreams_definitions_survives_a_round_trip() {
    fn check<K: Root>(definition: Definition) {
        let upstream = read_yaml(&format!("crds/1.18.1/{}", definition.file_name()));
        for choice in 0..15 {
            let object = object(&definition, &schema(&upstream)["properties"], choice);
            let read: K = serde_json::from_value(object.clone()).unwrap();
            assert_eq!(serde_json::to_value(&read).unwrap(), object, "{}", definition.kind);
        }
    }
    each_kind!(check);
}

#[test]
fn null_is_accepted_everywhere() {
    fn check<K: Root>(definition: Definition) {
        let upstream = read_yaml(&format!("crds/1.18.1/{}", definition.file_name()));
        let properties = &schema(&upstream)["properties"];
        let mut object = object(&definition, properties, 0);
        let mut paths = Vec::new();
        leaves("", &properties["spec"], "spec", &mut paths);
        leaves("", &properties["status"], "status", &mut paths);
        for path in paths {
            let whole = object.clone();
            for place in places(&mut object, &path) {
                *place = Value::Null;
            }
            if let Err(error) = serde_json::from_value::<K>(object) {
                panic!("{} {path}: {error}", definition.kind);
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
fn what_go_always_writes_is_always_written() {
    fn check<K: Root>(definition: Definition) {
        let backup_spec = json!({
            "metadata": {}, "ttl": "0s", "hooks": {}, "csiSnapshotTimeout": "0s", "itemOperationTimeout": "0s"
        });
        let reference = json!({});
        let (spec, status) = match definition.kind {
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
            "apiVersion": format!("velero.io/{}", definition.version),
            "kind": definition.kind,
            "metadata": {"creationTimestamp": null},
            "spec": spec,
            "status": status,
        });
        assert_eq!(serde_json::to_value(K::default()).unwrap(), expected);
    }
    each_kind!(check);
}

#[test]
fn references_and_hooks_are_written_with_gos_zero_values() {
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
fn what_a_newer_release_wrote_survives_a_round_trip() {
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
fn one_bad_duration_does_not_hide_the_other_objects() {
    let list = json!([{"spec": {"ttl": "720h"}}, {"spec": {"ttl": "30d"}}]);
    let read: Vec<Backup> = serde_json::from_value(list).unwrap();
    assert_eq!(read[0].spec.ttl, GoDuration::from_hours(720));
    assert_eq!(
        read[1].spec.ttl.value().unwrap_err().to_string(),
        r#"time: unknown unit "d" in duration "30d""#
    );
}

// ---------------------------------------------------------------------------------------------------------------------
// What the Go release has written
// ---------------------------------------------------------------------------------------------------------------------

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
fn the_recorded_backup_is_written_with_the_same_bytes() {
    let recorded = fs::read(bucket("backups/golden1/velero-backup.json")).unwrap();
    let backup: Backup = serde_json::from_slice(&recorded).unwrap();
    assert_eq!(text(&go_json::to_pretty(&backup).unwrap()), text(&recorded));
}

#[test]
fn recorded_files_are_written_with_the_same_bytes() {
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
fn records_are_written_in_gos_words_and_order() {
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

// ---------------------------------------------------------------------------------------------------------------------
// How it is compared
// ---------------------------------------------------------------------------------------------------------------------

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn bucket(key: &str) -> PathBuf {
    root().join("tests/data/go-1.18.1/bucket").join(key)
}

fn file_names(directory: &str) -> BTreeSet<String> {
    fs::read_dir(root().join(directory))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn read_yaml(path: &str) -> Value {
    yaml::from_str(&fs::read_to_string(root().join("tests/data").join(path)).unwrap()).unwrap()
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

fn round_trip<K: Root>(object: &Value) -> Value {
    serde_json::to_value(serde_json::from_value::<K>(object.clone()).unwrap()).unwrap()
}

fn additions() -> BTreeSet<(String, String)> {
    fs::read_to_string(root().join("tests/crd_additions.txt"))
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once(' ').unwrap())
        .map(|(plural, path)| (plural.to_owned(), path.to_owned()))
        .collect()
}

fn schema(crd: &Value) -> &Value {
    &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
}

fn schema_mut(crd: &mut Value) -> &mut Value {
    &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
}

/// Takes a property out of a schema.
fn remove(schema: &mut Value, path: &str) -> Option<Value> {
    match path.split_once('.') {
        Some((first, rest)) => remove(&mut schema["properties"][first], rest),
        None => schema["properties"].as_object_mut()?.remove(path),
    }
}

/// A definition without what may differ: descriptions, annotations, what an API server adds.
fn comparable(mut crd: Value) -> Value {
    crd["metadata"] = json!({"name": crd["metadata"]["name"]});
    without_descriptions(&mut crd);
    crd
}

fn without_descriptions(value: &mut Value) {
    match value {
        Value::Object(map) => {
            // A property that is called so is an object.
            if map.get("description").is_some_and(Value::is_string) {
                map.remove("description");
            }
            map.values_mut().for_each(without_descriptions);
        }
        Value::Array(items) => items.iter_mut().for_each(without_descriptions),
        _ => {}
    }
}

fn children(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema["properties"].as_object().into_iter().flatten()
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn texts(value: &Value) -> BTreeSet<&str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// Notes where `ours` accepts less than `theirs`.
fn narrower(plural: &str, path: &str, ours: &Value, theirs: &Value, found: &mut Vec<String>) {
    let mut note = |what: String| found.push(format!("{plural} {path}.{what}"));
    if ours["x-kubernetes-preserve-unknown-fields"] == json!(true) && ours["type"] == theirs["type"] {
        return; // accepts whatever it is given
    }
    if ours["type"] != theirs["type"] || (ours["format"] != theirs["format"] && !ours["format"].is_null()) {
        note("type".to_owned());
    }
    if theirs["nullable"] == json!(true) && ours["nullable"] != json!(true) {
        note("nullable".to_owned());
    }
    if !ours["enum"].is_null() && (theirs["enum"].is_null() || !texts(&theirs["enum"]).is_subset(&texts(&ours["enum"])))
    {
        note("enum".to_owned());
    }
    for name in texts(&ours["required"]).difference(&texts(&theirs["required"])) {
        note(format!("required {name}"));
    }
    for keyword in [
        "pattern",
        "minimum",
        "maximum",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
    ] {
        if !ours[keyword].is_null() && ours[keyword] != theirs[keyword] {
            note(keyword.to_owned());
        }
    }
    for (name, theirs) in children(theirs) {
        match ours["properties"].get(name) {
            Some(ours) => narrower(plural, &join(path, name), ours, theirs, found),
            None => found.push(format!("{plural} {}: missing", join(path, name))),
        }
    }
    for part in ["items", "additionalProperties"] {
        if theirs[part].is_object() {
            narrower(plural, &format!("{path}[]"), &ours[part], &theirs[part], found);
        }
    }
}

fn undescribed(path: &str, schema: &Value, silent: &mut Vec<String>) {
    for (name, child) in children(schema) {
        let path = join(path, name);
        if child["description"].as_str().is_none_or(str::is_empty) {
            silent.push(path.clone());
        }
        undescribed(&path, child, silent);
        undescribed(&format!("{path}[]"), &child["items"], silent);
    }
}

/// An object with every field set, the `choice`th text of each enum.
fn object(definition: &Definition, properties: &Value, choice: usize) -> Value {
    json!({
        "apiVersion": format!("velero.io/{}", definition.version),
        "kind": definition.kind,
        "metadata": {"name": "x", "namespace": "velero", "creationTimestamp": "2026-11-23T19:22:17Z"},
        "spec": value("spec", &properties["spec"], choice),
        "status": value("status", &properties["status"], choice),
    })
}

fn value(name: &str, schema: &Value, choice: usize) -> Value {
    if let Some(texts) = schema["enum"].as_array() {
        return texts[choice % texts.len()].clone();
    }
    match (schema["type"].as_str().unwrap(), schema["format"].as_str()) {
        ("string", Some("date-time")) => json!("2026-11-23T19:22:17Z"),
        ("string", Some("byte")) => json!("Y2VydA=="),
        ("string", None)
            if ["ttl", "Timeout", "Frequency", "Period"]
                .iter()
                .any(|part| name.ends_with(part)) =>
        {
            json!("1h30m0s")
        }
        ("string", None) if name == "timeout" => json!("45s"),
        ("string", None) => json!(format!("{name} & <more>")),
        ("integer", _) => json!(7),
        ("boolean", _) => json!(true),
        ("array", _) => json!([value(name, &schema["items"], choice)]),
        ("object", _) if schema["additionalProperties"].is_object() => json!({"key": "value"}),
        ("object", _) if schema["x-kubernetes-preserve-unknown-fields"] == json!(true) => {
            json!({"name": "c", "image": "i", "ports": [{"containerPort": 80}], "newField": {"deep": null}})
        }
        ("object", _) => Value::Object(
            children(schema)
                .map(|(name, child)| (name.clone(), value(name, child, choice)))
                .collect::<Map<_, _>>(),
        ),
        other => panic!("{name}: {other:?} is new here"),
    }
}

/// The paths of all properties, `[]` for a step into a list.
fn leaves(path: &str, schema: &Value, name: &str, paths: &mut Vec<String>) {
    let path = join(path, name);
    for (name, child) in children(schema) {
        leaves(&path, child, name, paths);
    }
    for (name, child) in children(&schema["items"]) {
        leaves(&format!("{path}[]"), child, name, paths);
    }
    paths.push(path);
}

fn places<'a>(object: &'a mut Value, path: &str) -> Vec<&'a mut Value> {
    let mut places = vec![object];
    for step in path.split('.') {
        let (name, list) = step.strip_suffix("[]").map_or((step, false), |name| (name, true));
        places = places.into_iter().map(|place| &mut place[name]).collect();
        if list {
            places = places.into_iter().filter_map(|place| place.get_mut(0)).collect();
        }
    }
    places
}
