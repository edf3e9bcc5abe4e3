//! The preparation of a spec: it is completed and written back, or refused with every reason.

use jiff::Timestamp;
use serde_json::{Value, json};
use velero::runtime::clock::{Clock, System};

use crate::harness::{Plane, Server, eventually, phase, text};

/// Breaks every rule that a spec with old filters can break.
fn old_style(name: &str) -> Value {
    json!({
        "apiVersion": "velero.io/v1", "kind": "Backup", "metadata": {"name": name, "namespace": "velero"},
        "spec": {
            "ttl": "-1h", "csiSnapshotTimeout": "soon", "itemOperationTimeout": "-1s",
            "storageLocation": "nowhere",
            "includedResources": ["*", "pods"], "excludedResources": ["*", "pods", "secr[ets"],
            "includedClusterScopedResources": ["nodes"],
            "includedNamespaces": ["*", "shop", "Shop", "a|b"], "excludedNamespaces": ["shop", "c**", "x.y"],
            "labelSelector": {"matchExpressions": [{"key": "app", "operator": "Near", "values": ["a"]}]},
            "orLabelSelectors": [{"matchLabels": {"app": "not a value"}}],
            "snapshotMoveData": true, "defaultVolumesToFsBackup": true,
            "resourcePolicy": {"kind": "configmap", "name": "lists"},
            "hooks": {"resources": [{"name": "h", "pre": [{"exec": {"command": ["true"], "timeout": "-1s"}}]}]},
        },
    })
}

/// The rules that only the new filters have, and what else excludes a rule above.
fn new_style() -> Value {
    json!({
        "apiVersion": "velero.io/v1", "kind": "Backup", "metadata": {"name": "new", "namespace": "velero"},
        "spec": {
            "storageLocation": "archive",
            "includedClusterScopedResources": ["*", "nodes"], "excludedClusterScopedResources": ["*", "nodes"],
            "includedNamespaceScopedResources": ["pods"], "excludedNamespaceScopedResources": ["pods", "*"],
            "resourcePolicy": {"kind": "Secret", "name": "lists"},
        },
    })
}

#[test]
fn a_spec_that_breaks_every_rule_gets_each_error_in_order() {
    let plane = Plane::start();
    let server = Server::start(&plane, "velero");
    plane.apply(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: lists, namespace: velero}\n\
         data: {a: 'version: v1\n\n  \n\n\nincludeExcludePolicy: {excludedNamespaceScopedResources: [secrets]}'}",
    );
    plane.apply(&format!(
        "apiVersion: velero.io/v1\nkind: BackupStorageLocation\nmetadata: {{name: archive, namespace: velero}}\n\
         spec: {{provider: velero.io/fs, accessMode: ReadOnly, objectStorage: {{bucket: velero}}, config: {{fspath: {}}}}}\n",
        server.bucket().parent().expect("a directory").display()
    ));
    server.until_available("archive");
    let long = "b".repeat(230);
    plane.apply(&old_style(&long).to_string());
    plane.apply(&new_style().to_string());
    let errors = |name: &str| -> Vec<String> {
        let backup = server.ended("backup", name);
        assert_eq!(phase(&backup), "FailedValidation", "{backup:#}");
        assert_eq!(text(&backup, "/status/startTimestamp"), "");
        serde_json::from_value(backup["status"]["validationErrors"].clone()).expect("errors")
    };
    let resources = "Invalid included/excluded resource lists:";
    let namespaces = "Invalid included/excluded namespace lists:";
    let star = "list must either contain '*' only, or a non-empty list of items";
    let both = "excludes list cannot contain an item in the includes list:";
    begin_with(
        &errors(&long),
        &[
            "the backup's name has 230 characters",
            "invalid spec.ttl: -1h is negative",
            "invalid spec.csiSnapshotTimeout: ",
            "invalid spec.itemOperationTimeout: -1s is negative",
            "the backup storage location 'nowhere' was not found.",
            "include-resources, exclude-resources and include-cluster-resources are old filter parameters.\n",
            &format!("{resources} includes {star}"),
            &format!("{resources} excludes list cannot contain '*'"),
            &format!("{resources} {both} *"),
            &format!("{resources} {both} pods"),
            &format!("{resources} `secr[ets` is not a valid pattern"),
            &format!("{namespaces} includes {star}"),
            &format!("{namespaces} {both} shop"),
            &format!("{namespaces} invalid namespace \"Shop\": "),
            &format!("{namespaces} wildcard pattern contains unsupported characters"),
            &format!("{namespaces} wildcard pattern contains consecutive asterisks"),
            &format!("{namespaces} invalid namespace \"x.y\": must not contain dots"),
            "encountered labelSelector as well as orLabelSelectors",
            "invalid spec.labelSelector: \"Near\" is not a valid label selector operator",
            "invalid spec.orLabelSelectors[0]: ",
            "the data of volumes is not backed up yet: `spec.defaultVolumesToFsBackup`",
            "the data of volumes is not backed up yet: `spec.snapshotMoveData`",
            "include-resources, exclude-resources and include-cluster-resources are old filter parameters.\n\
             They cannot be used with include-exclude policies.",
            "invalid hook \"h\"",
        ],
    );
    let cluster = "Invalid cluster-scoped included/excluded resource lists:";
    let namespaced = "Invalid namespace-scoped included/excluded resource lists:";
    let excluded = "when exclude is '*', include cannot have value";
    begin_with(
        &errors("new"),
        &[
            "backup can't be created because backup storage location archive is currently in read-only mode",
            &format!("{cluster} includes {star}"),
            &format!("{cluster} excludes {star}"),
            &format!("{cluster} {excluded}"),
            &format!("{cluster} {both} *"),
            &format!("{cluster} {both} nodes"),
            &format!("{namespaced} excludes {star}"),
            &format!("{namespaced} {excluded}"),
            &format!("{namespaced} {both} pods"),
            "invalid spec.resourcePolicy: policies are read from a ConfigMap",
        ],
    );
    assert!(!server.bucket().join("backups").exists(), "nothing was begun");
}

#[track_caller]
fn begin_with(errors: &[String], starts: &[&str]) {
    let same = errors.iter().zip(starts).all(|(error, start)| error.starts_with(start));
    assert!(
        same && errors.len() == starts.len(),
        "{errors:#?}\nare not\n{starts:#?}"
    );
}

#[test]
fn a_spec_is_completed_and_its_ttl_runs_from_the_preparation() {
    let plane = Plane::start();
    let mut server = Server::start_with(
        &plane,
        "velero",
        &["--default-backup-ttl", "48h", "--default-item-operation-timeout", "2h"],
    );
    server.kill();
    plane.apply("{apiVersion: velero.io/v1, kind: Backup, metadata: {name: bare, namespace: velero}, spec: {}}");
    plane.apply("{apiVersion: velero.io/v1, kind: Backup, metadata: {name: own, namespace: velero}, spec: {ttl: 1h}}");
    let moment = |object: &Value, field: &str| -> Timestamp { text(object, field).parse().expect("a time") };
    let created = moment(&server.object("backup", "bare"), "/metadata/creationTimestamp");
    eventually("two seconds in the queue", || {
        (System.now().as_second() - created.as_second() > 2).then_some(())
    });
    server.begin();

    for (name, ttl, hours) in [("bare", "48h0m0s", 48), ("own", "1h", 1)] {
        let backup = server.ended("backup", name);
        assert_eq!(phase(&backup), "Completed", "{backup:#}");
        let started = moment(&backup, "/status/startTimestamp");
        assert!(started.as_second() - created.as_second() >= 2, "{backup:#}");
        let expires = moment(&backup, "/status/expiration");
        assert_eq!(expires.as_second() - started.as_second(), hours * 3600, "{backup:#}");
        let mut spec = backup["spec"].clone();
        assert_eq!(spec["ttl"].take(), ttl);
        let completed = json!({
            "csiSnapshotTimeout": "10m0s", "defaultVolumesToFsBackup": false,
            "excludedClusterScopedResources": ["volumesnapshotcontents.snapshot.storage.k8s.io"],
            "excludedNamespaceScopedResources": ["volumesnapshots.snapshot.storage.k8s.io"],
            "includedNamespaces": ["*"], "itemOperationTimeout": "2h0m0s",
            "snapshotMoveData": false, "storageLocation": "default", "ttl": null,
            "volumeGroupSnapshotLabelKey": "velero.io/volume-group",
        });
        assert_eq!(spec, completed);
        assert_eq!(text(&backup, "/status/formatVersion"), "1.1.0");
        assert_eq!(backup["status"]["version"], 1);
        let metadata = &backup["metadata"];
        assert_eq!(metadata["labels"]["velero.io/storage-location"], "default");
        let annotations = metadata["annotations"].as_object().expect("annotations");
        for (key, value) in [
            ("velero.io/resource-timeout", "10m0s"),
            ("velero.io/source-cluster-k8s-major-version", "1"),
            ("velero.io/source-cluster-k8s-minor-version", "35"),
        ] {
            assert_eq!(annotations[key], value);
        }
        assert!(
            annotations["velero.io/source-cluster-k8s-gitversion"]
                .as_str()
                .expect("text")
                .starts_with("v1.")
        );

        // Its copy in the bucket is the same.
        let file = std::fs::read(server.bucket().join(format!("backups/{name}/velero-backup.json"))).expect("a file");
        let copy: Value = serde_json::from_slice(&file).expect("plain JSON");
        let mut stored = copy["spec"].clone();
        for written_always in ["hooks", "metadata"] {
            assert_eq!(stored[written_always].take(), json!({}));
            stored.as_object_mut().expect("a spec").remove(written_always);
        }
        assert_eq!(stored, backup["spec"]);
        assert_eq!(copy["status"]["expiration"], backup["status"]["expiration"]);
    }
}
