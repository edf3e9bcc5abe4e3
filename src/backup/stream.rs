//! Phase B: saves the objects of its types as they are listed (decision 10).

use futures::future::BoxFuture;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::lists::{List, Lists};
use super::save::ItemSaver;
use super::stop::Stop;

/// Lists read at a time. Together they stay within the run's budget of bytes.
const LISTS: usize = 4;

/// Saves the objects of phase B, a few lists at a time.
pub(super) async fn save_streamed(saver: &ItemSaver<'_>, lists: &Lists<'_>) -> Result<(), Stop> {
    let streamed = saver.prepared.plan.streamed.iter();
    let to_read: Vec<List<'_>> = streamed.flat_map(|planned| lists.of(planned)).collect();
    let reading = (0..to_read.len()).map(|at| save_list(saver, lists, to_read[at]));
    stream::iter(reading).buffer_unordered(LISTS).try_collect().await
}

fn save_list<'s>(saver: &'s ItemSaver<'_>, lists: &'s Lists<'_>, list: List<'s>) -> BoxFuture<'s, Result<(), Stop>> {
    Box::pin(async move {
        let mut reading = lists.read(list);
        while let Some(object) = reading.next().await {
            let outcome = saver.save(list.type_, object, false).await?;
            reading.took(outcome);
        }
        Ok(())
    })
}
