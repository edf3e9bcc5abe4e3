//! The lock of a backup's name in the bucket, while that backup is being made.
//!
//! The seal fails for the second of two backups of one name, but by then the second would have written over the archive of the first. So
//! the name is locked before anything else is written, by a file that is created only if there is none, and that holds the uid of the
//! backup: the next attempt finds its own, other runs fail. It is removed when the run has ended, so that a bucket looks as upstream
//! leaves it. Upstream's server knows no such locks.
//!
//! The file is called a claim on the wire (`velero-claim.json`).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::runtime::Uid;
use crate::store::layout::backup_claim;
use crate::store::{PutOutcome, Store, StoreError};

/// The file is at most this large.
const MAX: u64 = 4 << 10;

/// The version of the file that this release reads and writes. Files of the first releases have none, and are of this version.
const VERSION: u32 = 1;

/// Attempts at a lock that its holder releases between the refusal and the reading.
const TRIES: usize = 3;

/// The content of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NameLock {
    /// The version of the file.
    pub version: u32,
    /// The uid of the Backup.
    pub uid: String,
    /// When it was locked, for people.
    pub began: String,
}

impl Default for NameLock {
    fn default() -> Self {
        Self {
            version: VERSION,
            uid: String::new(),
            began: String::new(),
        }
    }
}

impl NameLock {
    /// The lock of the backup with this uid.
    pub fn new(uid: &Uid, now: Timestamp) -> Self {
        Self {
            version: VERSION,
            uid: uid.to_string(),
            began: now.to_string(),
        }
    }
}

/// A name could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum NameLockError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another run holds it.
    #[error(
        "another backup of this name is being made in the same storage location, or was and did not end: `{key}` is held by uid `{}` since {}; use another name, or delete that file if the cluster that wrote it is gone for good",
        lock.uid, lock.began
    )]
    Held {
        /// The key of the lock.
        key: String,
        /// Its holder.
        lock: NameLock,
    },
    /// Another release holds it.
    #[error(
        "another backup of this name is being made in the same storage location by a release that writes version {version} of `{key}`, which this release does not know; it is left alone: use another name"
    )]
    UnknownVersion {
        /// The key of the lock.
        key: String,
        /// What it says.
        version: u32,
    },
}

/// Locks the name of a backup. A lock of an earlier attempt counts.
///
/// # Errors
/// See [`NameLockError`]. May be repeated.
pub async fn acquire(store: &Store, backup: &str, lock: &NameLock) -> Result<(), NameLockError> {
    let key = backup_claim(backup);
    let text = serde_json::to_vec(lock).unwrap_or_default();
    for _ in 0..TRIES {
        if store.put_if_absent(&key, text.clone().into()).await? == PutOutcome::Created {
            return Ok(());
        }
        match holder(store, backup).await? {
            Some(NameLock { version, .. }) if version != VERSION => {
                return Err(NameLockError::UnknownVersion { key, version });
            }
            Some(held) if held.uid == lock.uid => return Ok(()),
            Some(lock) => return Err(NameLockError::Held { key, lock }),
            None => {}
        }
    }
    let lock = NameLock::default();
    Err(NameLockError::Held { key, lock })
}

/// The lock of a backup's name, if there is one. One that cannot be read, or of another version, belongs to no run of this release.
///
/// # Errors
/// See [`StoreError`].
pub async fn holder(store: &Store, backup: &str) -> Result<Option<NameLock>, StoreError> {
    match store.get(&backup_claim(backup), MAX).await {
        Ok(text) => {
            let mut lock: NameLock = serde_json::from_slice(&text).unwrap_or_default();
            if lock.version != VERSION {
                lock.uid.clear();
            }
            Ok(Some(lock))
        }
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Releases a lock. Only its holder may.
///
/// # Errors
/// See [`StoreError`]. May be repeated.
pub async fn release(store: &Store, backup: &str) -> Result<(), StoreError> {
    store.delete(&backup_claim(backup)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_of_the_first_releases_is_of_version_1() {
        let lock: NameLock = serde_json::from_str(r#"{"uid":"u","began":"2030-01-01T00:00:10Z"}"#).unwrap();
        assert_eq!(lock.version, VERSION);
    }
}
