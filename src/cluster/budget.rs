//! Bytes that may be in flight at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many bytes of listed objects a run may hold in memory at once. Clones share the bytes.
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
        let bytes = usize::try_from(capacity)
            .unwrap_or(Semaphore::MAX_PERMITS)
            .min(Semaphore::MAX_PERMITS);
        Self {
            bytes: Arc::new(Semaphore::new(bytes)),
            capacity,
        }
    }

    /// Takes this many bytes, and waits until enough are free. A request for more than the capacity takes all of it: an item
    /// larger than the budget is handled alone. Waiters are served in order. May be cancelled.
    pub async fn take(&self, bytes: usize) -> Permit {
        let wanted = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.capacity);
        // Nothing closes this semaphore, so the error cannot happen; if it did, the item would only be uncounted.
        Permit {
            _permit: Arc::clone(&self.bytes).acquire_many_owned(wanted).await.ok(),
        }
    }

    /// All of its bytes.
    pub fn capacity(&self) -> usize {
        self.capacity as usize
    }

    /// Bytes that are free.
    pub fn free(&self) -> usize {
        self.bytes.available_permits()
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(Self::RUN)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn bytes_come_back_when_their_permit_is_dropped() {
        let budget = Budget::new(10);
        let first = budget.take(6).await;
        assert_eq!(budget.free(), 4);
        assert!(budget.take(5).now_or_never().is_none());
        drop(first);
        let _second = budget.clone().take(5).await;
        assert_eq!(budget.free(), 5);
    }

    #[tokio::test]
    async fn a_request_beyond_the_budget_is_served_alone() {
        let budget = Budget::new(10);
        let small = budget.take(1).await;
        assert!(budget.take(1000).now_or_never().is_none());
        drop(small);
        let _large = budget.take(1000).await;
        assert!(budget.take(1).now_or_never().is_none());
    }

    #[tokio::test]
    async fn a_large_item_is_not_starved_by_small_ones() {
        let budget = Budget::new(10);
        let held = budget.take(5).await;
        let mut large = std::pin::pin!(budget.take(10));
        assert!(large.as_mut().now_or_never().is_none());
        assert!(
            budget.take(1).now_or_never().is_none(),
            "it would overtake the large one"
        );
        drop(held);
        large.await;
    }
}
