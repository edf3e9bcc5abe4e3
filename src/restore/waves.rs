//! Restores many items at once: the items of a wave, or those that are tried again.

use futures::stream::{self, StreamExt};
use tokio::sync::Semaphore;

use crate::archive::spool::ItemRef;
use crate::restore::item::ItemContext;

/// Items worked on at once. More than requests at once, because some wait for others.
const WORKERS: usize = 128;

/// JSON of items worked on at once, in KiB. As values it takes several times that.
const MEMORY_KIB: u32 = 24 << 10;

/// Works on waves of items.
pub(super) struct Waves<'a> {
    pub(super) ctx: ItemContext<'a>,
    /// The room for the JSON of items, in KiB.
    memory: Semaphore,
}

impl<'a> Waves<'a> {
    /// Nothing is being worked on yet.
    pub(super) fn new(ctx: ItemContext<'a>) -> Self {
        Self {
            ctx,
            memory: Semaphore::new(MEMORY_KIB as usize),
        }
    }

    /// Restores these items, as many at once as can be.
    pub(super) async fn restore_all(&self, items: &[ItemRef]) {
        let each = |item: &ItemRef| {
            let item = *item;
            async move {
                let kib = u32::try_from(self.ctx.parts.archived.size(item) >> 10)
                    .unwrap_or(u32::MAX)
                    .saturating_add(1);
                // additional items take no room of their own: they must not wait for the room that their requester takes
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
