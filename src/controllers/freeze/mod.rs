//! Applications that a backup may have frozen, and their record.
//!
//! Each run with open freezes has a ConfigMap that names them; it exists as long as there are any. It has no owner: when the Backup is deleted
//! while it runs, its pods must be thawed all the same. A run thaws what it froze, also when it fails or is cancelled. What an earlier attempt
//! of the same backup left, it thaws first. Freezes without a run are thawed by [`reconcile`], as soon as this server leads.

mod exec;
pub mod reconcile;
mod record;

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;

pub use exec::PodExec;
pub use record::{FreezeRecord, LABEL};

/// The runs whose freezes are being taken care of in this process, so that no two thaw the same pod. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct FreezeLocks {
    held: Arc<watch::Sender<BTreeSet<String>>>,
}

/// The freezes of one run, until this is dropped.
#[derive(Debug)]
#[must_use = "dropping a lock releases it"]
pub struct FreezeLock {
    uid: String,
    held: Arc<watch::Sender<BTreeSet<String>>>,
}

impl FreezeLocks {
    /// The lock on the freezes of the backup with this uid, unless it is held.
    pub fn try_lock(&self, uid: &str) -> Option<FreezeLock> {
        let free = self.held.send_if_modified(|held| held.insert(uid.to_owned()));
        free.then(|| FreezeLock {
            uid: uid.to_owned(),
            held: self.held.clone(),
        })
    }

    /// The lock, once it is released.
    pub async fn lock(&self, uid: &str) -> FreezeLock {
        let mut changes = self.held.subscribe();
        loop {
            changes.mark_unchanged();
            if let Some(lock) = self.try_lock(uid) {
                return lock;
            }
            // The sender lives as long as `self`.
            let _ = changes.changed().await;
        }
    }
}

impl Drop for FreezeLock {
    fn drop(&mut self) {
        self.held.send_modify(|held| {
            held.remove(&self.uid);
        });
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_lock_is_held_once_at_a_time() {
        let locks = FreezeLocks::default();
        let first = locks.lock("a").await;
        assert!(locks.try_lock("a").is_none());
        assert!(locks.try_lock("b").is_some(), "another backup's is free");
        let second = locks.lock("a");
        let mut second = std::pin::pin!(second);
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        let second = second.await;
        assert!(locks.try_lock("a").is_none());
        drop(second);
        assert!(locks.try_lock("a").is_some());
    }
}
