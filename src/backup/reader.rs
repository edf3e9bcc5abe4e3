//! Reads from the cluster.

use futures::Stream;

use super::retry::with_retries;
use crate::cluster::budget::Budget;
use crate::cluster::discovery::Resource;
use crate::cluster::list::{ListError, ListEvent, ListRequest, list};
use crate::cluster::raw::RawObject;
use crate::cluster::{ApiError, Cluster, objects};

/// Reads from the cluster, with retries of transient errors and in bounded memory.
#[derive(Clone, Debug)]
pub struct Reader {
    cluster: Cluster,
    budget: Budget,
}

impl Reader {
    /// A reader with a run's whole budget.
    pub(super) fn new(cluster: Cluster) -> Self {
        Self {
            cluster,
            budget: Budget::default(),
        }
    }

    /// An object; `None` if it does not exist.
    pub async fn get(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Option<RawObject>, ApiError> {
        with_retries(|| objects::get_raw(&self.cluster, resource, namespace, name)).await
    }

    /// A list as a stream; an object may come twice.
    pub fn list(&self, request: ListRequest) -> impl Stream<Item = Result<ListEvent, ListError>> + Send + use<> {
        list(&self.cluster, request, &self.budget)
    }
}
