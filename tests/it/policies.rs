//! Resource policies: how a backup applies them, and the errors for invalid ones.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::harness::{Plane, Server, eventually, text};
use crate::survival::fill;

/// Four claims with their volumes, two pods, and something beside them.
const APP: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: app}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: app}
---
apiVersion: v1
kind: Secret
metadata: {name: key, namespace: app}
";

fn stored(claim: &str, class: &str, size: &str, source: &str, labels: &str) -> String {
    format!(
        "---
apiVersion: v1
kind: PersistentVolume
metadata: {{name: pv-{claim}}}
spec:
  capacity: {{storage: {size}}}
  accessModes: [ReadWriteOnce]
  storageClassName: {class}
  persistentVolumeReclaimPolicy: Retain
  claimRef: {{namespace: app, name: {claim}}}
  {source}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: {claim}, namespace: app, labels: {labels}}}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: {class}
  volumeName: pv-{claim}
  resources: {{requests: {{storage: {size}}}}}
"
    )
}

fn pod(name: &str, claims: &[&str], annotations: &str) -> String {
    let mut yaml = format!(
        "---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: app, annotations: {annotations}}}
spec:
  volumes:
"
    );
    for claim in claims {
        let _ = writeln!(
            yaml,
            "  - {{name: {claim}, persistentVolumeClaim: {{claimName: {claim}}}}}"
        );
    }
    yaml.push_str("  containers:\n  - name: c\n    image: i\n    volumeMounts:\n");
    for claim in claims {
        let _ = writeln!(yaml, "    - {{name: {claim}, mountPath: /{claim}}}");
    }
    yaml
}

/// The test sets which volumes are bound and which pods run: no controllers do it here.
fn make(plane: &Plane) {
    let csi = "csi: {driver: disks.csi, volumeHandle: h, volumeAttributes: {tier: \"1\"}}";
    let nfs = "nfs: {server: 10.9.8.7, path: /share}";
    let yaml = [
        APP.to_owned(),
        stored("fast", "fast", "10Gi", csi, "{}"),
        stored("share", "files", "100Gi", nfs, "{}"),
        stored("ledger", "slow", "10Gi", csi, "{app: ledger}"),
        stored("plain", "slow", "10Gi", csi, "{}"),
        pod(
            "db",
            &["fast", "share", "ledger", "plain"],
            "{backup.velero.io/backup-volumes: \"fast,plain\"}",
        ),
    ]
    .concat();
    plane.apply(&yaml);
    for claim in ["fast", "share", "ledger", "plain"] {
        status(plane, "pvc", claim, "Bound");
    }
    status(plane, "pod", "db", "Running");
}

fn status(plane: &Plane, kind: &str, name: &str, phase: &str) {
    let patch = format!("{{\"status\":{{\"phase\":\"{phase}\"}}}}");
    plane.kubectl(&[
        "patch",
        kind,
        name,
        "-n",
        "app",
        "--subresource=status",
        "--type=merge",
        "-p",
        &patch,
    ]);
}

/// A ConfigMap with these keys and texts.
fn config_map(plane: &Plane, name: &str, data: &[(&str, &str)]) {
    let data: BTreeMap<&str, &str> = data.iter().copied().collect();
    plane.apply(
        &serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": "velero"}, "data": data})
        .to_string(),
    );
}

/// A file of a backup, as text.
fn file(server: &Server<'_>, backup: &str, suffix: &str) -> String {
    server.unpacked(&format!("backups/{backup}/{backup}-{suffix}"))
}

/// Why the data of each volume was not saved, by its name.
fn reasons(server: &Server<'_>, backup: &str) -> BTreeMap<String, String> {
    let infos: Vec<Value> = serde_json::from_str(&file(server, backup, "volumeinfo.json.gz")).expect("a list");
    infos
        .iter()
        .map(|info| {
            assert_eq!(info["skipped"], true, "{info}");
            (text(info, "/pvName"), text(info, "/skippedReason"))
        })
        .collect()
}

const POLICIES: &str = "version: v1
volumePolicies:
- conditions:
    storageClass: [fast]
    csi: {driver: disks.csi, volumeAttributes: {tier: 1}}
  action: {type: skip}
- conditions:
    nfs: {}
    capacity: 50Gi,
  action: {type: fs-backup}
- conditions:
    pvcLabels: {app: ledger}
    pvcPhase: [Bound]
  action: {type: snapshot}
includeExcludePolicy:
  excludedNamespaceScopedResources: [secrets]
";

#[test]
fn volumes_and_types_are_handled_as_policies_say() {
    let plane = Plane::start();
    let mut server = Server::start(&plane, "velero");
    make(&plane);
    config_map(&plane, "policies", &[("any.yaml", POLICIES)]);
    let by_policies = [
        "--resource-policies-configmap",
        "policies",
        "--include-namespaces",
        "app",
    ];

    let mut create = vec!["backup", "create", "by", "--wait"];
    create.extend(by_policies);
    server.velero(&create);
    let backup = server.ended("backup", "by");
    let log = file(&server, "by", "logs.gz");
    assert_eq!(text(&backup, "/status/phase"), "Completed", "{backup:#}\n{log}");
    let not_yet = "encountered a problem with backing up the PVC of pod app/db: this release does not do that yet";
    let no_snapshot = "not satisfy the criteria for VolumePolicy or the legacy snapshot way";
    let reasons_by = reasons(&server, "by");
    for (volume, reason) in [
        (
            "pv-fast",
            "podvolume: matched action is 'skip' in chosen resource policies;\
             volumeSnapshot: matched action is 'skip' in chosen resource policies;"
                .to_owned(),
        ),
        (
            "pv-share",
            format!("podvolume: {not_yet};volumeSnapshot: {no_snapshot};"),
        ),
        (
            "pv-ledger",
            "podvolume: matched action is 'snapshot' in chosen resource policies;\
             volumeSnapshot: no applicable volumesnapshotter found;"
                .to_owned(),
        ),
        (
            "pv-plain",
            format!("podvolume: {not_yet};volumeSnapshot: {no_snapshot};"),
        ),
    ] {
        assert_eq!(reasons_by.get(volume), Some(&reason), "{volume}\n{log}");
    }
    // One for the pod, with both of its volumes, and one for the snapshot that a policy asks for.
    assert_eq!(text(&backup, "/status/warnings"), "2", "{log}");
    let list = file(&server, "by", "resource-list.json.gz");
    assert!(list.contains("app/settings") && !list.contains("app/key"), "{list}");
    assert_eq!(text(&backup, "/spec/resourcePolicy/kind"), "configmap", "{backup:#}");

    server.velero(&["backup", "create", "without", "--include-namespaces", "app", "--wait"]);
    let reasons_without = reasons(&server, "without");
    let by_annotation = format!("podvolume: {not_yet};volumeSnapshot: {no_snapshot};");
    assert_eq!(reasons_without["pv-fast"], by_annotation);
    assert_eq!(
        reasons_without["pv-share"],
        "podvolume: opted out due to annotation in pod db;volumeSnapshot: no applicable volumesnapshotter found;"
    );

    // A run goes by the policies it began with, whatever becomes of the ConfigMap.
    fill(&plane, "many", 500);
    server.velero(&[
        "backup",
        "create",
        "resumed",
        "--resource-policies-configmap",
        "policies",
        "--include-namespaces",
        "app,many",
    ]);
    eventually("the backup to be under way", || {
        let sealed = server.bucket().join("backups/resumed/velero-backup.json").exists();
        // The archive is begun after the policies were recorded; the file of the name's lock is staged before.
        let staged = std::fs::read_dir(server.bucket().join(".velero-uploads"));
        let archive = staged
            .into_iter()
            .flatten()
            .flatten()
            .any(|file| std::fs::read_to_string(file.path()).is_ok_and(|key| key.ends_with("resumed.tar.gz")));
        (sealed || archive).then_some(())
    });
    server.kill();
    plane.kubectl(&["delete", "configmap", "-n", "velero", "policies"]);
    server.begin();
    let backup = server.ended("backup", "resumed");
    assert_eq!(text(&backup, "/status/phase"), "Completed", "{backup:#}");
    assert_eq!(reasons(&server, "resumed"), reasons_by);
}

#[test]
fn invalid_policies_fail_the_backup_with_their_line() {
    let plane = Plane::start();
    let server = Server::start(&plane, "velero");
    let rule = |conditions: &str, action: &str| {
        format!("version: v1\nvolumePolicies:\n- conditions:\n    {conditions}\n  action:\n    type: {action}\n")
    };
    config_map(&plane, "empty", &[]);
    config_map(&plane, "two", &[("a", "version: v1"), ("b", "version: v1")]);
    // The ConfigMap, its text, and a part of the message.
    let texts = [
        ("blank", String::new(), "in key `policies.yaml`"),
        (
            "version",
            "version: v2\n".to_owned(),
            "incompatible version number \"v2\" with supported version v1 at line 1 ",
        ),
        (
            "action",
            rule("storageClass: [a]", "delete"),
            "volumePolicies[0].action.type: invalid action type \"delete\"",
        ),
        ("line", rule("storageClass: [a]", "delete"), "at line 6 column 11"),
        (
            "unknown",
            rule("storageclass: [a]", "skip"),
            "unknown field `storageclass`",
        ),
        (
            "capacity",
            rule("capacity: 10Gi", "skip"),
            "wrong format of capacity \"10Gi\"",
        ),
        (
            "driver",
            rule("csi: {volumeAttributes: {a: b}}", "skip"),
            "csi driver should not be empty",
        ),
        (
            "star",
            "version: v1\nincludeExcludePolicy:\n  includedClusterScopedResources: ['*']\n".to_owned(),
            "'*' is not allowed in the lists of includeExcludePolicy at line 3 ",
        ),
    ];
    let lists = "version: v1\nincludeExcludePolicy:\n  excludedNamespaceScopedResources: [secrets]\n";
    config_map(&plane, "lists", &[("a", lists)]);
    for (name, content, _) in &texts {
        config_map(&plane, name, &[("policies.yaml", content)]);
    }
    let mut expected: BTreeMap<&str, &str> = texts.iter().map(|(name, _, part)| (*name, *part)).collect();
    expected.insert(
        "empty",
        "illegal resource policies velero/empty configmap: it must have exactly one data key, not 0",
    );
    expected.insert("two", "exactly one data key, not 2");
    expected.insert(
        "nowhere",
        "fail to get ResourcePolicies velero/nowhere ConfigMap with error configmaps \"nowhere\" not found",
    );
    for name in expected.keys() {
        server.velero(&["backup", "create", name, "--resource-policies-configmap", name]);
    }
    server.velero(&[
        "backup",
        "create",
        "old",
        "--resource-policies-configmap",
        "lists",
        "--include-resources",
        "pods",
    ]);
    expected.insert("old", "They cannot be used with include-exclude policies.");
    plane.apply(
        "apiVersion: velero.io/v1\nkind: Backup\nmetadata: {name: kind, namespace: velero}\n\
         spec: {resourcePolicy: {kind: Secret, name: lists}}\n",
    );
    expected.insert(
        "kind",
        "policies are read from a ConfigMap (kind `configmap`), not from kind `Secret`",
    );
    for (name, part) in expected {
        let backup = server.ended("backup", name);
        assert_eq!(text(&backup, "/status/phase"), "FailedValidation", "{backup:#}");
        let errors = backup["status"]["validationErrors"].as_array().expect("errors");
        assert_eq!(errors.len(), 1, "{backup:#}");
        assert!(
            text(&backup, "/status/validationErrors/0").contains(part),
            "{part}\n{backup:#}"
        );
    }
    assert!(!server.bucket().join("backups").exists(), "nothing was begun");
}
