//! A restore as JSON, which upstream has not: the facts of its page, with keys like those of a backup (spec server-cli 9.2).

use serde_json::{Map, Value, json};

use super::operations;
use super::pod_volumes::{PodVolume, RESTORE_PHASES};
use super::restore::{RestoreFacts, counts, csi_volumes, existing_resource_policy, included_namespaces};
use super::{Fetched, View, auto_included_excluded, auto_true_false, duration, json_parts, list, time_or_na};
use crate::api::artifact::RestoreVolumeInfo;
use crate::api::v1::{RestorePhase, RestoreSpec};
use crate::cli::output::rate::RunProgress;
use crate::cli::output::selector::{self, NONE};

/// The facts of a restore as one object.
pub fn json(facts: &RestoreFacts, view: &View) -> Value {
    let RestoreFacts { restore, results, .. } = facts;
    let status = &restore.status;
    let phase = status.phase.as_ref().map(RestorePhase::as_str);
    let mut top = json_parts::head(&restore.metadata, phase, &status.validation_errors);
    if restore.metadata.deletion_timestamp.is_some() {
        top.insert("deleting".into(), true.into());
    }
    json_parts::results(&mut top, results.as_ref(), status.warnings, status.errors);
    top.insert("spec".into(), spec(&restore.spec));
    top.insert("status".into(), self::status(facts, view));
    Value::Object(top)
}

fn spec(spec: &RestoreSpec) -> Value {
    let mut top = json!({
        "backupName": spec.backup_name,
        "namespaces": {"included": included_namespaces(spec), "excluded": list(&spec.excluded_namespaces, NONE)},
        "resources": {
            "included": list(&spec.included_resources, "*"),
            "excluded": list(&spec.excluded_resources, NONE),
            "clusterScoped": auto_included_excluded(spec.include_cluster_resources),
        },
        "namespaceMappings": spec.namespace_mapping,
        "labelSelector": selector::text(spec.label_selector.as_ref()),
        "orLabelSelector": selector::any_of(&spec.or_label_selectors),
        "restorePVs": auto_true_false(spec.restore_pvs),
        "existingResourcePolicy": existing_resource_policy(spec),
        "itemOperationTimeout": duration(&spec.item_operation_timeout),
        "preserveServiceNodePorts": auto_true_false(spec.preserve_node_ports),
    });
    if let Some(modifier) = &spec.resource_modifier {
        top["resourceModifier"] = json!({"type": modifier.kind, "name": modifier.name});
    }
    if let Some(config) = &spec.uploader_config {
        let mut uploader = Map::new();
        if config.write_sparse_files == Some(true) {
            uploader.insert("writeSparseFiles".into(), true.into());
        }
        if config.parallel_files_download > 0 {
            uploader.insert("parallelRestore".into(), config.parallel_files_download.into());
        }
        top["uploaderConfig"] = Value::Object(uploader);
    }
    top
}

fn status(facts: &RestoreFacts, view: &View) -> Value {
    let status = &facts.restore.status;
    let mut top = json!({
        "started": time_or_na(view, status.start_timestamp.as_ref()),
        "completed": time_or_na(view, status.completion_timestamp.as_ref()),
        "restoreVolumes": volumes(facts),
    });
    json_parts::progress(
        &mut top,
        &facts.restore,
        view,
        ["estimatedTotalItemsToBeRestored", "itemsRestoredSoFar"],
        ["totalItemsToBeRestored", "itemsRestored"],
    );
    if let Some(why) = facts.restore.blocked_by() {
        top["blocked"] = why.into();
    }
    if !status.failure_reason.is_empty() {
        top["failureReason"] = json!(status.failure_reason);
    }
    let details = facts.details.as_ref();
    let fetched = details.and_then(|details| details.operations.as_ref());
    if let Some(operations) = operations::json(&counts(status), fetched, view) {
        top["restoreItemOperations"] = operations;
    }
    json_parts::hooks(&mut top, status.hook_status.as_ref());
    if let Some(details) = details {
        json_parts::resource_list(&mut top, "restore", &details.resource_list);
    }
    top
}

fn volumes(facts: &RestoreFacts) -> Value {
    let details = facts.details.is_some();
    let pods = match &facts.pod_volume_restores {
        Ok(restores) => {
            let pods: Vec<PodVolume<'_>> = restores.iter().map(PodVolume::from).collect();
            let keys = ["uploaderType", "podVolumeRestoresDetails"];
            json_parts::pod_volumes(&pods, RESTORE_PHASES, details, keys)
        }
        Err(why) => json!({"errorGettingPodVolumeRestores": why}),
    };
    let mut top = json!({"podVolumeRestores": pods});
    match &facts.volumes {
        Fetched::Got(volumes) => top["csiSnapshots"] = csi(volumes, details),
        Fetched::Missing => {}
        Fetched::NotFetched(why) => {
            top["errorGettingRestoreVolumeInfo"] = json!(format!("error getting restore volume info: {why}"));
        }
        Fetched::Unreadable(why) => {
            top["errorReadingRestoreVolumeInfo"] = json!(format!("error reading restore volume info: {why}"));
        }
    }
    top
}

fn csi(volumes: &[RestoreVolumeInfo], details: bool) -> Value {
    let of = |volume: &RestoreVolumeInfo| {
        let (kind, part) = if volume.snapshot_data_moved {
            let info = volume.snapshot_data_movement_info.clone().unwrap_or_default();
            ("dataMovement", json_parts::movement(&info))
        } else {
            let info = volume.csi_snapshot_info.clone().unwrap_or_default();
            ("snapshot", json_parts::snapshot(&info))
        };
        let name = format!("{}/{}", volume.pvc_namespace, volume.pvc_name);
        (name, json!({kind: json_parts::detailed(part, details)}))
    };
    let snapshots: Map<String, Value> = csi_volumes(volumes).map(of).collect();
    if snapshots.is_empty() {
        json!("<none included>")
    } else {
        Value::Object(snapshots)
    }
}
