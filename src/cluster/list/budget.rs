//! Bytes that may be in flight at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many bytes of listed objects may be alive at once in a run. Clones share the bytes.
#[derive(Clone, Debug)]
pub struct Budget {
    bytes: Arc<Semaphore>,
    capacity: u32,
}

/// A share of a [`Budget`]; dropping it gives the bytes back.
#[derive(Debug)]
pub struct Permit {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Budget {
    /// What one run may hold (decision 11).
    pub const RUN: u32 = 32 * 1024 * 1024;

    /// A budget of this many bytes.
    pub fn new(capacity: u32) -> Self {
        Self {
            bytes: Arc::new(Semaphore::new(capacity as usize)),
            capacity,
        }
    }

    /// Takes so many bytes, waiting until others gave enough back. Who asks for more than there is gets everything: an item
    /// larger than the budget still passes, alone. Waiters are served in order. May be cancelled.
    pub async fn take(&self, bytes: usize) -> Permit {
        let wanted = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.capacity);
        // Nobody closes this semaphore, so the error cannot happen; without it the item would merely pass uncounted.
        Permit {
            _permit: self.bytes.clone().acquire_many_owned(wanted).await.ok(),
        }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(Self::RUN)
    }
}
