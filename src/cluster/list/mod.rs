//! Listing a kind as a stream of raw objects, in bounded memory (decision 11).

mod budget;
mod pager;
mod split;

pub use budget::{Budget, Permit};

use futures::{Stream, stream};

use super::discovery::Resource;
use super::raw::RawObject;
use super::{ApiError, Cluster};

/// What to list.
#[derive(Clone, Debug)]
pub struct ListRequest {
    /// The type, with the version to read it in.
    pub resource: Resource,
    /// One namespace, or all (and nothing else for cluster-scoped types).
    pub namespace: Option<String>,
    /// Label selector in its query form.
    pub label_selector: Option<String>,
    /// Items of the first page; later pages follow the measured size. The default is 500.
    pub first_limit: u32,
}

/// What a list yields.
#[expect(clippy::large_enum_variant, reason = "nearly every event is an item")]
#[derive(Debug)]
pub enum ListEvent {
    /// One object.
    Item(RawObject),
    /// An item that is no object; the others go on.
    Unreadable {
        /// Its place in the list, from 0.
        position: u64,
        /// Its name when that could be read.
        name: Option<String>,
        /// Why it could not be read.
        error: String,
    },
    /// The first page was read to its end: what the whole list will hold, as far as the server said (not under selectors).
    FirstPage {
        /// Items of the first page and those after it.
        expected_total: Option<u64>,
    },
    /// The list lost its place and starts again, or goes on in a newer view: items seen before may come again.
    Restarted,
}

/// A list that could not be read to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// The server refused, or could not be reached after repeated tries.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The answer is not a list.
    #[error("{attempt}: the answer is not a list: {reason}")]
    NotAList {
        /// What was attempted.
        attempt: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The list had to begin again too often.
    #[error("{attempt}: had to begin again {restarts} times, the last time because: {last}")]
    Restarts {
        /// What was attempted.
        attempt: String,
        /// How often.
        restarts: u32,
        /// The last cause.
        last: Box<ApiError>,
    },
}

impl ListError {
    /// Whether the same list may be read later without anybody doing anything.
    pub fn can_pass(&self) -> bool {
        match self {
            Self::Api(error) => pager::can_pass(error, true),
            Self::Restarts { .. } => true,
            Self::NotAList { .. } => false,
        }
    }
}

impl ListRequest {
    /// All objects of a type.
    pub fn all(resource: Resource) -> Self {
        Self {
            resource,
            namespace: None,
            label_selector: None,
            first_limit: 500,
        }
    }

    /// Only one namespace.
    #[must_use]
    pub fn in_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Only what a selector (in query form) matches; `None` is everything.
    #[must_use]
    pub fn selected_by(mut self, selector: Option<String>) -> Self {
        self.label_selector = selector;
        self
    }
}

/// Lists as a stream. Pages are asked for as items are consumed; dropping the stream ends the request.
///
/// Answers that can pass (429, 5xx, a broken connection) are tried again inside; after an error the stream ends. While an
/// item is alive its bytes count against `budget`, so a consumer that keeps items must not wait for further ones without end.
pub fn list(
    cluster: &Cluster,
    request: ListRequest,
    budget: &Budget,
) -> impl Stream<Item = Result<ListEvent, ListError>> + Send + use<> {
    let pager = pager::Pager::new(cluster.clone(), request, budget.clone());
    stream::try_unfold(pager, |mut pager| async move {
        Ok(pager.next().await?.map(|event| (event, pager)))
    })
}
