//! Listing a kind as a stream of raw objects, in bounded memory (decision 11).

mod error;
mod pager;
mod request;
mod split;

pub use error::ListError;
pub use request::{ListEvent, ListRequest};

use futures::{Stream, stream};

use super::Cluster;
use super::budget::Budget;
use pager::Pager;

/// Lists as a stream. Pages are requested as items are consumed; dropping the stream ends the request.
///
/// Transient errors (429, 5xx, a broken connection) are retried inside; the stream ends after an error. An item's bytes count
/// against `budget` until it is dropped, so a consumer that keeps items must not wait for further ones without end.
pub fn list(
    cluster: &Cluster,
    request: ListRequest,
    budget: &Budget,
) -> impl Stream<Item = Result<ListEvent, ListError>> + Send + use<> {
    let pager = Pager::new(cluster.clone(), request, budget.clone());
    stream::try_unfold(pager, |mut pager| async move {
        Ok(pager.next().await?.map(|event| (event, pager)))
    })
}
