//! The seal of a backup: its metadata file, written last. From then on the backup exists for every cluster that reads the bucket.

use std::io;

use crate::api::go_json;
use crate::api::v1::{Backup, BackupStatus};
use crate::controllers::run::RunId;
use crate::store::layout::BackupFile;
use crate::store::{Class, ObjectInfo, PutOutcome, Store, StoreError};

use super::error::BackupError;

/// A sealed metadata file is at most this large.
const MAX_METADATA: u64 = 16 << 20;

/// What is sealed under a name, whatever backup it is of.
#[derive(Clone, Debug, PartialEq)]
pub enum Stored {
    /// Nothing.
    Nothing,
    /// What is no Backup.
    Unreadable,
    /// This backup.
    Backup(Box<Backup>),
}

/// Reads what is sealed under a name.
///
/// # Errors
/// See [`StoreError`].
pub async fn read(store: &Store, name: &str) -> Result<Stored, StoreError> {
    Ok(read_version(store, name).await?.0)
}

/// The same, with the version of the file, for a writer that must not undo a change by another one.
///
/// # Errors
/// See [`StoreError`].
pub async fn read_version(store: &Store, name: &str) -> Result<(Stored, Option<ObjectInfo>), StoreError> {
    match store.get_object(&BackupFile::Metadata.key(name), MAX_METADATA).await {
        Ok((version, text)) => {
            let sealed = serde_json::from_slice(&text);
            let stored = sealed.map_or(Stored::Unreadable, |backup| Stored::Backup(Box::new(backup)));
            Ok((stored, Some(version)))
        }
        Err(error) if error.is_not_found() => Ok((Stored::Nothing, None)),
        Err(error) if error.class() == Class::TooLarge => Ok((Stored::Unreadable, None)),
        Err(error) => Err(error),
    }
}

/// The sealed metadata of this very backup; `None` if the name is not sealed.
///
/// # Errors
/// Another backup is sealed under this name, or the store could not be read.
pub async fn sealed(store: &Store, id: &RunId) -> Result<Option<Backup>, BackupError> {
    let key = BackupFile::Metadata.key(&id.name);
    let text = match store.get(&key, MAX_METADATA).await {
        Ok(text) => text,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    match serde_json::from_slice::<Backup>(&text) {
        Ok(sealed) if sealed.metadata.uid.as_deref() == Some(id.uid.as_str()) => Ok(Some(sealed)),
        _ => Err(BackupError::NameTaken { key }),
    }
}

/// Publishes the backup with this status; returns the status that it has in the bucket.
///
/// # Errors
/// Another backup is sealed under this name, or the store refused. May be repeated.
pub async fn seal(store: &Store, backup: &Backup, status: BackupStatus) -> Result<BackupStatus, BackupError> {
    let id = RunId::of(backup);
    let text = text(backup, &status)?;
    match store
        .put_if_absent(&BackupFile::Metadata.key(&id.name), text.into())
        .await?
    {
        PutOutcome::Created => Ok(status),
        // By a request of this run whose answer was lost, or by another run.
        PutOutcome::Exists => Ok(sealed(store, &id).await?.map_or(status, |sealed| sealed.status)),
    }
}

/// Writes the seal of this backup again with its final status, once all other files are finished; returns the status.
///
/// # Errors
/// The store refused. May be repeated.
pub async fn reseal(store: &Store, backup: &Backup, status: BackupStatus) -> Result<BackupStatus, BackupError> {
    let text = text(backup, &status)?;
    let key = BackupFile::Metadata.key(&RunId::of(backup).name);
    store.put(&key, text.into()).await?;
    Ok(status)
}

fn text(backup: &Backup, status: &BackupStatus) -> io::Result<Vec<u8>> {
    let mut published = backup.clone();
    published.status = status.clone();
    // They follow from the phase, and are made anew where the backup is read.
    published.status.conditions.clear();
    go_json::to_pretty(&published).map_err(io::Error::other)
}

/// The archive of a backup as the store has it.
///
/// # Errors
/// See [`StoreError`].
pub async fn archive(store: &Store, name: &str) -> Result<Option<ObjectInfo>, StoreError> {
    store.head(&BackupFile::Contents.key(name)).await
}
