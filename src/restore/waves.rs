//! Restores many items concurrently: the items of a wave, or those that are retried.

use futures::stream::{self, StreamExt};
use tokio::sync::Semaphore;

use crate::archive::spool::ItemHandle;
use crate::restore::item::ItemContext;

/// Items processed at once. More than concurrent requests, because some wait for others.
const WORKERS: usize = 128;

/// JSON of items processed at once, in KiB. Parsed it takes several times that.
const MEMORY_KIB: u32 = 24 << 10;

/// Processes waves of items.
pub(super) struct Waves<'a> {
    pub(super) ctx: ItemContext<'a>,
    /// The free memory for the JSON of items, in KiB.
    memory: Semaphore,
}

impl<'a> Waves<'a> {
    /// Without any items yet.
    pub(super) fn new(ctx: ItemContext<'a>) -> Self {
        Self {
            ctx,
            memory: Semaphore::new(MEMORY_KIB as usize),
        }
    }

    /// Restores these items, as many at once as the limits allow.
    pub(super) async fn restore_all(&self, items: &[ItemHandle]) {
        let each = |item: &ItemHandle| {
            let item = *item;
            async move {
                let kib = u32::try_from(self.ctx.parts.archived.size(item) >> 10)
                    .unwrap_or(u32::MAX)
                    .saturating_add(1);
                // additional items do not count: they must not wait for the memory that their requester holds
                let _room = self.memory.acquire_many(kib.min(MEMORY_KIB)).await;
                self.ctx.restore(item, None).await
            }
        };
        stream::iter(items)
            .map(each)
            .buffer_unordered(WORKERS)
            .for_each(|_| async {})
            .await;
    }
}
