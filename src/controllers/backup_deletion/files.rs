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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::FutureExt;
    use parking_lot::Mutex;

    use super::*;
    use crate::controllers::testing::store::{Crowd, Files, MemoryBucket, Operation};

    #[tokio::test(start_paused = true)]
    async fn the_files_of_a_backup_are_deleted_sixteen_at_a_time_between_its_seal_and_its_lock() {
        let files = Arc::new(Mutex::new(Files::default()));
        let (seal, lock) = (BackupFile::Metadata.key("b"), backup_claim("b"));
        files.lock().put(&seal, "{}".into());
        for number in 0..3 * PARALLEL {
            files.lock().put(&format!("backups/b/file-{number}"), "".into());
        }
        files.lock().put("backups/other/velero-backup.json", "{}".into());
        let crowd = Crowd::of(PARALLEL);
        let (joined, seen, ends) = (crowd.clone(), files.clone(), [seal.clone(), lock.clone()]);
        let store = MemoryBucket::store(&files, move |operation, key| {
            if operation != Operation::Delete {
                return std::future::ready(()).boxed();
            }
            let left = seen.lock().keys();
            match ends.iter().position(|end| end == key) {
                Some(0) => assert!(left.contains(&ends[1]), "the name is locked first"),
                Some(_) => assert_eq!(left.len(), 2, "the lock is the last: {left:?}"),
                None => {
                    assert!(!left.contains(&ends[0]), "the seal goes first");
                    return joined.join();
                }
            }
            std::future::ready(()).boxed()
        });
        remove(&store, "b", &Uid::from("uid"), Timestamp::UNIX_EPOCH)
            .await
            .unwrap();
        assert_eq!(crowd.most(), PARALLEL);
        assert_eq!(files.lock().keys(), ["backups/other/velero-backup.json"]);
    }
}
