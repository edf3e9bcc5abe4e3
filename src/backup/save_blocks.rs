//! Phase A: saves the staged objects, several blocks at a time.

use futures::future::BoxFuture;
use futures::stream::{self, StreamExt, TryStreamExt};
use tracing::{Instrument, Span, info_span};

use super::save::ItemSaver;
use super::stop::Stop;
use crate::telemetry::logrus::Level;
use crate::telemetry::run_spans::{Sort, limited};

/// Saves the staged objects.
pub(super) async fn save_blocks(saver: &ItemSaver<'_>) -> Result<(), Stop> {
    let blocks = (0..saver.objects.staged.blocks.len()).map(|block| save_block(saver, block));
    stream::iter(blocks)
        .buffer_unordered(saver.prepared.request.workers.max(1))
        .try_collect()
        .await
}

/// Saves one block: its items, with the hooks of its pods around them. The wait for the data of their volumes (spec backup 8)
/// belongs after the loop, before the pods are thawed.
fn save_block<'s>(saver: &'s ItemSaver<'_>, block: usize) -> BoxFuture<'s, Result<(), Stop>> {
    let items = saver.objects.staged.blocks.get(block);
    let is_hooked = items.iter().any(|place| saver.objects.staged.is_hooked(*place));
    let span = if is_hooked {
        limited(Sort::Block, || info_span!("item block", velero.items = items.len()))
    } else {
        Span::none()
    };
    let save = async move {
        let (staged, tracker) = (&saver.objects.staged, saver.tracker);
        let frozen = saver.hooks.freeze_block(block).await;
        for &place in staged.blocks.get(block) {
            let (type_, key) = staged.identity(place);
            if tracker.done.contains(key) {
                continue;
            }
            match staged.read(place).await {
                Ok(object) => drop(saver.save(type_, object, false).await?),
                Err(error) => {
                    tracker.counts.failed();
                    let line = tracker.log.line(Level::Error).field("resource", &*type_.name);
                    line.error(&error).msg("Error backing up item");
                }
            }
        }
        saver.hooks.thaw(frozen).await;
        Ok(())
    };
    Box::pin(save.instrument(span))
}
