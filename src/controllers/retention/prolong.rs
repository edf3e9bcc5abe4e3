//! A longer life, written into the bucket and the object.

use std::io;

use jiff::Timestamp;
use tracing::{Instrument, info_span};

use crate::api::v1::Backup;
use crate::api::{go_json, time};
use crate::controllers::backup::name_lock;
use crate::controllers::backup::seal::{self, Stored};
use crate::controllers::backup_sync::ORIGIN_UID;
use crate::controllers::{fresh, location};
use crate::runtime::{ObjectRef, uid_of};
use crate::store::layout::BackupFile;
use crate::store::{ReplaceOutcome, Store};

use super::{Error, Retention};

/// Attempts at metadata that other processes change at the same time.
const TRIES: usize = 5;

impl Retention {
    /// Prolongs the life of a backup until then. The bucket comes first: a server that reads it must not see the old end after the new one
    /// is promised. A pass that dies between the two writes is repeated, because the object still has the old end.
    pub(super) async fn prolong(&self, seen: &Backup, until: Timestamp) -> Result<(), Error> {
        let name = seen.metadata.name.clone().unwrap_or_default();
        let read = fresh::get::<Backup>(&self.ctx, &name).await;
        let read = read.map_err(|source| Error::BackupNotRead {
            backup: name.clone(),
            source,
        })?;
        // Another writer has changed it; the change leads to another pass.
        let is_as_seen = |backup: &Backup| uid_of(backup) == uid_of(seen) && backup.status == seen.status;
        let Some(backup) = read.filter(is_as_seen) else {
            return Ok(());
        };
        let stored = self
            .store(&backup, &name, until)
            .instrument(info_span!("prolong", velero.backup = name))
            .await?;
        let Some(until) = stored else {
            return Ok(());
        };
        let mut wanted = backup.clone();
        wanted.status.expiration = Some(time(until));
        let written = self.ctx.writer.write(&backup, &wanted).await;
        written.map_err(|source| Error::StatusNotWritten {
            backup: name.clone(),
            source,
        })?;
        tracing::info!(backup = name, %until, "a retention rule keeps this backup; its life is prolonged");
        Ok(())
    }

    /// Writes the new end into the metadata of the backup in the bucket. Returns the end to be shown, if they are there and its own.
    async fn store(&self, backup: &Backup, name: &str, until: Timestamp) -> Result<Option<Timestamp>, Error> {
        let key = ObjectRef::new(&backup.spec.storage_location).within(&self.ctx.namespace);
        let Some(location) = self.locations.get(&key) else {
            return Ok(None);
        };
        let opened = location::open(&self.ctx, &location).await;
        let store = opened.map_err(|source| Error::LocationUnusable {
            backup: name.to_owned(),
            source,
        })?;
        let stored = prolong_stored(&store, backup, name, until).await;
        stored.map_err(|source| Error::ExpirationNotStored {
            backup: name.to_owned(),
            source,
        })
    }
}

/// Writes the new end into the metadata of this backup, unless they have a later one. Another process may change them at the same time: a
/// server of another cluster, or one that led before. Its change is kept.
async fn prolong_stored(store: &Store, backup: &Backup, name: &str, until: Timestamp) -> io::Result<Option<Timestamp>> {
    for _ in 0..TRIES {
        // A deletion, here or in another cluster, holds the name: the metadata must not come back without their data.
        if name_lock::holder(store, name).await?.is_some() {
            return Ok(None);
        }
        let (Stored::Backup(mut stored), Some(version)) = seal::read_version(store, name).await? else {
            tracing::warn!(
                backup = name,
                "a retention rule keeps this backup, but its metadata in the bucket are missing or damaged; its life is not prolonged"
            );
            return Ok(None);
        };
        if !is_of(&stored, backup) {
            return Ok(None);
        }
        match &stored.status.expiration {
            Some(end) if end.0 < until => {}
            Some(end) => return Ok(Some(end.0)),
            // It has no end there.
            None => return Ok(Some(until)),
        }
        stored.status.expiration = Some(time(until));
        let text = go_json::to_pretty(&*stored).map_err(io::Error::other)?;
        if store.put_if_unchanged(&version, text.into()).await? == ReplaceOutcome::Replaced {
            return Ok(Some(until));
        }
    }
    Err(io::Error::other(format!(
        "`{}` was changed by another process each time that it was read; check which servers write to this bucket",
        BackupFile::Metadata.key(name)
    )))
}

/// Whether these metadata are those of this backup, made here or brought in.
fn is_of(stored: &Backup, backup: &Backup) -> bool {
    let origin = backup
        .metadata
        .annotations
        .as_ref()
        .and_then(|noted| noted.get(ORIGIN_UID));
    stored.metadata.uid == backup.metadata.uid || stored.metadata.uid.as_ref() == origin
}

#[cfg(test)]
mod tests;
