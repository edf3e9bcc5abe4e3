//! Finishes the files of a backup whose operations have ended (spec backup 14.3).
//!
//! ```text
//!   sealed with a final phase already? -> archive -> volume infos -> log -> results -> seal, rewritten      then the object (its reconciler)
//! ```
//!
//! Each step writes the same when it is repeated: items are replaced in the archive, lines and messages are added once.

use std::collections::BTreeSet;
use std::fs::File;
use std::future::Future;
use std::io::{self, Seek, SeekFrom, Write};

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tracing::{Instrument, info_span};

use crate::api::artifact::{
    BackupItemOperation, BackupOperationSpec, OperationPhase, ResourceIdentifier, VolumeInfo, VolumeResult,
};
use crate::api::time;
use crate::api::v1::{Backup, BackupPhase, BackupStatus};
use crate::archive::layout::Member;
use crate::archive::reader::{self, Limits, Sink};
use crate::archive::rewrite::{Changes, RewriteError, rewrite};
use crate::archive::writer::{ArchiveWriter, WriteError, gzip};
use crate::backup::item::ItemRef;
use crate::backup::{AgainDeps, ArchiveSink, Request, collect_again};
use crate::cluster::discovery::{Discovery, GroupResource};
use crate::controllers::context::Context;
use crate::controllers::item_operations::kind::{Finalized, Finishing, Operated as _};
use crate::controllers::item_operations::{failures, log_tail, results};
use crate::controllers::run::record::Record;
use crate::controllers::run::uploads::Uploads;
use crate::controllers::run::{Retry, Retryable, RunId, RunState, fetch, json_gz, open_log, results as messages};
use crate::select::resource_policies::ResourcePolicies;
use crate::store::layout::{BackupFile, backup_dir};
use crate::store::{Store, StoreError};
use crate::telemetry::run_log::RunLog;

use super::error::BackupError;
use super::leftovers::remove_unsealed;
use super::name_lock::{self, NameLock};
use super::seal;

/// A file of volume infos has at most this many bytes, packed and unpacked.
const MAX_VOLUMES: u64 = 64 << 20;

/// Finishes the files, the seal last; returns the final status.
///
/// # Errors
/// See [`BackupError`]. May be repeated.
pub(super) async fn finish_files(
    backup: &Backup,
    finishing: Finishing<'_, BackupOperationSpec>,
) -> Result<Finalized<BackupStatus>, BackupError> {
    let Finishing {
        ctx,
        store,
        location,
        operations,
    } = finishing;
    let id = RunId::of(backup);
    let sealed = seal::sealed(store, &id).await?;
    let Some(sealed) = sealed else {
        return Err(BackupError::SealGone {
            key: BackupFile::Metadata.key(&id.name),
        });
    };
    if sealed.status.phase().is_terminal() {
        // An earlier attempt came to the end, and its status was not written.
        return end(store, &id.name, sealed.status).await;
    }
    let mut uploads = Uploads::new(ctx, Record::open(ctx, &id, location).await?)?;
    uploads.take_over(store, &id).await?;
    uploads.sweep(store, &backup_dir(&id.name)).await?;

    let log = open_log(ctx, ("backup", format!("{}/{}", id.namespace, id.name)))?;
    let failed = failures::report(&operations, &log);
    let items = post_items(&operations);
    if !items.is_empty() {
        log.info(format!(
            "Collecting {} item(s) again, as their operations have ended",
            items.len()
        ));
        let rewritten = archive(ctx, store, &mut uploads, backup, &log, &items);
        let span = info_span!("rewrite archive", velero.items = items.len());
        Box::pin(carried_out(rewritten.instrument(span), &log)).await?;
    }
    carried_out(volume_infos(store, &id.name, &operations), &log).await?;
    let status = final_status(ctx, backup, &log, failed, &operations);
    log.info(format!("Backup was finalized: {}", status.phase()));
    results::add(store, &BackupFile::Results.key(&id.name), &messages::of_log(&log)).await?;
    log_tail::put(ctx, store, &mut uploads, &BackupFile::Log.key(&id.name), &log).await?;
    let status = seal::reseal(store, backup, status).await?;
    end(store, &id.name, status).await
}

/// Puts the files of a backup in order whose operations were cancelled: its log and its results say so, and nothing else of it is left. The
/// seal goes before what it promises.
pub(super) async fn cancel_files(
    backup: &Backup,
    finishing: Finishing<'_, BackupOperationSpec>,
) -> Result<(), BackupError> {
    let Finishing {
        ctx, store, location, ..
    } = finishing;
    let id = RunId::of(backup);
    // Of another backup nothing is touched.
    seal::sealed(store, &id).await?;
    let mut uploads = Uploads::new(ctx, Record::open(ctx, &id, location).await?)?;
    uploads.take_over(store, &id).await?;
    uploads.sweep(store, &backup_dir(&id.name)).await?;
    let log = open_log(ctx, ("backup", format!("{}/{}", id.namespace, id.name)))?;
    log.warn(backup.why_cancelled(true));
    results::add(store, &BackupFile::Results.key(&id.name), &messages::of_log(&log)).await?;
    log_tail::put(ctx, store, &mut uploads, &BackupFile::Log.key(&id.name), &log).await?;
    name_lock::acquire(store, &id.name, &NameLock::new(&id.uid, ctx.clock.now())).await?;
    store.delete(&BackupFile::Metadata.key(&id.name)).await?;
    remove_unsealed(store, &id.name, RunState::Failed).await?;
    Ok(name_lock::release(store, &id.name).await?)
}

/// A step with an error that no repetition mends is an error line of the backup, which is finalized as it is; any other error ends the
/// attempt.
async fn carried_out(step: impl Future<Output = Result<(), BackupError>>, log: &RunLog) -> Result<(), BackupError> {
    match step.await {
        Err(error) if error.retry() == Retry::Never => {
            log.error(error.to_string());
            Ok(())
        }
        result => result,
    }
}

async fn end(store: &Store, name: &str, status: BackupStatus) -> Result<Finalized<BackupStatus>, BackupError> {
    // For the metrics only.
    let archive = seal::archive(store, name).await.ok().flatten();
    Ok(Finalized {
        status,
        archive: archive.map_or(0, |archive| archive.size),
    })
}

/// The errors of operations were counted when they failed; those of collecting again are new.
fn final_status(
    ctx: &Context,
    backup: &Backup,
    log: &RunLog,
    failed: i64,
    operations: &[BackupItemOperation],
) -> BackupStatus {
    let (warnings, errors) = log.counts();
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let mut status = backup.status.clone();
    status.warnings += count(warnings);
    status.errors += (count(errors) - failed).max(0);
    let is_partial = status.errors > 0 || failed > 0 || *status.phase() == BackupPhase::FinalizingPartiallyFailed;
    status.phase = Some(if is_partial {
        BackupPhase::PartiallyFailed
    } else {
        BackupPhase::Completed
    });
    let snapshots = operations.iter().filter(|one| {
        let item = &one.spec.resource_identifier;
        (&*item.group, &*item.resource) == ("snapshot.storage.k8s.io", "volumesnapshots")
            && *one.status.phase() == OperationPhase::Completed
    });
    status.csi_volume_snapshots_completed = count(snapshots.count() as u64);
    status.completion_timestamp = Some(time(ctx.clock.now()));
    status
}

/// The items to collect again, each once.
fn post_items(operations: &[BackupItemOperation]) -> Vec<ItemRef> {
    let mut seen = BTreeSet::new();
    let all = operations
        .iter()
        .flat_map(|one| one.spec.post_operation_items.iter().flatten());
    all.filter(|item| seen.insert(*item)).map(item_ref).collect()
}

fn item_ref(item: &ResourceIdentifier) -> ItemRef {
    ItemRef {
        group_resource: GroupResource::new(&item.group, &item.resource),
        namespace: Some(item.namespace.clone()).filter(|namespace| !namespace.is_empty()),
        name: item.name.clone(),
    }
}

/// Collects the items again and replaces them in the archive. Putting an object is atomic: until then the old archive is there.
async fn archive(
    ctx: &Context,
    store: &Store,
    uploads: &mut Uploads<'_>,
    backup: &Backup,
    log: &RunLog,
    items: &[ItemRef],
) -> Result<(), BackupError> {
    let id = RunId::of(backup);
    let discovery = Discovery::read(&ctx.engine).await?;
    let request = Request {
        namespace: id.namespace.clone(),
        name: id.name.clone(),
        uid: id.uid.to_string(),
        labels: backup.metadata.labels.clone().unwrap_or_default(),
        spec: backup.spec.clone(),
        policies: ResourcePolicies::default(),
        every_version: ctx.settings.every_version,
        workers: 1,
    };
    // The time of all entries; the same when it is repeated.
    let start = backup.status.start_timestamp.as_ref().map(|start| start.0);
    let now = start.unwrap_or_else(|| ctx.clock.now());
    let deps = AgainDeps {
        cluster: &ctx.engine,
        discovery: &discovery,
        scratch: &ctx.scratch,
        log,
        now,
        actions: ctx.actions.backup.clone(),
    };
    let mut collected = Collected(tokio::fs::File::from_std(tempfile::tempfile_in(&ctx.scratch)?));
    if collect_again(&request, deps, items, &mut collected).await? == 0 {
        return Ok(());
    }
    let mut collected = collected.0.into_std().await;
    let out = tempfile::tempfile_in(&ctx.scratch)?;
    let key = BackupFile::Contents.key(&id.name);
    collected.seek(SeekFrom::Start(0))?;
    let merge = move |old: fetch::Pieces| -> Result<File, RewriteError> {
        let mut changes = Changed(Changes::default());
        reader::read(io::BufReader::new(collected), &Limits::default(), &mut changes)?;
        let mtime = u64::try_from(now.as_second()).unwrap_or_default();
        let mut new = ArchiveWriter::new(gzip(io::BufWriter::new(out)), mtime)?;
        rewrite(old, &Limits::default(), changes.0, &mut new)?;
        let out = new.finish()?.finish().map_err(WriteError::Io)?;
        out.into_inner()
            .map_err(|error| WriteError::Io(error.into_error()).into())
    };
    let (merged, broken) = fetch::through(store, &key, merge)
        .await
        .map_err(BackupError::RewritePanicked)?;
    let mut merged = match (merged, broken) {
        (Err(_), Some(error)) => return Err(error.into()),
        (merged, _) => merged?,
    };
    merged.flush()?;
    merged.seek(SeekFrom::Start(0))?;
    uploads.put_file(store, &key, merged).await?;
    Ok(())
}

/// The archive of the items that were collected again.
struct Collected(tokio::fs::File);

impl ArchiveSink for Collected {
    type Error = io::Error;

    async fn write(&mut self, bytes: Bytes) -> Result<(), io::Error> {
        self.0.write_all(&bytes).await?;
        self.0.flush().await
    }
}

/// The members of that archive, as changes of the whole one.
struct Changed(Changes);

impl Sink for Changed {
    fn member(&mut self, member: Member<'_>, path: &str, content: &[u8]) -> io::Result<()> {
        if matches!(member, Member::Item(..)) {
            self.0.entry(path, content);
        }
        Ok(())
    }
}

/// The snapshots whose operations have ended: when, and with which result.
async fn volume_infos(store: &Store, name: &str, operations: &[BackupItemOperation]) -> Result<(), BackupError> {
    let key = BackupFile::VolumeInfo.key(name);
    let packed = match store.get(&key, MAX_VOLUMES).await {
        Ok(packed) => packed,
        Err(error) if StoreError::is_not_found(&error) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let mut infos: Option<Vec<VolumeInfo>> =
        json_gz::read(&packed, MAX_VOLUMES).map_err(|source| BackupError::Unreadable {
            key: key.clone(),
            source,
        })?;
    let before = infos.clone();
    complete(infos.as_mut().map_or(&mut [], Vec::as_mut_slice), operations);
    if infos != before {
        store.put(&key, json_gz::write(&infos)?).await?;
    }
    Ok(())
}

fn complete(infos: &mut [VolumeInfo], operations: &[BackupItemOperation]) {
    for info in infos {
        let snapshot = info.csi_snapshot_info.as_ref().map(|csi| &*csi.operation_id);
        let moved = info
            .snapshot_data_movement_info
            .as_ref()
            .map(|moved| &*moved.operation_id);
        let ids = [snapshot, moved];
        let is_its = |one: &&BackupItemOperation| {
            ids.iter()
                .flatten()
                .any(|id| !id.is_empty() && **id == one.spec.operation_id)
        };
        let Some(operation) = operations.iter().find(is_its) else {
            continue;
        };
        info.completion_timestamp.clone_from(&operation.status.updated);
        info.result = Some(match operation.status.phase() {
            OperationPhase::Completed if operation.status.error.is_empty() => VolumeResult::Succeeded,
            _ => VolumeResult::Failed,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_volume_is_completed_by_its_operation_and_others_stay_as_they_are() {
        let operation = |id: &str, phase: &str, error: &str| -> BackupItemOperation {
            serde_json::from_value(json!({
                "spec": {"operationID": id},
                "status": {"phase": phase, "error": error, "updated": "2030-01-01T00:00:00Z"},
            }))
            .unwrap()
        };
        let info = |csi: &str, moved: &str| -> VolumeInfo {
            serde_json::from_value(json!({
                "csiSnapshotInfo": {"operationID": csi}, "snapshotDataMovementInfo": {"operationID": moved},
            }))
            .unwrap()
        };
        let operations = [
            operation("a", "Completed", ""),
            operation("b", "Failed", "no space"),
            operation("", "Completed", ""),
        ];
        let mut infos = [info("a", ""), info("unknown", "b"), info("", ""), info("other", "")];
        complete(&mut infos, &operations);
        let results: Vec<_> = infos.iter().map(|info| info.result.clone()).collect();
        assert_eq!(
            results,
            [Some(VolumeResult::Succeeded), Some(VolumeResult::Failed), None, None]
        );
        assert!(infos[0].completion_timestamp.is_some());
        assert!(infos[3].completion_timestamp.is_none());
    }

    #[test]
    fn items_of_several_operations_are_collected_once() {
        let operation = |items: serde_json::Value| -> BackupItemOperation {
            serde_json::from_value(json!({"spec": {"postOperationItems": items}})).unwrap()
        };
        let pod = json!({"Group": "", "Resource": "pods", "Namespace": "shop", "Name": "a"});
        let volume = json!({"Group": "", "Resource": "persistentvolumes", "Namespace": "", "Name": "v"});
        let operations = [
            operation(json!([pod, volume])),
            operation(json!(null)),
            operation(json!([pod])),
        ];
        let items = post_items(&operations);
        assert_eq!(
            items,
            [
                ItemRef::namespaced("", "pods", "shop", "a"),
                ItemRef::cluster_scoped("", "persistentvolumes", "v")
            ]
        );
    }
}
