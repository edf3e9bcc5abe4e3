//! How the data of each volume is saved: decided over pods, claims and volumes, and recorded (spec backup 12).

use super::*;

/// A namespace with a claim `data` on the volume `vol-data`, 10Gi of class `fast`, without pods.
fn stored() -> FakeApi {
    let api = FakeApi::new();
    api.insert_all([
        namespace("shop", json!({})),
        claim("data", "Bound", json!({"app": "db"})),
        volume("data", "fast", json!({"csi": {"driver": "disks.csi"}})),
    ]);
    api
}

#[expect(clippy::needless_pass_by_value, reason = "`json!` in place reads better")]
fn claim(name: &str, phase: &str, labels: Value) -> Value {
    let mut rest = json!({"metadata": {"labels": labels}, "spec": {}, "status": {"phase": phase}});
    if phase == "Bound" {
        rest["spec"]["volumeName"] = json!(format!("vol-{name}"));
    }
    object("v1", "PersistentVolumeClaim", Some("shop"), name, rest)
}

#[expect(clippy::needless_pass_by_value, reason = "`json!` in place reads better")]
fn volume(claim: &str, class: &str, source: Value) -> Value {
    let mut rest = json!({
        "spec": {"capacity": {"storage": "10Gi"}, "storageClassName": class,
                 "persistentVolumeReclaimPolicy": "Delete", "claimRef": {"namespace": "shop", "name": claim}},
        "status": {"phase": "Bound"},
    });
    json_patch::merge(&mut rest["spec"], &source);
    object("v1", "PersistentVolume", None, &format!("vol-{claim}"), rest)
}

/// A pod that mounts the claim `data` as `files`, and an emptyDir as `cache`.
#[expect(clippy::needless_pass_by_value, reason = "`json!` in place reads better")]
fn pod(name: &str, phase: &str, annotations: Value) -> Value {
    let rest = json!({
        "metadata": {"annotations": annotations},
        "spec": {
            "volumes": [{"name": "files", "persistentVolumeClaim": {"claimName": "data"}},
                        {"name": "cache", "emptyDir": {}}],
            "containers": [{"name": "c", "volumeMounts": [{"name": "files"}, {"name": "cache"}]}],
        },
        "status": {"phase": phase},
    });
    object("v1", "Pod", Some("shop"), name, rest)
}

fn files_wanted() -> Value {
    json!({"backup.velero.io/backup-volumes": "files"})
}

/// A backup of the namespace under policies (flow YAML of the list), changed as the test wants it.
async fn decided(api: &FakeApi, policies: &str, change: impl FnOnce(&mut BackupSpec)) -> Ran {
    let mut spec = of_shop();
    change(&mut spec);
    let text = format!("version: v1\nvolumePolicies: {policies}");
    let request = Request {
        policies: ResourcePolicies::parse(&text).unwrap(),
        ..request(spec)
    };
    backed_up_by(api, request, Vec::new()).await
}

/// Why the data of `vol-data` was not saved.
fn reason(ran: &Ran) -> String {
    let found = ran.report.volumes.iter().find(|volume| volume.pv_name == "vol-data");
    let found = found.expect("the volume has a record");
    assert_eq!(
        (found.pvc_namespace.as_str(), found.pvc_name.as_str()),
        ("shop", "data")
    );
    assert!(found.skipped && found.backup_method.is_none());
    assert_eq!(
        found.pv_info.as_ref().map(|info| info.reclaim_policy.as_str()),
        Some("Delete")
    );
    found.skipped_reason.clone()
}

const NO_SNAPSHOTTER: &str = "volumeSnapshot: no applicable volumesnapshotter found;";
const NO_SNAPSHOT: &str = "volumeSnapshot: not satisfy the criteria for VolumePolicy or the legacy snapshot way;";
const SKIPPED: &str = "volumeSnapshot: matched action is 'skip' in chosen resource policies;";

#[tokio::test]
async fn a_volume_is_for_snapshots_unless_its_pod_requests_files() {
    let by_files = "podvolume: encountered a problem with backing up the PVC of pod shop/db: \
                    this release does not do that yet;";
    let opted_out = "podvolume: opted out due to annotation in pod db;";
    let excluded = || json!({"backup.velero.io/backup-volumes-excludes": "files,cache"});
    // annotations, defaultVolumesToFsBackup, snapshotVolumes; the reason, and how many warnings
    let table = [
        (json!({}), false, None, format!("{opted_out}{NO_SNAPSHOTTER}"), 0),
        (json!({}), false, Some(true), format!("{opted_out}{NO_SNAPSHOTTER}"), 1),
        (json!({}), false, Some(false), format!("{opted_out}{NO_SNAPSHOT}"), 0),
        (files_wanted(), false, None, format!("{by_files}{NO_SNAPSHOT}"), 1),
        (files_wanted(), false, Some(true), format!("{by_files}{NO_SNAPSHOT}"), 1),
        (json!({}), true, None, format!("{by_files}{NO_SNAPSHOT}"), 1),
        (excluded(), true, None, format!("{opted_out}{NO_SNAPSHOTTER}"), 0),
    ];
    for (annotations, opt_out, snapshots, expected, warnings) in table {
        let api = stored();
        api.insert(pod("db", "Running", annotations.clone()));
        let ran = decided(&api, "[]", |spec| {
            spec.default_volumes_to_fs_backup = Some(opt_out);
            spec.snapshot_volumes = snapshots;
        })
        .await;
        let case = format!("{annotations} {opt_out} {snapshots:?}");
        assert_eq!(reason(&ran), expected, "{case}");
        assert_eq!(ran.warnings().len(), warnings, "{case}: {:?}", ran.warnings());
        assert!(ran.errors().is_empty());
    }
}

#[tokio::test]
async fn a_volume_of_a_pod_that_does_not_run_is_for_snapshots() {
    let api = stored();
    api.insert(pod("db", "Pending", files_wanted()));
    let ran = decided(&api, "[]", |_| ()).await;
    let problem = "podvolume: encountered a problem with backing up the PVC of pod shop/db: the pod is not running;";
    assert_eq!(reason(&ran), format!("{problem}{NO_SNAPSHOTTER}"));
    assert_eq!(ran.warnings().len(), 1);
    assert!(
        ran.warnings()[0].contains("files (the pod is not running)"),
        "{:?}",
        ran.warnings()
    );
    // An excluded pod saves no files either.
    let api = stored();
    let mut labelled = pod("db", "Running", files_wanted());
    labelled["metadata"]["labels"] = json!({"velero.io/exclude-from-backup": "true"});
    api.insert(labelled);
    assert_eq!(reason(&decided(&api, "[]", |_| ()).await), NO_SNAPSHOTTER);
}

#[tokio::test]
async fn the_last_pod_of_a_claim_counts_as_much_as_the_first() {
    let api = stored();
    api.insert(pod("a", "Running", json!({})));
    api.insert(pod("b", "Running", files_wanted()));
    let ran = decided(&api, "[]", |_| ()).await;
    assert!(ran.place("persistentvolumes vol-data") < ran.place("pods shop/b"));
    assert!(reason(&ran).ends_with(NO_SNAPSHOT), "{}", reason(&ran));
}

#[tokio::test]
async fn the_files_of_a_claim_are_chosen_once() {
    let api = stored();
    api.insert(pod("a", "Running", files_wanted()));
    api.insert(pod("b", "Running", files_wanted()));
    let ran = decided(&api, "[]", |_| ()).await;
    assert_eq!(ran.warnings().len(), 1, "{:?}", ran.warnings());
    assert!(ran.warnings()[0].contains("name: /a"), "{:?}", ran.warnings());
}

#[tokio::test]
async fn a_policy_decides_about_every_way_to_save_a_volume() {
    let running = |action: &str| format!("podvolume: matched action is '{action}' in chosen resource policies;");
    let by_files = "podvolume: encountered a problem with backing up the PVC of pod shop/db: \
                    this release does not do that yet;";
    // conditions and action; the reason, and the warnings' names
    let table: [(&str, String, &[&str]); 6] = [
        (
            "{storageClass: [fast]}, action: {type: skip}",
            format!("{}{SKIPPED}", running("skip")),
            &[],
        ),
        (
            "{capacity: '5Gi,'}, action: {type: snapshot}",
            format!("{}{NO_SNAPSHOTTER}", running("snapshot")),
            &["/vol-data"],
        ),
        (
            "{csi: {driver: disks.csi}}, action: {type: fs-backup}",
            format!("{by_files}{NO_SNAPSHOT}"),
            &["/db"],
        ),
        (
            "{pvcLabels: {app: db}}, action: {type: custom}",
            format!("{}{NO_SNAPSHOT}", running("custom")),
            &["/vol-data"],
        ),
        (
            "{pvcPhase: [Bound]}, action: {type: skip}",
            format!("{}{SKIPPED}", running("skip")),
            &[],
        ),
        (
            "{storageClass: [slow]}, action: {type: skip}",
            format!("{by_files}{NO_SNAPSHOT}"),
            &["/db"],
        ),
    ];
    for (policy, expected, warned) in table {
        let api = stored();
        api.insert(pod("db", "Running", files_wanted()));
        // Policies win over the spec.
        let ran = decided(&api, &format!("[{{conditions: {policy}}}]"), |spec| {
            spec.snapshot_volumes = Some(false);
        })
        .await;
        assert_eq!(reason(&ran), expected, "{policy}");
        let warnings = ran.warnings();
        assert_eq!(warnings.len(), warned.len(), "{policy}: {warnings:?}");
        for (warning, name) in warnings.iter().zip(warned) {
            assert!(warning.contains(&format!("name: {name} ")), "{policy}: {warnings:?}");
        }
        assert!(ran.errors().is_empty(), "{policy}: {:?}", ran.errors());
    }
}

#[tokio::test]
async fn without_a_pod_a_policy_decides_by_the_volume_and_its_claim() {
    for conditions in ["{pvcLabels: {app: db}}", "{storageClass: [fast]}"] {
        let policy = format!("[{{conditions: {conditions}, action: {{type: fs-backup}}}}]");
        let ran = decided(&stored(), &policy, |_| ()).await;
        assert_eq!(
            reason(&ran),
            format!("podvolume: no pod of the backup mounts it;{NO_SNAPSHOT}")
        );
        assert_eq!(ran.warnings().len(), 1, "{:?}", ran.warnings());
        assert!(ran.warnings()[0].contains("name: /vol-data"), "{:?}", ran.warnings());
    }
}

#[tokio::test]
async fn a_released_volume_ignores_a_new_claim_of_the_same_name() {
    let api = stored();
    api.insert(pod("db", "Running", files_wanted()));
    let mut released = volume("data", "fast", json!({}));
    released["metadata"]["name"] = json!("old-data");
    released["status"]["phase"] = json!("Released");
    api.insert(released);
    let ran = decided(
        &api,
        "[{conditions: {pvcLabels: {app: db}}, action: {type: skip}}]",
        |spec| {
            spec.include_cluster_resources = Some(true);
        },
    )
    .await;
    assert_eq!(ran.report.volumes.len(), 2);
    let old = ran
        .report
        .volumes
        .iter()
        .find(|volume| volume.pv_name == "old-data")
        .unwrap();
    assert!(old.skipped_reason.ends_with(NO_SNAPSHOTTER), "{}", old.skipped_reason);
    assert!(reason(&ran).ends_with(SKIPPED), "{}", reason(&ran));
}

#[tokio::test]
async fn a_claim_without_a_volume_is_saved_with_its_pod() {
    let api = FakeApi::new();
    api.insert_all([
        namespace("shop", json!({})),
        claim("data", "Pending", json!({})),
        pod("db", "Pending", json!({})),
    ]);
    // policies, and the warnings
    let table = [
        ("[]", 0),
        ("[{conditions: {storageClass: [fast]}, action: {type: snapshot}}]", 0),
        ("[{conditions: {pvcPhase: [Pending]}, action: {type: skip}}]", 0),
        ("[{conditions: {pvcPhase: [Pending]}, action: {type: snapshot}}]", 1),
    ];
    for (policies, warnings) in table {
        let ran = decided(&api, policies, |_| ()).await;
        assert_eq!(
            ran.sorted(),
            ["namespaces shop", "persistentvolumeclaims shop/data", "pods shop/db"],
            "{policies}"
        );
        assert_eq!(ran.log.counts(), (warnings, 0), "{policies}: {:?}", ran.warnings());
        assert!(ran.report.volumes.is_empty());
    }
}

#[tokio::test]
async fn requests_for_a_pods_own_volumes_are_one_warning() {
    let api = FakeApi::new();
    let wanted = json!({"backup.velero.io/backup-volumes": "cache,host,nowhere"});
    let mut asking = pod("db", "Running", wanted);
    asking["spec"]["volumes"] = json!([{"name": "cache", "emptyDir": {}}, {"name": "host", "hostPath": {"path": "/"}},
                                       {"name": "spare", "emptyDir": {}}]);
    api.insert_all([namespace("shop", json!({})), asking]);
    let ran = decided(&api, "[]", |_| ()).await;
    assert_eq!(ran.warnings().len(), 1, "{:?}", ran.warnings());
    for part in [
        "nowhere (the pod has no such volume)",
        "cache (this release",
        "host (file system backup never saves its type",
    ] {
        assert!(ran.warnings()[0].contains(part), "{:?}", ran.warnings());
    }
    let policy = "[{conditions: {volumeTypes: [emptyDir]}, action: {type: fs-backup}}]";
    let ran = decided(&api, policy, |_| ()).await;
    assert!(
        ran.warnings()[0].contains("spare (no container of the pod mounts it)"),
        "{:?}",
        ran.warnings()
    );
}

#[tokio::test]
async fn file_system_backup_does_not_save_host_path_volumes() {
    let api = stored();
    api.insert(volume("data", "", json!({"hostPath": {"path": "/x"}})));
    api.insert(pod("db", "Running", files_wanted()));
    let ran = decided(&api, "[]", |_| ()).await;
    assert!(reason(&ran).contains("it is a hostPath volume"), "{}", reason(&ran));
    assert_eq!(ran.warnings().len(), 1, "{:?}", ran.warnings());
}

#[tokio::test]
async fn an_unreadable_volume_is_an_error_and_its_pod_is_saved() {
    let api = stored();
    api.insert(pod("db", "Running", json!({})));
    api.fault(Fault::new(1, 403, "Forbidden", |seen| {
        seen.path.ends_with("/persistentvolumes/vol-data")
    }));
    let ran = decided(
        &api,
        "[{conditions: {storageClass: [fast]}, action: {type: skip}}]",
        |_| (),
    )
    .await;
    assert!(ran.members.contains(&"pods shop/db".to_owned()));
    assert_eq!(ran.errors().len(), 1, "{:?}", ran.errors());
    assert!(reason(&ran).starts_with("podvolume: encountered a problem with backing up the PVC of pod shop/db: "));
}

#[tokio::test]
async fn volumes_are_read_once_and_only_for_policies() {
    for (policies, reads) in [
        ("[]", 1),
        ("[{conditions: {pvcPhase: [Bound]}, action: {type: skip}}]", 2),
    ] {
        let api = stored();
        api.insert(pod("a", "Running", json!({})));
        api.insert(pod("b", "Running", json!({})));
        decided(&api, policies, |_| ()).await;
        let of = |end: &str| api.seen().iter().filter(|seen| seen.path.ends_with(end)).count();
        // As a claim's volume it is read in any case.
        assert_eq!(of("/persistentvolumes/vol-data"), reads, "{policies}");
        assert_eq!(of("/persistentvolumeclaims/data"), 0, "{policies}: claims were staged");
    }
}

#[tokio::test]
async fn lists_of_types_in_policies_add_to_those_of_the_spec() {
    let api = shop();
    let text = "version: v1\nincludeExcludePolicy:\n  excludedNamespaceScopedResources: [po, cm]\n  \
                excludedClusterScopedResources: [customresourcedefinitions, secrets]\n";
    let request = Request {
        policies: ResourcePolicies::parse(text).unwrap(),
        ..request(BackupSpec {
            included_namespace_scoped_resources: vec!["pods".to_owned(), "configmaps".to_owned(), "widgets".to_owned()],
            ..of_shop()
        })
    };
    let ran = backed_up_by(&api, request, Vec::new()).await;
    // The spec wins if both name a type.
    assert!(ran.members.contains(&"configmaps shop/settings".to_owned()));
    assert!(ran.members.contains(&"widgets.example.com shop/blue".to_owned()));
    assert!(
        !ran.members
            .iter()
            .any(|member| member.starts_with("customresourcedefinitions")),
        "{:?}",
        ran.members
    );
    assert_eq!(ran.warnings().len(), 1, "{:?}", ran.warnings());
    assert!(
        ran.warnings()[0].contains("secrets has no effect"),
        "{:?}",
        ran.warnings()
    );
}
