//! The open deletion: each pass reads what is still there and removes the next part. Every part may be removed again.

use std::sync::Arc;

use serde::Serialize;
use tracing::{Instrument, info_span};

use crate::api::v1::{Backup, BackupPhase, BackupStorageLocation, DeleteBackupRequest, Restore};
use crate::api::{labels, names};
use crate::controllers::backup::phase::schedule_of;
use crate::controllers::backup::seal::{self, Stored};
use crate::controllers::backup_storage_location::STORE_ID;
use crate::controllers::context::Context;
use crate::controllers::fresh;
use crate::controllers::location;
use crate::controllers::write::Written;
use crate::runtime::{ObjectRef, SharedWatch, Uid, uid_of};
use crate::store::Store;
use crate::store::layout;

use super::error::Error;
use super::external::Remover;
use super::external::{self, ExternalData};
use super::files;
use super::owner::{self, Owner, wrote_nothing};
use super::plan::{self, Refusal};
use super::wait::{LEAVING_LEFTOVERS, Wait};

/// Where a pass over an open deletion has come to.
#[derive(Debug)]
pub(super) enum Step {
    /// Something was written; what follows from it leads to the next pass.
    Again,
    /// The deletion waits.
    Wait(Wait),
    /// A run of the backup is under way after all.
    Refused(Refusal),
    /// Nothing is left.
    Done { schedule: String },
}

/// What a deletion leaves behind, as the bucket keeps it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LeftBehind<'a> {
    version: u32,
    backup: &'a str,
    uid: &'a str,
    left_at: String,
    data: &'a [ExternalData],
}

/// Carries out deletions, step by step.
pub(super) struct Deleter {
    pub(super) ctx: Arc<Context>,
    pub(super) backups: SharedWatch<Backup>,
    pub(super) restores: SharedWatch<Restore>,
    pub(super) locations: SharedWatch<BackupStorageLocation>,
    pub(super) removers: Vec<Arc<dyn Remover>>,
}

impl Deleter {
    pub(super) async fn fresh_backup(&self, name: &str) -> Result<Option<Backup>, Error> {
        fresh::get(&self.ctx, name).await.map_err(Error::BackupNotRead)
    }

    pub(super) async fn fresh_location(&self, name: &str) -> Result<Option<BackupStorageLocation>, Error> {
        fresh::get(&self.ctx, name)
            .await
            .map_err(|source| Error::LocationNotRead {
                location: name.to_owned(),
                source,
            })
    }

    /// The next step of this request.
    pub(super) async fn step(&self, seen: &DeleteBackupRequest) -> Result<Step, Error> {
        let name = &seen.spec.backup_name;
        let found = self.fresh_backup(name).await?;
        let Some(backup) = found.filter(|backup| plan::is_meant(seen, backup)) else {
            return self.without_backup(seen).await;
        };
        if plan::is_busy(&backup) {
            return Ok(Step::Refused(Refusal::InProgress));
        }
        if *backup.status.phase() != BackupPhase::Deleting {
            // No way leads back from the mark: it comes when nothing that cannot be removed is in the way.
            if let Some(wait) = self.obstacle(seen, &backup).await? {
                return Ok(Step::Wait(wait));
            }
            self.mark(&backup).await?;
            return Ok(Step::Again);
        }
        // A pass over a restore that may have begun before the mark has its object in this store. Later ones see the mark.
        let key = ObjectRef::new(name).within(&self.ctx.namespace);
        let is_marked = |shown: &Backup| *shown.status.phase() == BackupPhase::Deleting;
        if !self.backups.get(&key).is_some_and(|shown| is_marked(&shown)) {
            return Ok(Step::Again);
        }
        match self.remove_all(seen, &backup).await? {
            Some(wait) => Ok(Step::Wait(wait)),
            None => Ok(Step::Done {
                schedule: schedule_of(&backup).to_owned(),
            }),
        }
    }

    /// From here on no restore of it begins.
    async fn mark(&self, backup: &Backup) -> Result<(), Error> {
        let mut wanted = backup.clone();
        wanted.status.phase = Some(BackupPhase::Deleting);
        if self.ctx.writer.write(backup, &wanted).await? == Written::Done {
            self.ctx.metrics.backup_deletion_started(schedule_of(backup));
        }
        Ok(())
    }

    /// What the deletion has to wait for before it begins.
    async fn obstacle(&self, seen: &DeleteBackupRequest, backup: &Backup) -> Result<Option<Wait>, Error> {
        let store = match self.store_of(seen, backup).await? {
            Ok(store) => store,
            Err(wait) => return Ok(Some(wait)),
        };
        if is_leaving(seen) {
            return Ok(None);
        }
        let owned = self.owned(seen, backup, store.as_ref()).await?;
        let mut found = external::find(&self.ctx, owned, backup)
            .instrument(info_span!("find external data"))
            .await?;
        found.retain(|data| !self.removers.iter().any(|remover| remover.removes(data.kind)));
        Ok((!found.is_empty()).then(|| self.leftovers(seen, found)))
    }

    fn leftovers(&self, seen: &DeleteBackupRequest, data: Vec<ExternalData>) -> Wait {
        Wait::Leftovers {
            namespace: self.ctx.namespace.clone(),
            request: seen.metadata.name.clone().unwrap_or_default(),
            data,
        }
    }

    /// The store if the files under the name of this backup are its own.
    async fn owned<'s>(
        &self,
        seen: &DeleteBackupRequest,
        backup: &Backup,
        store: Option<&'s Store>,
    ) -> Result<Option<&'s Store>, Error> {
        let Some(store) = store else { return Ok(None) };
        match owner::of(store, backup).await? {
            Owner::This => Ok(Some(store)),
            Owner::Another(uid) => {
                tracing::info!(
                    backup = seen.spec.backup_name,
                    uid,
                    "the files under the name of this backup belong to another one and stay"
                );
                Ok(None)
            }
        }
    }

    /// Removes everything of a backup, part after part; returns what keeps it from that.
    async fn remove_all(&self, seen: &DeleteBackupRequest, backup: &Backup) -> Result<Option<Wait>, Error> {
        let running = self.restores.list_where(|restore| plan::reads(restore, backup));
        if !running.is_empty() {
            return Ok(Some(Wait::RestoreRunning(named(running.iter().map(|r| &**r)))));
        }
        let store = match self.store_of(seen, backup).await? {
            Ok(store) => store,
            Err(wait) => return Ok(Some(wait)),
        };
        let owned = self.owned(seen, backup, store.as_ref()).await?;
        if let Some(wait) = self.remove_external(seen, backup, owned).await? {
            return Ok(Some(wait));
        }
        if let Some(wait) = self.remove_restores(backup).await? {
            return Ok(Some(wait));
        }
        if let Some(store) = owned {
            let (name, uid) = (&seen.spec.backup_name, uid_of(backup));
            self.remove_files(store, name, &uid).await?;
        }
        self.remove_backup(backup).await
    }

    /// The store with the files of a backup; none if it has no files, or if they are to be left where they are.
    async fn store_of(
        &self,
        seen: &DeleteBackupRequest,
        backup: &Backup,
    ) -> Result<Result<Option<Store>, Wait>, Error> {
        if wrote_nothing(backup) {
            return Ok(Ok(None));
        }
        let name = &backup.spec.storage_location;
        match self.fresh_location(name).await? {
            None if is_leaving(seen) => Ok(Ok(None)),
            None => Ok(Err(Wait::LocationGone(name.clone()))),
            Some(location) => self.open(&location).await.map(|opened| opened.map(Some)),
        }
    }

    async fn open(&self, location: &BackupStorageLocation) -> Result<Result<Store, Wait>, Error> {
        let name = location.metadata.name.clone().unwrap_or_default();
        if location.is_read_only() {
            return Ok(Err(Wait::LocationReadOnly(name)));
        }
        if !location.is_available() {
            return Ok(Err(Wait::LocationUnavailable(name)));
        }
        let store = location::open(&self.ctx, location).await?;
        // Another store may have taken its place since the last validation, such as an empty mount point. There nothing is left to remove,
        // and what is to be removed would come back with the right one.
        let noted = location.metadata.annotations.as_ref();
        let known = noted.and_then(|noted| noted.get(STORE_ID)).map(String::as_str);
        store.validate(known, false).await?;
        Ok(Ok(store))
    }

    /// Removes what lies outside of the files, while the files still say what that is.
    async fn remove_external(
        &self,
        seen: &DeleteBackupRequest,
        backup: &Backup,
        store: Option<&Store>,
    ) -> Result<Option<Wait>, Error> {
        let found = external::find(&self.ctx, store, backup)
            .instrument(info_span!("find external data"))
            .await?;
        let mut left = Vec::new();
        for data in found {
            let Some(remover) = self.removers.iter().find(|remover| remover.removes(data.kind)) else {
                left.push(data);
                continue;
            };
            let removed = remover.remove(backup, &data).await;
            removed.map_err(|reason| Error::DataNotRemoved {
                what: format!("{} `{}`", data.kind, data.id),
                reason,
            })?;
        }
        if left.is_empty() {
            return Ok(None);
        }
        if !is_leaving(seen) {
            return Ok(Some(self.leftovers(seen, left)));
        }
        if let Some(store) = store {
            self.note(store, backup, &left).await?;
        } else {
            // Nothing is written where the files of another backup are, and without a location.
            tracing::warn!(backup = seen.spec.backup_name, ?left, "the deletion leaves data behind");
        }
        Ok(None)
    }

    /// Notes in the bucket what is left behind, before the files that name it are gone.
    async fn note(&self, store: &Store, backup: &Backup, left: &[ExternalData]) -> Result<(), Error> {
        let (name, uid) = (
            backup.metadata.name.as_deref().unwrap_or_default(),
            backup.metadata.uid.as_deref().unwrap_or_default(),
        );
        let noted = LeftBehind {
            version: 1,
            backup: name,
            uid,
            left_at: self.ctx.clock.now().to_string(),
            data: left,
        };
        let text = serde_json::to_vec_pretty(&noted).unwrap_or_default();
        store
            .put(&layout::leftovers(name, uid), text.into())
            .instrument(info_span!("note leftovers"))
            .await
            .map_err(Error::LeftoversNotNoted)
    }

    /// Deletes the restores of a backup. Their finalizer removes their files, and finds them by the Backup.
    async fn remove_restores(&self, backup: &Backup) -> Result<Option<Wait>, Error> {
        let name = backup.metadata.name.as_deref().unwrap_or_default();
        let restores = self.restores.list_where(|restore| restore.spec.backup_name == name);
        for restore in &restores {
            if restore.metadata.deletion_timestamp.is_none() {
                let removed = self.ctx.writer.remove(&**restore).await;
                removed.map_err(|source| Error::ObjectNotRemoved {
                    what: format!("restore `{}`", restore.metadata.name.as_deref().unwrap_or_default()),
                    source,
                })?;
            }
        }
        Ok((!restores.is_empty()).then(|| Wait::RestoresRemain(named(restores.iter().map(|r| &**r)))))
    }

    async fn remove_files(&self, store: &Store, backup: &str, uid: &Uid) -> Result<(), Error> {
        let now = self.ctx.clock.now();
        files::remove(store, backup, uid, now)
            .instrument(info_span!("remove files"))
            .await?;
        Ok(())
    }

    async fn remove_backup(&self, backup: &Backup) -> Result<Option<Wait>, Error> {
        let removed = self.ctx.writer.remove(backup).await;
        removed.map_err(|source| Error::ObjectNotRemoved {
            what: format!("backup `{}`", backup.metadata.name.as_deref().unwrap_or_default()),
            source,
        })?;
        let name = backup.metadata.name.as_deref().unwrap_or_default();
        let kept = self
            .fresh_backup(name)
            .await?
            .filter(|kept| uid_of(kept) == uid_of(backup));
        Ok(kept.map(|kept| Wait::BackupKept(kept.metadata.finalizers.unwrap_or_default())))
    }

    /// The Backup is gone: by the pass before this one, or by another hand in the middle of the removal of its files. The lock of its name
    /// tells which.
    async fn without_backup(&self, seen: &DeleteBackupRequest) -> Result<Step, Error> {
        let done = Step::Done {
            schedule: String::new(),
        };
        let (Some(uid), Some(value)) = (
            plan::label(seen, labels::BACKUP_UID),
            plan::label(seen, labels::STORAGE_LOCATION),
        ) else {
            return Ok(done);
        };
        let of_value = |location: &BackupStorageLocation| {
            names::label_value(location.metadata.name.as_deref().unwrap_or_default()) == value
        };
        let location = self.locations.list_where(of_value).pop();
        let Some(location) = location.filter(|_| !is_leaving(seen)) else {
            return Ok(done);
        };
        let store = match self.open(&location).await? {
            Ok(store) => store,
            Err(wait) => return Ok(Step::Wait(wait)),
        };
        let (name, uid) = (&seen.spec.backup_name, Uid::from(uid));
        let is_sealed = match seal::read(&store, name).await? {
            Stored::Backup(sealed) => sealed.metadata.uid.as_deref() == Some(uid.as_str()),
            Stored::Nothing | Stored::Unreadable => false,
        };
        if is_sealed || files::is_half_removed(&store, name, &uid).await? {
            self.remove_files(&store, name, &uid).await?;
        }
        Ok(done)
    }
}

pub(super) fn is_leaving(request: &DeleteBackupRequest) -> bool {
    let noted = request.metadata.annotations.as_ref();
    noted
        .and_then(|noted| noted.get(LEAVING_LEFTOVERS))
        .is_some_and(|value| value == "true")
}

fn named<'a>(restores: impl Iterator<Item = &'a Restore>) -> Vec<String> {
    let mut names: Vec<String> = restores.filter_map(|restore| restore.metadata.name.clone()).collect();
    names.sort_unstable();
    names
}
