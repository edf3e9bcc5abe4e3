//! Applications that a backup may have frozen: who thaws them, and where they are written down.
//!
//! Each run with open freezes has a ConfigMap that names them; it exists as long as there are any. It has no owner: when
//! the Backup is deleted in the middle, its pods must be thawed all the same. The run itself thaws what it froze, also
//! when it fails or is told to stop, and what an earlier run of the same backup left, as the first thing it does. What no
//! run takes care of (any more) [`reconcile`] ends, as soon as this server leads.

mod exec;
pub mod reconcile;
mod record;

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;

pub use exec::PodExec;
pub use record::{FreezeRecord, LABEL};

/// Which runs' freezes are being taken care of in this process, so that no two thaw the same pod. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    held: Arc<watch::Sender<BTreeSet<String>>>,
}

/// The freezes of one run are ours until this is dropped.
#[derive(Debug)]
#[must_use = "dropping a claim gives it up"]
pub struct Claim {
    uid: String,
    held: Arc<watch::Sender<BTreeSet<String>>>,
}

impl Claims {
    /// The claim on the freezes of the backup with this uid, unless somebody has it.
    pub fn try_claim(&self, uid: &str) -> Option<Claim> {
        let free = self.held.send_if_modified(|held| held.insert(uid.to_owned()));
        free.then(|| Claim {
            uid: uid.to_owned(),
            held: self.held.clone(),
        })
    }

    /// The claim, once whoever has it gives it up.
    pub async fn claim(&self, uid: &str) -> Claim {
        let mut changes = self.held.subscribe();
        loop {
            changes.mark_unchanged();
            if let Some(claim) = self.try_claim(uid) {
                return claim;
            }
            // The sender lives as long as `self`.
            let _ = changes.changed().await;
        }
    }
}

impl Drop for Claim {
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
    async fn a_claim_is_had_by_one_at_a_time() {
        let claims = Claims::default();
        let first = claims.claim("a").await;
        assert!(claims.try_claim("a").is_none());
        assert!(claims.try_claim("b").is_some(), "another backup's is free");
        let second = claims.claim("a");
        let mut second = std::pin::pin!(second);
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        let second = second.await;
        assert!(claims.try_claim("a").is_none());
        drop(second);
        assert!(claims.try_claim("a").is_some());
    }
}
