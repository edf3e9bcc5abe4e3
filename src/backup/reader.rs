//! Reads from the cluster that is backed up.

use futures::Stream;

use super::retry::with_retries;
use crate::cluster::budget::Budget;
use crate::cluster::discovery::Resource;
use crate::cluster::list::{ListError, ListEvent, ListRequest, list};
use crate::cluster::raw::RawObject;
use crate::cluster::{ApiError, Cluster, objects};

/// Reads from the cluster, again where an error can pass, and in bounded memory.
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

    /// An object; `None` when it is not there.
    pub async fn get(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Option<RawObject>, ApiError> {
        with_retries(|| objects::get_raw(&self.cluster, resource, namespace, name)).await
    }

    /// A list as a stream; what was seen before may come again.
    pub fn list(&self, request: ListRequest) -> impl Stream<Item = Result<ListEvent, ListError>> + Send + use<> {
        list(&self.cluster, request, &self.budget)
    }
}
