//! Whose a backup's name in the bucket is while it is being made.
//!
//! Sealing tells whoever comes second that a backup of that name exists, but by then it would have written over the first
//! one's archive. So the name is claimed before anything else is written, by a file that is created only if there is none and holds
//! our uid: a successor finds its own, anybody else keeps off. It goes when the run has ended, so that a bucket looks as upstream
//! leaves it. A server of upstream's knows no claims; between two of ours they are enough.

use serde::{Deserialize, Serialize};

use crate::store::layout::backup_claim;
use crate::store::{PutOutcome, Store, StoreError};

/// A claim is at most this large.
const MAX: u64 = 4 << 10;

/// Times that a claim is tried again because another's was released between our writing and our looking.
const TRIES: usize = 3;

/// Who holds a name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Claim {
    /// The uid of the Backup.
    pub uid: String,
    /// Since when, for people.
    pub began: String,
}

/// A name is not ours.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another holds it.
    #[error(
        "another backup of this name is being made in the same storage location, or was and did not end: `{key}` is held by uid `{}` since {}; use another name, or delete that file if the cluster that wrote it is gone for good",
        claim.uid, claim.began
    )]
    Held {
        /// The claim's key.
        key: String,
        /// Whose it is.
        claim: Claim,
    },
}

/// Claims the name of a backup. A claim of ours, from a life before, is as good.
///
/// # Errors
/// See [`ClaimError`]. May be repeated.
pub async fn take(store: &Store, backup: &str, claim: &Claim) -> Result<(), ClaimError> {
    let key = backup_claim(backup);
    let text = serde_json::to_vec(claim).unwrap_or_default();
    for _ in 0..TRIES {
        if store.put_if_absent(&key, text.clone().into()).await? == PutOutcome::Created {
            return Ok(());
        }
        match holder(store, backup).await? {
            Some(held) if held.uid == claim.uid => return Ok(()),
            Some(held) => return Err(ClaimError::Held { key, claim: held }),
            None => {}
        }
    }
    let claim = Claim::default();
    Err(ClaimError::Held { key, claim })
}

/// Who holds the name of a backup, if anybody does. A claim that cannot be read is somebody else's.
///
/// # Errors
/// See [`StoreError`].
pub async fn holder(store: &Store, backup: &str) -> Result<Option<Claim>, StoreError> {
    match store.get(&backup_claim(backup), MAX).await {
        Ok(text) => Ok(Some(serde_json::from_slice(&text).unwrap_or_default())),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Gives up a claim that is ours. Only its holder may.
///
/// # Errors
/// See [`StoreError`]. May be repeated.
pub async fn release(store: &Store, backup: &str) -> Result<(), StoreError> {
    store.delete(&backup_claim(backup)).await
}
