//! The parts that the JSON of backups and restores share.

use serde_json::{Map, Value, json};

use super::pod_volumes::{PodVolume, by_phase, by_pod, uploader};
use super::volumes::mover;
use super::{Fetched, View, resource_list as page};
use crate::api::artifact::{CsiSnapshotInfo, DataMovementInfo, MessageSet, ResourceList, Results};
use crate::api::{HookStatus, ObjectMeta};
use crate::cli::output::rate::RunProgress;

/// The text for the parts of a snapshot without details.
const INCLUDED: &str = "included, specify --details for more information";

/// The first keys of every run: metadata, phase and validation errors.
pub(super) fn head(meta: &ObjectMeta, phase: Option<&str>, validation_errors: &[String]) -> Map<String, Value> {
    let mut top = Map::new();
    let metadata = json!({
        "name": meta.name.as_deref().unwrap_or_default(),
        "namespace": meta.namespace.as_deref().unwrap_or_default(),
        "labels": meta.labels,
        "annotations": meta.annotations,
    });
    top.insert("metadata".into(), metadata);
    top.insert("phase".into(), phase.unwrap_or_default().into());
    if !validation_errors.is_empty() {
        top.insert("validationErrors".into(), validation_errors.into());
    }
    top
}

/// Warnings and errors, both if one of them is not zero: the messages, or the counts if there is no results file.
pub(super) fn results(top: &mut Map<String, Value>, fetched: Option<&Fetched<Results>>, warnings: i64, errors: i64) {
    let Some(fetched) = fetched else {
        return;
    };
    let of = |messages: &MessageSet, count: i64| if count > 0 { message_set(messages) } else { json!({}) };
    let failed = |step: &str, why: &str| {
        let text = |what: &str| format!("<error {step} {what}: {why}>");
        [
            json!({"errorGettingWarnings": text("warnings")}),
            json!({"errorGettingErrors": text("errors")}),
        ]
    };
    let [warnings, errors] = match fetched {
        Fetched::Got(results) => [of(&results.warnings, warnings), of(&results.errors, errors)],
        Fetched::Missing => [json!({"count": warnings}), json!({"count": errors})],
        Fetched::NotFetched(why) => failed("getting", why),
        Fetched::Unreadable(why) => failed("decoding", why),
    };
    top.insert("warnings".into(), warnings);
    top.insert("errors".into(), errors);
}

fn message_set(messages: &MessageSet) -> Value {
    let namespaces = if messages.namespaces.is_empty() {
        json!([])
    } else {
        json!(messages.namespaces)
    };
    json!({"velero": messages.velero, "cluster": messages.cluster, "namespace": namespaces})
}

/// The item counts (total, done) under the keys for a run in progress or for others, and the rate.
pub(super) fn progress(
    status: &mut Value,
    run: &impl RunProgress,
    view: &View,
    in_progress: [&str; 2],
    otherwise: [&str; 2],
) {
    let Some(count) = run.count() else {
        return;
    };
    let [total, done] = if run.in_progress() { in_progress } else { otherwise };
    status[total] = count.total.into();
    status[done] = count.done.into();
    if let Some(rate) = run.rate(view.now) {
        status["rate"] = rate.rounded().into();
        if let Some(left) = rate.seconds_left {
            status["estimatedSecondsLeft"] = left.into();
        }
    }
}

/// The resource list of a run; `kind` is `backup` or `restore`.
pub(super) fn resource_list(status: &mut Value, kind: &str, fetched: &Fetched<ResourceList>) {
    match (fetched, page::failure(kind, fetched)) {
        (Fetched::Got(list), _) => status["resourceList"] = json!(list),
        (_, why) => status["errorGettingResourceList"] = json!(why),
    }
}

pub(super) fn hooks(status: &mut Value, hooks: Option<&HookStatus>) {
    if let Some(hooks) = hooks {
        status["hooksAttempted"] = hooks.hooks_attempted.into();
        status["hooksFailed"] = hooks.hooks_failed.into();
    }
}

/// One part of a CSI snapshot; without details only that it exists.
pub(super) fn detailed(part: Value, details: bool) -> Value {
    if details { part } else { json!(INCLUDED) }
}

pub(super) fn snapshot(info: &CsiSnapshotInfo) -> Value {
    json!({
        "snapshotContentName": info.vsc_name,
        "storageSnapshotID": info.snapshot_handle,
        "csiDriver": info.driver,
    })
}

pub(super) fn movement(info: &DataMovementInfo) -> Value {
    json!({
        "operationID": info.operation_id,
        "dataMover": mover(info),
        "uploaderType": info.uploader_type,
    })
}

/// The uploader and the volumes by phase, under these two keys.
pub(super) fn pod_volumes(
    volumes: &[PodVolume<'_>],
    phases: &[&'static str],
    details: bool,
    [uploader_key, volumes_key]: [&str; 2],
) -> Value {
    if volumes.is_empty() {
        return json!("<none included>");
    }
    let of = |volumes: &[&PodVolume<'_>]| {
        if !details {
            return json!(volumes.len());
        }
        by_pod(volumes)
            .into_iter()
            .map(|(pod, shown)| json!({pod: shown.join(", ")}))
            .collect()
    };
    let phases: Map<String, Value> = by_phase(volumes, phases)
        .into_iter()
        .map(|(phase, volumes)| (phase.to_owned(), of(&volumes)))
        .collect();
    json!({uploader_key: uploader(volumes), volumes_key: phases})
}
