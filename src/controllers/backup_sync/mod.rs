//! backup-sync: backups that lie in a bucket and are not in the cluster become objects of it, and objects go whose files are gone
//! (spec backup 17, decision 56). No object that exists is changed.
//!
//! ```text
//!   ended backups of the cluster -> names in the bucket -> missing ones come in, sixteen at a time -> orphans go, each checked -> last sync
//! ```

mod incoming;
mod listing;
mod orphans;
mod skipped;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::v1::{Backup, BackupStorageLocation, PodVolumeBackup, Schedule};
use crate::api::{OwnerReference, labels, time};
use crate::runtime::clock::later;
use crate::runtime::{
    Class, Classify, Controller, Kind, Manager, Next, ObjectRef, Reconciler, SharedWatch, Uid, uid_of,
};
use crate::store::layout::BackupFile;
use crate::store::{Store, StoreError};

pub use self::incoming::ORIGIN_UID;
use self::incoming::{Refused, incoming};
use self::listing::{Files, READERS};
use self::skipped::{Skip, Skipped};
use crate::controllers::backup_storage_location::period;
use crate::controllers::context::Context;
use crate::controllers::location::{self, LocationError};
use crate::controllers::run::json_gz;
use crate::controllers::watches::{LOCATION_WORKERS, Watches};
use crate::controllers::write::{WriteError, Written};

/// Backups brought in by one pass; a larger rest is left to the next. Each pass lists the bucket anew, which costs as many requests as there are
/// thousands of files, so a pass of a large bucket is rather long than repeated.
const BATCH: usize = 16_384;

/// A metadata file larger than this is none of ours.
const MAX_METADATA: u64 = 16 << 20;

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
    skipped: Skipped,
}

impl Sync {
    /// Brings backups of a location into this watch's namespace.
    pub fn new(ctx: Arc<Context>, backups: SharedWatch<Backup>, schedules: SharedWatch<Schedule>) -> Self {
        Self {
            ctx,
            backups,
            schedules,
            skipped: Skipped::default(),
        }
    }

    /// Runs it in this manager.
    pub fn register(manager: &mut Manager, ctx: &Arc<Context>, watches: &Watches) {
        let reconciler = Self::new(Arc::clone(ctx), watches.backups.clone(), watches.schedules.clone());
        manager.control(Controller::new(reconciler, &watches.locations).workers(LOCATION_WORKERS));
    }
}

/// The bucket of one pass.
struct Bucket<'a> {
    store: &'a Store,
    location: &'a str,
    uid: &'a Uid,
    now: Timestamp,
}

/// What became of one backup in the bucket.
#[derive(Debug)]
enum Brought {
    In,
    /// It is there, by another writer.
    Present,
    Skipped(Skip, Option<String>),
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
        // Before the listing: what ends from here on may be missing in it.
        let ended = self.backups.list_where(|backup| orphans::must_be_in(backup, &location));
        let listed = listing::names(&store).await?;
        let uid = uid_of(&*seen);
        let spec = serde_json::to_value(&seen.spec).unwrap_or_default();
        self.skipped.begin(&uid, spec, &listed);
        let mut missing: Vec<String> = listed
            .iter()
            .filter(|name| match self.known(name) {
                None => !self.skipped.rests(&uid, name, now),
                Some(backup) => is_incomplete(&backup, &location),
            })
            .cloned()
            .collect();
        let more = missing.len() > BATCH;
        missing.truncate(BATCH);
        let bucket = Bucket {
            store: &store,
            location: &location,
            uid: &uid,
            now,
        };
        let came = self.bring_all(&bucket, missing).await?;
        if came > 0 {
            tracing::info!(
                location,
                backups = came,
                "brought backups of the bucket into the cluster"
            );
        }
        // What is skipped rests, so the next pass comes to others.
        if more {
            return Ok(Next::After(Duration::from_secs(1)));
        }
        let candidates = orphans::candidates(ended, &listed);
        let gone = orphans::remove(&self.ctx, &store, candidates).await;
        if !gone.is_empty() {
            tracing::info!(
                location,
                backups = gone.len(),
                first = gone.first(),
                "removed backups whose files are gone from the bucket"
            );
        }
        let mut wanted = (*seen).clone();
        wanted.status.last_synced_time = Some(time(now));
        match self.ctx.writer.write(&*seen, &wanted).await? {
            Written::Conflict => Ok(Next::After(Duration::from_secs(5))),
            Written::Done | Written::Unchanged => Ok(Next::At(later(now, period))),
        }
    }

    fn gone(&self, _key: &ObjectRef<BackupStorageLocation>, uid: &Uid) {
        self.skipped.gone(uid);
    }
}

impl Sync {
    fn known(&self, name: &str) -> Option<Arc<Backup>> {
        self.backups.get(&ObjectRef::new(name).within(&self.ctx.namespace))
    }

    /// Brings these in and returns how many came. One that cannot be read keeps no other out.
    async fn bring_all(&self, bucket: &Bucket<'_>, missing: Vec<String>) -> Result<usize, Error> {
        let files = listing::files(bucket.store, &missing).await?;
        let brought = stream::iter(missing).map(|name| {
            let files = files
                .as_ref()
                .map(|files| files.get(&name).copied().unwrap_or_default());
            async move {
                let brought = self.bring(bucket, &name, files).await;
                (name, brought)
            }
        });
        let mut brought = brought.buffer_unordered(READERS);
        let mut came = 0;
        while let Some((name, brought)) = brought.next().await {
            let reason = match brought {
                Ok(Brought::In) => {
                    self.skipped.forget(bucket.uid, &name);
                    came += 1;
                    continue;
                }
                Ok(Brought::Present) => continue,
                Ok(Brought::Skipped(skip, reason)) => {
                    let is_new = self.skipped.skip(bucket.uid, &name, skip, bucket.now);
                    reason.filter(|_| is_new)
                }
                Err(error) => Some(error),
            };
            if let Some(reason) = reason {
                let location = bucket.location;
                tracing::warn!(
                    location,
                    backup = name,
                    reason,
                    "a backup of the bucket was not brought in"
                );
            }
        }
        Ok(came)
    }

    /// `files`: what a listing says of it.
    async fn bring(&self, bucket: &Bucket<'_>, name: &str, files: Option<Files>) -> Result<Brought, String> {
        let Bucket {
            store,
            location,
            uid,
            now,
        } = *bucket;
        let key = BackupFile::Metadata.key(name);
        if files.is_some_and(|files| !files.sealed) {
            return Ok(Brought::Skipped(Skip::Unsealed, None));
        }
        if let Some(Skip::Odd(before)) = self.skipped.before(uid, name) {
            let found = store.head(&key).await.map_err(|error| error.to_string())?;
            if found.is_some_and(|found| found.etag == before && before.is_some()) {
                return Ok(Brought::Skipped(Skip::Odd(before), None));
            }
        }
        // At once: the second takes no longer than the first.
        let volumes = async {
            match files {
                Some(files) if !files.volumes => Ok(Vec::new()),
                _ => volumes(store, name).await,
            }
        };
        let (read, volumes) = tokio::join!(store.get_object(&key, MAX_METADATA), volumes);
        let (info, text) = match read {
            Ok(read) => read,
            // No metadata: the backup is not there yet, or never will be.
            Err(error) if error.is_not_found() => return Ok(Brought::Skipped(Skip::Unsealed, None)),
            Err(error) => return Err(error.to_string()),
        };
        let odd = |reason: String| Ok(Brought::Skipped(Skip::Odd(info.etag.clone()), Some(reason)));
        let stored: Backup = match serde_json::from_slice(&text) {
            Ok(stored) => stored,
            Err(error) => return odd(format!("`{key}` is no Backup: {error}; check what wrote it")),
        };
        let schedules = self.schedules.list();
        let owner = |owner: &OwnerReference| {
            // Owners of other kinds are of the other cluster: the garbage collector would delete the Backup again and again.
            owner.kind == "Schedule"
                && schedules.iter().any(|s| {
                    s.metadata.name.as_ref() == Some(&owner.name) && s.metadata.uid.as_ref() == Some(&owner.uid)
                })
        };
        let mut backup = match incoming(stored, name, &self.ctx.namespace, location, now, &owner) {
            Ok(backup) => backup,
            Err(Refused::Unfinished) => return Ok(Brought::Skipped(Skip::Unfinished, None)),
            Err(Refused::Odd(reason)) => return odd(reason),
        };
        let volumes = volumes?;
        if !volumes.is_empty() {
            annotations(&mut backup).insert(SYNC_INCOMPLETE.to_owned(), "podvolumebackups".to_owned());
        }
        let created = match self.known(name) {
            Some(known) => (*known).clone(),
            None => match self.create(&backup).await {
                Ok(Some(created)) => created,
                Ok(None) => return Ok(Brought::Present),
                // The API server may take it some day; until then it is not sent in every pass.
                Err(reason) => return Ok(Brought::Skipped(Skip::Refused, Some(reason))),
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

#[cfg(test)]
mod tests;
