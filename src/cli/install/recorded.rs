//! Compares our objects with those of the Go release.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::{Value, json};

use super::objects::resources;
use super::options::{
    InstallOptions, LocationOptions, NodeAgentOptions, Resources, ServerFlags, SnapshotLocationOptions,
};
use super::parts::CREDENTIALS;
use crate::cluster::yaml::documents;

/// Every difference with its reason: `+` only ours, `-` only upstream's, `~` different.
const DIFFERENCES: &[(&str, &str)] = &[
    (
        "+ Service/velero",
        "the artifact endpoint for the API server's proxy (decision 24)",
    ),
    (
        "- Deployment/velero spec.template.spec.initContainers",
        "this release has no plugins, and a pod must not wait for images it does not use (decision 27)",
    ),
    (
        "+ Deployment/velero spec.template.spec.containers[0].env[3]",
        "POD_NAME: events name the pod",
    ),
    (
        "+ Deployment/velero spec.template.spec.containers[0].env[4]",
        "POD_UID: identity in the leader election (decision 8)",
    ),
    (
        "+ Deployment/velero spec.template.spec.containers[0].env[5]",
        "CONTAINER_NAME: part of the identity",
    ),
    (
        "+ Deployment/velero spec.template.spec.containers[0].env[6]",
        "TMPDIR: the image has no /tmp",
    ),
    (
        "+ Deployment/velero spec.template.spec.containers[0].ports[1]",
        "the artifact endpoint (decision 24)",
    ),
    (
        "+ Deployment/velero spec.template.spec.containers[0].livenessProbe",
        "a server that hangs is restarted",
    ),
    (
        "+ Deployment/velero spec.template.spec.containers[0].readinessProbe",
        "the Service routes to ready servers only",
    ),
    (
        "+ Deployment/velero spec.template.spec.containers[0].securityContext",
        "no more permissions on the node than the server needs",
    ),
    (
        "+ Deployment/velero spec.template.spec.terminationGracePeriodSeconds",
        "longer than the server's own grace period",
    ),
];

/// The flags of the recording: aws with a bucket, a secret and the node agent.
fn recorded_options() -> InstallOptions {
    let config = [("region".to_owned(), "us-east-1".to_owned())];
    InstallOptions {
        namespace: "velero".into(),
        image: "velero/velero:v1.18.1".into(),
        resources: Resources::server_defaults(),
        credentials: Some(b"[default]\naws_access_key_id=test\naws_secret_access_key=test\n".to_vec()),
        location: Some(LocationOptions {
            provider: "aws".into(),
            bucket: "b".into(),
            config: config.into(),
            ..LocationOptions::default()
        }),
        snapshot_location: Some(SnapshotLocationOptions {
            provider: "aws".into(),
            ..SnapshotLocationOptions::default()
        }),
        node_agent: Some(NodeAgentOptions {
            host_path: true,
            kubelet_root: "/var/lib/kubelet".into(),
            ..NodeAgentOptions::default()
        }),
        server: ServerFlags {
            uploader_type: "kopia".into(),
            ..ServerFlags::default()
        },
        ..InstallOptions::default()
    }
}

/// Removes nulls and empty objects: Go writes unset fields this way (spec server-cli 10.3). An empty `emptyDir` has a meaning.
fn tidy(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let tidied = fields.into_iter().map(|(key, value)| {
                let is_kept = key == "emptyDir";
                (key, tidy(value), is_kept)
            });
            let kept = tidied.filter(|(_, value, is_kept)| *is_kept || (!value.is_null() && *value != json!({})));
            kept.map(|(key, value, _)| (key, value)).collect()
        }
        Value::Array(items) => items.into_iter().map(tidy).collect(),
        other => other,
    }
}

fn by_name(objects: Vec<Value>) -> BTreeMap<String, Value> {
    let name = |object: &Value| {
        format!(
            "{}/{}",
            object["kind"].as_str().unwrap(),
            object["metadata"]["name"].as_str().unwrap()
        )
    };
    objects
        .into_iter()
        .map(|object| (name(&object), tidy(object)))
        .collect()
}

fn compare(path: &str, theirs: &Value, ours: &Value, found: &mut Vec<String>) {
    match (theirs, ours) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                let path = if path.contains(' ') {
                    format!("{path}.{key}")
                } else {
                    format!("{path} {key}")
                };
                match (a.get(key), b.get(key)) {
                    (Some(a), Some(b)) => compare(&path, a, b, found),
                    (Some(_), None) => found.push(format!("- {path}")),
                    _ => found.push(format!("+ {path}")),
                }
            }
        }
        (Value::Array(a), Value::Array(b)) => compare_lists(path, a, b, found),
        _ if theirs == ours => {}
        _ => found.push(format!("~ {path}: {theirs} is {ours} here")),
    }
}

/// Items with names are compared by name, so that one more does not shift all that follow.
fn compare_lists(path: &str, theirs: &[Value], ours: &[Value], found: &mut Vec<String>) {
    let matching = |one: &Value, list: &[Value]| match one["name"].as_str() {
        Some(name) => list.iter().position(|other| other["name"] == name),
        None => list.iter().position(|other| other == one),
    };
    for (at, item) in theirs.iter().enumerate() {
        match matching(item, ours) {
            Some(other) => compare(&format!("{path}[{at}]"), item, &ours[other], found),
            None => found.push(format!("- {path}[{at}]")),
        }
    }
    for (at, item) in ours.iter().enumerate() {
        if matching(item, theirs).is_none() {
            found.push(format!("+ {path}[{at}]"));
        }
    }
}

#[test]
fn our_objects_differ_from_the_recorded_ones_only_as_listed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/go-1.18.1/install-objects.yaml");
    let theirs = by_name(documents(&fs::read_to_string(path).unwrap()).unwrap());
    let ours = by_name(resources(&recorded_options()).unwrap());
    let mut found = Vec::new();
    for name in theirs.keys().chain(ours.keys()).collect::<BTreeSet<_>>() {
        match (theirs.get(name), ours.get(name)) {
            (Some(theirs), Some(ours)) => compare(name, theirs, ours, &mut found),
            (Some(_), None) => found.push(format!("- {name}")),
            _ => found.push(format!("+ {name}")),
        }
    }
    let meant: BTreeSet<&str> = DIFFERENCES.iter().map(|(path, _)| *path).collect();
    let found: BTreeSet<&str> = found.iter().map(String::as_str).collect();
    similar_asserts::assert_eq!(found, meant);
}

#[test]
fn objects_are_in_the_order_of_their_creation() {
    let kinds: Vec<String> = resources(&recorded_options())
        .unwrap()
        .iter()
        .map(|object| object["kind"].as_str().unwrap().to_owned())
        .collect();
    let want = [
        "Namespace",
        "ClusterRoleBinding",
        "ServiceAccount",
        "Secret",
        "BackupStorageLocation",
        "VolumeSnapshotLocation",
        "Service",
        "Deployment",
        "DaemonSet",
    ];
    assert_eq!(kinds, want);
}

#[test]
fn a_filesystem_location_has_a_volume_and_a_recreate_strategy() {
    let options = InstallOptions {
        namespace: "backups".into(),
        location: Some(LocationOptions::filesystem()),
        volume: Some(super::options::Volume::HostPath {
            directory: "/d".into(),
            node: "n".into(),
        }),
        ..InstallOptions::default()
    };
    let objects = by_name(resources(&options).unwrap());
    assert!(!objects.contains_key(&format!("Secret/{CREDENTIALS}")));
    assert!(objects.contains_key("ClusterRoleBinding/velero-backups"));
    let spec = &objects["Deployment/velero"]["spec"];
    assert_eq!(spec["strategy"], json!({"type": "Recreate"}));
    let pod = &spec["template"]["spec"];
    let nodes = &pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    assert_eq!(
        nodes["nodeSelectorTerms"][0]["matchFields"],
        json!([{"key": "metadata.name", "operator": "In", "values": ["n"]}])
    );
    assert_eq!(
        pod["containers"][0]["securityContext"]["capabilities"],
        json!({"add": ["DAC_OVERRIDE"], "drop": ["ALL"]})
    );
    assert_eq!(pod["securityContext"], json!({"runAsUser": 0}));
    let mounts = pod["containers"][0]["volumeMounts"].as_array().unwrap();
    assert!(mounts.contains(&json!({"mountPath": "/var/lib/velero", "name": "store"})));
}

#[test]
fn an_existing_service_account_gets_no_binding() {
    let options = InstallOptions {
        service_account_name: Some("mine".into()),
        ..InstallOptions::default()
    };
    let objects = by_name(resources(&options).unwrap());
    assert_eq!(
        objects["Deployment/velero"]["spec"]["template"]["spec"]["serviceAccountName"],
        "mine"
    );
    assert!(
        !objects
            .keys()
            .any(|name| name.starts_with("ServiceAccount/") || name.starts_with("ClusterRoleBinding/"))
    );
}
