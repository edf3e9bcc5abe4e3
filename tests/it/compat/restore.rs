//! The recorded archive restored into an empty cluster, object by object.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::objects::{differences, remove, remove_if_empty, strip};
use super::recorded::{self, BACKUP};
use crate::harness::archive::Archive;
use crate::harness::{Plane, Server, data, eventually, text};

/// What happens to a field on its way from the archive into the cluster.
enum Fate {
    /// It is not restored.
    Gone,
    /// It is not restored, and the new cluster puts something of its own there.
    AssignedAnew,
}
use Fate::{AssignedAnew, Gone};

/// Every effect of a restore on an object besides what decision 31 takes off both sides: type, name (or all of the type),
/// field, what happens to it, and which component does it.
const EFFECTS: &[(&str, &str, &str, Fate, &str)] = &[
    ("Pod", "", "/metadata/generateName", Gone, "it keeps its literal name"),
    (
        "Pod",
        "",
        "/spec/nodeName",
        Gone,
        "velero.io/pod: a new cluster has other nodes",
    ),
    (
        "Pod",
        "",
        "/spec/priority",
        AssignedAnew,
        "velero.io/pod: admission computes it from the class",
    ),
    (
        "Service",
        "web",
        "/spec/clusterIP",
        AssignedAnew,
        "velero.io/service; `None` of a headless service stays",
    ),
    ("Service", "web", "/spec/clusterIPs", AssignedAnew, "velero.io/service"),
    (
        "Service",
        "web",
        "/spec/ports/0/nodePort",
        AssignedAnew,
        "velero.io/service: no user chose it; 30081 stays",
    ),
    (
        "PersistentVolume",
        "",
        "/spec/claimRef/uid",
        Gone,
        "the claim there is a new object",
    ),
    (
        "PersistentVolume",
        "",
        "/spec/claimRef/resourceVersion",
        Gone,
        "the claim there is a new object",
    ),
    (
        "PersistentVolumeClaim",
        "",
        "/metadata/annotations/pv.kubernetes.io~1bind-completed",
        Gone,
        "velero.io/pvc: it is to be bound anew",
    ),
];

/// Why an object of the archive is not in the cluster afterwards; nothing if it must be.
fn left_out(key: &str) -> Option<&'static str> {
    match key {
        "batch/v1 Job shop/once" | "v1 Pod shop/once-cffcg" => Some("it has completed, and would run again"),
        key if is_the_clusters(key) => Some("each cluster writes it itself (decision 41)"),
        key if key.starts_with("v1 Event ") => Some("the restore controller excludes events, as upstream"),
        _ => None,
    }
}

/// Objects that a controller of each cluster makes; the restore lists them as skipped.
fn is_the_clusters(key: &str) -> bool {
    key == "v1 ConfigMap shop/kube-root-ca.crt"
        || key.starts_with("v1 Endpoints ")
        || key.starts_with("discovery.k8s.io/v1 EndpointSlice ")
}

/// Whether the API server itself makes such an object beside another: the registration of a definition's group, and the
/// allocation of a service's address.
fn made_by_the_api_server(key: &str) -> bool {
    key == "apiregistration.k8s.io/v1 APIService /v1.example.com" || key.starts_with("networking.k8s.io/v1 IPAddress /")
}

/// What names an object in any cluster.
fn key(object: &Value) -> String {
    let of = |pointer| text(object, pointer);
    format!(
        "{} {} {}/{}",
        of("/apiVersion"),
        of("/kind"),
        of("/metadata/namespace"),
        of("/metadata/name")
    )
}

fn by_key(objects: impl IntoIterator<Item = Value>) -> BTreeMap<String, Value> {
    objects.into_iter().map(|object| (key(&object), object)).collect()
}

/// All types of the cluster that can be listed, for one `kubectl get`.
fn types(plane: &Plane, namespaced: bool) -> String {
    let scope = format!("--namespaced={namespaced}");
    let names = plane.kubectl(&["api-resources", "--verbs=list", &scope, "-o", "name"]);
    names.split_whitespace().collect::<Vec<_>>().join(",")
}

fn listed(plane: &Plane, arguments: &[&str]) -> BTreeMap<String, Value> {
    let mut all = vec!["get", "-o", "json", "--show-managed-fields"];
    all.extend(arguments);
    let list: Value = serde_json::from_str(&plane.kubectl(&all)).expect("a list");
    by_key(list["items"].as_array().expect("items").iter().cloned())
}

/// The expected state of an archived object in the cluster.
fn expected(mut object: Value) -> Value {
    strip(&mut object);
    let (kind, name) = (text(&object, "/kind"), text(&object, "/metadata/name"));
    for (of, named, field, _, why) in EFFECTS {
        if *of == kind && (named.is_empty() || *named == name) {
            remove(&mut object, field);
            assert!(!why.is_empty());
        }
    }
    remove_if_empty(&mut object, "/metadata/annotations");
    object
}

/// A restored object without its two labels, which it must have, and without values that the cluster assigned.
fn restored(mut object: Value, restore: &str) -> Value {
    let (kind, name) = (text(&object, "/kind"), text(&object, "/metadata/name"));
    if kind != "Namespace" {
        for (label, value) in [("backup-name", BACKUP), ("restore-name", restore)] {
            let found = remove(&mut object, &format!("/metadata/labels/velero.io~1{label}"));
            assert_eq!(found, Some(Value::from(value)), "{kind} {name} lacks its label {label}");
        }
    }
    strip(&mut object);
    for (of, named, field, fate, _) in EFFECTS {
        if *of == kind && (named.is_empty() || *named == name) && matches!(fate, AssignedAnew) {
            let found = remove(&mut object, field);
            assert!(found.is_some(), "{kind} {name}: nothing was assigned at {field}");
        }
    }
    remove_if_empty(&mut object, "/metadata/labels");
    object
}

#[test]
fn every_object_of_the_recorded_archive_is_restored_unchanged() {
    let plane = Plane::start();
    let directory = tempfile::tempdir().expect("a directory");
    recorded::fill_bucket(&directory.path().join("store/velero"), &recorded::expiration());
    let server = Server::on_bucket(&plane, "velero", directory.path());
    eventually("the recorded backup to be found in the bucket", || {
        plane.get("velero", "backups.velero.io", BACKUP)
    });
    let cluster_types = types(&plane, false);
    let before: BTreeSet<String> = listed(&plane, &[&cluster_types]).into_keys().collect();

    server.velero(&["restore", "create", "back", "--from-backup", BACKUP, "--wait"]);
    let restore = server.ended("restore", "back");
    let log = recorded::log(&server.bucket().join("restores/back/restore-back-logs.gz"));
    assert_eq!(text(&restore, "/status/phase"), "Completed", "{restore:#}\n{log}");
    assert_eq!(text(&restore, "/status/errors"), "", "{restore:#}\n{log}");
    // beyond upstream: the job that is over is named (decision 40)
    assert_eq!(text(&restore, "/status/warnings"), "1", "{restore:#}\n{log}");
    assert!(
        log.contains("jobs.batch/shop/once has completed: it is not restored"),
        "{log}"
    );

    let archive = Archive::read(&data("go-1.18.1/bucket/backups/golden1/golden1.tar.gz"));
    let archived = by_key(archive.objects().into_values());
    let namespaced_types = types(&plane, true);
    let mut live = listed(&plane, &["-n", "shop", &namespaced_types]);
    live.extend(
        listed(&plane, &[&cluster_types])
            .into_iter()
            .filter(|(key, _)| !before.contains(key) && !made_by_the_api_server(key)),
    );

    let due: BTreeSet<&String> = archived.keys().filter(|key| left_out(key).is_none()).collect();
    assert_eq!(live.keys().collect::<BTreeSet<_>>(), due, "{log}");
    let left: Vec<&String> = archived.keys().filter(|key| left_out(key).is_some()).collect();
    assert_eq!(
        left.len(),
        55,
        "48 events, a job and its pod, and five of the cluster's own: {left:?}"
    );
    let mut wrong = Vec::new();
    for (key, object) in live {
        let archived = archived[&key].clone();
        for difference in differences(&expected(archived), &restored(object, "back")) {
            wrong.push(format!("{key} {difference}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");

    let list = recorded::json_gz(&server.bucket().join("restores/back/restore-back-resource-list.json.gz"));
    let listed: BTreeSet<String> = actions(&list)
        .into_iter()
        .map(|(item, action)| format!("{item} {action}"))
        .collect();
    let created = due.iter().map(|key| format!("{} created", key.replace(" /", " ")));
    let skipped = left
        .iter()
        .filter(|key| is_the_clusters(key))
        .map(|key| format!("{key} skipped"));
    assert_eq!(listed, created.chain(skipped).collect());
    for name in ["once", "once-cffcg"] {
        let line = log
            .lines()
            .find(|line| line.contains("completed") && line.contains(&format!("name={name} ")));
        assert!(line.is_some(), "the log does not say why {name} is left out\n{log}");
    }
}

/// A restore's list of resources as pairs: `v1 Pod shop/db-0` and what became of it.
pub fn actions(list: &Value) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (kind, items) in list.as_object().expect("a list of resources") {
        let (api_version, kind) = kind.rsplit_once('/').expect("a kind");
        for item in items.as_array().expect("items") {
            let item = item.as_str().expect("an item");
            let (item, action) = item
                .strip_suffix(')')
                .and_then(|i| i.rsplit_once('('))
                .expect("an action");
            found.insert(format!("{api_version} {kind} {item}"), action.to_owned());
        }
    }
    found
}
