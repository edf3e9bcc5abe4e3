//! A backup as JSON (spec server-cli 9.2). The keys are upstream's, including typing errors, because scripts read them.

use serde_json::{Map, Value, json};

use super::backup::{BackupFacts, deletion_failed, deletion_waits_for};
use super::pod_volumes::{BACKUP_PHASES, PodVolume};
use super::volumes::{Snapshots, result};
use super::{Fetched, View, auto_included_excluded, auto_true_false, duration, json_parts, list, time_or_na};
use crate::api::BackupHook;
use crate::api::artifact::VolumeInfo;
use crate::api::v1::{BackupPhase, BackupSpec, DeleteBackupRequest};
use crate::cli::output::selector::{self, NONE};

/// The facts of a backup as one object.
pub fn json(facts: &BackupFacts, view: &View) -> Value {
    let BackupFacts { backup, results, .. } = facts;
    let status = &backup.status;
    let phase = status.phase.as_ref().map(BackupPhase::as_str);
    let mut top = json_parts::head(&backup.metadata, phase, &status.validation_errors);
    if let Some(policy) = &backup.spec.resource_policy {
        top.insert(
            "resourcePolicies".into(),
            json!({"type": policy.kind, "name": policy.name}),
        );
    }
    json_parts::results(&mut top, results.as_ref(), status.warnings, status.errors);
    top.insert("spec".into(), spec(&backup.spec));
    top.insert("status".into(), self::status(facts, view));
    match &facts.delete_requests {
        Ok(requests) if requests.is_empty() => {}
        Ok(requests) => {
            top.insert("deletionAttempts".into(), deletions(requests, view));
        }
        Err(why) => {
            let failed = json!({"errorGettingDeleteBackupRequests": why});
            top.insert("deletionAttempts".into(), failed);
        }
    }
    Value::Object(top)
}

fn spec(spec: &BackupSpec) -> Value {
    let mut top = json!({
        "namespaces": {"included": list(&spec.included_namespaces, "*"), "excluded": list(&spec.excluded_namespaces, NONE)},
        "resources": {
            "included": list(&spec.included_resources, "*"),
            "excluded": list(&spec.excluded_resources, NONE),
            "clusterScoped": auto_included_excluded(spec.include_cluster_resources),
        },
        "labelSelector": selector::text(spec.label_selector.as_ref()),
        "storageLocation": spec.storage_location,
        "veleroNativeSnapshotPVs": auto_true_false(spec.snapshot_volumes),
        "veleroSnapshotMoveData": auto_true_false(spec.snapshot_move_data),
        "dataMover": if spec.data_mover.is_empty() { NONE } else { &spec.data_mover },
        "TTL": duration(&spec.ttl),
        "CSISnapshotTimeout": duration(&spec.csi_snapshot_timeout),
    });
    if !spec.hooks.resources.is_empty() {
        top["hooks"] = json!({"resources": hooks(spec)});
    }
    if !spec.ordered_resources.is_empty() {
        top["orderedResources"] = json!(spec.ordered_resources);
    }
    top
}

fn hooks(spec: &BackupSpec) -> Map<String, Value> {
    let of = |hook: &crate::api::BackupResourceHooks| {
        json!({
            "namespaces": {"included": list(&hook.included_namespaces, "*"), "excluded": list(&hook.excluded_namespaces, NONE)},
            "resources": {"included": list(&hook.included_resources, "*"), "excluded": list(&hook.excluded_resources, NONE)},
            "labelSelector": selector::text(hook.label_selector.as_ref()),
            "preExecHook": commands(&hook.pre),
            "postExecHook": commands(&hook.post),
        })
    };
    spec.hooks
        .resources
        .iter()
        .map(|hook| (hook.name.clone(), of(hook)))
        .collect()
}

fn commands(hooks: &[BackupHook]) -> Vec<Value> {
    let execs = hooks.iter().filter_map(|hook| hook.exec.as_ref());
    let of = |exec: &crate::api::ExecHook| {
        json!({
            "container": exec.container,
            "command": exec.command.join(" "),
            "onError:": exec.on_error.as_ref().map(ToString::to_string).unwrap_or_default(),
            "timeout": duration(&exec.timeout),
        })
    };
    execs.map(of).collect()
}

fn status(facts: &BackupFacts, view: &View) -> Value {
    let status = &facts.backup.status;
    let mut top = json!({
        "backupFormatVersion": status.format_version,
        "started": time_or_na(view, status.start_timestamp.as_ref()),
        "completed": time_or_na(view, status.completion_timestamp.as_ref()),
        "expiration": view.time_or_nil(status.expiration.as_ref()),
        "backupVolumes": volumes(facts),
    });
    json_parts::progress(
        &mut top,
        &facts.backup,
        view,
        ["estimatedTotalItemsToBeBackedUp", "itemsBackedUpSoFar"],
        ["totalItemsToBeBackedUp", "itemsBackedUp"],
    );
    if let Some(details) = &facts.details {
        json_parts::resource_list(&mut top, "backup", &details.resource_list);
    }
    json_parts::hooks(&mut top, status.hook_status.as_ref());
    top
}

fn volumes(facts: &BackupFacts) -> Value {
    let details = facts.details.is_some();
    match &facts.snapshots {
        Fetched::Got(snapshots) => json!({
            "nativeSnapshots": native(snapshots, details),
            "csiSnapshots": csi(snapshots, details),
            "podVolumeBackups": pod_volumes(facts, details),
        }),
        Fetched::Missing => json!({"errorGetBackupVolumeInfo": "error getting backup volume info: file not found"}),
        Fetched::NotFetched(why) => {
            json!({"errorGetBackupVolumeInfo": format!("error getting backup volume info: {why}")})
        }
        Fetched::Unreadable(why) => {
            json!({"errorReadBackupVolumeInfo": format!("error reading backup volume info: {why}")})
        }
    }
}

fn native(snapshots: &Snapshots, details: bool) -> Value {
    let of = |volume: &VolumeInfo| {
        if !details {
            return json!("specify --details for more information");
        }
        let info = volume.native_snapshot_info.clone().unwrap_or_default();
        json!({
            "snapshotID": info.snapshot_handle,
            "type": info.volume_type,
            "availabilityZone": info.volume_az,
            "IOPS": info.iops,
            "result": result(volume),
        })
    };
    if snapshots.native.is_empty() {
        return json!("<none included>");
    }
    snapshots
        .native
        .iter()
        .map(|volume| (volume.pv_name.clone(), of(volume)))
        .collect()
}

fn csi(snapshots: &Snapshots, details: bool) -> Value {
    if snapshots.csi.is_empty() {
        return json!(if snapshots.from_older_files {
            "<none included or not detectable>"
        } else {
            "<none included>"
        });
    }
    let name = |volume: &VolumeInfo| format!("{}/{}", volume.pvc_namespace, volume.pvc_name);
    snapshots
        .csi
        .iter()
        .map(|volume| (name(volume), csi_snapshot(volume, details)))
        .collect()
}

fn csi_snapshot(volume: &VolumeInfo, details: bool) -> Value {
    let mut parts = Map::new();
    if volume.preserve_local_snapshot {
        let info = volume.csi_snapshot_info.clone().unwrap_or_default();
        let mut part = json_parts::snapshot(&info);
        part["snapshotSize(bytes)"] = json!(info.size);
        part["result"] = json!(result(volume));
        if !volume.snapshot_data_moved {
            part["operationID"] = json!(info.operation_id);
        }
        parts.insert("snapshot".into(), json_parts::detailed(part, details));
    }
    if volume.snapshot_data_moved {
        let info = volume.snapshot_data_movement_info.clone().unwrap_or_default();
        let mut part = json_parts::movement(&info);
        part["result"] = json!(result(volume));
        if info.size > 0 || info.incremental_size > 0 {
            part["size"] = json!(info.size);
            part["incrementalSize"] = json!(info.incremental_size);
        }
        parts.insert("dataMovement".into(), json_parts::detailed(part, details));
    }
    Value::Object(parts)
}

fn pod_volumes(facts: &BackupFacts, details: bool) -> Value {
    let volumes = match &facts.pod_volume_backups {
        Ok(volumes) => volumes,
        Err(why) => return json!({"errorGettingPodVolumeBackups": why}),
    };
    let volumes: Vec<PodVolume<'_>> = volumes.iter().map(PodVolume::from).collect();
    let keys = ["uploderType", "podVolumeBackupsDetails"];
    json_parts::pod_volumes(&volumes, BACKUP_PHASES, details, keys)
}

fn deletions(requests: &[DeleteBackupRequest], view: &View) -> Value {
    let of = |request: &DeleteBackupRequest| {
        let mut one = json!({
            "creationTimestamp": view.time_or_nil(request.metadata.creation_timestamp.as_ref()),
            "phase": request.status.phase.as_ref().map_or("", |phase| phase.as_str()),
        });
        if let Some(waits_for) = deletion_waits_for(request) {
            one["blocked"] = json!(waits_for);
        }
        if !request.status.errors.is_empty() {
            one["errors"] = json!(request.status.errors);
        }
        one
    };
    let shown: Vec<Value> = requests.iter().map(of).collect();
    let mut top = json!({"deleteBackupRequests": shown});
    let failed = requests.iter().filter(|request| deletion_failed(request)).count();
    if failed > 0 {
        top["failed"] = failed.into();
    }
    top
}
