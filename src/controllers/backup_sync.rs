//! backup-sync: backups that lie in a bucket and are not in the cluster become objects of it (spec backup 17). Sealed ones
//! come in; nothing is removed here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::v1::{Backup, BackupPhase, BackupStorageLocation, PodVolumeBackup, Schedule};
use crate::api::{OwnerReference, labels, names, time};
use crate::runtime::clock::later;
use crate::runtime::{Class, Classify, Controller, Kind, Manager, Next, ObjectRef, Reconciler, SharedWatch};
use crate::store::layout::{BACKUPS, BackupFile};
use crate::store::{Store, StoreError};

use super::backup::ended::conditions;
use super::backup_storage_location::period;
use super::location::{self, LocationError};
use super::run::json_gz;
use super::watches::{BUCKET_WORKERS, Watches};
use super::write::{WriteError, Written};
use crate::controllers::context::Context;

/// Backups brought in by one pass; a larger rest is left to the next, so that a pass stays short.
const BATCH: usize = 64;

/// Backups read at once.
const READERS: usize = 8;

/// A metadata file larger than this is none of ours.
const MAX_METADATA: u64 = 16 << 20;

/// On a synced backup: the uid it had where it was made. A backup that wrote nothing must not delete another's files.
pub const ORIGIN_UID: &str = "velero.io/origin-uid";

/// On a synced backup until its pod volume backups are created too: a later pass creates what this one did not.
pub const SYNC_INCOMPLETE: &str = "velero.io/sync-incomplete";

/// A pass failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The location cannot be opened.
    #[error("opening the storage location to look for backups failed: {0}")]
    LocationUnusable(#[from] LocationError),
    /// The bucket cannot be listed.
    #[error("listing the backups of the storage location failed: {0}")]
    BucketUnreadable(#[from] StoreError),
    /// The time of the sync was not written.
    #[error("writing the location's last sync failed: {0}")]
    StatusNotWritten(#[from] WriteError),
}

impl Classify for Error {
    crate::runtime::reasons!(LocationUnusable, BucketUnreadable, StatusNotWritten);

    fn class(&self) -> Class {
        match self {
            Self::StatusNotWritten(WriteError::NotLeading(_)) => Class::Lost,
            _ => Class::Transient,
        }
    }
}

/// The reconciler.
pub struct Sync {
    ctx: Arc<Context>,
    backups: SharedWatch<Backup>,
    schedules: SharedWatch<Schedule>,
}

impl Sync {
    /// Brings backups of a location into this watch's namespace.
    pub fn new(ctx: Arc<Context>, backups: SharedWatch<Backup>, schedules: SharedWatch<Schedule>) -> Self {
        Self {
            ctx,
            backups,
            schedules,
        }
    }

    /// Runs it in this manager.
    pub fn register(manager: &mut Manager, ctx: &Arc<Context>, watches: &Watches) {
        let reconciler = Self::new(Arc::clone(ctx), watches.backups.clone(), watches.schedules.clone());
        manager.control(Controller::new(reconciler, &watches.locations).workers(BUCKET_WORKERS));
    }
}

/// What became of one backup in the bucket.
#[derive(Debug)]
enum Brought {
    In,
    /// Not now, or never: with the reason for the log, if the operator should check it.
    Skipped(Option<String>),
}

impl Reconciler for Sync {
    type Kind = BackupStorageLocation;
    type Error = Error;
    const NAME: &'static str = "backup-sync";
    const RESYNC: Duration = Duration::from_mins(1);

    async fn reconcile(&self, seen: Arc<BackupStorageLocation>) -> Result<Next, Error> {
        let now = self.ctx.clock.now();
        let period = period(seen.spec.backup_sync_period.as_ref(), self.ctx.settings.sync_period);
        if period.is_zero() || !seen.is_available() {
            return Ok(Next::Resync);
        }
        if let Some(last) = &seen.status.last_synced_time {
            let next = later(last.0, period);
            if now < next {
                return Ok(Next::At(next));
            }
        }
        let location = seen.metadata.name.clone().unwrap_or_default();
        let store = location::open(&self.ctx, &seen).await?;
        let mut missing: Vec<String> = store
            .list_prefixes(BACKUPS)
            .await?
            .iter()
            .filter_map(|prefix| prefix.strip_prefix(BACKUPS)?.strip_suffix('/').map(str::to_owned))
            .filter(|name| match self.known(name) {
                None => true,
                Some(backup) => is_incomplete(&backup, &location),
            })
            .collect();
        // What is skipped stays missing: a fixed order would let the first ones keep the others out.
        let start = usize::try_from(now.as_second().unsigned_abs()).unwrap_or(0) % missing.len().max(1);
        missing.rotate_left(start);
        let more = missing.len() > BATCH;
        let brought: Vec<(String, Brought)> = stream::iter(missing.into_iter().take(BATCH))
            .map(|name| {
                let (store, location) = (&store, &location);
                async move {
                    let brought = self.bring(store, location, &name, now).await;
                    (name, brought.unwrap_or_else(|e| Brought::Skipped(Some(e))))
                }
            })
            .buffer_unordered(READERS)
            .collect()
            .await;
        let mut came = 0;
        for (name, brought) in brought {
            match brought {
                Brought::In => came += 1,
                Brought::Skipped(None) => {}
                Brought::Skipped(Some(reason)) => {
                    tracing::warn!(
                        location,
                        backup = name,
                        reason,
                        "a backup of the bucket was not brought in"
                    );
                }
            }
        }
        if came > 0 {
            tracing::info!(
                location,
                backups = came,
                "brought backups of the bucket into the cluster"
            );
        }
        if more && came > 0 {
            return Ok(Next::After(Duration::from_secs(1)));
        }
        let mut wanted = (*seen).clone();
        wanted.status.last_synced_time = Some(time(now));
        match self.ctx.writer.write(&*seen, &wanted).await? {
            Written::Conflict => Ok(Next::After(Duration::from_secs(5))),
            Written::Done | Written::Unchanged => Ok(Next::At(later(now, period))),
        }
    }
}

impl Sync {
    fn known(&self, name: &str) -> Option<Arc<Backup>> {
        self.backups.get(&ObjectRef::new(name).within(&self.ctx.namespace))
    }

    async fn bring(&self, store: &Store, location: &str, name: &str, now: Timestamp) -> Result<Brought, String> {
        let key = BackupFile::Metadata.key(name);
        let text = match store.get(&key, MAX_METADATA).await {
            Ok(text) => text,
            // No metadata: the backup is not there yet, or never will be.
            Err(error) if error.is_not_found() => return Ok(Brought::Skipped(None)),
            Err(error) => return Err(error.to_string()),
        };
        let stored: Backup =
            serde_json::from_slice(&text).map_err(|e| format!("`{key}` is no Backup: {e}; check what wrote it"))?;
        let volumes = volumes(store, name).await?;
        let schedules = self.schedules.list();
        let owner = |owner: &OwnerReference| {
            owner.kind != "Schedule"
                || schedules.iter().any(|s| {
                    s.metadata.name.as_ref() == Some(&owner.name) && s.metadata.uid.as_ref() == Some(&owner.uid)
                })
        };
        let mut backup = match incoming(stored, name, &self.ctx.namespace, location, now, &owner) {
            Ok(backup) => backup,
            Err(reason) => return Ok(Brought::Skipped(reason)),
        };
        if !volumes.is_empty() {
            annotations(&mut backup).insert(SYNC_INCOMPLETE.to_owned(), "podvolumebackups".to_owned());
        }
        let created = match self.known(name) {
            Some(known) => (*known).clone(),
            None => match self.create(&backup).await? {
                Some(created) => created,
                None => return Ok(Brought::Skipped(None)),
            },
        };
        self.bring_volumes(location, &created, volumes).await?;
        Ok(Brought::In)
    }

    /// The PodVolumeBackups of a backup, owned by its new object.
    async fn bring_volumes(
        &self,
        location: &str,
        backup: &Backup,
        volumes: Vec<PodVolumeBackup>,
    ) -> Result<(), String> {
        let name = backup.metadata.name.clone().unwrap_or_default();
        let uid = backup.metadata.uid.clone().unwrap_or_default();
        for mut volume in volumes {
            let meta = &mut volume.metadata;
            meta.namespace = Some(self.ctx.namespace.clone());
            meta.resource_version = None;
            meta.uid = None;
            meta.managed_fields = None;
            for owner in meta.owner_references.iter_mut().flatten() {
                if owner.kind == "Backup" && owner.name == name {
                    owner.uid.clone_from(&uid);
                }
            }
            if let Some(label) = meta.labels.as_mut().and_then(|l| l.get_mut(labels::BACKUP_UID)) {
                label.clone_from(&uid);
            }
            location.clone_into(&mut volume.spec.backup_storage_location);
            self.create(&volume).await?;
        }
        let mut complete = backup.clone();
        if annotations(&mut complete).remove(SYNC_INCOMPLETE).is_some() {
            // A conflict is no loss: the next pass finds the mark still there.
            self.ctx
                .writer
                .write(backup, &complete)
                .await
                .map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    /// Creates an object; `None` if there is one of that name.
    async fn create<K>(&self, object: &K) -> Result<Option<K>, String>
    where
        K: Kind + Resource<Scope = kube::core::NamespaceResourceScope> + Serialize + DeserializeOwned,
    {
        let api: Api<K> = Api::namespaced(self.ctx.cluster.client().clone(), &self.ctx.namespace);
        let params = PostParams::default();
        let create = self
            .ctx
            .gate
            .write(api.create(&params, object))
            .await
            .map_err(|e| e.to_string())?;
        match create {
            Ok(created) => Ok(Some(created)),
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }
}

fn annotations(backup: &mut Backup) -> &mut BTreeMap<String, String> {
    backup.metadata.annotations.get_or_insert_default()
}

/// Whether a backup was brought in from this location and not all that belongs to it.
fn is_incomplete(backup: &Backup, location: &str) -> bool {
    let is_marked = |noted: &BTreeMap<String, String>| noted.contains_key(SYNC_INCOMPLETE);
    backup.spec.storage_location == location && backup.metadata.annotations.as_ref().is_some_and(is_marked)
}

/// What a backup in the bucket says about its pod volumes.
async fn volumes(store: &Store, backup: &str) -> Result<Vec<PodVolumeBackup>, String> {
    let key = BackupFile::PodVolumeBackups.key(backup);
    let packed = match store.get(&key, MAX_METADATA).await {
        Ok(packed) => packed,
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        Err(error) => return Err(error.to_string()),
    };
    let volumes = json_gz::read::<Option<Vec<PodVolumeBackup>>>(&packed, MAX_METADATA);
    // The rest of the backup is good without it.
    Ok(volumes
        .unwrap_or_else(|error| {
            tracing::warn!(backup, key, %error, "a file of the bucket cannot be read: check what wrote it");
            None
        })
        .unwrap_or_default())
}

/// The object for a backup found in the bucket, or why there is to be none (with a reason if the operator should check it).
fn incoming(
    stored: Backup,
    name: &str,
    namespace: &str,
    location: &str,
    now: Timestamp,
    owner: &dyn Fn(&OwnerReference) -> bool,
) -> Result<Backup, Option<String>> {
    let mut backup = stored;
    let meta = &backup.metadata;
    if meta.name.as_deref() != Some(name) {
        let inside = meta.name.as_deref().unwrap_or_default();
        return Err(Some(format!(
            "its metadata is of a backup named `{inside}`; check what wrote to the bucket"
        )));
    }
    let phase = backup.status.phase();
    if phase.is_waiting_for_operations() || phase.is_finalizing() {
        // Another cluster may still be at work on it.
        match &backup.status.expiration {
            Some(end) if end.0 <= now => backup.status.phase = Some(BackupPhase::PartiallyFailed),
            _ => return Err(None),
        }
    }
    // Only a backup that is over is ever sealed. To run any other here would make another backup under its name.
    let phase = backup.status.phase();
    if !phase.is_terminal() && *phase != BackupPhase::Deleting {
        return Err(Some(format!(
            "its metadata has the phase `{phase}`, which is not one of a backup that is over; check what wrote to the bucket"
        )));
    }
    let over = backup.status.completion_timestamp.as_ref().map_or(now, |end| end.0);
    backup.status.conditions.clear();
    conditions(&mut backup, over);
    let meta = &mut backup.metadata;
    meta.namespace = Some(namespace.to_owned());
    meta.resource_version = None;
    meta.managed_fields = None;
    meta.deletion_timestamp = None;
    meta.generation = None;
    if let Some(uid) = meta.uid.take() {
        meta.annotations
            .get_or_insert_default()
            .entry(ORIGIN_UID.to_owned())
            .or_insert(uid);
    }
    if let Some(owners) = meta.owner_references.take() {
        let kept: Vec<_> = owners.into_iter().filter(|o| owner(o)).collect();
        meta.owner_references = (!kept.is_empty()).then_some(kept);
    }
    meta.labels
        .get_or_insert_default()
        .insert(labels::STORAGE_LOCATION.to_owned(), names::label_value(location));
    location.clone_into(&mut backup.spec.storage_location);
    Ok(backup)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::condition;

    fn stored(phase: &str) -> Backup {
        let mut backup = Backup::new("elsewhere", "nightly");
        backup.metadata.uid = Some("old".to_owned());
        backup.metadata.resource_version = Some("7".to_owned());
        backup.status.phase = Some(BackupPhase::from(phase));
        backup
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_sealed_backup_comes_in_under_our_namespace_and_location_and_remembers_its_origin() {
        let owners = |kind: &str| OwnerReference {
            kind: kind.to_owned(),
            ..OwnerReference::default()
        };
        let mut found = stored("Completed");
        found.metadata.owner_references = Some(vec![owners("Schedule"), owners("Other")]);
        let backup = incoming(found, "nightly", "velero", "second", at(0), &|o| o.kind != "Schedule").unwrap();
        assert_eq!(backup.metadata.namespace.as_deref(), Some("velero"));
        assert_eq!(backup.metadata.resource_version, None);
        assert_eq!(backup.metadata.annotations.unwrap()[ORIGIN_UID], "old");
        assert_eq!(backup.metadata.owner_references.unwrap().len(), 1);
        assert_eq!(backup.spec.storage_location, "second");
        assert_eq!(backup.metadata.labels.unwrap()[labels::STORAGE_LOCATION], "second");
    }

    #[test]
    fn a_backup_that_another_cluster_still_finishes_is_left_until_it_expires() {
        for phase in ["WaitingForPluginOperations", "Finalizing", "FinalizingPartiallyFailed"] {
            assert_eq!(
                incoming(stored(phase), "nightly", "v", "l", at(0), &|_| true).unwrap_err(),
                None
            );
            let mut expired = stored(phase);
            expired.status.expiration = Some(time(at(10)));
            let backup = incoming(expired, "nightly", "v", "l", at(10), &|_| true).unwrap();
            assert_eq!(*backup.status.phase(), BackupPhase::PartiallyFailed);
        }
    }

    #[test]
    fn metadata_of_a_backup_that_never_ended_makes_no_backup_here() {
        let mut without = stored("New");
        without.status.phase = None;
        let unended = ["New", "Queued", "ReadyToStart", "InProgress"].map(stored);
        for backup in unended.into_iter().chain([without]) {
            let reason = incoming(backup, "nightly", "v", "l", at(0), &|_| true)
                .unwrap_err()
                .unwrap();
            assert!(reason.contains("check what wrote to the bucket"), "{reason}");
        }
    }

    #[test]
    fn conditions_come_from_the_phase_whatever_the_bucket_says() {
        let mut found = stored("Completed");
        found.status.completion_timestamp = Some(time(at(5)));
        conditions(&mut found, at(3));
        found.status.phase = Some(BackupPhase::PartiallyFailed);
        let backup = incoming(found, "nightly", "v", "l", at(10), &|_| true).unwrap();
        let completed = condition::find(&backup.status.conditions, "Completed").unwrap();
        assert_eq!(completed.status.as_str(), "False");
        assert_eq!(completed.last_transition_time, Some(time(at(5))));
    }

    #[test]
    fn metadata_under_another_backup_s_name_is_refused() {
        let reason = incoming(stored("Completed"), "weekly", "v", "l", at(0), &|_| true)
            .unwrap_err()
            .unwrap();
        assert!(reason.contains("`nightly`"), "{reason}");
    }
}
