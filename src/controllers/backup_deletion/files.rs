//! The files of a backup in its bucket, removed in an order that no reader mistakes.

use futures::TryStreamExt;
use jiff::Timestamp;

use crate::controllers::backup::name_lock::{self, NameLock, NameLockError};
use crate::runtime::Uid;
use crate::store::layout::{BackupFile, backup_claim, backup_dir};
use crate::store::{Store, StoreError};

/// Deletions at once.
const PARALLEL: usize = 16;

/// Removes every file of a backup. The name is locked first, so that no run takes it before its last file is gone. The seal goes first, so
/// that no cluster brings in half a backup. The lock goes last: while it is there, the rest is still to be removed.
///
/// # Errors
/// Another run holds the name, or the store refused. May be repeated.
pub async fn remove(store: &Store, backup: &str, uid: &Uid, now: Timestamp) -> Result<(), NameLockError> {
    let dir = backup_dir(backup);
    // Nothing to lock: an earlier pass has removed everything, or nothing was ever written.
    if store.list(&dir).try_next().await?.is_none() {
        store.sweep(&dir, now).await?;
        return Ok(());
    }
    name_lock::acquire(store, backup, &NameLock::new(uid, now)).await?;
    store.delete(&BackupFile::Metadata.key(backup)).await?;
    store.sweep(&dir, now).await?;
    let lock = backup_claim(backup);
    store
        .list(&dir)
        .try_filter(|file| std::future::ready(file.key != lock))
        .map_ok(|file| async move { store.delete(&file.key).await })
        .try_buffer_unordered(PARALLEL)
        .try_collect::<()>()
        .await?;
    Ok(name_lock::release(store, backup).await?)
}

/// Whether the deletion of this backup has begun to remove files and has not ended.
///
/// # Errors
/// See [`StoreError`].
pub async fn is_half_removed(store: &Store, backup: &str, uid: &Uid) -> Result<bool, StoreError> {
    let holder = name_lock::holder(store, backup).await?;
    Ok(holder.is_some_and(|lock| lock.uid == uid.as_str()))
}
